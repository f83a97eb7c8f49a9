"""Step 4: gradients of sparse layers against the reference, against plain torch and against finite differences."""

import copy
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from tinyprop.sparse import Adaptive, Dense, Static, keep_largest, select_gradient, sparsify

from . import reference
from .cases import assert_agrees, backward_of, linear_of, pair, reference_of

POLICIES = {
    "dense": pair("dense"),
    "static": pair("static", ratio=0.3),
    "static_floor": pair("static", ratio=0.35, rounding="floor"),
    "static_dense_bias": pair("static", ratio=0.2, sparse_bias=False),
    "static_channel": pair("static", ratio=0.5, granularity="channel"),
    "static_dense_output": pair("static", ratio=0.1, sparsify_output=False),
    "meprop": pair("meprop", k=3),
    "adaptive": pair("adaptive", s_min=0.053, s_max=0.887, zeta=0.5),
    "adaptive_floor_dense_bias": pair("adaptive", s_min=0.053, s_max=0.887, rounding="floor", sparse_bias=False),
    "adaptive_channel": pair("adaptive", s_min=0.103, s_max=0.887, granularity="channel"),
    "adaptive_channel_dense_bias": pair("adaptive", s_min=0.103, s_max=0.887, granularity="channel", sparse_bias=False),
    "skip": pair("skip", s_min=0.0, s_max=1.0, zeta=1.0, skip_threshold=0.5),
}

CONVOLUTIONS = {
    "plain": partial(nn.Conv2d, 2, 4, 3),
    "no_bias": partial(nn.Conv2d, 2, 4, 3, bias=False),
    "strided": partial(nn.Conv2d, 2, 4, 3, stride=2),
    "unused_border": partial(nn.Conv2d, 2, 3, 2, stride=3),
    "padded": partial(nn.Conv2d, 2, 3, 3, padding=(2, 1)),
    "same": partial(nn.Conv2d, 2, 3, (2, 3), padding="same"),
    "valid": partial(nn.Conv2d, 2, 3, 3, padding="valid"),
    "dilated": partial(nn.Conv2d, 2, 3, 2, dilation=2, padding=1),
    "same_dilated": partial(nn.Conv2d, 2, 3, (2, 3), padding="same", dilation=2),
    "grouped": partial(nn.Conv2d, 4, 6, 3, groups=2, stride=2, padding=1),
    "depthwise": partial(nn.Conv2d, 3, 3, 3, groups=3, padding=1),
    "depthwise_multiplier": partial(nn.Conv2d, 3, 6, 3, groups=3, stride=2),
    "pointwise": partial(nn.Conv2d, 3, 5, 1),
    "oblong": partial(nn.Conv2d, 2, 3, (1, 3), stride=(2, 1), padding=(0, 2), dilation=(1, 2)),
    "reflect": partial(nn.Conv2d, 2, 3, 3, padding=1, padding_mode="reflect"),
    "replicate": partial(nn.Conv2d, 2, 3, 3, padding=(2, 1), padding_mode="replicate"),
    "circular": partial(nn.Conv2d, 2, 4, 3, padding=1, stride=2, padding_mode="circular"),
    "same_reflect": partial(nn.Conv2d, 2, 3, (2, 3), padding="same", padding_mode="reflect"),
    "full_size_kernel": partial(nn.Conv2d, 2, 5, (5, 6)),
}


