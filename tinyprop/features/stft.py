"""Plain short-time Fourier magnitudes: the features of TinyProp's authors for DCASE2020 Task 2."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from tinyprop.errors import require

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Stft:
    """Magnitude spectra, neither centred nor padded, no logarithm, no scaling.

    The defaults are the authors' (arXiv 2308.09201): 10 s at 16 kHz give 79 frames of 33 bins, 2607 numbers.

    Attributes:
        frame: samples that a spectrum sees, under a periodic Hann window; gives frame // 2 + 1 bins.
        hop: samples from one frame to the next. A hop above ``frame`` skips samples: theirs looks at 3 % of a clip.
    """

    name: Literal["stft"] = "stft"
    frame: int = 64
    hop: int = 2048

    def __post_init__(self) -> None:
        require(
            (self.frame >= 2, "frame", f"{self.frame} samples; give 2 or more, such as 64"),
            (self.hop >= 1, "hop", f"{self.hop} samples; give 1 or more, such as 2048"),
        )

    @property
    def shortest(self) -> int:
        """Samples that a clip must have."""
        return self.frame


def stft_magnitudes(audio: NDArray[np.float32], settings: Stft) -> NDArray[np.float32]:
    """Magnitudes of the frames that fit into ``audio`` whole.

    Args:
        audio: shape (samples,), at least ``settings.frame`` long.

    Returns:
        Shape (1 + (samples - frame) // hop, frame // 2 + 1), one row a frame.
    """
    import librosa
    import numpy as np

    spectra = librosa.stft(
        audio, n_fft=settings.frame, hop_length=settings.hop, win_length=settings.frame, window="hann", center=False
    )
    return np.ascontiguousarray(np.abs(spectra).T, dtype=np.float32)
