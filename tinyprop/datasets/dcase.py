"""DCASE2020 Task 2, supervised: is a clip normal or an anomaly? The task of TinyProp's authors (arXiv 2308.09201).

(The challenge itself trains on normal clips only: that is `dcase_ae`.)
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tinyprop.datasets.dcase_clips import Clip, Machine, clip_conditions, dcase_clips
from tinyprop.datasets.remote import Source
from tinyprop.datasets.subset import Subset
from tinyprop.errors import DataError, require
from tinyprop.features.stft import Stft
from tinyprop.progress import SILENT, Progress

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tinyprop.datasets.contract import Dataset, Split

CLASSES = ("anomaly", "normal")  # label 1 is normal, as with the authors
ANOMALY = 0  # what detection scores count as a hit


@dataclass(frozen=True)
class DcaseSettings:
    """Settings of the ``dcase`` dataset.

    Attributes:
        root: folder that holds ``dcase2020_task2/``; features are cached in its ``features/``.
        source: see `remote.Source`.
        machine: machine type.
        ids: machine ids such as ``id_00``, None for all.
        split: ``authors`` mixes all clips; ``ids`` tests on machines that were not trained on.
        held_out_ids: machines to test on where ``split`` is ``ids``; None for the last one.
        test_fraction: share of each label to test on where ``split`` is ``authors``, or with ``feature_rows``.
        balance: leave out clips of the more frequent label.
        features: what the network sees of a clip.
        feature_rows: an ``.npz`` file with features x, shape (rows, features), and labels y (1 normal) to take instead
            of clips; all rows are used, and every setting but ``test_fraction`` and ``subset`` is left aside.
        subset: the first samples of each split only; their order is random but fixed.
    """

    name: Literal["dcase"] = "dcase"
    root: str = "data"
    source: Source = "auto"
    machine: Machine = "slider"
    ids: tuple[str, ...] | None = None
    split: Literal["authors", "ids"] = "authors"
    held_out_ids: tuple[str, ...] | None = None
    test_fraction: float = 0.1011
    balance: bool = True
    features: Stft = field(default_factory=Stft)
    feature_rows: str | None = None
    subset: Subset = field(default_factory=Subset)

    def __post_init__(self) -> None:
        require(
            *clip_conditions(self.machine, self.ids, self.source),
            (self.split in ("authors", "ids"), "split", f"{self.split!r}; choose authors or ids"),
            (
                self.held_out_ids is None or (self.split == "ids" and len(self.held_out_ids) > 0),
                "held_out_ids",
                f"{self.held_out_ids} with dataset.split={self.split}; "
                "give ids such as [id_06] with dataset.split=ids, else null",
            ),
            (
                0 < self.test_fraction < 1,
                "test_fraction",
                f"{self.test_fraction}; give a fraction between 0 and 1, such as 0.1",
            ),
            (
                self.feature_rows is None or self.source != "synthetic",
                "feature_rows",
                f"{self.feature_rows} with dataset.source=synthetic; give one of them",
            ),
        )


def load(settings: DcaseSettings, progress: Progress = SILENT) -> Dataset:
    """Load features of clips, shape (frames · bins,), frame after frame; label 1 is normal, 0 an anomaly.

    Raises:
        DataError: clips are missing, damaged, of unequal length, or too few for the split.
        RequestError: ids that are not there, or a subset larger than the dataset.
    """
    if settings.feature_rows is not None:
        return _from_rows(settings, settings.feature_rows, progress)
    from tinyprop.datasets.contract import Dataset
    from tinyprop.datasets.dcase_split import authors_split, ids_split
    from tinyprop.datasets.fingerprint import fingerprint
    from tinyprop.features.audio import ClipFormat
    from tinyprop.features.cache import extract

    clips = dcase_clips(settings.root, settings.machine, settings.source, settings.ids, progress)
    if settings.split == "ids":
        split = ids_split(clips, settings.held_out_ids, settings.balance)
    else:
        split = authors_split(clips, settings.test_fraction, settings.balance)
    train_clips = split.train[: settings.subset.count("train", len(split.train))]
    test_clips = split.test[: settings.subset.count("test", len(split.test))]
    chosen = train_clips + test_clips
    cache = Path(settings.root) / "features"
    extraction = extract([clip.path for clip in chosen], settings.features, ClipFormat(), cache, progress)
    x = _rows(chosen, extraction.spectrograms)
    train, test = _labelled(x[: len(train_clips)], train_clips), _labelled(x[len(train_clips) :], test_clips)
    return Dataset(
        name="dcase",
        task="binary",
        train=train,
        test=test,
        classes=CLASSES,
        positive=ANOMALY,
        synthetic=settings.source == "synthetic",
        fingerprint=fingerprint("dcase", train.x, train.y, test.x, test.y),
        notes=(*split.notes, *extraction.notes),
    )


def _rows(clips: list[Clip], spectrograms: list[NDArray[np.float32]]) -> NDArray[np.float32]:
    import numpy as np

    shape = spectrograms[0].shape
    for clip, spectrogram in zip(clips, spectrograms, strict=True):
        if spectrogram.shape != shape:
            raise DataError(
                f"{clip.path}: {spectrogram.shape[0]} frames of features, but {clips[0].path.name} has {shape[0]}; "
                "all clips must be equally long"
            )
    return np.stack([spectrogram.reshape(-1) for spectrogram in spectrograms])


def _labelled(x: NDArray[np.float32], clips: list[Clip]) -> Split:
    import numpy as np

    from tinyprop.datasets.contract import Split

    return Split(x, np.array([not clip.anomalous for clip in clips], np.int64))


def _from_rows(settings: DcaseSettings, path: str, progress: Progress) -> Dataset:
    from tinyprop.datasets import arrays

    rows = arrays.ArraysSettings(path=path, task="binary", test_fraction=settings.test_fraction, subset=settings.subset)
    dataset = arrays.load(rows, progress)
    note = f"Features were read from {Path(path).name}, not computed from clips; their machine ids are unknown."
    return replace(dataset, name="dcase", classes=CLASSES, positive=ANOMALY, notes=(*dataset.notes, note))
