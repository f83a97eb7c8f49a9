"""The engine in this process: gradients, selections, evaluation, memory, and what it refuses."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from tests.sparse import reference
from tests.sparse.cases import pair, reference_of
from tinyprop.engine import HostNetwork, Memory, WeightLayout, describe, measure
from tinyprop.errors import DataError, RequestError
from tinyprop.models import Mlp
from tinyprop.models.specification import Activation, Conv2d, Flatten, Linear, NetworkSpecification, Pool2d
from tinyprop.sparse import Adaptive, AdaptiveSkip, Dense, Static
from tinyprop.training.optimizer import Adam, Sgd

from .cases import Case

pytestmark = pytest.mark.usefixtures("c_engine")

CONVOLUTIONAL = NetworkSpecification(
    (2, 6, 6),
    (
        Conv2d(2, 4, 3, padding=1, groups=2),
        Activation("relu"),
        Pool2d("max", 2),
        Conv2d(4, 3, 2),
        Activation("relu"),
        Flatten(),
        Linear(12, 6),
        Activation("relu"),
        Linear(6, 4),
    ),
    "softmax_cross_entropy",
)
TRAINABLE = [0, 3, 6, 8]


def hand_written(module: nn.Sequential, settings: reference.Settings) -> reference.Network:
    """The reference's network in float64 loops, with a module's weights."""
    made = {nn.ReLU: reference.Relu, nn.MaxPool2d: reference.MaxPool, nn.Flatten: reference.Flatten}
    layers = [reference_of(layer) if list(layer.parameters()) else made[type(layer)]() for layer in module]
    return reference.Network(layers, settings)


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("dense", {}),
        ("static", {"ratio": 0.3}),
        ("static", {"ratio": 0.3, "rounding": "floor", "sparse_bias": False}),
        ("meprop", {"k": 3, "sparsify_output": False}),
        ("adaptive", {"s_min": 0.1, "s_max": 0.9, "zeta": 0.7}),
        ("adaptive", {"s_min": 0.05, "granularity": "channel", "sparsify_output": False}),
        ("skip", {"s_min": 0.0, "skip_threshold": 0.8, "sparse_bias": False}),
        ("budget", {"budget": 0.4, "horizon": 5, "sparsify_output": False}),
        ("budget", {"budget": 0.2, "max_factor": 3.0}),
    ],
)
def test_two_steps_are_those_of_the_method_in_plain_float64_loops(kind, options):
    """Which entries are kept, Y_max, and every weight; written from the method's description, entry by entry."""
    policy, settings = pair(kind, **options)
    case = Case(CONVOLUTIONAL, policy, Sgd(lr=0.25), batch_size=4, samples=8, seed=3)
    network, expected = case.network(measure_error=True), hand_written(case.module, settings)
    seen: dict[tuple[int, int], list[int] | None] = {}
    network.observe(lambda layer, sample, index: seen.update({(layer, sample): None if index is None else list(index)}))
    for batch in (np.arange(4), np.arange(4, 8)):
        case.train(network, batch)
        expected.train_step(case.x[batch].astype(np.float64), case.target[batch], 0.25)
        for place, chosen in expected.selections.items():
            assert not chosen.doubtful
            for sample, mask in enumerate(chosen.mask):
                engine_order = np.moveaxis(mask, 0, -1) if mask.ndim == 3 else mask
                kept = seen[place, sample]
                found = np.ones(mask.size, bool) if kept is None else np.isin(np.arange(mask.size), kept)
                np.testing.assert_array_equal(found, engine_order.ravel(), err_msg=f"layer {place}, sample {sample}")
    found = case.layout.unpack(network.weights)
    for name, place in zip(("conv1", "conv2", "fc1", "fc2"), TRAINABLE, strict=True):
        np.testing.assert_allclose(found[f"{name}.weight"], expected.layers[place].W, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(found[f"{name}.bias"], expected.layers[place].b, rtol=1e-5, atol=1e-6)
    largest = [expected.local_error_max[place] for place in TRAINABLE]
    np.testing.assert_allclose(network.state[2 : 2 + len(TRAINABLE)], largest, rtol=1e-5)


@pytest.mark.parametrize("loss", ["softmax_cross_entropy", "binary_cross_entropy", "mean_squared_error"])
def test_the_gradient_is_the_slope_of_the_loss(loss):
    """Central differences of the loss in float64 for every weight; a sigmoid and a mean have no kinks."""
    layers = (
        Conv2d(1, 2, 2, stride=2),
        Activation("sigmoid"),
        Pool2d("average", 2, 1),
        Flatten(),
        Linear(8, 3),
        Activation("tanh"),
        Linear(3, 1 if loss == "binary_cross_entropy" else 3),
    )
    case = Case(NetworkSpecification((1, 6, 6), layers, loss), Dense(), Sgd(lr=1.0), batch_size=5, samples=5, seed=1)
    network = case.network()
    before = network.weights.copy()
    case.train(network)
    gradient = case.layout.unpack(before - network.weights)

    module, x = case.module.double(), torch.from_numpy(case.x).double()
    target = torch.from_numpy(case.target)

    def value() -> float:
        outputs = module(x)
        if loss == "softmax_cross_entropy":
            return F.cross_entropy(outputs, target).item()
        if loss == "binary_cross_entropy":
            return F.binary_cross_entropy_with_logits(outputs[:, 0], target.double()).item()
        return F.mse_loss(outputs, target.double()).item()

    with torch.no_grad():
        for name, parameter in module.named_parameters():
            slopes = np.empty(parameter.numel())
            for place in range(parameter.numel()):
                ends = []
                for step in (1e-5, -2e-5):
                    parameter.view(-1)[place] += step
                    ends.append(value())
                parameter.view(-1)[place] += 1e-5
                slopes[place] = (ends[0] - ends[1]) / 2e-5
            np.testing.assert_allclose(gradient[name].ravel(), slopes, rtol=1e-4, atol=1e-6, err_msg=name)


def test_micro_batches_add_up_to_the_batch():
    """Under policies that look at one sample only; adaptive ones would see the maximum of fewer samples."""
    for optimizer in (Sgd(lr=0.2), Sgd(lr=0.1, momentum=0.9, weight_decay=0.1), Adam(lr=0.01, epsilon=1e-3)):
        case = Case(CONVOLUTIONAL, Static(ratio=0.4), optimizer, batch_size=6, samples=15, seed=5)
        whole = case.network()
        case.train(whole)
        for micro_batch in (1, 4):
            parted = case.network(micro_batch=micro_batch)
            case.train(parted)
            np.testing.assert_allclose(parted.weights, whole.weights, rtol=1e-4, atol=1e-6)
            assert parted.memory.activations < whole.memory.activations


def test_the_order_decides_which_samples_are_trained_on():
    case = Case(CONVOLUTIONAL, Adaptive(), Sgd(lr=0.1), batch_size=2, samples=9, seed=2)
    ordered, sorted_beforehand = case.network(), case.network()
    order = [7, 2, 2, 5]
    case.train(ordered, order)
    case.x, case.target = case.x[order], case.target[order]
    case.train(sorted_beforehand, np.arange(4))
    assert ordered.weights.tobytes() == sorted_beforehand.weights.tobytes()


def test_evaluation_gives_pytorchs_outputs_and_leaves_all_state_alone():
    case = Case(CONVOLUTIONAL, Adaptive(), Adam(), batch_size=4, samples=9, seed=6)
    network = case.network()
    case.train(network)
    before = network.weights.tobytes() + network.state.tobytes()
    kept = network.statistics()
    outputs = network.forward(case.layout.rows(case.x))
    assert network.weights.tobytes() + network.state.tobytes() == before
    assert kept[0].samples == 9
    assert network.statistics()[0].samples == 0, "nothing was selected"
    case.module.load_state_dict({n: torch.from_numpy(v) for n, v in case.layout.unpack(network.weights).items()})
    with torch.no_grad():
        np.testing.assert_allclose(outputs, case.module(torch.from_numpy(case.x)).numpy(), rtol=1e-4, atol=1e-5)
    one_by_one = [network.forward(case.layout.rows(case.x[i : i + 1])) for i in range(9)]
    assert np.array_equal(np.concatenate(one_by_one), outputs), "the same bits, however many at once"


def test_statistics_count_since_they_were_last_read():
    case = Case(CONVOLUTIONAL, Static(ratio=0.25, granularity="channel"), Sgd(), batch_size=3, samples=7, seed=0)
    network = case.network(measure_error=True)
    case.train(network)
    first = network.statistics()
    assert [(layer.steps, layer.samples) for layer in first] == [(3, 7)] * 4
    assert [layer.kept / layer.samples for layer in first] == [1, 1, 2, 1]  # of 4 and 3 channels, of 6 and 4 units
    assert [layer.ratio for layer in first] == pytest.approx([7 * 0.25] * 4)
    case.train(network, np.arange(3))
    assert [(layer.steps, layer.samples) for layer in network.statistics()] == [(1, 3)] * 4


def test_a_loss_that_is_not_finite_ends_training_before_its_batch_is_learnt_from():
    case = Case(CONVOLUTIONAL, Dense(), Sgd(lr=0.1), batch_size=2, samples=8, seed=4)
    poisoned, healthy = case.network(), case.network()
    case.train(healthy, np.arange(4))
    rows, labels = case.layout.rows(case.x).copy(), case.layout.targets(case.target)
    rows[5] = np.nan
    progress = poisoned.train(rows, labels, np.arange(8, dtype=np.uint32), 0.1)
    assert (progress.samples, progress.diverged) == (4, True)
    assert np.isnan(progress.loss)
    assert poisoned.weights.tobytes() == healthy.weights.tobytes()


@pytest.mark.parametrize("optimizer", [Sgd(lr=0.1), Sgd(lr=0.1, momentum=0.9), Adam(lr=0.01)], ids=str)
@pytest.mark.parametrize("wrong", ["label", "number"])
def test_a_batch_that_ends_early_leaves_nothing_behind_in_what_is_learnt_next(wrong, optimizer):
    """Two of its four samples were learnt from, one at a time; the caller puts the training state back."""
    case = Case(CONVOLUTIONAL, Static(ratio=0.5), optimizer, batch_size=4, samples=4, seed=4)
    interrupted, untroubled = case.network(micro_batch=1), case.network(micro_batch=1)
    for network in (interrupted, untroubled):
        case.train(network)  # a velocity and moments that are not zero
    weights, state = interrupted.weights.tobytes(), interrupted.state.copy()
    rows, labels = case.layout.rows(case.x).copy(), case.layout.targets(case.target)
    order = np.arange(4, dtype=np.uint32)
    if wrong == "label":
        labels[2] = 4
        with pytest.raises(DataError):
            interrupted.train(rows, labels, order, 0.1)
    else:
        rows[2] = np.nan
        assert interrupted.train(rows, labels, order, 0.1).diverged
    assert interrupted.weights.tobytes() == weights
    interrupted.state[:] = state
    for network in (interrupted, untroubled):
        case.train(network)
    assert interrupted.weights.tobytes() == untroubled.weights.tobytes()
    assert interrupted.state.tobytes() == untroubled.state.tobytes()


def test_samples_of_a_batch_that_ends_early_do_not_count_as_skipped():
    policy = AdaptiveSkip(s_min=0.0, s_max=1.0, skip_threshold=0.9)
    case = Case(CONVOLUTIONAL, policy, Sgd(), batch_size=3, samples=6, seed=4)
    network, rows = case.network(micro_batch=1), case.layout.rows(case.x).copy()
    network.state[2:] = 1e6  # next to such an error no sample has much of one
    rows[5] = np.nan
    progress = network.train(rows, case.layout.targets(case.target), np.arange(6, dtype=np.uint32), 0.1)
    assert (progress.samples, progress.skipped, progress.diverged) == (3, 3, True)


def test_the_training_state_outlives_its_network():
    case = Case(CONVOLUTIONAL, Adaptive(), Adam(), batch_size=2, samples=4, seed=7)
    state = case.network().state
    owner = state
    while isinstance(owner.base, np.ndarray):
        owner = owner.base
    assert owner.flags.owndata, "of memory that Python keeps as long as it is looked at"


@pytest.mark.parametrize(("outputs", "loss"), [(3, "softmax_cross_entropy"), (1, "binary_cross_entropy")])
def test_a_label_of_no_class_is_an_error(outputs, loss):
    case = Case(Mlp().specification((4,), outputs, loss), Dense(), Sgd(), batch_size=2, samples=4, seed=0)
    case.target[3] = max(outputs, 2)
    with pytest.raises(DataError, match="a label is no class of the network"):
        case.train(case.network())


def test_memory_adds_up_and_follows_the_training():
    specification = Mlp(hidden=(32, 16)).specification((784,), 10, "softmax_cross_entropy")
    weights = 784 * 32 + 32 + 32 * 16 + 16 + 16 * 10 + 10

    def memory(optimizer, **options) -> Memory:
        return measure(describe(specification, Adaptive(), optimizer, **options))

    plain = memory(Sgd(), batch_size=1)
    assert plain.weights == 4 * weights
    assert plain.gradients == 0, "each update is made in place"
    assert plain.state == 2 + 3
    parts = plain.gradients + plain.optimizer + plain.activations + plain.scratch + plain.network
    assert plain.arena == parts
    assert memory(Sgd(momentum=0.9), batch_size=1).state == plain.state + weights
    assert memory(Adam(), batch_size=1).state == plain.state + 2 * weights
    assert memory(Sgd(), batch_size=32, micro_batch=1).gradients == 4 * weights
    assert memory(Sgd(), batch_size=32).activations >= 32 * 4 * (32 + 16 + 10)


def test_what_cannot_be_counted_is_refused_before_memory_is_taken():
    specification = Mlp(hidden=(60000,)).specification((60000,), 2, "softmax_cross_entropy")
    description = describe(specification, Dense(), Sgd(), batch_size=1)
    with pytest.raises(RequestError, match="larger than the C engine can count"):
        measure(description)


def test_a_network_that_the_machine_has_no_room_for_is_refused_with_its_size(monkeypatch):
    def no_room(*_):
        raise MemoryError

    description = describe(CONVOLUTIONAL, Dense(), Sgd(), batch_size=400)
    weights = np.ones(measure(description).weights // 4, np.float32)
    monkeypatch.setattr(np, "zeros", no_room)
    with pytest.raises(RequestError, match=r"take [1-9]\d* MB in the C engine, more than there is; take a smaller"):
        HostNetwork(description, weights)


@pytest.mark.parametrize(
    ("x", "target", "order"),
    [
        (np.zeros((4, 5), np.float32), np.zeros(4, np.uint32), [0]),  # another width
        (np.zeros((4, 6)), np.zeros(4, np.uint32), [0]),  # float64
        (np.zeros((4, 6), np.float32), np.zeros(3, np.uint32), [0]),  # a label is missing
        (np.zeros((4, 6), np.float32), np.zeros((4, 1), np.float32), [0]),  # no labels
        (np.zeros((4, 6), np.float32), np.zeros(4, np.uint32), [4]),  # no such sample
    ],
)
def test_arrays_that_do_not_fit_never_reach_c(x, target, order):
    case = Case(Mlp().specification((6,), 2, "softmax_cross_entropy"), Dense(), Sgd(), batch_size=1, samples=1, seed=0)
    with pytest.raises(ValueError, match=r"is needed, not|but \d+ targets and indices up to"):
        case.network().train(x, target, np.array(order, np.uint32), 0.1)


def test_weights_of_another_size_or_kind_are_refused():
    specification = Mlp(hidden=()).specification((3,), 2, "softmax_cross_entropy")
    description = describe(specification, Dense(), Sgd(), batch_size=1)
    size = WeightLayout(specification).size
    frozen = np.frombuffer(bytes(4 * size), np.float32)
    for weights in (np.zeros(size + 1, np.float32), np.zeros(size), np.zeros(2 * size, np.float32)[::2], frozen):
        with pytest.raises(ValueError, match="weights must be 8 contiguous float32"):
            HostNetwork(description, weights)
