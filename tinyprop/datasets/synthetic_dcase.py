"""Generated machine sounds in the files and the layout of the DCASE2020 Task 2 development set."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tinyprop.datasets.dcase_clips import Machine, machine_directory
from tinyprop.datasets.generated import generate_once
from tinyprop.datasets.synthetic_sounds import KINDS, RATE, make_unit, record
from tinyprop.progress import SILENT, Progress

IDS = ("id_00", "id_02", "id_04", "id_06")
COUNTS = {("train", "normal"): 20, ("test", "normal"): 10, ("test", "anomaly"): 20}  # clips of each id: 64 MB together
_SEED = 2020
_RECIPE = "dcase sounds 1"  # to be raised whenever other sounds come out


def generate(root: Path, machine: Machine, progress: Progress = SILENT) -> Path:
    """Generate the clips of a machine type, once, below ``<root>/synthetic``, and return their folder.

    Raises:
        DataError: a generated file was changed since, or the folder cannot be written.
    """
    directory = machine_directory(root / "synthetic", machine)
    return generate_once(directory, _RECIPE, lambda staging: _write(staging, machine, progress))


def _write(directory: Path, machine: str, progress: Progress) -> None:
    import soundfile

    kind = KINDS.index(machine)
    with progress.task(f"generating {machine} sounds", len(IDS) * sum(COUNTS.values()), "clips") as advance:
        for number, machine_id in enumerate(IDS):
            unit = make_unit(machine, np.random.default_rng([_SEED, kind, number]))
            for part, ((split, condition), count) in enumerate(COUNTS.items()):
                (directory / split).mkdir(exist_ok=True)
                for index in range(count):
                    generator = np.random.default_rng([_SEED, kind, number, part, index])
                    clip = record(unit, condition == "anomaly", generator)
                    path = directory / split / f"{condition}_{machine_id}_{index:08d}.wav"
                    soundfile.write(path, clip, RATE, subtype="PCM_16")
                    advance(1)
