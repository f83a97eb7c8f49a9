"""`torch.nn.Linear` and `torch.nn.Conv2d` whose output gradients are thinned out by a policy as they flow back.

The forward pass is PyTorch's own. A layer becomes sparse in place (`attach`): parameters, hooks and references to it
stay what they were, and its state gains one buffer, ``local_error_max``, which is saved and restored with the rest.
Under `Budget` the output layer also gains the state of the network's threshold.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tinyprop.sparse.autograd import conv2d_of_kept_channels, select_gradient
from tinyprop.sparse.policies import Budget, PerSample, Policy
from tinyprop.sparse.selection import Selection, select
from tinyprop.sparse.statistics import LayerStatistics, Tally
from tinyprop.sparse.threshold import Threshold, ThresholdState

LossReduction = Literal["mean", "sum"]


@dataclass(eq=False)
class Step:
    """What the layers of one model share while they train."""

    policy: Policy
    loss_reduction: LossReduction
    dense: bool = False
    record_masks: bool = False
    skipped: NDArray[np.bool_] | None = None
    """Samples that the output layer has taken out of the backward pass that is under way, bool (B,)."""
    threshold: Threshold | None = None
    """What selects for all layers, where the policy has one threshold for the network."""


@dataclass(eq=False)
class _Place:
    """Where one layer stands in its model, and what it has seen."""

    step: Step
    depth: int
    is_first: bool
    tally: Tally = field(default_factory=Tally)
    generator: torch.Generator | None = None
    last_mask: Tensor | None = None


class SparseLayer(nn.Module):
    """What `SparseLinear` and `SparseConv2d` share: the selection, its state and its statistics."""

    weight: Tensor
    bias: Tensor | None
    local_error_max: Tensor
    """Y_max, the running maximum of the local error: training state, like a batch norm's running mean."""
    threshold: ThresholdState
    """Only in the output layer, and only under a policy with one threshold for the network."""
    unit_dim: ClassVar[int]
    """The dimension of the output that counts units or channels, from the end."""
    sample_dims: ClassVar[int]
    """Dimensions of one sample's output; a layer may also be given one sample without a batch dimension."""
    _place: _Place

    @property
    def depth(self) -> int:
        """d, the number of trainable layers between this one and the output."""
        return self._place.depth

    @property
    def last_mask(self) -> Tensor | None:
        """The entries that the last backward pass kept, in the shape of G; None unless ``record_masks`` is set."""
        return self._place.last_mask

    def attach(self, step: Step, depth: int, *, is_first: bool) -> None:
        """Give the layer its place: what it shares with the others, its depth d, and whether it runs before them."""
        self._place = _Place(step, depth, is_first)
        self.register_buffer("local_error_max", torch.zeros((), dtype=self.weight.dtype, device=self.weight.device))
        if depth == 0 and isinstance(step.policy, Budget):
            self.threshold = ThresholdState(self.weight)
            step.threshold = Threshold(step.policy, self.threshold)

    def detach_place(self) -> None:
        """Undo `attach`."""
        del self._place, self.local_error_max
        if "threshold" in self._modules:
            del self.threshold

    def training_state(self) -> list[str]:
        """The keys of ``state_dict`` that a plain layer lacks."""
        threshold = self._modules.get("threshold")
        return ["local_error_max", *(f"threshold.{key}" for key in (threshold.state_dict() if threshold else ()))]

    def seed(self, seed: int) -> None:
        """Where a policy that draws by lot draws from, from now on."""
        self._place.generator = torch.Generator().manual_seed(seed)

    def collect(self) -> LayerStatistics | None:
        """Statistics of the steps since the last call, then start anew; None if there were none."""
        fan_in = self.weight[0].numel()
        statistics = self._place.tally.read(units=len(self.weight), fan_in=fan_in, bias=self.bias is not None)
        self._place.tally = Tally()
        return statistics

    def is_sparse_now(self) -> bool:
        """Whether gradients of this forward pass are to be selected. Evaluation leaves all state alone."""
        return self.training and torch.is_grad_enabled()

    def begin_forward(self) -> None:
        """Forget which samples were skipped: a backward pass may come that does not reach the output layer."""
        self._place.step.skipped = None

    def select(self, gradient: Tensor, x: Tensor, *, input_gradient: bool) -> tuple[Tensor, Tensor | None]:
        """Steps 1 to 3 of the method: G with the dropped entries set to zero, and G for a bias that stays dense.

        G has shape (B, …); its first dimension is the sample, everything else belongs to the sample's n entries. x is
        the input that the layer was given.
        """
        if gradient.dim() == self.sample_dims:
            sparse, for_bias = self.select(gradient.unsqueeze(0), x.unsqueeze(0), input_gradient=input_gradient)
            return sparse.squeeze(0), None if for_bias is None else for_bias.squeeze(0)
        if len(gradient) == 0:
            return gradient, None
        place, step = self._place, self._place.step
        policy, tally = step.policy, place.tally
        magnitude = gradient.detach().abs()
        local_error = self._local_error(magnitude)

        by_channel = policy.granularity == "channel" and gradient.dim() > 2
        units_first = magnitude.movedim(self.unit_dim, 1) if by_channel else magnitude
        flat = units_first.flatten(2 if by_channel else 1)
        if step.threshold is None:
            selection = self._selection(flat, local_error)
        else:
            selection = self._threshold_selection(step.threshold, flat, local_error, x, input_gradient=input_gradient)
        mask, kept = selection.mask, int(selection.counts.sum())
        if mask is not None:
            if policy.batch_shared:
                kept = int(mask.count_nonzero())
            # A mask of channels is (B, channels, 1) and has to stand over their positions again.
            mask = (
                mask.expand(-1, -1, units_first[0, 0].numel()).reshape(units_first.shape).movedim(1, self.unit_dim)
                if by_channel
                else mask.view_as(gradient)
            )
        tally.entries = len(self.weight) if by_channel else gradient[0].numel()
        tally.positions = units_first[0, 0].numel() if by_channel else 1
        tally.patches = self._patches(gradient)
        tally.input_gradient = input_gradient
        tally.add(
            samples=len(gradient),
            ratio=float(selection.ratio.sum()),
            local_error=float(local_error.sum()),
            kept=kept,
            kept_rows=self._rows_kept(mask, kept),
            kept_patches=len(gradient) * tally.patches if mask is None else self._patches_kept(mask),
        )
        if step.record_masks:
            place.last_mask = torch.ones_like(gradient, dtype=torch.bool) if mask is None else mask
        if mask is None:
            return gradient, None
        sparse = gradient * mask
        if selection.factor is not None:
            sparse = sparse * selection.factor.view_as(gradient)
        if policy.sparse_bias:
            return sparse, None
        return sparse, gradient if step.skipped is None else gradient * _learnt_from(step.skipped, gradient)

    def _local_error(self, magnitude: Tensor) -> PerSample:
        """Step 1: Y of the per-sample loss of each sample, shape (B,), and the running maximum."""
        step = self._place.step
        # Under a mean loss G is the per-sample gradient over B: undone, so that a ratio does not depend on the batch.
        summed = magnitude.flatten(1).sum(dim=1)
        if summed.dtype != torch.float64:
            summed = summed.float()
        local_error: PerSample = summed.cpu().numpy()
        if step.loss_reduction == "mean":
            local_error = local_error * len(local_error)
        if step.skipped is not None and self._place.depth > 0:
            # Batch norm hands on gradients between samples: what reaches a skipped one is not its error.
            if len(step.skipped) != len(local_error):
                raise ValueError(
                    f"the output layer skips samples of a batch of {len(step.skipped)}, but a layer before it sees a "
                    f"batch of {len(local_error)}: skipping needs the samples in dimension 0 of every layer"
                )
            local_error = local_error * ~step.skipped
        largest = float(local_error.max())
        if largest > float(self.local_error_max):
            self.local_error_max.fill_(largest)
        return local_error

    def _selection(self, magnitude: Tensor, local_error: PerSample) -> Selection:
        """What to keep of G, by |G| as (B, n) or (B, channels, positions); samples that are skipped are taken out."""
        place, step = self._place, self._place.step
        policy, entries = step.policy, magnitude.shape[1]
        is_output, largest = place.depth == 0, float(self.local_error_max)
        if is_output:
            step.skipped = policy.skipped(policy.ratios(local_error, largest, 0, entries))
        if step.dense or (is_output and not policy.sparsify_output):
            counts = np.full(len(local_error), entries)
            selection = Selection(None, np.ones_like(local_error), counts)
        else:
            selection = select(
                magnitude, local_error, largest, policy=policy, depth=place.depth, generator=place.generator
            )
        skipped = step.skipped
        if skipped is None:
            return selection
        mask = torch.ones_like(magnitude, dtype=torch.bool) if selection.mask is None else selection.mask
        return Selection(mask & _learnt_from(skipped, mask), selection.ratio * ~skipped, selection.counts * ~skipped)

    def _threshold_selection(
        self, threshold: Threshold, magnitude: Tensor, local_error: PerSample, x: Tensor, *, input_gradient: bool
    ) -> Selection:
        """What to keep of G by a threshold of the network, which follows when the first layer is done."""
        place, fan_in = self._place, self.weight[0].numel()
        samples, entries = magnitude.shape
        macs = fan_in * (1 + input_gradient)
        if place.depth == 0 and not place.step.policy.sparsify_output:
            threshold.spend_all(samples, entries, macs)
            selection = Selection(None, np.ones_like(local_error), np.full(samples, entries))
        else:
            scale = 1 / samples if place.step.loss_reduction == "mean" else 1.0
            selection = threshold.select(
                magnitude, local_error, x, scale=scale, depth=place.depth, fan_in=fan_in, macs=macs
            )
        if place.is_first:
            threshold.end_batch(samples)
        return selection

    def _rows_kept(self, mask: Tensor | None, kept: int) -> int:
        """Rows of the weight matrix with a kept entry."""
        if mask is None:
            return len(self.weight)
        if mask.numel() == len(self.weight):
            return kept
        if mask.dim() == 2:
            return int(mask.any(dim=0).count_nonzero())
        return int(mask.movedim(self.unit_dim, 0).flatten(1).any(dim=1).count_nonzero())

    def _patches(self, gradient: Tensor) -> int:
        """Patches of a sample: output positions of a convolution, of each group for itself."""
        return 0

    def _patches_kept(self, mask: Tensor) -> int:
        """Those of a batch with a kept entry."""
        return 0


