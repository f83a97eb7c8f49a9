"""Turn the layers of any PyTorch model sparse, in place, and back."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from tinyprop.sparse.layers import LossReduction, SparseConv2d, SparseLayer, SparseLinear, Step
from tinyprop.sparse.policies import Policy
from tinyprop.sparse.statistics import LayerStatistics

_SPARSE: dict[type[nn.Module], type[SparseLinear | SparseConv2d]] = {
    nn.Linear: SparseLinear,
    nn.Conv2d: SparseConv2d,
}
_DENSE: dict[type[nn.Module], type[nn.Module]] = {sparse: dense for dense, sparse in _SPARSE.items()}


class Sparsity:
    """The sparse layers of one model: their statistics, and where training stands.

    Attributes:
        policy: what decides.
        layers: name to layer, in the order of execution.
    """

    def __init__(self, policy: Policy, layers: dict[str, SparseLinear | SparseConv2d], step: Step):
        self.policy = policy
        self.layers = layers
        self._step = step
        self.begin_epoch(0)

    @property
    def record_masks(self) -> bool:
        """Whether each layer keeps the mask of its last backward pass as ``last_mask``. Off by default."""
        return self._step.record_masks

    @record_masks.setter
    def record_masks(self, record: bool) -> None:
        self._step.record_masks = record

    @property
    def skips_whole_batch(self) -> bool:
        """Whether the last backward pass left out every sample, so that the optimizer's step is to be left out too."""
        skipped = self._step.skipped
        return skipped is not None and bool(skipped.all())

    def begin_epoch(self, epoch: int) -> None:
        """Tell the policy that an epoch begins, counted from 0: schedules advance, lots are drawn from a new seed.

        A run that is resumed at this epoch draws the same lots as one that was never interrupted.
        """
        self._step.dense = self.policy.is_dense_in(epoch)
        if self.policy.at_random:
            base = getattr(self.policy, "seed", 0)
            for index, layer in enumerate(self.layers.values()):
                layer.seed(hash((base, epoch, index)) & 0x7FFF_FFFF_FFFF_FFFF)

    def collect(self) -> dict[str, LayerStatistics]:
        """Each layer's statistics since the last call, by name; layers that no gradient reached are left out."""
        statistics = {name: layer.collect() for name, layer in self.layers.items()}
        return {name: found for name, found in statistics.items() if found is not None}


def sparsify(
    model: nn.Module,
    policy: Policy,
    *,
    loss_reduction: LossReduction = "mean",
    example: Any = None,
) -> Sparsity:
    """Turn every trainable `torch.nn.Linear` and `torch.nn.Conv2d` of a model sparse, in place.

    Parameters stay the same objects, so an optimizer made before or after works alike. Subclasses of the two are left
    alone, since what they do with their weights is not known, and so are frozen layers.

    Args:
        model: any model; its ``state_dict`` gains a buffer ``<layer>.local_error_max`` for each sparse layer, and under
            `Budget` three of the output layer's threshold, so load weights of the plain model before this call.
        policy: such as ``Static(ratio=0.1)`` or ``Adaptive(s_min=0.1, s_max=0.9, zeta=0.5)``.
        loss_reduction: of the loss over the batch. A mean makes each sample's gradient B times smaller, which the local
            error must not depend on.
        example: an input (or a tuple of inputs) that shows in which order the layers run. Without it they are taken
            to run in the order in which the model registers them, the last being the output layer.

    Raises:
        ValueError: the model has no such layer, or is sparse already.
    """
    if loss_reduction not in ("mean", "sum"):
        raise ValueError(f"loss_reduction={loss_reduction!r} is neither 'mean' nor 'sum'")
    named = dict(model.named_modules())
    if any(isinstance(module, SparseLayer) for module in named.values()):
        raise ValueError("the model is sparse already; call densify(model) before giving it another policy")
    found = {name: module for name, module in named.items() if _is_trainable(module)}
    if not found:
        raise ValueError("the model has no trainable torch.nn.Linear or torch.nn.Conv2d to turn sparse")
    names = list(found) if example is None else _execution_order(model, found, example)

    step = Step(policy, loss_reduction)
    layers: dict[str, SparseLinear | SparseConv2d] = {}
    for index, name in enumerate(names):
        layer: Any = found[name]
        layer.__class__ = _SPARSE[type(layer)]
        layer.attach(step, depth=len(names) - 1 - index, is_first=index == 0)
        layers[name] = layer
    return Sparsity(policy, layers, step)


def densify(model: nn.Module) -> None:
    """Turn a model's sparse layers back into plain ones, in place; weights stay."""
    for module in model.modules():
        if isinstance(module, SparseLinear | SparseConv2d):
            module.detach_place()
            module.__class__ = _DENSE[type(module)]  # type: ignore[assignment]


def plain_state_dict(model: nn.Module) -> dict[str, Tensor]:
    """The ``state_dict`` that the model would have if it had never been sparse."""
    own = {
        f"{name}.{key}" if name else key
        for name, module in model.named_modules()
        if isinstance(module, SparseLayer)
        for key in module.training_state()
    }
    return {key: value for key, value in model.state_dict().items() if key not in own}


def _is_trainable(module: nn.Module) -> bool:
    return type(module) in _SPARSE and bool(module.weight.requires_grad)


def _execution_order(model: nn.Module, layers: dict[str, nn.Module], example: Any) -> list[str]:
    """Names in the order in which the layers run; one that runs more than once counts where it runs last."""
    order: dict[str, None] = {}

    def note(name: str) -> None:
        order.pop(name, None)
        order[name] = None

    handles = [layer.register_forward_hook(lambda *_, name=name: note(name)) for name, layer in layers.items()]
    training = {module: module.training for module in model.modules()}
    try:
        model.eval()
        with torch.no_grad():
            model(*example) if isinstance(example, tuple) else model(example)
    finally:
        for handle in handles:
            handle.remove()
        for module, was_training in training.items():
            module.training = was_training
    unused = [name for name in layers if name not in order]
    if unused:
        raise ValueError(f"the example does not reach the layers {', '.join(unused)}; pass one that does, or none")
    return list(order)
