"""The two autograd functions of sparse backpropagation; they know nothing of policies.

`select_gradient` changes what flows back through a point of the graph and leaves the kernels of plain PyTorch to work
on it, so a layer that keeps everything gives the same bits as PyTorch. Zeros are multiplied as before: it counts what
a sparse engine would save, it does not save it.

`conv2d_of_kept_channels` really skips work: where whole channels are dropped, dense kernels run on the kept ones only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

Selector = Callable[[Tensor], tuple[Tensor, Tensor | None]]
"""Takes G, gives the sparse G and what the bias is to learn from instead (None: the sparse G)."""


def select_gradient(output: Tensor, selector: Selector, bias: Tensor | None = None, *, unit_dim: int = -1) -> Tensor:
    """The identity, whose backward pass replaces the gradient by what ``selector`` makes of it.

    Args:
        output: any layer's output, shape (B, …).
        selector: called once for each backward pass with G, of the shape of ``output``.
        bias: pass the layer's bias, shape (n,), to have it learn from all of G while the weights learn from the kept
            entries; the layer must then have computed ``output`` with the bias detached.
        unit_dim: the dimension of ``output`` that ``bias`` belongs to: -1 for linear layers, -3 for convolutions.

    Returns:
        ``output``, the same numbers.
    """
    return _SelectGradient.apply(output, bias, selector, unit_dim)  # type: ignore[no-any-return, no-untyped-call]


def conv2d_of_kept_channels(
    image: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    selector: Selector,
    *,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
) -> Tensor:
    """A convolution without groups whose backward pass leaves out the output channels that no sample kept.

    Args:
        image: shape (B, C_in, H, W).
        weight: shape (C_out, C_in, kh, kw).
        bias: shape (C_out,) or None.
        selector: gives a G in which dropped channels are all zeros, and the bias's G or None.
    """
    geometry = (tuple(stride), tuple(padding), tuple(dilation))
    return _ConvolutionOfKeptChannels.apply(image, weight, bias, selector, geometry)  # type: ignore[no-any-return, no-untyped-call]


class _SelectGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, output: Tensor, bias: Tensor | None, selector: Selector, unit_dim: int) -> Tensor:
        ctx.selector, ctx.unit_dim = selector, unit_dim
        return output.detach()  # no view for autograd, so that an activation may work in place on it

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        sparse, for_bias = ctx.selector(gradient)
        bias_gradient = None
        if ctx.needs_input_grad[1]:
            bias_gradient = sum_over_samples(sparse if for_bias is None else for_bias, ctx.unit_dim)
        return sparse, bias_gradient, None, None


class _ConvolutionOfKeptChannels(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, image: Tensor, weight: Tensor, bias: Tensor | None, selector: Selector, geometry: tuple[Any, ...]
    ) -> Tensor:
        ctx.save_for_backward(image, weight)
        ctx.selector, ctx.geometry = selector, geometry
        return torch.conv2d(image, weight, bias, *geometry)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        image, weight = ctx.saved_tensors
        sparse, for_bias = ctx.selector(gradient)
        needs_image, needs_weight, needs_bias = ctx.needs_input_grad[:3]
        channels = (sparse != 0).any(dim=3).any(dim=2).any(dim=0).nonzero().squeeze(1)
        every = len(channels) == weight.shape[0]
        by_kernel = needs_bias and every and for_bias is None  # the same bits as plain PyTorch
        bias_gradient = None
        if needs_bias and not by_kernel:
            bias_gradient = sum_over_samples(sparse if for_bias is None else for_bias, -3)
        if len(channels) == 0:
            nothing = (torch.zeros_like(image) if needs_image else None, torch.zeros_like(weight))
            return *nothing, bias_gradient, None, None
        image_gradient, kept_gradient, by_kernel_gradient = torch.ops.aten.convolution_backward(
            sparse if every else sparse.index_select(1, channels),
            image,
            weight if every else weight.index_select(0, channels),
            [weight.shape[0]] if by_kernel else None,
            *ctx.geometry,
            False,
            [0, 0],
            1,
            [needs_image, needs_weight, by_kernel],
        )
        if by_kernel:
            bias_gradient = by_kernel_gradient
        if not needs_weight or every:
            return image_gradient, kept_gradient, bias_gradient, None, None
        weight_gradient = torch.zeros_like(weight).index_copy_(0, channels, kept_gradient)
        return image_gradient, weight_gradient, bias_gradient, None, None


def sum_over_samples(gradient: Tensor, unit_dim: int) -> Tensor:
    """A bias's gradient, shape (n,), from its layer's G, whose dimension ``unit_dim`` is n."""
    others = [dim for dim in range(gradient.dim()) if dim != gradient.dim() + unit_dim]
    return gradient.sum(dim=others)
