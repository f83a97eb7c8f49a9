"""Runs one layer or one network through the package and hands the outcome to the tests as float64 arrays."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from tinyprop.sparse import Adaptive, AdaptiveSkip, Budget, Dense, MeProp, Sparsity, Static, sparsify

from . import reference

KINDS = {
    "dense": Dense,
    "static": Static,
    "meprop": MeProp,
    "adaptive": Adaptive,
    "skip": AdaptiveSkip,
    "budget": Budget,
}


def pair(kind: str, **options):
    """The same policy twice: as the package knows it and as the reference does."""
    if kind == "meprop":
        options.setdefault("sparsify_output", True)
    return KINDS[kind](**options), reference.Settings(kind=kind, **options)


@dataclass
class Outcome:
    """One backward pass of one layer. The gradients are sums over the samples of a loss ⟨y, G⟩ of each sample."""

    y: np.ndarray
    mask: np.ndarray
    dW: np.ndarray  # noqa: N815
    db: np.ndarray | None
    dX: np.ndarray  # noqa: N815
    local_error_max: float
    sparsity: Sparsity
    model: nn.Sequential


def backward_of(layer: nn.Module, policy, x, G, *, loss_reduction: str = "mean", local_error_max: float | None = None):
    """Sparsify a copy of one ``layer`` (so it is the output layer) and send per-sample gradients G through it."""
    model = nn.Sequential(copy.deepcopy(layer)).double()
    sparsity = sparsify(model, policy, loss_reduction=loss_reduction)
    sparsity.record_masks = True
    if local_error_max is not None:
        model[0].local_error_max.fill_(local_error_max)
    inputs = torch.as_tensor(np.asarray(x, dtype=np.float64)).requires_grad_()
    y = model(inputs)
    losses = (y * torch.as_tensor(np.asarray(G, dtype=np.float64))).flatten(1).sum(1)
    (losses.mean() if loss_reduction == "mean" else losses.sum()).backward()
    scale = len(losses) if loss_reduction == "mean" else 1
    return Outcome(
        y=y.detach().numpy(),
        mask=model[0].last_mask.numpy(),
        dW=model[0].weight.grad.numpy() * scale,
        db=None if model[0].bias is None else model[0].bias.grad.numpy() * scale,
        dX=inputs.grad.numpy() * scale,
        local_error_max=float(model[0].local_error_max),
        sparsity=sparsity,
        model=model,
    )


def linear_of(W, b=None) -> nn.Linear:
    """A linear layer with these very weights."""
    W = torch.as_tensor(np.asarray(W, dtype=np.float64))
    layer = nn.Linear(W.shape[1], W.shape[0]).double()
    with torch.no_grad():
        layer.weight.copy_(W)
        layer.bias.copy_(torch.zeros(W.shape[0]) if b is None else torch.as_tensor(np.asarray(b, dtype=np.float64)))
    return layer


def reference_of(layer: nn.Linear | nn.Conv2d) -> reference.Linear | reference.Conv:
    """The reference's layer with a copy of the same weights."""
    W = layer.weight.detach().double().numpy().copy()
    b = np.zeros(len(W)) if layer.bias is None else layer.bias.detach().double().numpy().copy()
    if isinstance(layer, nn.Linear):
        return reference.Linear(W, b)
    return reference.Conv(W, b, layer.stride, _pads(layer), layer.dilation, layer.groups, layer.padding_mode)


def _pads(layer: nn.Conv2d) -> tuple[int, int, int, int]:
    if layer.padding == "valid":
        return (0, 0, 0, 0)
    if layer.padding == "same":
        totals = [d * (k - 1) for d, k in zip(layer.dilation, layer.kernel_size, strict=True)]
        return (totals[0] // 2, totals[0] - totals[0] // 2, totals[1] // 2, totals[1] - totals[1] // 2)
    return (layer.padding[0], layer.padding[0], layer.padding[1], layer.padding[1])


def assert_agrees(outcome: Outcome, layer: nn.Module, settings, x, G, local_error_max: float = 0.0) -> None:
    """Masks and Y_max, outputs and gradients of ``outcome`` are those of the reference."""
    x, G = np.asarray(x, dtype=np.float64), np.asarray(G, dtype=np.float64)
    expected = reference_of(layer)
    chosen = reference.select(settings, G, local_error_max, unit_axis=expected.unit_axis)
    assert not chosen.doubtful
    sums = expected.backward(x, G, chosen, settings.sparse_bias)
    np.testing.assert_array_equal(outcome.mask, chosen.mask)
    np.testing.assert_allclose(outcome.y, expected.forward(x), rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(outcome.dW, sums.dW, rtol=1e-10, atol=1e-10)
    if outcome.db is not None:
        np.testing.assert_allclose(outcome.db, sums.db, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(outcome.dX, sums.dX, rtol=1e-10, atol=1e-10)
    if settings.kind in ("adaptive", "skip"):
        np.testing.assert_allclose(outcome.local_error_max, chosen.local_error_max, rtol=1e-6)
