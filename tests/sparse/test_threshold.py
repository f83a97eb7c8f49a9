"""The budget policy: what it keeps and raises, what it spends, and what it goes on from."""

import copy
import math

import numpy as np
import pytest
import torch
from torch import nn

from tinyprop.errors import InvalidSettings, RequestError
from tinyprop.sparse import Budget, Sparsity, densify, multiply_accumulates, plain_state_dict, sparsify
from tinyprop.sparse.threshold import draws

from . import reference
from .cases import linear_of


def mlp(*, seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(12, 20), nn.ReLU(), nn.Linear(20, 16), nn.ReLU(), nn.Linear(16, 4))


def problem(samples: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Four clusters that overlap a little, so that some samples stay hard."""
    rng = np.random.default_rng(5)
    y = rng.integers(0, 4, samples)
    x = rng.normal(size=(4, 12))[y] + 1.2 * rng.normal(size=(samples, 12))
    return torch.as_tensor(x, dtype=torch.float32), torch.as_tensor(y)


def train(model: nn.Module, x: torch.Tensor, y: torch.Tensor, batch: int, *, lr: float = 0.05) -> None:
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    for start in range(0, len(x), batch):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x[start : start + batch]), y[start : start + batch]).backward()
        optimizer.step()


def backward_ratio(sparsity: Sparsity) -> float:
    return multiply_accumulates(
        sparsity.collect().values(), update_macs_per_weight=1, touches_all_weights=False
    ).backward.ratio


def one_layer(n: int = 4, **options) -> tuple[nn.Sequential, Sparsity]:
    """A layer whose inputs are zero or one, with its threshold at 3."""
    model = nn.Sequential(linear_of(np.ones((n, 3))))
    sparsity = sparsify(model, Budget(**options), loss_reduction="sum")
    sparsity.record_masks = True
    model[0].threshold.value.fill_(3.0)
    return model, sparsity


def test_hand_worked_selection():
    """One sample, three inputs of 1, m = 3: s = sqrt((3·1 + 1)/4) = 1, so that t is τ = 3; the draw is u = .3924…"""
    u = reference.hashed(4, 0)
    model, sparsity = one_layer(n=5, max_factor=4.0)
    model[0].threshold.samples.fill_(4)
    x = torch.ones(1, 3, dtype=torch.float64)
    G = torch.tensor([[3.5, -(u * 3 + 0.01), u * 3 - 0.01, 0.0, -2.0]], dtype=torch.float64)
    model(x).backward(G)
    assert model[0].last_mask.tolist() == [[True, True, False, False, True]]
    # 3.5 is above t and stays; the others that are kept become 3, which here is less than four times what they were.
    assert model[0].bias.grad.tolist() == pytest.approx([3.5, -3.0, 0.0, 0.0, -3.0])
    assert model[0].weight.grad.tolist() == [pytest.approx([g] * 3) for g in (3.5, -3.0, 0.0, 0.0, -3.0)]
    assert sparsity.collect()["0"].kept == 3


def test_hand_worked_factor_is_cut_off():
    sample = next(sample for sample in range(1000) if reference.hashed(sample, 0) < 0.05)
    model, _ = one_layer(n=1, max_factor=2.0)
    model[0].threshold.samples.fill_(sample)
    model(torch.ones(1, 3, dtype=torch.float64)).backward(torch.tensor([[0.3]], dtype=torch.float64))
    assert float(model[0].bias.grad) == pytest.approx(0.6)


def test_hand_worked_control():
    """Twice the budget is kept: e = 1; B = 1, horizon 4: ρ = .2, debt .2, and ln τ grows by .2·(1 + .2/4)."""
    model, _ = one_layer(n=2, budget=0.5, horizon=4)
    model(torch.ones(1, 3, dtype=torch.float64)).backward(torch.full((1, 2), 5.0, dtype=torch.float64))
    assert float(model[0].threshold.debt) == pytest.approx(0.2)
    assert float(model[0].threshold.value) == pytest.approx(3 * math.exp(0.21))
    assert int(model[0].threshold.samples) == 1


def test_an_input_that_is_large_is_worth_more():
    """Twice the input is nearly twice the weight gradient: t falls by as much."""
    model, _ = one_layer(n=1, max_factor=1e9)
    for factor in (0.0, 1.0, 10.0):
        model[0].threshold.value.fill_(3.0)
        model[0].threshold.samples.fill_(next(s for s in range(1000) if reference.hashed(s, 0) < 1e-2))
        model.zero_grad()
        x = torch.full((1, 3), factor, dtype=torch.float64)
        model(x).backward(torch.tensor([[0.1]], dtype=torch.float64))
        assert float(model[0].bias.grad) == pytest.approx(max(0.1, 3 / math.sqrt((3 * factor**2 + 1) / 4)))


def test_draws_are_those_of_the_reference_and_look_uniform_in_every_layer():
    samples = np.arange(20_000)
    for depth in range(4):
        u = draws(samples, depth)
        assert u.dtype == np.float32
        np.testing.assert_array_equal(u[:200], [reference.hashed(s, depth) for s in range(200)])
        assert u.min() >= 0
        assert u.max() < 1
        # Kolmogorov-Smirnov: 1.95/sqrt(N) is exceeded once in a thousand times
        distance = np.abs(np.sort(u) - (samples + 0.5) / len(samples)).max()
        assert distance < 1.95 / math.sqrt(len(samples))
        for other in range(depth):
            assert abs(np.corrcoef(u, draws(samples, other))[0, 1]) < 4 / math.sqrt(len(samples))
        assert abs(np.corrcoef(u[:-1], u[1:])[0, 1]) < 4 / math.sqrt(len(samples))


def test_what_is_kept_is_right_on_average():
    """The mean over 20000 samples of what flows on is G, within five deviations of such a mean."""
    model, _ = one_layer(n=6, max_factor=1e9)
    G = np.array([5.0, 3.0, -2.0, 1.0, -0.3, 0.05])
    count = 20_000
    model(torch.ones(count, 3, dtype=torch.float64)).backward(torch.as_tensor(np.tile(G, (count, 1))))
    mean = model[0].bias.grad.numpy() / count
    p = np.minimum(np.abs(G) / 3, 1)
    deviation = np.abs(G) * np.sqrt((1 - p) / p / count)
    assert (np.abs(mean - G) <= 5 * deviation + 1e-12).all()
    np.testing.assert_allclose(mean[p == 1], G[p == 1])


def test_gradients_are_those_of_what_is_kept():
    """Finite differences cannot see a selection; plain PyTorch that is given the same G can."""
    torch.manual_seed(0)
    layer = nn.Conv2d(2, 5, 3, stride=2, padding=1).double()
    model = nn.Sequential(copy.deepcopy(layer))
    sparsify(model, Budget(budget=0.3), loss_reduction="sum")
    x = torch.randn(4, 2, 6, 6, dtype=torch.float64, requires_grad=True)
    G = torch.randn(4, 5, 3, 3, dtype=torch.float64)
    model(x).backward(G)
    mine = x.grad.clone()
    x.grad = None
    _, kept = reference.Threshold(reference.Settings("budget", budget=0.3)).select(
        G.numpy(), x.detach().numpy(), 0, 18, 36
    )
    assert 0 < (kept != 0).sum() < kept.size
    layer(x).backward(torch.from_numpy(kept))
    torch.testing.assert_close(mine, x.grad, rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(model[0].weight.grad, layer.weight.grad, rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(model[0].bias.grad, layer.bias.grad, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("budget", "sparsify_output"), [(0.05, True), (0.3, True), (0.2, False)])
@pytest.mark.parametrize(("batch", "samples", "within"), [(1, 1500, 0.06), (20, 6000, 0.03), (200, 20_000, 0.03)])
def test_a_training_spends_its_budget(budget, sparsify_output, batch, samples, within):
    """A short training by single samples less exactly: one sample may cost many times the budget."""
    model = mlp()
    sparsity = sparsify(model, Budget(budget=budget, sparsify_output=sparsify_output))
    train(model, *problem(samples), batch)
    assert backward_ratio(sparsity) == pytest.approx(budget, rel=within)


def test_a_sample_keeps_the_same_in_any_batch():
    x, y = problem(6)
    masks = []
    for parts in ([slice(0, 6)], [slice(0, 1), slice(1, 4), slice(4, 6)]):
        model = mlp()
        sparsity = sparsify(model, Budget(budget=0.3))
        sparsity.record_masks = True
        found = []
        for part in parts:
            model[4].threshold.value.fill_(0.2)  # where it was before it followed the part before
            nn.functional.cross_entropy(model(x[part]), y[part]).backward()
            found.append([layer.last_mask for layer in sparsity.layers.values()])
        masks.append([torch.cat(layer) for layer in zip(*found, strict=True)])
    assert all(map(torch.equal, *masks))
    assert 0 < masks[0][0].sum() < masks[0][0].numel()


def test_mean_and_sum_losses_keep_and_learn_the_same():
    x, y = problem(8)
    gradients = []
    for reduction in ("mean", "sum"):
        model = mlp()
        sparsify(model, Budget(budget=0.2), loss_reduction=reduction)
        for _ in range(2):  # the first batch sets the threshold
            model.zero_grad()
            nn.functional.cross_entropy(model(x), y, reduction=reduction).backward()
        gradients.append(model[0].weight.grad * (8 if reduction == "mean" else 1))
    torch.testing.assert_close(*gradients)


def test_without_any_gradient_the_threshold_stays_where_it_is():
    model = mlp()
    sparsity = sparsify(model, Budget(budget=0.2))
    nothing = torch.zeros(5, 4)
    x, y = problem(30)
    model(x[:5]).backward(nothing)
    assert float(model[4].threshold.value) == 0, "it begins with the first gradient"
    assert float(model[0].weight.grad.abs().sum()) == 0
    train(model, x, y, 10)
    before = float(model[4].threshold.value), float(model[4].threshold.debt)
    sparsity.collect()
    for _ in range(100):
        model(x[:5]).backward(nothing)
    assert (float(model[4].threshold.value), float(model[4].threshold.debt)) == before
    assert sparsity.collect()["0"].kept == 0


def test_a_dense_output_layer_that_costs_all_of_the_budget_is_refused_with_its_share():
    """16 to 4 is 128 of the 240 + 640 + 128 multiply-accumulates of a sample's backward pass."""
    model = mlp()
    sparsify(model, Budget(budget=0.12, sparsify_output=False))
    with pytest.raises(RequestError) as refused:
        train(model, *problem(2), 2)
    assert str(refused.value) == (
        "policy.budget=0.12: the dense output layer alone takes 0.127 of the backward work; "
        "raise the budget, or set policy.sparsify_output=true"
    )


def test_a_gradient_that_is_no_number_stays_visible():
    model, _ = one_layer(n=2)
    model(torch.ones(1, 3, dtype=torch.float64)).backward(torch.tensor([[math.nan, 0.0]], dtype=torch.float64))
    assert math.isnan(float(model[0].bias.grad[0]))


def test_going_on_from_a_saved_state_is_as_if_never_stopped(tmp_path):
    x, y = problem(300)
    whole, first = mlp(), mlp()
    sparsify(whole, Budget(budget=0.2))
    sparsify(first, Budget(budget=0.2))
    train(whole, x, y, 7)
    train(first, x[:140], y[:140], 7)
    torch.save(first.state_dict(), tmp_path / "state.pt")
    second = mlp(seed=9)
    sparsify(second, Budget(budget=0.2))
    second.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    train(second, x[140:], y[140:], 7)
    assert all(map(torch.equal, second.state_dict().values(), whole.state_dict().values()))
    assert int(whole[4].threshold.samples) == 300


def test_evaluation_leaves_the_threshold_alone_and_densify_takes_it_away():
    x, y = problem(40)
    model, plain = mlp(), mlp()
    sparsify(model, Budget(budget=0.3))
    train(model, x, y, 10)
    before = copy.deepcopy(model.state_dict())
    model.eval()
    model(x)
    assert all(map(torch.equal, model.state_dict().values(), before.values()))
    assert plain_state_dict(model).keys() == plain.state_dict().keys()
    densify(model)
    assert model.state_dict().keys() == plain.state_dict().keys()
    assert [type(module) for module in model.modules()] == [type(module) for module in plain.modules()]


def test_a_copy_has_a_threshold_of_its_own():
    x, y = problem(40)
    model = mlp()
    sparsify(model, Budget(budget=0.3))
    train(model, x, y, 10)
    twin = copy.deepcopy(model)
    value = float(model[4].threshold.value)
    train(twin, x, y, 10)
    assert float(model[4].threshold.value) == value != float(twin[4].threshold.value)
    train(model, x, y, 10)
    assert all(map(torch.equal, model.state_dict().values(), twin.state_dict().values()))


@pytest.mark.parametrize(
    ("options", "fields"),
    [
        ({"budget": 0.0}, {"budget"}),
        ({"budget": 1.0, "horizon": 0}, {"budget", "horizon"}),
        ({"budget": math.nan}, {"budget"}),
        ({"max_factor": 0.5}, {"max_factor"}),
        ({"granularity": "channel", "sparse_bias": False}, {"granularity", "sparse_bias"}),
    ],
)
def test_what_is_no_budget_policy_is_refused(options, fields):
    with pytest.raises(InvalidSettings) as caught:
        Budget(**options)
    assert {field for field, _ in caught.value.problems} == fields
