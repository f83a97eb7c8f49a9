"""Whole networks: training steps against the reference, branches, shared layers, batch norm, skipped samples."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from tinyprop.sparse import Adaptive, AdaptiveSkip, Static, sparsify

from . import reference
from .cases import linear_of, pair, reference_of

POLICIES = {
    "dense": pair("dense"),
    "static": pair("static", ratio=0.3),
    "static_dense_output": pair("static", ratio=0.2, sparsify_output=False),
    "meprop": pair("meprop", k=2, sparsify_output=False),
    "adaptive": pair("adaptive", s_min=0.1, s_max=0.9, zeta=0.5),
    "adaptive_over_one": pair("adaptive", s_min=0.0, s_max=1.2, zeta=0.7, rounding="floor", sparse_bias=False),
    "adaptive_channel": pair("adaptive", s_min=0.2, s_max=1.0, zeta=0.9, granularity="channel"),
    "adaptive_dense_output": pair("adaptive", s_min=0.0, s_max=1.0, zeta=0.6, sparsify_output=False),
    "skip": pair("skip", s_min=0.0, s_max=1.0, zeta=0.8, skip_threshold=0.55),
    "skip_dense_output": pair("skip", s_min=0.0, s_max=1.0, skip_threshold=0.55, sparsify_output=False),
    "budget": pair("budget", budget=0.3, horizon=10),
    "budget_dense_output": pair("budget", budget=0.5, max_factor=2.0, sparsify_output=False),
}


def reference_network(model: nn.Sequential, settings) -> reference.Network:
    kinds = {nn.ReLU: reference.Relu, nn.Flatten: reference.Flatten, nn.MaxPool2d: reference.MaxPool}
    layers = [kinds[type(layer)]() if type(layer) in kinds else reference_of(layer) for layer in model]
    return reference.Network(layers, settings)


def train_both(model: nn.Sequential, policy, settings, x: torch.Tensor, labels: torch.Tensor, steps: int):
    expected = reference_network(model, settings)
    sparsity = sparsify(model, policy)
    sparsity.record_masks = True
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    for step in range(steps):
        part = slice(0, len(x)) if step % 2 == 0 else slice(1, 3)  # every other batch is a short one
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x[part]), labels[part]).backward()
        optimizer.step()
        expected.train_step(x[part].numpy(), labels[part].numpy(), 0.5)
        assert not any(selection.doubtful for selection in expected.selections.values())
        for place, selection in expected.selections.items():
            np.testing.assert_array_equal(model[place].last_mask.numpy(), selection.mask)
    for place in expected.selections:
        np.testing.assert_allclose(model[place].weight.detach().numpy(), expected.layers[place].W, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(model[place].bias.detach().numpy(), expected.layers[place].b, rtol=1e-9, atol=1e-9)
        if settings.kind in ("adaptive", "skip"):
            Y_max = float(model[place].local_error_max)
            if settings.sparsify_output or place != max(expected.selections):
                assert Y_max == pytest.approx(expected.local_error_max[place], rel=1e-6)


@pytest.mark.parametrize("policy", POLICIES)
def test_training_an_mlp_follows_the_reference_step_by_step(policy):
    torch.manual_seed(1)
    model = nn.Sequential(nn.Linear(5, 9), nn.ReLU(), nn.Linear(9, 7), nn.ReLU(), nn.Linear(7, 4)).double()
    x, labels = torch.randn(6, 5, dtype=torch.float64), torch.randint(0, 4, (6,))
    train_both(model, *POLICIES[policy], x, labels, steps=8)


@pytest.mark.parametrize("policy", POLICIES)
def test_training_a_cnn_follows_the_reference_step_by_step(policy):
    torch.manual_seed(2)
    model = nn.Sequential(
        nn.Conv2d(1, 3, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(3, 3, 2, groups=3), nn.ReLU(), nn.Flatten(), nn.Linear(12, 3),
    ).double()  # fmt: skip
    x, labels = torch.randn(4, 1, 6, 6, dtype=torch.float64), torch.randint(0, 3, (4,))
    train_both(model, *POLICIES[policy], x, labels, steps=3)


class Residual(nn.Module):
    """A small residual network with a parallel shortcut, registered in another order than it runs."""

    def __init__(self):
        super().__init__()
        self.head = nn.Linear(8, 3)
        self.shortcut = nn.Conv2d(4, 8, 1, stride=2)
        self.second = nn.Conv2d(8, 8, 3, padding=1, bias=False)
        self.first = nn.Conv2d(4, 8, 3, stride=2, padding=1)
        self.stem = nn.Conv2d(2, 4, 3, padding=1)

    def forward(self, x):
        x = torch.relu(self.stem(x))
        inner = self.second(torch.relu(self.first(x)))
        x = torch.relu(inner + self.shortcut(x))
        return self.head(x.mean((2, 3)))


def spy(layers: dict[str, nn.Module]) -> tuple[dict, dict]:
    """Records what comes into each layer and, as autograd sees it, the gradient at its output."""
    inputs, gradients = {}, {}
    for name, layer in layers.items():

        def record(module, args, output, name=name):
            inputs[name] = args[0].detach().numpy().copy()
            output.register_hook(lambda G: gradients.__setitem__(name, G.numpy().copy()))

        layer.register_forward_hook(record)
    return inputs, gradients


@pytest.mark.parametrize("options", [{}, {"granularity": "channel"}, {"sparsify_output": False}])
def test_residual_branches_select_and_add_up_as_the_reference_does(options):
    torch.manual_seed(3)
    model = Residual().double()
    plain = copy.deepcopy(model)
    x, labels = torch.randn(4, 2, 6, 6, dtype=torch.float64), torch.randint(0, 3, (4,))
    policy, settings = pair("adaptive", s_min=0.1, s_max=0.9, zeta=0.9, **options)
    sparsity = sparsify(model, policy, example=x[:1])
    sparsity.record_masks = True
    assert list(sparsity.layers) == ["stem", "first", "second", "shortcut", "head"]
    assert [layer.depth for layer in sparsity.layers.values()] == [4, 3, 2, 1, 0]
    inputs, gradients = spy(sparsity.layers)
    nn.functional.cross_entropy(model(x), labels).backward()

    for name, layer in sparsity.layers.items():
        expected = reference_of(getattr(plain, name))
        chosen = reference.select(settings, gradients[name] * 4, 0.0, layer.depth, unit_axis=expected.unit_axis)
        assert not chosen.doubtful
        np.testing.assert_array_equal(layer.last_mask.numpy(), chosen.mask, err_msg=name)
        sums = expected.backward(inputs[name], gradients[name], chosen)
        np.testing.assert_allclose(layer.weight.grad.numpy(), sums.dW, rtol=1e-9, atol=1e-12, err_msg=name)

    for (
        name,
        layer,
    ) in sparsity.layers.items():  # the same masks on plain torch give the same gradients all the way down
        getattr(plain, name).register_forward_hook(
            lambda module, args, output, mask=layer.last_mask: output.register_hook(lambda G: G * mask) and None
        )
    nn.functional.cross_entropy(plain(x), labels).backward()
    for (name, ours), (_, theirs) in zip(model.named_parameters(), plain.named_parameters(), strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-10, atol=1e-12, msg=name)


def test_without_an_example_depth_follows_registration():
    sparsity = sparsify(Residual(), Static())
    assert list(sparsity.layers) == ["head", "shortcut", "second", "first", "stem"]
    assert [layer.depth for layer in sparsity.layers.values()] == [4, 3, 2, 1, 0]


class Twice(nn.Module):
    """One layer that is used twice in a forward pass, also under a second name."""

    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(5, 5)
        self.alias = self.inner
        self.head = nn.Linear(5, 3)

    def forward(self, x):
        return self.head(torch.tanh(self.alias(torch.tanh(self.inner(x)))))


def test_a_layer_used_twice_selects_for_each_use():
    torch.manual_seed(4)
    model = Twice().double()
    x = torch.randn(3, 5, dtype=torch.float64)
    plain = copy.deepcopy(model)
    sparsity = sparsify(model, Static(ratio=0.4), loss_reduction="sum")
    assert model.inner is model.alias
    assert len(sparsity.layers) == 2

    def forward(model, select):
        first = select(model.inner(x))
        second = select(model.inner(torch.tanh(first)))
        return select(model.head(torch.tanh(second)))

    class Keep(torch.autograd.Function):
        @staticmethod
        def forward(ctx, y):
            return y.clone()

        @staticmethod
        def backward(ctx, G):
            mask = reference.select(reference.Settings("static", ratio=0.4), G.numpy(), 0.0).mask
            return G * torch.from_numpy(mask)

    weights = torch.randn(3, 3, dtype=torch.float64)
    (model(x) * weights).sum().backward()
    (forward(plain, Keep.apply) * weights).sum().backward()
    for ours, theirs in zip(model.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-12, atol=1e-12)
    statistics = sparsity.collect()["inner"]
    assert statistics.samples == 6
    assert statistics.kept == 2 * 3 * 2


def test_two_forward_passes_before_one_backward_pass_do_not_mix():
    torch.manual_seed(5)
    model = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3)).double()
    x, labels = torch.randn(10, 4, dtype=torch.float64), torch.randint(0, 3, (10,))
    sparsity = sparsify(model, AdaptiveSkip(s_min=0.1, s_max=1.0, zeta=1.0, skip_threshold=0.4))
    for layer in sparsity.layers.values():
        layer.local_error_max.fill_(2.0)
    parts = (slice(0, 4), slice(4, 10))
    separate = [torch.zeros_like(p) for p in model.parameters()]
    for part in parts:
        model.zero_grad()
        nn.functional.cross_entropy(model(x[part]), labels[part]).backward()
        for total, p in zip(separate, model.parameters(), strict=True):
            total += p.grad
    model.zero_grad()
    losses = [nn.functional.cross_entropy(model(x[part]), labels[part]) for part in parts]
    sum(losses).backward()
    for total, p in zip(separate, model.parameters(), strict=True):
        torch.testing.assert_close(p.grad, total, rtol=1e-10, atol=1e-12)


def test_skipped_samples_leave_no_trace_behind_batch_norm():
    """Batch norm spreads every sample's gradient over the whole batch; a skipped sample must not be woken up by it."""
    torch.manual_seed(6)
    model = nn.Sequential(
        nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Tanh(), nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3)
    ).double()
    x, labels = torch.randn(8, 4, dtype=torch.float64), torch.randint(0, 3, (8,))
    policy, settings = pair("skip", s_min=0.0, s_max=1.0, zeta=1.0, skip_threshold=0.7)
    sparsity = sparsify(model, policy)
    sparsity.record_masks = True
    inputs, gradients = spy(sparsity.layers)
    nn.functional.cross_entropy(model(x), labels).backward()

    skipped = None
    for name in ("5", "3", "0"):
        layer = sparsity.layers[name]
        chosen = reference.select(settings, gradients[name] * 8, 0.0, layer.depth, skipped)
        skipped = chosen.skipped
        np.testing.assert_array_equal(layer.last_mask.numpy(), chosen.mask, err_msg=name)
        kept = gradients[name] * chosen.mask
        np.testing.assert_allclose(layer.weight.grad.numpy(), kept.T @ inputs[name], rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(layer.bias.grad.numpy(), kept.sum(0), rtol=1e-10, atol=1e-12)
        assert float(layer.local_error_max) == pytest.approx(chosen.local_error_max, rel=1e-6)
    assert 0 < sum(skipped) < 8
    assert np.abs(gradients["0"][skipped]).max() > 0  # batch norm did hand them something


def test_skipped_samples_are_skipped_by_dense_biases_too():
    """The whole update of a skipped sample is skipped: also the bias that is otherwise kept dense."""
    policy, _ = pair("skip", s_min=0.0, s_max=1.0, zeta=1.0, skip_threshold=0.5, sparse_bias=False)
    model = nn.Sequential(nn.Linear(2, 4)).double()
    sparsify(model, policy)
    G = torch.tensor([[4.0, 3, 2, 1], [1, 1, 1, 1]], dtype=torch.float64)  # Y = 10 and 4: ratios 1 and .4
    (model(torch.ones(2, 2, dtype=torch.float64)) * G).sum(1).mean().backward()
    assert (model[0].bias.grad * 2).tolist() == [4, 3, 2, 1]


def test_a_skip_threshold_that_no_sample_is_under_is_adaptive():
    torch.manual_seed(7)
    x, labels = torch.randn(6, 4), torch.randint(0, 3, (6,))
    gradients = []
    for policy in (
        Adaptive(s_min=0.1, s_max=0.9, zeta=0.8),
        AdaptiveSkip(s_min=0.1, s_max=0.9, zeta=0.8, skip_threshold=0.1001),
    ):
        torch.manual_seed(8)
        model = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3))
        sparsify(model, policy)
        nn.functional.cross_entropy(model(x), labels).backward()
        gradients.append([p.grad for p in model.parameters()])
    for ours, theirs in zip(*gradients, strict=True):
        assert torch.equal(ours, theirs)


