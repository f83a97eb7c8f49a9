"""A finished run as it lies in its directory."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from tinyprop.config.problems import nearest, of_validation
from tinyprop.config.schema import RunConfig
from tinyprop.errors import DataError, RequestError
from tinyprop.training import checkpoint, result

_CONFIG = "config.yaml"


@dataclass(frozen=True, eq=False)
class FinishedRun:
    """What is left of a run.

    Attributes:
        name: ``dataset-model-policy-sSEED-hash``.
        weights: by PyTorch's names, CPU tensors.
        dataset_fingerprint: of the data that it was trained on.
    """

    name: str
    config: RunConfig
    weights: dict[str, Any]
    dataset_fingerprint: str


def read_run(run: str, runs_dir: Path) -> FinishedRun:
    """The run in a directory.

    Args:
        run: a run directory, or the name of one in ``runs_dir``.

    Raises:
        RequestError: there is no such run, or it has not finished.
        DataError: a file of it is missing or damaged.
    """
    directory, found = read_result(run, runs_dir)
    path = directory / checkpoint.FILE_NAME
    if not path.exists():
        raise DataError(f"{path}: the weights of this run are missing; train it again with trainer.force=true")
    weights = checkpoint.load(path)["weights"]
    return FinishedRun(found["name"], read_config(directory), weights, found["dataset_fingerprint"])


def read_result(run: str, runs_dir: Path) -> tuple[Path, result.Result]:
    """The directory of a finished run, and its ``result.json``.

    Args:
        run: a run directory, or the name of one in ``runs_dir``.

    Raises:
        RequestError: there is no such run, or it has not finished.
        DataError: the file is damaged.
    """
    directory = _directory(run, runs_dir)
    found = result.read(directory)
    if found is None:
        raise RequestError(f"{directory}: no run is there (it has no {result.FILE_NAME})")
    if found["status"] != "finished":
        raise RequestError(
            f"{directory}: this run has not finished, its status is {found['status']}; the command in "
            f"{directory / 'command.txt'} goes on with it"
        )
    return directory, found


def _directory(run: str, runs_dir: Path) -> Path:
    for candidate in (Path(run), runs_dir / run):
        if candidate.is_dir():
            return candidate
    known = [path.parent.name for path in runs_dir.glob(f"*/{result.FILE_NAME}")]
    hint = nearest(run, known) if known else f"there are no runs in {runs_dir}; tinyprop train makes one"
    raise RequestError(f"{run}: no such run directory, neither here nor in {runs_dir}; {hint}")


def read_config(directory: Path) -> RunConfig:
    """The configuration of the run in a directory.

    Raises:
        DataError: its file is missing, damaged, or of another version.
    """
    path = directory / _CONFIG
    try:
        return RunConfig.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        problems = "; ".join(of_validation(error))
        raise DataError(f"{path}: not a configuration of this version of tinyprop ({problems})") from error
    except (OSError, ValueError, yaml.YAMLError) as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"{path}: cannot be read ({reason}); train this run again") from error