class SparseLinear(nn.Linear, SparseLayer):  # type: ignore[misc]  # torch types a missing bias as Any
    """`torch.nn.Linear` with sparse backpropagation. Input (B, …, m), output (B, …, n)."""

    unit_dim, sample_dims = -1, 1

    def forward(self, input: Tensor) -> Tensor:
        if not self.is_sparse_now():
            return super().forward(input)
        self.begin_forward()
        input_gradient = input.requires_grad
        bias, dense_bias = _split_bias(self)
        output = nn.functional.linear(input, self.weight, bias)
        selector = lambda G: self.select(G, input, input_gradient=input_gradient)
        return select_gradient(output, selector, dense_bias, unit_dim=-1)


class SparseConv2d(nn.Conv2d, SparseLayer):
    """`torch.nn.Conv2d` with sparse backpropagation, for any stride, padding, dilation and groups."""

    unit_dim, sample_dims = -3, 3

    def forward(self, input: Tensor) -> Tensor:
        if not self.is_sparse_now():
            return super().forward(input)
        self.begin_forward()
        input_gradient = input.requires_grad
        selector = lambda G: self.select(G, input, input_gradient=input_gradient)
        by_channel = self._place.step.policy.granularity == "channel"
        if (
            by_channel
            and input.dim() == 4
            and self.groups == 1
            and self.padding_mode == "zeros"
            and not isinstance(self.padding, str)
        ):
            geometry = {"stride": self.stride, "padding": self.padding, "dilation": self.dilation}
            return conv2d_of_kept_channels(input, self.weight, self.bias, selector, **geometry)
        bias, dense_bias = _split_bias(self)
        return select_gradient(self._conv_forward(input, self.weight, bias), selector, dense_bias, unit_dim=-3)

    def _patches(self, gradient: Tensor) -> int:
        return self.groups * gradient[0, 0].numel()

    def _patches_kept(self, mask: Tensor) -> int:
        by_group = mask.reshape(len(mask), self.groups, -1, *mask.shape[2:])
        return int(by_group.any(dim=2).count_nonzero())


def _learnt_from(skipped: NDArray[np.bool_], like: Tensor) -> Tensor:
    """The samples that are not skipped, in a shape that broadcasts over ``like``, (B, …)."""
    return torch.from_numpy(~skipped).to(like.device).view(-1, *(1,) * (like.dim() - 1))


def _split_bias(layer: SparseLayer) -> tuple[Tensor | None, Tensor | None]:
    """The bias as the layer's kernel is to see it, and as `select_gradient` is; where it learns from all of G."""
    step = layer._place.step
    if layer.bias is None or step.policy.sparse_bias or step.dense:
        return layer.bias, None
    return layer.bias.detach(), layer.bias
