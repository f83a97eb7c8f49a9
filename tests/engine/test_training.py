"""Training in C against PyTorch in float64, over networks, policies and optimizers of every kind."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tinyprop.backends.engine_training import layer_statistics
from tinyprop.engine import compile, library
from tinyprop.models.specification import Conv2d

from .cases import OPTIMIZERS, Case, difference, is_trainable, policies, specifications

pytestmark = pytest.mark.usefixtures("c_engine")

CASES = st.builds(
    Case,
    specification=specifications(),
    policy=policies(),
    optimizer=OPTIMIZERS,
    batch_size=st.integers(1, 5),
    samples=st.integers(1, 11),
    seed=st.integers(0, 2**32 - 2),
)
DISTURBANCE = 1e-5
"""Far more than float32 rounds off: where it changes the outcome, a tie or a kink is near, and rounding may decide."""
VARIANTS = [kind for kind in compile.variants() if library.runs_here(kind) and compile.library_path(kind).exists()]


@settings(deadline=None, max_examples=150)
@given(case=CASES)
def test_any_training_agrees_with_float64(case):
    expected = case.reference()
    weights = expected.weights()
    for sign in (1, -1):
        assume(difference(case.reference(disturbance=sign * DISTURBANCE).weights(), weights) < 100 * DISTURBANCE)
    network = case.network(measure_error=True)
    loss = case.train(network)
    assert difference(case.layout.unpack(network.weights), weights) < 3e-5
    assert loss / case.samples == pytest.approx(expected.epoch.loss, rel=1e-4, abs=1e-6)
    found = layer_statistics(network.description, network.statistics())
    assert list(found) == list(expected.epoch.layers)
    for name, layer in expected.epoch.layers.items():
        one, other = vars(found[name]).copy(), vars(layer).copy()
        for mean in ("ratio", "local_error"):
            assert one.pop(mean) == pytest.approx(other.pop(mean), rel=1e-4, abs=1e-6), name
        assert one == other, name
    outputs = case.layout.outputs(network.forward(case.layout.rows(case.x)))
    np.testing.assert_allclose(outputs, expected.outputs(case.x.astype(np.float64)), rtol=1e-3, atol=1e-4)


@settings(deadline=None, max_examples=60)
@given(case=CASES, micro_batch=st.integers(1, 5))
def test_every_build_computes_the_same_bits_with_and_without_zeros(case, micro_batch):
    micro_batch = min(micro_batch, case.batch_size)
    outcomes, rows, patches = [], [], []
    for variant in VARIANTS:
        for skip_zeros in (False, True):
            network = case.network(variant=variant, skip_zeros=skip_zeros, micro_batch=micro_batch)
            losses = [case.train(network), case.train(network)]
            found = network.statistics()
            rows.append([layer.kept_rows for layer in found])
            patches.append([layer.kept_patches for layer in found])
            selections = [replace(layer, kept_rows=0, kept_patches=0) for layer in found]
            outcomes.append((network.weights.tobytes(), network.state.tobytes(), losses, selections))
    assert all(outcome == outcomes[0] for outcome in outcomes)
    # A row or patch that nothing but zeros was kept of is not touched where zeros are left out.
    for counts in (rows, patches):
        assert (np.array(counts[1::2]) <= np.array(counts[::2])).all()
        assert all(one == counts[0] for one in counts[::2])
        assert all(one == counts[1] for one in counts[1::2])


@settings(deadline=None, max_examples=60)
@given(case=CASES, micro_batch=st.integers(1, 5), skip_zeros=st.booleans())
def test_patches_are_those_that_kept_entries_lie_in(case, micro_batch, skip_zeros):
    network = case.network(skip_zeros=skip_zeros, micro_batch=min(micro_batch, case.batch_size))
    trainable = [index for index, layer in enumerate(case.specification.layers) if is_trainable(layer)]
    expected = dict.fromkeys(trainable, 0)

    def count(index, sample, kept):
        layer = case.specification.layers[index]
        if isinstance(layer, Conv2d):
            shape = list(case.specification.named_layers())[index][2]
            kept = np.arange(np.prod(shape)) if kept is None else kept
            expected[index] += len(np.unique(kept // (layer.out_channels // layer.groups)))

    network.observe(count)
    case.train(network)
    assert [layer.kept_patches for layer in network.statistics()] == list(expected.values())


@settings(deadline=None, max_examples=40)
@given(case=CASES, data=st.data())
def test_going_on_from_weights_and_state_ends_in_the_same_bits(case, data):
    """Wherever a call ends between two batches, and whether the network was opened anew there or not."""
    whole, parted = case.network(), case.network()
    case.train(whole)
    end = data.draw(st.integers(0, case.samples // case.batch_size)) * case.batch_size
    case.train(parted, np.arange(end))
    reopened = case.network()
    reopened.weights[:], reopened.state[:] = parted.weights, parted.state
    for network in (parted, reopened):
        case.train(network, np.arange(end, case.samples))
        assert network.weights.tobytes() == whole.weights.tobytes()
        assert network.state.tobytes() == whole.state.tobytes()
