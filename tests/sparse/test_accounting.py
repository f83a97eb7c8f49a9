"""Multiply-accumulates of training, against numbers worked out by hand."""

import numpy as np
import pytest
import torch
from torch import nn

from tinyprop.sparse import Count, Dense, MeProp, Static, StepMacs, multiply_accumulates, sparsify
from tinyprop.training.optimizer import Adam, Sgd


def mlp() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 4))


def counted(model, policy, batches, optimizer=None) -> StepMacs:
    optimizer = optimizer or Sgd()
    sparsity = sparsify(model, policy)
    for x in batches:
        (model(x) ** 2).flatten(1).sum(1).mean().backward()
    return multiply_accumulates(
        sparsity.collect().values(),
        update_macs_per_weight=optimizer.macs_per_weight,
        touches_all_weights=optimizer.touches_all_weights,
    )


def test_dense_training_of_a_small_network_by_hand():
    macs = counted(mlp(), Dense(), [torch.randn(5, 6)])
    layers = 6 * 8 + 8 * 4  # 80 a sample
    assert macs.forward == Count(5 * layers, 5 * layers)
    assert macs.weight_gradient == Count(5 * layers, 5 * layers)
    assert macs.input_gradient == Count(5 * 8 * 4, 5 * 8 * 4), "the first layer computes no dX"
    assert macs.update == Count(*2 * [(6 + 1) * 8 + (8 + 1) * 4])
    assert (macs.backward.ratio, macs.step.ratio) == (1.0, 1.0)


def test_a_quarter_of_the_gradient_costs_a_quarter_backward_and_forward_stays():
    macs = counted(mlp(), Static(ratio=0.25), [torch.randn(5, 6)])
    kept = 5 * (2 * 6 + 1 * 8)  # two of eight entries of fan-in 6, one of four of fan-in 8
    assert macs.forward == Count(400, 400)
    assert macs.weight_gradient == Count(kept, 400)
    assert macs.input_gradient == Count(5 * 8, 5 * 32)
    assert macs.backward == Count(kept + 40, 560)
    assert macs.backward.ratio == pytest.approx(0.25)


def test_a_dense_output_layer_is_counted_dense():
    macs = counted(mlp(), MeProp(k=2), [torch.randn(3, 6)])
    assert macs.weight_gradient == Count(3 * (2 * 6 + 4 * 8), 3 * 80)
    assert macs.input_gradient == Count(3 * 32, 3 * 32)


def test_plain_sgd_updates_only_rows_with_a_kept_entry():
    """Three samples that all keep the same unit: one row of four changes."""
    model = nn.Sequential(nn.Linear(2, 4))
    sparsity = sparsify(model, Static(ratio=0.25))
    x, G = torch.ones(3, 2), torch.tensor([[0.1, 9.0, 0.2, 0.3]]).expand(3, 4)
    model(x).backward(G)
    (layer,) = sparsity.collect().values()
    before = model[0].weight.detach().clone()
    torch.optim.SGD(model.parameters(), lr=0.1).step()
    changed = (model[0].weight != before).any(dim=1)
    assert changed.tolist() == [False, True, False, False]
    sparse = multiply_accumulates([layer], update_macs_per_weight=1, touches_all_weights=False)
    assert sparse.update == Count((2 + 1) * 1, (2 + 1) * 4)
    every = multiply_accumulates([layer], update_macs_per_weight=6, touches_all_weights=True)
    assert every.update == Count(6 * 3 * 4, 6 * 3 * 4)


@pytest.mark.parametrize(
    ("optimizer", "cost", "all_rows"),
    [
        (Sgd(), 1, False),
        (Sgd(momentum=0.9), 2, True),
        (Sgd(weight_decay=0.1), 2, True),
        (Sgd(momentum=0.9, weight_decay=0.1), 3, True),
        (Sgd(momentum=0.9, nesterov=True), 3, True),
        (Adam(), 6, True),
        (Adam(weight_decay=0.1), 7, True),
    ],
)
def test_an_optimizers_update_costs_what_its_formula_says(optimizer, cost, all_rows):
    macs = counted(mlp(), Static(ratio=0.25), [torch.randn(1, 6)], optimizer)
    rows = (6 + 1) * (8 if all_rows else 2) + (8 + 1) * (4 if all_rows else 1)
    assert macs.update == Count(cost * rows, cost * (7 * 8 + 9 * 4))


