"""One training on two backends, batch by batch, where only float32 rounding may tell them apart.

Rounding has a say where a training stands on an edge: two magnitudes tie, n·r lies on a rounding step, a ReLU's input
is almost zero, the two largest of a pool's window almost equal. Such a batch is looked into, and both go on from
PyTorch's weights and training state. Anything else that differs is an error.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import nn

from tinyprop.backends.engine_training import Task
from tinyprop.backends.native import NativeTraining
from tinyprop.backends.native_settings import NativeBackend
from tinyprop.backends.torch_backend import TorchTraining
from tinyprop.engine.weights import channels_last_order
from tinyprop.models.modules import build

TIE = 1e-6
"""Relative difference within which float32 rounding decides: some units in the last place."""
TOLERANCE = 1e-5
"""Relative difference of weights that the two may come to by rounding, since they were last the same."""
ONE_STEP = 3e-6
"""The same after one batch."""


@dataclass
class Pair:
    """The same network, data and settings under both backends."""

    torch: TorchTraining
    native: NativeTraining
    learning_rate: float
    edges: int = 0
    worst: float = 0.0
    _kept: dict[tuple[int, int], np.ndarray] = field(default_factory=dict)

    def __post_init__(self):
        self.torch._sparsity.record_masks = True
        self.layers = self.torch._sparsity.layers
        self.gradients = _watch_gradients(self.layers)
        self.kinks = _watch_kinks(self.torch._module)
        self.native._network.observe(self._observe)
        self.places = [i for i, layer in enumerate(self.torch._module) if isinstance(layer, nn.Linear | nn.Conv2d)]
        self.start = {name: float(value.abs().max()) for name, value in self.torch.weights().items()}

    def train(self, x: np.ndarray, target: np.ndarray, batch: np.ndarray) -> None:
        """One batch on both; raises where more than rounding differs."""
        before = _copied(self.torch.state())
        loss = self._step(self.torch, x, target, batch)
        assert abs(self._step(self.native, x, target, batch) - loss) <= 1e-4 * max(loss, 0.1)
        differing, gap = self._differing(), self._gap()
        if not differing and gap <= TOLERANCE:
            self.worst = max(self.worst, gap)
            return
        self.edges += 1
        after = _copied(self.torch.state())
        self.adopt(before)
        self._step(self.native, x, target, batch)
        differing, gap = self._differing(), self._gap()
        for layer, sample in differing:
            self._require_tie(layer, sample)
        assert differing or gap <= ONE_STEP or self.kinks[-1] < TIE, f"weights differ by {gap} after one batch"
        self.adopt(after)

    def adopt(self, state: dict) -> None:
        """Put PyTorch's weights, running maxima and optimizer into the engine."""
        layout, module = self.native._layout, state["module"]
        maxima = {name: float(module[f"{name}.local_error_max"]) for name in self.layers}
        self.native.set_weights({name: module[name] for name in layout.shapes})
        names = list(layout.shapes)
        vector = self.native.training_state
        vector[:] = 0
        vector[2 : 2 + len(maxima)] = list(maxima.values())
        threshold = [float(value) for name, value in module.items() if ".threshold." in name]
        if threshold:
            vector[-3:] = threshold
        kept = state["optimizer"]["state"]
        keys = ("exp_avg", "exp_avg_sq") if kept and "exp_avg" in kept[0] else ("momentum_buffer",)
        for place, key in enumerate(keys):
            moments = {names[i]: each[key] for i, each in kept.items() if each.get(key) is not None}
            if moments:
                begin = 2 + len(maxima) + place * layout.size
                vector[begin : begin + layout.size] = layout.pack(moments)
        if kept and "step" in kept[0]:
            beta1, beta2 = state["optimizer"]["param_groups"][0]["betas"]
            vector[:2] = [1 - beta ** float(kept[0]["step"]) for beta in (beta1, beta2)]

    def _step(self, backend, x, target, batch) -> float:
        self._kept.clear()
        return backend.train_epoch(0, self.learning_rate, x, target, batch, lambda amount: None).loss

    def _observe(self, layer: int, sample: int, index: np.ndarray | None) -> None:
        self._kept[self.places.index(layer), sample] = index

    def _differing(self) -> list[tuple[str, int]]:
        """Layers and samples of which the two kept different entries."""
        return [
            (name, sample)
            for name, layer in self.layers.items()
            for sample, mask in enumerate(layer.last_mask.numpy())
            if not np.array_equal(self._kept_here(name, sample), mask)
        ]

    def _gap(self) -> float:
        """The largest relative difference of any tensor, against the largest number it holds or began with."""
        theirs, ours = self.torch.weights(), self.native.weights()
        return max(
            float((ours[name] - value).abs().max()) / max(float(value.abs().max()), self.start[name])
            for name, value in theirs.items()
        )

    def _require_tie(self, name: str, sample: int) -> None:
        """The two kept different entries of a gradient; rounding must have been able to make them."""
        layer, policy = self.layers[name], self.torch._sparsity.policy
        theirs, ours = layer.last_mask.numpy()[sample], self._kept_here(name, sample)
        magnitude = np.abs(self.gradients[name][sample]) * len(layer.last_mask)  # of the sample's own loss
        if policy.granularity == "channel" and magnitude.ndim == 3:
            theirs, ours, magnitude = theirs[:, 0, 0], ours[:, 0, 0], magnitude.sum(axis=(1, 2))
        disputed, agreed = magnitude[theirs != ours], magnitude[theirs & ours]
        dropped = magnitude[~theirs & ~ours]
        if policy.by_threshold:
            assert disputed.max() - disputed.min() <= TIE * disputed.max(), (name, disputed)
            assert dropped.max(initial=0.0) <= disputed.max() <= agreed.min(initial=np.inf), "none but those at the bar"
            return
        if theirs.sum() == ours.sum():
            assert disputed.max() - disputed.min() <= TIE * disputed.max(), (name, disputed)
            return
        error = np.array([magnitude.sum()], np.float64)
        ratio = policy.ratios(error, float(layer.local_error_max), layer.depth, magnitude.size)[0]
        step = magnitude.size * ratio + (0.0 if policy.rounding == "floor" else 0.5)
        assert abs(step - round(step)) <= TIE * magnitude.size, (name, step, theirs.sum(), ours.sum())
        assert dropped.max(initial=0.0) <= disputed.max() <= agreed.min(initial=np.inf), "the next in rank, no others"

    def _kept_here(self, name: str, sample: int) -> np.ndarray:
        """The engine's kept entries as PyTorch has them, bool in the shape of one sample's G."""
        shape = self.layers[name].last_mask.shape[1:]
        order = channels_last_order(shape)
        index = self._kept[list(self.layers).index(name), sample]
        kept = np.zeros(len(order), bool)
        kept[order if index is None else order[index]] = True
        return kept.reshape(shape)