def uneven_gradients(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Samples of very different local error, and one without any."""
    G = rng.normal(size=shape)
    for b in range(shape[0]):
        G[b] *= (b + 1) / shape[0]
    if shape[0] > 2:
        G[1] = 0
    return G


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("shape", [(4, 3), (1, 3), (3, 2, 3)], ids=["batch", "one_sample", "sequence"])
def test_linear_agrees_with_the_reference(policy, shape):
    rng = np.random.default_rng(len(shape))
    layer = linear_of(rng.normal(size=(7, 3)), rng.normal(size=7))
    x, G = rng.normal(size=shape), uneven_gradients(rng, (*shape[:-1], 7))
    chosen, settings_ = POLICIES[policy]
    assert_agrees(backward_of(layer, chosen, x, G), layer, settings_, x, G)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("kind", CONVOLUTIONS)
def test_convolution_agrees_with_the_reference(kind, policy):
    torch.manual_seed(len(kind))
    layer = CONVOLUTIONS[kind]().double()
    rng = np.random.default_rng(len(kind))
    x = rng.normal(size=(3, layer.in_channels, 5, 6))
    G = uneven_gradients(rng, tuple(layer(torch.as_tensor(x)).shape))
    chosen, settings_ = POLICIES[policy]
    assert_agrees(backward_of(layer, chosen, x, G), layer, settings_, x, G)


def test_linear_without_bias_agrees_with_the_reference():
    layer = nn.Linear(3, 6, bias=False).double()
    rng = np.random.default_rng(0)
    x, G = rng.normal(size=(4, 3)), rng.normal(size=(4, 6))
    policy, settings_ = pair("static", ratio=0.4)
    assert_agrees(backward_of(layer, policy, x, G), layer, settings_, x, G)


@pytest.mark.parametrize("memory_format", [torch.channels_last, torch.contiguous_format])
def test_memory_format_does_not_change_which_entries_are_kept(memory_format):
    """All magnitudes tie, so the lowest index decides, and it counts in C, H, W order however memory is laid out."""
    model = nn.Sequential(nn.Conv2d(2, 3, 1)).to(memory_format=memory_format)
    sparsity = sparsify(model, Static(ratio=0.25))
    sparsity.record_masks = True
    x = torch.randn(2, 2, 2, 2).to(memory_format=memory_format)
    model(x).sum().backward()
    assert model[0].last_mask.flatten(1).tolist() == [[True] * 3 + [False] * 9] * 2


def test_gradient_that_is_not_contiguous():
    rng = np.random.default_rng(3)
    layer = linear_of(rng.normal(size=(6, 3)))
    model = nn.Sequential(layer)
    sparsity = sparsify(model, Static(ratio=0.5))
    sparsity.record_masks = True
    x, G = rng.normal(size=(4, 3)), rng.normal(size=(4, 6))
    y = model(torch.as_tensor(x))
    (y.t() * torch.as_tensor(G.T)).sum(0).mean().backward()
    mask = reference.select(reference.Settings("static", ratio=0.5), G, 0.0).mask
    np.testing.assert_array_equal(model[0].last_mask.numpy(), mask)
    np.testing.assert_allclose(model[0].weight.grad.numpy() * 4, (G * mask).T @ x, rtol=1e-12, atol=1e-12)


integers = st.integers(-3, 3)


@settings(deadline=None, max_examples=120)
@given(st.data())
def test_any_linear_step_agrees_with_the_reference(data):
    B, n, m = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 9)), data.draw(st.integers(1, 4))
    policy, settings_ = data.draw(policies())
    rng = np.random.default_rng(data.draw(st.integers(0, 2**16)))
    G = rng.integers(-3, 4, size=(B, n)).astype(float) * rng.choice([0, 1, 4], size=(B, 1))
    x, layer = rng.normal(size=(B, m)), linear_of(rng.normal(size=(n, m)), rng.normal(size=n))
    before = float(data.draw(st.sampled_from([0.0, 1.0, 50.0])))
    assume(not reference.select(settings_, G, before).doubtful)
    outcome = backward_of(layer, policy, x, G, local_error_max=before)
    assert_agrees(outcome, layer, settings_, x, G, before)


@settings(deadline=None, max_examples=80)
@given(st.data())
def test_any_convolution_step_agrees_with_the_reference(data):
    groups = data.draw(st.sampled_from([1, 1, 2, 3]))
    m, n = groups * data.draw(st.integers(1, 2)), groups * data.draw(st.integers(1, 3))
    kernel = (data.draw(st.integers(1, 3)), data.draw(st.integers(1, 3)))
    pair_of = st.tuples(st.integers(1, 2), st.integers(1, 2))
    padding = data.draw(st.tuples(st.integers(0, 1), st.integers(0, 1)))
    layer = nn.Conv2d(
        m, n, kernel, stride=data.draw(pair_of), dilation=data.draw(pair_of), padding=padding, groups=groups,
        padding_mode=data.draw(st.sampled_from(["zeros", "reflect", "replicate", "circular"])),
    ).double()  # fmt: skip
    policy, settings_ = data.draw(policies())
    rng = np.random.default_rng(data.draw(st.integers(0, 2**16)))
    # Powers of two: a mean loss divides G by them exactly, so that channels whose L1 norms tie go on doing so.
    x = rng.normal(size=(data.draw(st.sampled_from([1, 2, 4])), m, 5, 6))
    shape = tuple(layer(torch.as_tensor(x)).shape)
    G = rng.integers(-3, 4, size=shape) * rng.choice([0.0, 1.0, 4.0], size=(shape[0], 1, 1, 1))
    assume(not reference.select(settings_, G, 0.0, unit_axis=-3).doubtful)
    assert_agrees(backward_of(layer, policy, x, G), layer, settings_, x, G)


@st.composite
def policies(draw):
    options = {
        "granularity": draw(st.sampled_from(["element", "channel"])),
        "rounding": draw(st.sampled_from(["nearest", "floor"])),
        "sparse_bias": draw(st.booleans()),
        "sparsify_output": draw(st.sampled_from([True, True, False])),
    }
    kind = draw(st.sampled_from(["static", "meprop", "adaptive", "skip"]))
    if kind == "static":
        return pair(kind, ratio=draw(st.sampled_from([0.07, 0.33, 0.66, 1.0])), **options)
    if kind == "meprop":
        return pair(kind, k=draw(st.integers(1, 12)), **options)
    s_min = draw(st.sampled_from([0.0, 0.1, 0.31]))
    options |= {
        "s_min": s_min,
        "s_max": draw(st.sampled_from([0.47, 0.9, 1.2])),
        "zeta": draw(st.sampled_from([0.5, 1.0])),
    }
    if kind == "skip":
        options |= {"skip_threshold": draw(st.sampled_from([0.32, 0.37, 0.61]))}
    return pair(kind, **options)


@pytest.mark.parametrize("policy", ["static", "adaptive", "static_channel"])
def test_a_batch_is_the_sum_of_its_samples_one_by_one(policy):
    """With Y_max known beforehand the batch changes nothing."""
    rng = np.random.default_rng(5)
    torch.manual_seed(5)
    layer = nn.Conv2d(2, 4, 3, padding=1)
    x, G = rng.normal(size=(4, 2, 4, 4)), uneven_gradients(rng, (4, 4, 4, 4))
    chosen, _ = POLICIES[policy]
    together = backward_of(layer, chosen, x, G, local_error_max=1e3)
    dW = np.zeros(together.dW.shape)
    for b in range(4):
        alone = backward_of(layer, chosen, x[b : b + 1], G[b : b + 1], local_error_max=1e3)
        np.testing.assert_array_equal(alone.mask[0], together.mask[b])
        np.testing.assert_allclose(alone.dX[0], together.dX[b], rtol=1e-12, atol=1e-12)
        dW += alone.dW
    np.testing.assert_allclose(dW, together.dW, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("policy", ["static", "adaptive", "static_channel"])
def test_input_gradient_is_the_vjp_of_the_plain_layer_with_the_masked_cotangent(policy, dtype):
    torch.manual_seed(0)
    plain = nn.Conv2d(4, 6, 3, padding=1, groups=2, stride=2).to(dtype)
    model = nn.Sequential(nn.Conv2d(4, 6, 3, padding=1, groups=2, stride=2)).to(dtype)
    model[0].load_state_dict(plain.state_dict())
    sparsity = sparsify(model, POLICIES[policy][0], loss_reduction="sum")
    sparsity.record_masks = True
    x, G = torch.randn(3, 4, 6, 6, dtype=dtype, requires_grad=True), torch.randn(3, 6, 3, 3, dtype=dtype)
    model(x).backward(G)
    _, vjp = torch.autograd.functional.vjp(plain, x, G * model[0].last_mask)
    tolerance = {"rtol": 1e-5, "atol": 1e-6} if dtype == torch.float32 else {"rtol": 1e-12, "atol": 1e-12}
    torch.testing.assert_close(x.grad, vjp, **tolerance)
    assert x.grad.dtype == model[0].weight.grad.dtype == dtype


def test_dense_layers_pass_finite_differences():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(2, 3, 2, stride=2), nn.Tanh(), nn.Flatten(), nn.Linear(12, 3)).double()
    sparsify(model, Dense())
    x = torch.randn(2, 2, 4, 4, dtype=torch.float64, requires_grad=True)
    names = [name for name, _ in model.named_parameters()]
    parameters = tuple(p.detach().clone().requires_grad_() for p in model.parameters())

    def function(x, *values):
        return torch.func.functional_call(model, dict(zip(names, values, strict=True)), (x,))

    assert torch.autograd.gradcheck(function, (x, *parameters))


def test_kept_part_passes_finite_differences():
    """With its mask held fixed, the sparse weight gradient is the derivative of the loss through the kept outputs."""
    rng = np.random.default_rng(6)
    layer = linear_of(rng.normal(size=(5, 3)), rng.normal(size=5))
    x, G = rng.normal(size=(4, 3)), rng.normal(size=(4, 5))
    W = layer.weight.detach().numpy().copy()
    outcome = backward_of(layer, Static(ratio=0.4), x, G)
    loss = lambda W: float(((x @ W.T) * G * outcome.mask).sum())
    for j, i in np.ndindex(*W.shape):
        up, down = W.copy(), W.copy()
        up[j, i] += 1e-5
        down[j, i] -= 1e-5
        assert outcome.dW[j, i] == pytest.approx((loss(up) - loss(down)) / 2e-5, abs=1e-8)


def mlp() -> nn.Sequential:
    return nn.Sequential(nn.Linear(30, 17), nn.ReLU(), nn.Linear(17, 11), nn.Sigmoid(), nn.Linear(11, 10))


def cnn() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.BatchNorm2d(8), nn.ReLU(),
        nn.Conv2d(8, 6, 3, padding=1, padding_mode="reflect", bias=False), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(24, 10),
    )  # fmt: skip


def grouped() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, 9, 3, groups=3, padding="same"), nn.ReLU6(), nn.Conv2d(9, 6, 1), nn.ReLU(),
        nn.Conv2d(6, 6, 3, groups=6, dilation=2), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(24, 10),
    )  # fmt: skip


NETWORKS = {"mlp": (mlp, (30,)), "cnn": (cnn, (3, 8, 8)), "grouped": (grouped, (3, 8, 8))}
ALL_IS_KEPT = {
    "dense": Dense(),
    "dense_with_dense_bias": Dense(sparse_bias=False),
    "static_1": Static(ratio=1.0),
    "static_1_channel": Static(ratio=1.0, granularity="channel"),
    "adaptive_1": Adaptive(s_min=1.0, s_max=1.0),
}


@pytest.mark.parametrize("batch", [1, 20])
@pytest.mark.parametrize("policy", ALL_IS_KEPT)
@pytest.mark.parametrize("network", NETWORKS)
def test_keeping_everything_is_plain_torch_bit_for_bit(network, policy, batch):
    build, shape = NETWORKS[network]
    results = []
    for sparse in (False, True):
        torch.manual_seed(0)
        model = build()
        if network == "cnn" and batch == 1:
            model[1].eval()
        x, labels = torch.randn(batch, *shape), torch.randint(0, 10, (batch,))
        if sparse:
            sparsify(model, ALL_IS_KEPT[policy])
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        outputs = []
        for _ in range(3):
            optimizer.zero_grad()
            output = model(x)
            nn.functional.cross_entropy(output, labels).backward()
            outputs.append(output.detach())
            outputs.extend(p.grad.clone() for p in model.parameters())
            optimizer.step()
        results.append(outputs)
    for plain, ours in zip(*results, strict=True):
        assert torch.equal(plain, ours)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("network", NETWORKS)
def test_forward_is_plain_torch_bit_for_bit(network, policy):
    build, shape = NETWORKS[network]
    torch.manual_seed(0)
    model = build()
    x = torch.randn(20, *shape)
    expected = model(x)
    sparsify(model, POLICIES[policy][0])
    assert torch.equal(model(x), expected)
    with torch.no_grad():
        assert torch.equal(model(x), expected)


@pytest.mark.parametrize("policy", [Dense(), Static(ratio=0.5), Adaptive()])
@pytest.mark.parametrize("layer", [nn.Linear(8, 8), nn.Conv2d(4, 4, 3, padding=1)], ids=["linear", "conv"])
def test_first_layer_computes_no_input_gradient(layer, policy):
    model = nn.Sequential(copy.deepcopy(layer))
    sparsify(model, policy)

    def backward_flops(needs_input_gradient: bool) -> int:
        shape = (2, 8) if isinstance(layer, nn.Linear) else (2, 4, 5, 5)
        y = model(torch.randn(shape, requires_grad=needs_input_gradient))
        with FlopCounterMode(display=False) as counter:
            y.sum().backward()
        return counter.get_total_flops()

    without, with_gradient = backward_flops(False), backward_flops(True)
    assert 0 < without < with_gradient


def test_second_backward_pass_adds_to_the_first():
    rng = np.random.default_rng(7)
    layer = linear_of(rng.normal(size=(6, 3)))
    model = nn.Sequential(layer)
    policy, settings_ = pair("adaptive", s_min=0.1, s_max=0.9)
    sparsity = sparsify(model, policy)
    total, Y_max = np.zeros((6, 3)), 0.0
    for B in (4, 3):
        x, G = rng.normal(size=(B, 3)), rng.normal(size=(B, 6))
        (model(torch.as_tensor(x)) * torch.as_tensor(G)).sum(1).mean().backward()
        chosen = reference.select(settings_, G, Y_max)
        Y_max = chosen.local_error_max
        total += reference_of(layer).backward(x, G, chosen).dW / B
    np.testing.assert_allclose(model[0].weight.grad.numpy(), total, rtol=1e-10, atol=1e-12)
    statistics = sparsity.collect()["0"]
    assert (statistics.steps, statistics.samples) == (2, 7)


def test_an_unbatched_input_is_one_sample():
    rng = np.random.default_rng(8)
    for layer, shape in ((nn.Linear(3, 6), (3,)), (nn.Conv2d(2, 4, 3), (2, 5, 5))):
        single, batch = [], []
        G = None
        for add_axis, results in ((False, single), (True, batch)):
            model = nn.Sequential(copy.deepcopy(layer)).double()
            sparsity = sparsify(model, Adaptive(s_min=0.4, s_max=0.6))
            sparsity.record_masks = True
            x = torch.ones(shape, dtype=torch.float64)
            y = model(x[None] if add_axis else x)
            G = torch.as_tensor(rng.normal(size=tuple(y.shape))) if G is None else G
            y.backward(G[None] if add_axis else G)
            results += [model[0].last_mask.flatten().tolist(), float(model[0].local_error_max)]
        assert single == batch


@pytest.mark.parametrize("policy", ["static", "static_dense_bias", "static_channel", "adaptive_channel_dense_bias"])
def test_linear_on_a_grid_of_positions_is_not_taken_for_an_image(policy):
    """(B, H, W, m) has four dimensions like an image, but its units are the last one."""
    rng = np.random.default_rng(9)
    layer = linear_of(rng.normal(size=(5, 3)), rng.normal(size=5))
    x, G = rng.normal(size=(2, 4, 5, 3)), rng.normal(size=(2, 4, 5, 5))
    chosen, settings_ = POLICIES[policy]
    outcome = backward_of(layer, chosen, x, G)
    assert_agrees(outcome, layer, settings_, x, G)
    assert outcome.sparsity.collect()["0"].kept_rows == outcome.mask.any(axis=(0, 1, 2)).sum()


@pytest.mark.parametrize("layer", [nn.Linear(6, 6), nn.Conv2d(2, 2, 3, padding=1)], ids=["linear", "conv"])
@pytest.mark.parametrize("granularity", ["element", "channel"])
def test_outputs_may_be_changed_in_place(layer, granularity):
    x = torch.randn(3, 6) if isinstance(layer, nn.Linear) else torch.randn(3, 2, 4, 4)
    gradients = []
    for inplace in (False, True):
        model = nn.Sequential(copy.deepcopy(layer), nn.ReLU(inplace=inplace))
        sparsify(model, Static(ratio=0.5, granularity=granularity))
        model(x).square().sum().backward()
        gradients.append(model[0].weight.grad)
    assert torch.equal(*gradients)


def test_select_gradient_puts_any_selection_into_a_graph():
    x = torch.tensor([[1.0, -2, 3], [6, 5, 4]], requires_grad=True)
    bias = torch.zeros(3, requires_grad=True)

    def largest_of_each_row(G):
        return G * keep_largest(G.abs(), torch.tensor([1, 2])), G

    y = select_gradient(x * 2, largest_of_each_row, bias)
    assert torch.equal(y, x * 2)
    (y * torch.tensor([[1.0, 4, -5], [3, -3, 3]])).sum().backward()
    assert x.grad.tolist() == [[0, 0, -10], [6, -6, 0]]
    assert bias.grad.tolist() == [4, 1, -2]  # learns from all of G


def test_select_gradient_without_a_bias_of_its_own():
    x = torch.ones(2, 3, 2, 2, requires_grad=True)
    select_gradient(x, lambda G: (G * 0, None)).sum().backward()
    assert not x.grad.any()
