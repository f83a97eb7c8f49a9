"""What a trained network's numbers are like, layer by layer: how many are exactly zero, and how many are large.

A microcontroller takes less time for some of them; see `tinyprop.cost.Activity`.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tinyprop.cost.assumptions import LARGE_TANH
from tinyprop.cost.load import LANES

_ENOUGH = 500
"""Samples that stand for all."""


def numbers_of(
    module: nn.Module, moments: Mapping[str, NDArray[np.float32]], x: NDArray[np.float32]
) -> dict[str, dict[str, float]]:
    """By name of each layer with weights: shares, named as in `tinyprop.cost.Activity`.

    Nothing of a network whose layers do not follow one another.

    Args:
        module: the plain network, in evaluation mode.
        moments: by name of a parameter, what the optimizer remembers of it; empty where it remembers nothing.
        x: training samples, shape (samples, *input_shape); of many some, spread evenly, stand for all.
    """
    found: dict[str, dict[str, float]] = {}
    if not isinstance(module, nn.Sequential):
        return found
    values = torch.from_numpy(x[:: max(1, len(x) // _ENOUGH)])
    image, name = values, ""
    with torch.no_grad():
        for child, part in module.named_children():
            if isinstance(part, nn.Linear | nn.Conv2d):
                name = child
                found[name] = zeros_of(image) | _unmoved(name, moments)
            values = part(values)
            if not isinstance(part, nn.Flatten):
                image = values
            if isinstance(part, nn.Tanh) and name:
                found[name]["large_outputs"] = float((values.abs() > LARGE_TANH).float().mean())
    return found


def zeros_of(x: Tensor) -> dict[str, float]:
    """How much of some samples is exactly zero: numbers, and blocks of eight that the engine reads at once, with the
    channels of an image last.

    Args:
        x: shape (samples, numbers) or (samples, channels, height, width).
    """
    rows = (x.movedim(1, -1) if x.ndim == 4 else x).reshape(len(x), -1) == 0
    blocks = rows[:, : rows.shape[1] // LANES * LANES].reshape(-1, LANES)
    return {
        "zero_inputs": float(rows.float().mean()),
        "zero_blocks": float(blocks.all(dim=1).float().mean()) if len(blocks) else 0.0,
    }


def _unmoved(layer: str, moments: Mapping[str, NDArray[np.float32]]) -> dict[str, float]:
    """How many of a layer's weights no gradient has reached yet."""
    known = [moments[name].ravel() for name in (f"{layer}.weight", f"{layer}.bias") if name in moments]
    return {"zero_moments": float((np.concatenate(known) == 0).mean())} if known else {}
