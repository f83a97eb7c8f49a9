"""DCASE2020 Task 2 as its baseline has it: an autoencoder learns normal clips, and what it cannot copy is an anomaly.

Samples are windows of five log-mel frames. A clip's score is the mean error of its windows, and the area under the ROC
curve is counted for each machine id by itself (Koizumi et al., arXiv 2006.05822).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tinyprop.datasets.dcase_clips import Clip, Machine, clip_conditions, dcase_clips
from tinyprop.datasets.remote import Source
from tinyprop.datasets.subset import Subset
from tinyprop.errors import DataError, require
from tinyprop.features.logmel import LogMel
from tinyprop.progress import SILENT, Progress

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tinyprop.datasets.contract import Dataset, Split


@dataclass(frozen=True)
class DcaseAeSettings:
    """Settings of the ``dcase_ae`` dataset.

    Attributes:
        root: folder that holds ``dcase2020_task2/``; features are cached in its ``features/``.
        source: see `remote.Source`.
        machine: machine type; as in the baseline one network learns all its ids.
        ids: machine ids such as ``id_00``, None for all.
        features: log-mel spectrogram of a clip.
        frames: consecutive spectrogram frames in a window.
        window_start, window_count: take these windows of each clip only; MLPerf Tiny's are 50 and 196. None for all.
        subset: the first clips (not windows) of each split only; their order is random but fixed.
    """

    name: Literal["dcase_ae"] = "dcase_ae"
    root: str = "data"
    source: Source = "auto"
    machine: Machine = "slider"
    ids: tuple[str, ...] | None = None
    features: LogMel = field(default_factory=LogMel)
    frames: int = 5
    window_start: int | None = None
    window_count: int | None = None
    subset: Subset = field(default_factory=Subset)

    def __post_init__(self) -> None:
        start, count = self.window_start, self.window_count
        require(
            *clip_conditions(self.machine, self.ids, self.source),
            (self.frames >= 1, "frames", f"{self.frames} frames in a window; give 1 or more, such as 5"),
            (start is None or start >= 0, "window_start", f"{start}; give 0 or more, or null for the first window"),
            (
                count is None or count >= 1,
                "window_count",
                f"{count} windows of a clip; give 1 or more, or null for all",
            ),
        )


def load(settings: DcaseAeSettings, progress: Progress = SILENT) -> Dataset:
    """Load windows, shape (frames · mels,), earliest frame first; label 1 is an anomaly.

    ``group`` is the clip of a window, ``domain`` the machine id of a clip. A thousand clips take 0.8 GB.

    Raises:
        DataError: clips are missing, damaged or too short, or there are none to train or to test on.
        RequestError: ids that are not there, or a subset larger than the dataset.
    """
    from tinyprop.datasets.contract import Dataset
    from tinyprop.datasets.fingerprint import fingerprint

    clips = dcase_clips(settings.root, settings.machine, settings.source, settings.ids, progress)
    train, train_notes = _split(clips, "train", settings, progress)
    test, test_notes = _split(clips, "test", settings, progress)
    return Dataset(
        name="dcase_ae",
        task="reconstruction",
        train=train,
        test=test,
        classes=("normal", "anomaly"),
        synthetic=settings.source == "synthetic",
        fingerprint=fingerprint("dcase_ae", *_content(train), *_content(test)),
        notes=tuple(dict.fromkeys(train_notes + test_notes)),
    )


def _split(
    clips: list[Clip], split: Literal["train", "test"], settings: DcaseAeSettings, progress: Progress
) -> tuple[Split, tuple[str, ...]]:
    import numpy as np

    from tinyprop.datasets.contract import Split
    from tinyprop.features.audio import ClipFormat
    from tinyprop.features.cache import extract

    members = [clip for clip in clips if clip.split == split]
    if not members:
        place = clips[0].path.parent.parent / split
        raise DataError(f"{place}: no clips; dcase_ae needs normal clips in train/ and clips in test/")
    members = members[: settings.subset.count(split, len(members))]
    cache = Path(settings.root) / "features"
    extraction = extract([clip.path for clip in members], settings.features, ClipFormat(), cache, progress)
    x, counts = _windows(members, extraction.spectrograms, settings)
    group = np.repeat(np.arange(len(members), dtype=np.int64), counts)
    anomalous = np.array([clip.anomalous for clip in members], np.int64)
    return Split(x, anomalous[group], group, tuple(clip.machine_id for clip in members)), extraction.notes


def _windows(
    clips: list[Clip], spectrograms: list[NDArray[np.float32]], settings: DcaseAeSettings
) -> tuple[NDArray[np.float32], list[int]]:
    """The windows of all clips in one array, and how many each clip has. Empties ``spectrograms`` to save memory."""
    import numpy as np

    from tinyprop.features.logmel import stacked_windows

    first = settings.window_start or 0
    counts = []
    for clip, spectrogram in zip(clips, spectrograms, strict=True):
        there = len(spectrogram) - settings.frames + 1
        count = there - first if settings.window_count is None else settings.window_count
        if count < 1 or first + count > there:
            raise DataError(
                f"{clip.path}: {max(there, 0)} windows of {settings.frames} frames, "
                f"too few for window_start={settings.window_start} and window_count={settings.window_count}"
            )
        counts.append(count)
    x = np.empty((sum(counts), settings.frames * settings.features.mels), np.float32)
    end = len(x)
    for count in reversed(counts):
        x[end - count : end] = stacked_windows(spectrograms.pop(), settings.frames)[first : first + count]
        end -= count
    return x, counts


def _content(split: Split) -> tuple[NDArray[np.generic] | str, ...]:
    assert split.group is not None
    assert split.domain is not None
    return split.x, split.y, split.group, " ".join(split.domain)
