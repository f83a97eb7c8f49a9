"""Operations against counts by hand."""

from dataclasses import replace

import pytest

from tinyprop.cost import Activity, operations
from tinyprop.sparse.policies import Dense, Static
from tinyprop.training.optimizer import Adam, Sgd

from .networks import CNN, step


def test_a_dense_mlp_by_hand():
    counted = operations(step(policy=Dense(), batch_size=3))
    macs = {name: found.macs for name, found in counted.items() if found.macs}
    assert macs == {
        "fc1.forward": 3 * 12 * 8,
        "fc1.weight_gradient": 3 * 12 * 8,
        "fc1.update": 12 * 8 + 8,
        "fc2.forward": 3 * 8 * 4,
        "fc2.input_gradient": 3 * 8 * 4,
        "fc2.weight_gradient": 3 * 8 * 4,
        "fc2.update": 8 * 4 + 4,
    }
    assert not any(found.comparisons for found in counted.values())


def test_a_quarter_of_an_mlp_by_hand():
    counted = operations(step(policy=Static(ratio=0.25)))
    assert counted["fc1.weight_gradient"].macs == 2 * 12
    assert counted["fc2.input_gradient"].macs == 1 * 8
    assert counted["fc1.select"].comparisons == 8
    assert counted["fc1.select"].additions == 8
    assert counted["fc1.update"].macs == 2 * 12 + 2  # the two rows that were kept, and their biases
    assert counted["fc1.weight_gradient"].stores == 2 * 12
    assert counted["fc1.weight_gradient"].loads == 2 * 2 * 12


def test_a_convolution_by_hand():
    counted = operations(step(CNN, policy=Static(ratio=0.25, sparsify_output=False)))
    assert counted["conv1.forward"].macs == 36 * 4 * 9 * 2
    assert counted["conv1.weight_gradient"].macs == 36 * 9 * 2  # a quarter of 144 entries
    assert counted["fc1.input_gradient"].macs == 36 * 3  # the output layer is dense
    assert counted["pool1.forward"].comparisons == 36 * 4
    assert counted["relu1.forward"].loads == counted["relu1.forward"].stores == 144
    assert "conv1.input_gradient" not in counted


def test_whole_channels_are_ranked_by_the_channel():
    counted = operations(step(CNN, policy=Static(ratio=0.5, granularity="channel")))
    assert counted["conv1.select"].comparisons == 4
    assert counted["conv1.weight_gradient"].macs == 2 * 36 * 18


@pytest.mark.parametrize(("optimizer", "each"), [(Sgd(momentum=0.9), 2), (Adam(), 6), (Adam(weight_decay=0.1), 7)])
def test_optimizers_that_move_every_weight_do_so_whatever_is_kept(optimizer, each):
    counted = operations(step(optimizer=optimizer))
    assert counted["fc1.update"].macs == each * (12 * 8 + 8)


def test_what_was_measured_counts():
    measured = replace(step(), activity={"fc1": Activity(kept=0.5, kept_rows=0.75)})
    counted = operations(measured)
    assert counted["fc1.weight_gradient"].macs == 4 * 12
    assert counted["fc1.update"].macs == 6 * 13
