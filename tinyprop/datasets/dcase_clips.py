"""Clips of the DCASE2020 Task 2 development set in its official layout.

``<root>/dcase2020_task2/dev_data/<machine>/{train,test}/{normal,anomaly}_id_XX_XXXXXXXX.wav``: 16 kHz, mono, 16 bit,
about 10 s. The train folder holds normal clips only.

Source: Koizumi, Kawaguchi, Imoto et al., Description and Discussion on DCASE2020 Challenge Task 2,
arXiv 2006.05822; CC BY-NC-SA 4.0.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from tinyprop.datasets.remote import Source
from tinyprop.errors import DataError, RequestError
from tinyprop.progress import SILENT, Progress

Machine = Literal["fan", "pump", "slider", "valve", "ToyCar", "ToyConveyor"]
MACHINES: tuple[Machine, ...] = get_args(Machine)

_CLIP = re.compile(r"(normal|anomaly)_(id_\d{2})_\d{8}\.wav")


@dataclass(frozen=True)
class Clip:
    """One recording: where it lies, which machine it is of (such as ``id_00``), and whether something is wrong."""

    path: Path
    split: Literal["train", "test"]
    machine_id: str
    anomalous: bool

    @property
    def draw(self) -> str:
        """Sorts clips in a random but fixed order, the same whichever other clips there are."""
        return hashlib.sha256(f"{self.split}/{self.path.name}".encode()).hexdigest()


def machine_directory(root: str | Path, machine: str) -> Path:
    """The folder of a machine type."""
    return Path(root) / "dcase2020_task2" / "dev_data" / machine


def dcase_clips(
    root: str,
    machine: Machine,
    source: Source,
    ids: tuple[str, ...] | None,
    progress: Progress = SILENT,
) -> list[Clip]:
    """The clips of a machine type, both folders, in a random but fixed order; downloaded or generated as asked.

    Args:
        ids: the machine ids to take, None for all that are there.

    Raises:
        DataError: there are none, or a file has a name that is not official.
        RequestError: there is no clip of an id that is asked for.
    """
    if source == "synthetic":
        from tinyprop.datasets.synthetic_dcase import generate

        directory = generate(Path(root), machine, progress)
    else:
        from tinyprop.datasets.dcase_archives import obtain

        directory = obtain(root, machine, source, progress)
    clips = find_clips(directory)
    if ids is None:
        return clips
    found = machine_ids(clips)
    unknown = [name for name in ids if name not in found]
    if unknown:
        raise RequestError(
            f"dataset.ids: no clip of {', '.join(unknown)} in {directory}; there are clips of {', '.join(found)}"
        )
    return [clip for clip in clips if clip.machine_id in ids]


def find_clips(directory: Path) -> list[Clip]:
    """Every clip in the folder of a machine type, in the order of `Clip.draw`; hidden files are ignored."""
    clips: list[Clip] = []
    for split in ("train", "test"):
        for path in (directory / split).glob("*.wav"):
            if path.name.startswith("."):
                continue
            name = _CLIP.fullmatch(path.name)
            if name is None:
                raise DataError(
                    f"{path}: not a name of the official layout, {{normal,anomaly}}_id_XX_XXXXXXXX.wav; "
                    "rename or remove it (dataset=folder takes clips of any name)"
                )
            if split == "train" and name[1] == "anomaly":
                raise DataError(f"{path}: an anomaly in the train folder, which holds normal clips only; move it")
            clips.append(Clip(path, split, name[2], name[1] == "anomaly"))
    return sorted(clips, key=lambda clip: clip.draw)


def machine_ids(clips: list[Clip]) -> list[str]:
    """The machine ids that occur, ascending."""
    return sorted({clip.machine_id for clip in clips})


def clip_conditions(machine: str, ids: tuple[str, ...] | None, source: str) -> list[tuple[bool, str, str]]:
    """What both DCASE datasets require of the settings that they share, for `errors.require`."""
    sources = get_args(Source)
    malformed = [name for name in ids or () if not re.fullmatch(r"id_\d{2}", name)]
    return [
        (machine in MACHINES, "machine", f"{machine!r}; choose one of {', '.join(MACHINES)}"),
        (source in sources, "source", f"{source!r}; choose one of {', '.join(sources)}"),
        (
            not malformed,
            "ids",
            f"{', '.join(map(repr, malformed))}; write machine ids like id_00: dataset.ids=[id_00,id_02]",
        ),
        (ids is None or len(ids) > 0, "ids", "an empty list; give machine ids such as [id_00], or null for all"),
    ]
