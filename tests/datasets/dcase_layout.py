"""DCASE clips in their official layout, but short: 4096 samples, two frames of the authors' features."""

from pathlib import Path

import numpy as np

from tests.features.sounds import write

SAMPLES = 4096


def write_clips(root: Path, counts: dict[str, tuple[int, int, int]], machine: str = "slider") -> Path:
    """Write (train normal, test normal, test anomalous) clips for each machine id; returns the machine's folder."""
    directory = root / "dcase2020_task2" / "dev_data" / machine
    generator = np.random.default_rng(0)
    for machine_id, numbers in counts.items():
        kinds = (("train", "normal"), ("test", "normal"), ("test", "anomaly"))
        for (split, condition), count in zip(kinds, numbers, strict=True):
            for index in range(count):
                samples = generator.normal(0, 1000, SAMPLES).astype(np.int16)
                write(directory / split / f"{condition}_{machine_id}_{index:08d}.wav", samples)
    return directory
