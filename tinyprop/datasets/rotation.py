"""Rotated images: a domain shift that a network can be fine-tuned to."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import rotate


def rotated(images: NDArray[np.float32], degrees: float) -> NDArray[np.float32]:
    """Rotate images counter-clockwise about their centre, keeping their size.

    Bilinear interpolation; what comes in from outside is 0. Zero degrees returns ``images`` itself.

    Args:
        images: shape (..., height, width), rows from top to bottom.
    """
    if degrees == 0:
        return images
    turned: NDArray[np.float32] = rotate(images, degrees, axes=(-2, -1), reshape=False, order=1)
    return turned
