"""Training in PyTorch."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from tinyprop.backends.contract import Epoch
from tinyprop.errors import DivergenceError, RequestError
from tinyprop.models.specification import Loss
from tinyprop.sparse import Policy, densify, plain_state_dict, sparsify
from tinyprop.training.optimizer import Optimizer

_EVALUATION_BATCH = 1024
_MOMENTS = ("momentum_buffer", "exp_avg_sq")
"""Of PyTorch's SGD and Adam."""


class TorchTraining:
    """One network, its sparse layers and its optimizer; see `tinyprop.backends.contract.Backend`."""

    def __init__(
        self,
        module: nn.Module,
        *,
        policy: Policy,
        optimizer: Optimizer,
        loss: Loss,
        batch_size: int,
        input_shape: tuple[int, ...],
        device: torch.device,
    ):
        self._module = module.to(device)
        example = torch.zeros(2, *input_shape, device=device)
        self._sparsity = sparsify(self._module, policy, example=example)
        self._optimizer = optimizer.build(self._module.parameters())
        self._loss = LOSSES[loss]
        self._normalises = any(isinstance(part, nn.modules.batchnorm._BatchNorm) for part in module.modules())
        if self._normalises and batch_size == 1:
            raise RequestError("trainer.batch_size=1: this network has batch norm, which needs two samples or more")
        if device.type == "cuda":  # the same bits again, and float32 as every other backend has it
            torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = True, False
            torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
        self._batch_size = batch_size
        self._device = device
        self._resident: tuple[NDArray[np.float32], NDArray[Any], Tensor, Tensor] | None = None

    def train_epoch(
        self,
        epoch: int,
        learning_rate: float,
        x: NDArray[np.float32],
        target: NDArray[Any],
        order: NDArray[np.int64],
        advance: Callable[[float], None],
    ) -> Epoch:
        inputs, targets = self._on_device(x, target)
        self._module.train()
        self._sparsity.begin_epoch(epoch)
        for group in self._optimizer.param_groups:
            group["lr"] = learning_rate
        total = 0.0
        batches = torch.split(torch.from_numpy(order).to(self._device), self._batch_size)
        if self._normalises and len(batches) > 1 and len(batches[-1]) == 1:
            # Batch norm cannot train on one sample: it joins the batch before it.
            batches = (*batches[:-2], torch.cat(batches[-2:]))
        for step, batch in enumerate(batches):
            self._optimizer.zero_grad()
            loss = self._loss(self._module(inputs[batch]), targets[batch])
            value = loss.item()
            if not math.isfinite(value):
                raise DivergenceError(
                    f"training diverged: the loss is {value} in epoch {epoch + 1}, step {step + 1} of {len(batches)}. "
                    f"Lower optimizer.lr (now {learning_rate:g}) or set optimizer.warmup_epochs"
                )
            torch.autograd.backward(loss)
            if not self._sparsity.skips_whole_batch:
                self._optimizer.step()  # momentum and decay would move weights without any gradient
            total += value * len(batch)
            advance(len(batch))
        return Epoch(total / len(order), self._sparsity.collect())

    def outputs(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        self._module.eval()
        parts = []
        with torch.no_grad():
            for start in range(0, len(x), _EVALUATION_BATCH):
                batch = torch.from_numpy(x[start : start + _EVALUATION_BATCH]).to(self._device)
                parts.append(self._module(batch).cpu().numpy())
        return np.concatenate(parts)

    def weights(self) -> dict[str, Tensor]:
        return {key: value.detach().cpu().clone() for key, value in plain_state_dict(self._module).items()}

    def set_weights(self, weights: dict[str, Tensor]) -> None:
        state = {**self._module.state_dict(), **weights}
        self._module.load_state_dict(state)

    def state(self) -> dict[str, Any]:
        return {"module": self._module.state_dict(), "optimizer": self._optimizer.state_dict()}

    def load_state(self, state: dict[str, Any]) -> None:
        self._module.load_state_dict(state["module"])
        self._optimizer.load_state_dict(state["optimizer"])

    def moments(self) -> dict[str, NDArray[np.float32]]:
        found = {}
        for name, parameter in self._module.named_parameters():
            remembered = self._optimizer.state.get(parameter, {})
            for key in _MOMENTS:
                if remembered.get(key) is not None:
                    found[name] = remembered[key].cpu().numpy()
        return found

    def plain_module(self) -> nn.Module:
        plain = copy.deepcopy(self._module)
        densify(plain)
        return plain.cpu().eval()

    def measurements(self) -> None:
        return None

    def _on_device(self, x: NDArray[np.float32], target: NDArray[Any]) -> tuple[Tensor, Tensor]:
        """The training data as tensors, moved once: indexing them is several times faster than a data loader."""
        if self._resident is None or self._resident[0] is not x or self._resident[1] is not target:
            inputs = torch.from_numpy(x).to(self._device)
            targets = inputs if target is x else torch.from_numpy(target).to(self._device)
            self._resident = (x, target, inputs, targets)
        return self._resident[2], self._resident[3]


def _binary_cross_entropy(outputs: Tensor, labels: Tensor) -> Tensor:
    return F.binary_cross_entropy_with_logits(outputs.squeeze(1), labels.to(outputs.dtype))


def _mean_squared_error(outputs: Tensor, targets: Tensor) -> Tensor:
    return F.mse_loss(outputs.flatten(1), targets.flatten(1))


LOSSES: dict[Loss, Callable[[Tensor, Tensor], Tensor]] = {
    "softmax_cross_entropy": F.cross_entropy,
    "binary_cross_entropy": _binary_cross_entropy,
    "mean_squared_error": _mean_squared_error,
}
"""Means over the batch, of raw outputs (B, outputs) and targets (B,) or, for reconstruction, (B, …)."""
