"""Anyone's own clips: ``<path>/<class>/*.{wav,flac,ogg}``, one subfolder a class."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from tinyprop.datasets.subset import Subset
from tinyprop.errors import DataError, require
from tinyprop.features.logmel import LogMel
from tinyprop.features.stft import Stft
from tinyprop.progress import SILENT, Progress

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tinyprop.datasets.contract import Dataset
    from tinyprop.features.audio import ClipFormat

SUFFIXES = (".wav", ".flac", ".ogg")
_SPLIT_SEED = 20230801  # fixed: runs with different seeds must be judged on the same clips


def _small_log_mel() -> LogMel:
    """Few bands, for small networks: 32 frames of 40 bands for a second at 16 kHz."""
    return LogMel(mels=40, floor=-80.0)


@dataclass(frozen=True)
class FolderSettings:
    """Settings of the ``folder`` dataset.

    Attributes:
        path: folder with one subfolder of clips for each class.
        root: folder whose ``features/`` caches what was computed.
        rate: samples a second.
        resample: convert clips of another rate; otherwise they are an error.
        seconds: length of a sample: longer clips are cut, shorter ones get zeros at their end.
        features: which of the following two the network sees.
        logmel, stft: their settings.
        standardize: shift and scale every bin to mean 0 and deviation 1 over the training clips.
        test_fraction: share of each class to test on.
        subset: the first samples of each split only; their order is random but fixed.
    """

    name: Literal["folder"] = "folder"
    path: str = ""
    root: str = "data"
    rate: int = 16000
    resample: bool = False
    seconds: float = 1.0
    features: Literal["logmel", "stft"] = "logmel"
    logmel: LogMel = field(default_factory=_small_log_mel)
    stft: Stft = field(default_factory=lambda: Stft(frame=256, hop=256))
    standardize: bool = True
    test_fraction: float = 0.2
    subset: Subset = field(default_factory=Subset)

    def __post_init__(self) -> None:
        shortest = self.selected.shortest
        require(
            (self.path != "", "path", "no folder given; name one with a subfolder a class: dataset.path=clips"),
            (self.rate >= 1, "rate", f"{self.rate} samples a second; give 1 or more, such as 16000"),
            (
                self.samples >= shortest,
                "seconds",
                f"{self.seconds} s are {self.samples} samples; "
                f"{self.features} features with these settings need {shortest} or more",
            ),
            (self.features in ("logmel", "stft"), "features", f"{self.features!r}; choose logmel or stft"),
            (
                0 < self.test_fraction < 1,
                "test_fraction",
                f"{self.test_fraction}; give a fraction between 0 and 1, such as 0.2",
            ),
        )

    @property
    def selected(self) -> LogMel | Stft:
        """The settings of the features in use."""
        return self.stft if self.features == "stft" else self.logmel

    @property
    def samples(self) -> int:
        """Length of a clip in samples."""
        return round(self.seconds * self.rate) if 0 < self.seconds < 1e6 else 0


class _Labelled(NamedTuple):
    path: Path
    label: int


def load(settings: FolderSettings, progress: Progress = SILENT) -> Dataset:
    """Load features of all clips, shape (1, frames, bins): an image of one channel; classes in alphabetical order.

    Raises:
        DataError: there are fewer than two classes, or a class has fewer than two clips, or a clip is damaged, not
            mono or of another rate.
        RequestError: a subset larger than the dataset.
    """
    import numpy as np

    from tinyprop.datasets.contract import Dataset, Split
    from tinyprop.datasets.fingerprint import fingerprint
    from tinyprop.datasets.stratify import stratified_split
    from tinyprop.features.audio import ClipFormat
    from tinyprop.features.cache import extract

    classes, clips, ignored = _find_clips(Path(settings.path))
    labels = np.array([clip.label for clip in clips], np.int64)
    train_rows, test_rows = stratified_split(labels, settings.test_fraction, _SPLIT_SEED)
    train_rows = train_rows[: settings.subset.count("train", len(train_rows))]
    test_rows = test_rows[: settings.subset.count("test", len(test_rows))]
    expected = ClipFormat(settings.rate, settings.samples, settings.resample)
    paths = [clips[row].path for row in (*train_rows, *test_rows)]
    extraction = extract(paths, settings.selected, expected, Path(settings.root) / "features", progress)
    x = np.stack(extraction.spectrograms)[:, None]
    if settings.standardize:
        _standardize(x, len(train_rows))
    train = Split(x[: len(train_rows)], labels[train_rows])
    test = Split(x[len(train_rows) :], labels[test_rows])
    return Dataset(
        name="folder",
        task="classification",
        train=train,
        test=test,
        classes=classes,
        fingerprint=fingerprint("folder", " ".join(classes), train.x, train.y, test.x, test.y),
        notes=(*_notes(settings, expected, ignored), *extraction.notes),
    )


def _find_clips(path: Path) -> tuple[tuple[str, ...], list[_Labelled], int]:
    """Class names, clips in a random but fixed order, and how many other files there are."""
    if not path.is_dir():
        raise DataError(f"{path}: no such folder; dataset.path names one with a subfolder of clips for each class")
    folders = sorted(entry for entry in path.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    if len(folders) < 2:
        raise DataError(
            f"{path}: {len(folders)} subfolder(s); classification needs two or more, each a class with its clips in it"
        )
    clips, ignored = [], 0
    for label, folder in enumerate(folders):
        files = [file for file in folder.iterdir() if file.is_file() and not file.name.startswith(".")]
        members = [_Labelled(file, label) for file in files if file.suffix.lower() in SUFFIXES]
        if len(members) < 2:
            raise DataError(
                f"{folder}: {len(members)} clip(s) ({', '.join(SUFFIXES)}); "
                "each class needs two or more, one to train and one to test on"
            )
        clips += members
        ignored += len(files) - len(members)
    clips.sort(key=lambda clip: hashlib.sha256(f"{clip.path.parent.name}/{clip.path.name}".encode()).hexdigest())
    return tuple(folder.name for folder in folders), clips, ignored


def _standardize(x: NDArray[np.float32], training: int) -> None:
    """Scale in place, by mean and deviation of each bin over clips and frames of the first ``training`` samples."""
    import numpy as np

    mean = x[:training].mean(axis=(0, 1, 2), dtype=np.float64)
    deviation = x[:training].std(axis=(0, 1, 2), dtype=np.float64)
    x -= mean.astype(np.float32)
    x /= np.where(deviation > 0, deviation, 1).astype(np.float32)


def _notes(settings: FolderSettings, expected: ClipFormat, ignored: int) -> list[str]:
    notes = [
        f"Every clip is cut or zero-padded at its end to {settings.seconds:g} s ({expected.samples} samples).",
        f"The test clips are {settings.test_fraction:g} of each class, always the same ones; "
        "recordings of one source may be in both parts.",
    ]
    if settings.resample:
        notes.append(f"Clips of another rate were converted to {settings.rate} Hz.")
    if ignored:
        notes.append(f"{ignored} file(s) that are not {', '.join(SUFFIXES)} were ignored.")
    return notes
