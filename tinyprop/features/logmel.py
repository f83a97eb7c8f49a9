"""Log-mel spectrograms and their stacked windows, as in the DCASE2020 Task 2 baseline."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

from tinyprop.errors import RequestError, require

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class LogMel:
    """Decibels of mel bands, of centred frames under a periodic Hann window.

    The defaults are those of the DCASE2020 Task 2 baseline (Koizumi et al., arXiv 2006.05822, section 5).

    Attributes:
        n_fft, hop: samples of a frame, and from one frame to the next.
        mels: bands (Slaney's scale and norm, librosa's default), 0 Hz to half the rate.
        power: exponent of the magnitudes; 2 is energy.
        pad_mode: what lies beyond both ends of a clip. The baseline's librosa (0.6) reflected the signal; later ones
            pad with zeros, which moves the first and the last frame by 6 dB.
        floor: decibels below which nothing is told apart, None for no floor. Digital silence, such as zeros appended
            to a short clip, would otherwise lie at −157 dB, far from everything else.
    """

    name: Literal["logmel"] = "logmel"
    n_fft: int = 1024
    hop: int = 512
    mels: int = 128
    power: float = 2.0
    pad_mode: Literal["reflect", "constant"] = "reflect"
    floor: float | None = None

    def __post_init__(self) -> None:
        require(
            (self.n_fft >= 2, "n_fft", f"{self.n_fft} samples; give 2 or more, such as 1024"),
            (self.hop >= 1, "hop", f"{self.hop} samples; give 1 or more, such as 512"),
            (self.mels >= 1, "mels", f"{self.mels} bands; give 1 or more, such as 128"),
            (self.power > 0, "power", f"{self.power}; give a positive exponent, 2 for energy"),
            (
                self.pad_mode in ("reflect", "constant"),
                "pad_mode",
                f"{self.pad_mode!r}; give reflect (the baseline's) or constant",
            ),
            (
                self.floor is None or math.isfinite(self.floor),
                "floor",
                f"{self.floor} dB; give a finite number such as -80, or null for no floor",
            ),
        )

    @property
    def shortest(self) -> int:
        """Samples that a clip must have; reflecting needs more than half a frame."""
        return self.n_fft // 2 + 1


def log_mel(audio: NDArray[np.float32], rate: int, settings: LogMel) -> NDArray[np.float32]:
    """Log-mel spectrogram in decibels: 20 / power · log10(mel + ε), ε that of a float64.

    Args:
        audio: shape (samples,), at least ``settings.shortest`` long.

    Returns:
        Shape (1 + samples // hop, mels), one row a frame.

    Raises:
        RequestError: a mel band would hold no frequency at all.
    """
    import librosa
    import numpy as np

    spectra = librosa.stft(
        audio, n_fft=settings.n_fft, hop_length=settings.hop, window="hann", center=True, pad_mode=settings.pad_mode
    )
    energy = np.abs(spectra, dtype=np.float32) ** np.float32(settings.power)
    mel = mel_filter_bank(rate, settings.n_fft, settings.mels) @ energy
    decibels = 20.0 / settings.power * np.log10(mel + np.finfo(np.float64).eps)
    if settings.floor is not None:
        decibels = np.maximum(decibels, np.float32(settings.floor))
    return np.ascontiguousarray(decibels.T, dtype=np.float32)


@lru_cache(maxsize=8)
def mel_filter_bank(rate: int, n_fft: int, mels: int) -> NDArray[np.float32]:
    """Weights of each frequency bin in each band, shape (mels, n_fft // 2 + 1); made once, since it is slow to make."""
    import numpy as np
    from librosa.filters import mel as mel_filters

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # librosa warns of empty bands; here they are an error
        bank: NDArray[np.float32] = mel_filters(sr=rate, n_fft=n_fft, n_mels=mels)
    empty = int(np.sum(~bank.any(axis=1)))
    if empty:
        raise RequestError(
            f"mels={mels}: {empty} of the bands hold no frequency of a spectrum with n_fft={n_fft} at {rate} Hz; "
            "take fewer mels or a larger n_fft"
        )
    return bank


def stacked_windows(spectrogram: NDArray[np.float32], frames: int) -> NDArray[np.float32]:
    """Every run of ``frames`` consecutive rows as one vector: the baseline's input, 5 × 128 = 640 numbers.

    Args:
        spectrogram: shape (rows, bands), C-contiguous, ``rows`` at least ``frames``.

    Returns:
        Read-only view without copy, shape (rows - frames + 1, frames · bands), earliest row first.
    """
    import numpy as np

    bands = spectrogram.shape[1]
    return np.lib.stride_tricks.sliding_window_view(spectrogram.reshape(-1), frames * bands)[::bands]
