"""One name for both kinds of features."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tinyprop.features.logmel import LogMel, log_mel
from tinyprop.features.stft import Stft, stft_magnitudes

AudioFeatures = Stft | LogMel


def spectrogram(audio: NDArray[np.float32], rate: int, settings: AudioFeatures) -> NDArray[np.float32]:
    """Features of one clip, shape (frames, bins), float32, C-contiguous.

    Args:
        audio: shape (samples,), at least ``settings.shortest`` long.
        rate: samples a second; `Stft` does not depend on it.
    """
    if isinstance(settings, Stft):
        return stft_magnitudes(audio, settings)
    return log_mel(audio, rate, settings)
