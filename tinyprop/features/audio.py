"""Reading audio clips strictly: what is not exactly what was announced is an error that names the file."""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tinyprop.errors import DataError, require


@dataclass(frozen=True)
class ClipFormat:
    """What clips are expected to be, and whether they are brought there.

    Attributes:
        rate: samples a second.
        samples: length that clips are cut or zero-padded (at the end) to; None leaves them as they are.
        resample: convert clips of another rate instead of refusing them.
    """

    rate: int = 16000
    samples: int | None = None
    resample: bool = False

    def __post_init__(self) -> None:
        require(
            (self.rate >= 1, "rate", f"{self.rate} samples a second; give 1 or more, such as 16000"),
            (self.samples is None or self.samples >= 1, "samples", f"{self.samples} samples; give 1 or more, or null"),
        )


def read_clip(path: Path, expected: ClipFormat = ClipFormat(), content: bytes | None = None) -> NDArray[np.float32]:
    """Read a mono clip (wav, flac, ogg); integer samples are scaled to [-1, 1).

    Args:
        content: the bytes of the file where they have been read already.

    Returns:
        Samples, shape (samples,).

    Raises:
        DataError: the file cannot be read, is cut or empty, is not mono, has another rate, or holds NaN or infinity.
            (A cut ogg file cannot be told from a short one: the format announces no length.)
    """
    import soundfile

    if content is None:
        content = read_bytes(path)
    if not content:
        raise DataError(f"{path}: the file is empty (0 bytes); expected an audio clip")
    _require_whole_wav(path, content)
    try:
        with soundfile.SoundFile(io.BytesIO(content)) as file:
            rate, announced = int(file.samplerate), int(file.frames)
            audio: NDArray[np.float32] = file.read(dtype="float32", always_2d=True)
    except soundfile.SoundFileError as error:
        raise DataError(f"{path}: not a readable audio file ({error}); expected wav, flac or ogg") from error
    if len(audio) < announced:
        raise DataError(f"{path}: cut: {announced} samples announced, {len(audio)} found; get the file anew")
    if audio.shape[1] != 1:
        raise DataError(
            f"{path}: {audio.shape[1]} channels, expected 1; "
            f"convert it, for example by `ffmpeg -i IN -ac 1 -ar {expected.rate} OUT.wav`"
        )
    if len(audio) == 0:
        raise DataError(f"{path}: holds no samples (length zero)")
    if not np.isfinite(audio).all():
        position = int(np.flatnonzero(~np.isfinite(audio[:, 0]))[0])
        raise DataError(f"{path}: sample {position} is {audio[position, 0]}, expected finite numbers only")
    return _fitted(_at_rate(path, audio[:, 0], rate, expected), expected.samples)


def read_bytes(path: Path) -> bytes:
    """The content of a file, with a `DataError` that names it when it is missing or not readable."""
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise DataError(f"{path}: the file is missing") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error


def _require_whole_wav(path: Path, content: bytes) -> None:
    """Compare the sizes in the RIFF headers with the file's, because libsndfile reads a cut file without complaint."""
    if content[:4] != b"RIFF" or content[8:12] != b"WAVE":
        return
    announced = 8 + struct.unpack_from("<I", content, 4)[0]
    position, chunk_end = 12, 12
    while position + 8 <= len(content):
        size = struct.unpack_from("<I", content, position + 4)[0]
        chunk_end = position + 8 + size
        position = chunk_end + size % 2
    # some writers do not count or do not write the padding byte after a chunk of odd size
    if chunk_end > len(content) or announced > len(content) + 1:
        raise DataError(
            f"{path}: cut: its header announces {max(announced, chunk_end)} bytes, the file has {len(content)}; "
            "get the file anew"
        )


def _at_rate(path: Path, audio: NDArray[np.float32], rate: int, expected: ClipFormat) -> NDArray[np.float32]:
    if rate == expected.rate:
        return audio
    if not expected.resample:
        raise DataError(f"{path}: {rate} Hz, expected {expected.rate} Hz")
    import librosa

    resampled: NDArray[np.float32] = librosa.resample(audio, orig_sr=rate, target_sr=expected.rate)
    return resampled


def _fitted(audio: NDArray[np.float32], samples: int | None) -> NDArray[np.float32]:
    if samples is None or len(audio) == samples:
        return np.ascontiguousarray(audio)
    fitted = np.zeros(samples, np.float32)
    fitted[: len(audio)] = audio[:samples]
    return fitted