def test_an_optimizer_touches_all_weights_exactly_where_it_says_so():
    """Against PyTorch: rows whose gradient is zero move, or do not."""
    for optimizer in (Sgd(lr=0.1), Sgd(lr=0.1, momentum=0.9), Sgd(lr=0.1, weight_decay=0.1), Adam(lr=0.1)):
        layer = nn.Linear(3, 4)
        built = optimizer.build(layer.parameters())
        for unit in (0, 1):  # what momentum and Adam remember of unit 0 moves it in the second step
            gradient = torch.zeros(4, 3)
            gradient[unit] = 1
            layer.weight.grad, layer.bias.grad = gradient, gradient[:, 0].clone()
            before = layer.weight.detach().clone()
            built.step()
        moved = (layer.weight != before).any(dim=1).tolist()
        assert moved[0] == optimizer.touches_all_weights
        assert moved[1]


def test_a_layer_without_bias_updates_no_bias():
    model = nn.Sequential(nn.Linear(3, 5, bias=False))
    assert counted(model, Dense(), [torch.randn(2, 3)]).update == Count(15, 15)


def test_a_convolution_counts_taps_for_every_output_position():
    model = nn.Sequential(nn.Conv2d(4, 6, 3, stride=2, padding=1, groups=2))
    macs = counted(model, Dense(), [torch.randn(2, 4, 8, 8)])
    each = 6 * 4 * 4 * (4 // 2) * 3 * 3  # outputs × positions × taps
    assert macs.forward == Count(2 * each, 2 * each)
    assert macs.weight_gradient.dense == 2 * each
    assert macs.update == Count(*2 * [6 * (2 * 9 + 1)])


def test_kept_channels_and_kept_entries_cost_alike():
    """Half the channels or half the entries of a convolution: half the backward work."""
    x = [torch.randn(3, 2, 6, 6)]
    for granularity in ("channel", "element"):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Conv2d(2, 4, 3), nn.Tanh(), nn.Conv2d(4, 4, 3))
        macs = counted(model, Static(ratio=0.5, granularity=granularity), x)
        assert macs.backward.ratio == pytest.approx(0.5)
        assert macs.forward.dense == 3 * (4 * 16 * 18 + 4 * 4 * 36)
        assert macs.input_gradient.dense == 3 * 4 * 4 * 36


def test_steps_add_up_and_a_short_batch_counts_its_samples():
    both = counted(mlp(), Static(ratio=0.5), [torch.randn(5, 6), torch.randn(2, 6)])
    one = counted(mlp(), Static(ratio=0.5), [torch.randn(5, 6)])
    other = counted(mlp(), Static(ratio=0.5), [torch.randn(2, 6)])
    assert (one + other).forward == both.forward
    assert (one + other).backward == both.backward
    assert (one + other).update.dense == both.update.dense == 2 * (7 * 8 + 9 * 4)


def test_the_whole_step_is_its_parts():
    macs = StepMacs(Count(10, 10), Count(1, 10), Count(2, 8), Count(3, 4))
    assert macs.backward == Count(3, 18)
    assert macs.step == Count(16, 32)
    assert macs.step.ratio == 0.5
    assert Count().ratio == 1.0, "no work to save is no saving"


def test_a_bound_of_the_method_holds_for_its_mnist_network():
    """An MLP's whole step gains at most about 2.3 times, whatever the ratio (METHOD: F + W + X against F)."""
    model = nn.Sequential(nn.Linear(784, 32), nn.ReLU(), nn.Linear(32, 16), nn.ReLU(), nn.Linear(16, 10))
    macs = counted(model, Dense(), [torch.randn(4, 784)])
    forward = 784 * 32 + 32 * 16 + 16 * 10
    assert macs.forward.dense == 4 * forward
    bound = (macs.forward.dense + macs.backward.dense) / macs.forward.dense
    assert bound == pytest.approx((2 * forward + 32 * 16 + 16 * 10) / forward)
    assert 2 < bound < 2.3
    assert np.isclose(macs.update.dense, 25_818)
