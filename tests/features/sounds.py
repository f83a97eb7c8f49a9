"""Small audio files for tests."""

from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray


def tone(seconds: float = 0.5, rate: int = 16000, hertz: float = 440.0, seed: int = 0) -> NDArray[np.int16]:
    """A sine in a little noise, 16 bit."""
    time = np.arange(round(seconds * rate)) / rate
    noise = np.random.default_rng(seed).normal(0, 300, len(time))
    return np.asarray(6000 * np.sin(2 * np.pi * hertz * time) + noise, np.int16)


def write(
    path: Path, samples: NDArray[np.generic] | None = None, rate: int = 16000, subtype: str | None = None
) -> Path:
    """Write samples, by default `tone`, in the format of the path's suffix."""
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, tone() if samples is None else samples, rate, subtype=subtype)
    return path
