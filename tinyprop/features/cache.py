"""Features extracted once: a file for each clip, found again by the content of the clip and of the settings.

Content, not names and dates: a clip that was changed, moved or copied is known for what it is. Each clip is read once
and its SHA-256 (about a second a gigabyte) looked up. Files are written aside and moved into place, so any number of
processes may extract at once: at worst they compute the same file twice.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import tempfile
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tinyprop.errors import DataError
from tinyprop.features.audio import ClipFormat, read_bytes, read_clip
from tinyprop.features.spectrogram import AudioFeatures, spectrogram
from tinyprop.progress import SILENT, Progress

_RECIPE = 1  # to be raised whenever the code computes other numbers from the same settings


@dataclass(frozen=True, eq=False)
class Extraction:
    """Features of clips.

    Attributes:
        spectrograms: shape (frames, bins) each, in the order of the clips.
        computed: how many of them had to be computed, the others being in the cache.
        notes: what happened to the cache that its owner should know.
    """

    spectrograms: list[NDArray[np.float32]]
    computed: int
    notes: tuple[str, ...]


def extract(
    clips: Sequence[Path],
    settings: AudioFeatures,
    expected: ClipFormat,
    cache: Path,
    progress: Progress = SILENT,
) -> Extraction:
    """Features of ``clips``, from the cache where they are in it.

    Args:
        cache: folder of all feature caches, such as ``<root>/features``. Where it cannot be written the features are
            computed nevertheless, and a note says so.

    Raises:
        DataError: a clip is not what ``expected`` says, or too short for a single frame.
    """
    folder = cache / f"{settings.name}-{_key(settings, expected)}"
    spectrograms: list[NDArray[np.float32]] = []
    computed = damaged = 0
    unwritable = ""
    if len(clips) > _entries(folder):
        _start_librosa(progress)
    with progress.task("audio features", len(clips), "clips") as advance:
        for clip in clips:
            content = read_bytes(clip)
            entry = folder / f"{hashlib.sha256(content).hexdigest()[:32]}.npz"
            values = _load(entry)
            if values is None:
                damaged += entry.exists()
                values = _compute(clip, settings, expected, content)
                unwritable = _store(entry, values) or unwritable
                computed += 1
            spectrograms.append(values)
            advance(1)
    notes = []
    if damaged:
        notes.append(f"{damaged} damaged file(s) in the feature cache {folder} were computed anew.")
    if unwritable:
        notes.append(f"The feature cache {folder} cannot be written ({unwritable}): features are computed every time.")
    return Extraction(spectrograms, computed, tuple(notes))


def _key(settings: AudioFeatures, expected: ClipFormat) -> str:
    identity = {
        "recipe": _RECIPE,
        "settings": asdict(settings),
        "clip": asdict(expected),
        "librosa": importlib.metadata.version("librosa"),
    }
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]


def _entries(folder: Path) -> int:
    return sum(1 for _ in folder.glob("*.npz"))


def _start_librosa(progress: Progress) -> None:
    """Import librosa as a stage of its own: it compiles parts of itself when first used on a machine (10 to 30 s)."""
    with progress.task("starting librosa (slow the first time on a machine)", None):
        import librosa

        librosa.stft(np.zeros(64, np.float32), n_fft=64, center=False)


def _compute(clip: Path, settings: AudioFeatures, expected: ClipFormat, content: bytes) -> NDArray[np.float32]:
    audio = read_clip(clip, expected, content)
    if len(audio) < settings.shortest:
        raise DataError(
            f"{clip}: {len(audio)} samples; "
            f"{settings.name} features with these settings need {settings.shortest} or more"
        )
    return spectrogram(audio, expected.rate, settings)


def _load(entry: Path) -> NDArray[np.float32] | None:
    """The values of a cache entry; None where there is none, or it is damaged (the zip container has a checksum)."""
    try:
        with np.load(entry, allow_pickle=False) as archive:
            values = archive["values"]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error, NotImplementedError):
        return None
    return values if values.ndim == 2 and values.dtype == np.float32 else None


def _store(entry: Path, values: NDArray[np.float32]) -> str:
    """Write a cache entry at one stroke; returns the reason where it cannot be written, else nothing."""
    try:
        entry.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=".writing-", dir=entry.parent)
        try:
            os.fchmod(descriptor, 0o644)  # readable by those who share the data folder
            with os.fdopen(descriptor, "wb") as file:
                np.savez(file, values=values)
            os.replace(name, entry)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        return error.strerror or str(error)
    return ""
