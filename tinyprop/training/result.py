"""What a run leaves behind as ``result.json``."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinyprop.errors import DataError

if TYPE_CHECKING:
    from tinyprop.config.schema import RunConfig
    from tinyprop.datasets.contract import Dataset
    from tinyprop.sparse.statistics import LayerStatistics
    from tinyprop.training.fit import FitState

FILE_NAME = "result.json"
Result = dict[str, Any]


def header(config: RunConfig, run_dir: Path) -> Result:
    """What is known of a run that begins; it stands in ``result.json`` until the run has ended."""
    return {
        "status": "running",
        "name": config.run_name,
        "config_hash": config.hash,
        "seed": config.seed,
        "dataset": config.dataset.name,
        "model": config.model.name,
        "policy": config.policy.name,
        "optimizer": config.optimizer.name,
        "backend": config.backend.name,
        "run_dir": str(run_dir),
        "run_id": None,
    }


def outcome(config: RunConfig, dataset: Dataset, state: FitState, metrics: dict[str, float], parameters: int) -> Result:
    """What training and the final evaluation gave.

    Args:
        metrics: by full name, such as ``test_accuracy``.
        parameters: weights and biases of the network.
    """
    from tinyprop.training.fit import PHASES, macs_of  # PyTorch, which a reader of results need not wait for

    macs = macs_of(state.totals, config.optimizer)
    counts = {phase: getattr(macs, phase) for phase in PHASES}
    return {
        "synthetic": dataset.synthetic,
        "dataset_fingerprint": dataset.fingerprint,
        "samples": {"train": len(dataset.train), "test": len(dataset.test)},
        "classes": list(dataset.classes),
        "epochs": state.epoch,
        "stopped_early": state.stopped_early,
        "metrics": metrics,
        "kept_fraction": {name: layer.kept_fraction for name, layer in state.totals.items()},
        "layers": [
            {
                "name": name,
                "n": layer.entries,
                "fan_in": layer.fan_in,
                "ratio": layer.ratio,
                "kept_fraction": layer.kept_fraction,
                "kept_rows_fraction": layer.kept_rows / (layer.steps * layer.units),
                **_kept_patches(layer),
                "local_error": layer.local_error,
            }
            for name, layer in state.totals.items()
        ],
        "macs": {
            **{phase: {"kept": count.kept, "dense": count.dense} for phase, count in counts.items()},
            "backward_ratio": macs.backward.ratio,
            "step_ratio": macs.step.ratio,
        },
        "memory": _memory(config, parameters),
        "wall_seconds": sum(row["seconds"] for row in state.history),
        "notes": list(dataset.notes),
    }


def write(run_dir: Path, result: Result) -> None:
    """Write ``result.json`` whole or not at all."""
    path = run_dir / FILE_NAME
    unfinished = path.with_name(f"{FILE_NAME}.unfinished")
    unfinished.write_text(as_text(result), encoding="utf-8")
    os.replace(unfinished, path)


def as_text(result: Result) -> str:
    """What ``result.json`` holds."""
    return json.dumps(result, indent=2, ensure_ascii=False) + "\n"


def read(run_dir: Path) -> Result | None:
    """The result in a run directory, or None.

    Raises:
        DataError: the file is damaged.
    """
    path = run_dir / FILE_NAME
    try:
        result: Result = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read ({error}); delete it to train this run anew") from error
    if not isinstance(result, dict) or not {"status", "name", "config_hash", "run_id"} <= result.keys():
        raise DataError(f"{path}: not the result of a run; delete it to train this run anew")
    return result


def _kept_patches(layer: LayerStatistics) -> dict[str, float]:
    """Of a convolution alone, and where all of its steps were counted."""
    fraction = layer.kept_patches_fraction
    return {} if fraction is None else {"kept_patches_fraction": fraction}


def _memory(config: RunConfig, parameters: int) -> dict[str, Any]:
    """Bytes in float32 of what any engine must hold while training; activations and code come on top."""
    weights = 4 * parameters
    state = weights * config.optimizer.state_per_weight
    target = config.target
    return {
        "weights_bytes": weights,
        "optimizer_bytes": state,
        "target": target.name,
        "sram_bytes": target.sram_bytes,
        "flash_bytes": target.flash_bytes,
        "fits_sram": weights + state <= target.sram_bytes,
    }