def _watch_gradients(layers: dict[str, nn.Module]) -> dict[str, np.ndarray]:
    """G of each layer in the last backward pass, as autograd has it."""
    gradients: dict[str, np.ndarray] = {}
    for name, layer in layers.items():

        def watch(_, __, output, name=name):
            if output.requires_grad:
                output.register_hook(lambda G: gradients.__setitem__(name, G.numpy().copy()))

        layer.register_forward_hook(watch)
    return gradients


def _watch_kinks(module: nn.Sequential) -> list[float]:
    """How near each forward pass came to a kink, relative to the layer's largest number; the newest is the last."""
    nearest = [np.inf]

    def begin(*_):
        nearest.append(np.inf)

    def relu(_, inputs, __):
        values = inputs[0].detach().abs()
        nearest[-1] = min(nearest[-1], float(values.min() / values.max()))

    def pool(layer, inputs, _):
        values = inputs[0].detach()
        windows = nn.functional.unfold(values.flatten(0, 1).unsqueeze(1), layer.kernel_size, stride=layer.stride)
        first, second = windows.topk(2, dim=1).values.unbind(1)
        gaps = (first - second)[first > second]
        if len(gaps):
            nearest[-1] = min(nearest[-1], float(gaps.min() / values.abs().max()))

    module.register_forward_pre_hook(begin)
    for layer in module:
        if isinstance(layer, nn.ReLU):
            layer.register_forward_hook(relu)
        elif isinstance(layer, nn.MaxPool2d):
            layer.register_forward_hook(pool)
    return nearest


def _copied(state):
    if isinstance(state, torch.Tensor):
        return state.detach().clone()
    if isinstance(state, dict):
        return {key: _copied(value) for key, value in state.items()}
    return [_copied(value) for value in state] if isinstance(state, list) else state


def pair(model, shape, outputs, loss, *, policy, optimizer, batch_size) -> Pair:
    """The two backends on the same network with the same initial weights."""
    common = {"policy": policy, "optimizer": optimizer, "batch_size": batch_size}
    in_torch = TorchTraining(
        build(model, shape, outputs, loss, seed=1),
        loss=loss,
        input_shape=shape,
        device=torch.device("cpu"),
        **common,
    )
    module, specification = build(model, shape, outputs, loss, seed=1), model.specification(shape, outputs, loss)
    in_c = NativeTraining(Task(module=module, specification=specification, **common), NativeBackend())
    return Pair(in_torch, in_c, optimizer.lr)