def test_a_skipped_sample_does_not_raise_the_maximum_of_layers_before():
    """What batch norm hands to a skipped sample is nobody's error: its backward pass is not run there at all."""
    # Batch norm turns the gradient g of sample 0 alone into g(3 - x̂0²)/4 for it and -g(1 + x̂0·x̂1)/4 for sample 1.
    # x̂ = (1.6, 1, -1.3, -1.3)/1.317: the kept sample gets .38 g, the skipped one -.48 g.
    model = nn.Sequential(linear_of([[1.0]]), nn.BatchNorm1d(1), linear_of([[1.0], [1.0]])).double()
    sparsity = sparsify(model, AdaptiveSkip(s_min=0.0, s_max=1.0, skip_threshold=0.5), loss_reduction="sum")
    x = torch.tensor([[1.6], [1.0], [-1.3], [-1.3]], dtype=torch.float64)
    G = torch.tensor([[5.0, 3.0], [0, 0], [0, 0], [0, 0]], dtype=torch.float64)  # all but the first are skipped
    _, gradients = spy(sparsity.layers)
    (model(x) * G).sum().backward()
    errors = np.abs(gradients["0"]).sum(1)
    assert errors[1] > errors[0]
    assert float(model[0].local_error_max) == pytest.approx(errors[0])


class TwoHeads(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Linear(4, 6)
        self.auxiliary = nn.Linear(6, 2)
        self.head = nn.Linear(6, 3)

    def forward(self, x):
        x = torch.relu(self.body(x))
        return self.auxiliary(x), self.head(x)


def test_samples_are_skipped_in_their_own_backward_pass_only():
    """A backward pass that does not come through the output layer knows of no skipped sample."""
    torch.manual_seed(10)
    x = torch.randn(4, 4)
    gradients = []
    for train_head_before in (False, True):
        torch.manual_seed(11)
        model = TwoHeads()
        sparsity = sparsify(model, AdaptiveSkip(s_min=0.2, s_max=1.0, skip_threshold=0.9))
        if train_head_before:
            (model(x)[1] * torch.tensor([[1.0], [0], [0], [0]])).sum().backward()  # skips three of four
            model.zero_grad()
        for layer in sparsity.layers.values():
            layer.local_error_max.fill_(100.0)
        model(x)[0].sum().backward()
        gradients.append(model.body.weight.grad)
    assert torch.equal(*gradients)
