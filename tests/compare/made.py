"""Run directories made by hand, with numbers that can be worked out on paper."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import yaml

from tinyprop.compare.directories import read_directory
from tinyprop.compare.run import Run
from tinyprop.tracking.identity import run_name

FINGERPRINT = "f" * 64
DENSE = {"name": "dense", "sparsify_output": True}
ALL_MACS = 1000.0


def static(ratio: float, output: str = "dense") -> dict:
    return {"name": "static", "ratio": ratio, "sparsify_output": output == "sparse"}


def adaptive(output: str = "dense", **settings: float) -> dict:
    return {"name": "adaptive", "s_min": 0.05, "s_max": 1.0, "sparsify_output": output == "sparse", **settings}


def configured(policy: dict, seed: int, **groups: object) -> dict:
    """A configuration with what decides how runs are sorted."""
    config: dict = {
        "dataset": {"name": "digits", "root": "/somewhere"},
        "model": {"name": "mlp", "hidden": [32, 16]},
        "policy": policy,
        "optimizer": {"name": "adam", "lr": 0.001},
        "trainer": {"epochs": 3, "batch_size": 20, "init_from": None, "test_every_epoch": False},
        "backend": {"name": "native"},
        "target": {"name": "STM32F407VG"},
        "seed": seed,
        "runs_dir": "runs",
        "pretrain": [],
    }
    for key, value in groups.items():
        config[key] = {**config.get(key, {}), **value} if isinstance(value, dict) else value
    return config


def result_of(config: dict, accuracy: float | None, backward: float, **changes: object) -> dict:
    """A ``result.json`` of a finished run: forward costs as much as dense backward, cycles and energy go with both."""
    result: dict = {
        "status": "finished",
        "name": run_name(config),
        "config_hash": "0",
        "run_id": None,
        "seed": config["seed"],
        "dataset": config["dataset"]["name"],
        "policy": config["policy"]["name"],
        "synthetic": False,
        "dataset_fingerprint": FINGERPRINT,
        "metrics": {} if accuracy is None else {"test_accuracy": accuracy, "test_loss": 1 - accuracy},
        "macs": {"backward_ratio": backward, "step_ratio": (1 + backward) / 2},
        "cost": {
            "STM32F407VG": {
                "target": "STM32F407VG",
                "cycles.step": 1e6 * (1 + backward),
                "microjoules.step": 800 * (1 + backward),
            }
        },
        "wall_seconds": 0.1,
        "notes": [],
    }
    return {**result, **changes}


def write(runs_dir: Path, config: dict, result: dict | None, accuracies: tuple[float, ...] = ()) -> Path:
    """A run directory; ``accuracies`` are those of the test set at the end of epochs."""
    directory = runs_dir / run_name(config)
    directory.mkdir(parents=True)
    (directory / "config.yaml").write_text(yaml.safe_dump(config))
    if result is not None:
        (directory / "result.json").write_text(json.dumps(result))
        backward = result.get("macs", {}).get("backward_ratio", 1.0)
        rows = [
            {
                "epoch": epoch,
                "train_loss": 0.5,
                "test_accuracy": accuracy,
                "macs.forward.kept": ALL_MACS,
                "macs.weight_gradient.kept": ALL_MACS * backward,
                "macs.input_gradient.kept": ALL_MACS * backward,
                "macs.update.kept": ALL_MACS,
            }
            for epoch, accuracy in enumerate(accuracies, start=1)
        ]
        with (directory / "metrics.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]) if rows else ["epoch"])
            writer.writeheader()
            writer.writerows(rows)
    return directory


def runs_of(runs_dir: Path, policy: dict, accuracies: dict[int, float], backward: float, **groups: object) -> list[Run]:
    """Finished runs of one configuration, one a seed, written and read back."""
    found = []
    for seed, accuracy in accuracies.items():
        config = configured(policy, seed, **groups)
        found.append(read_directory(write(runs_dir, config, result_of(config, accuracy, backward))))
    return found
