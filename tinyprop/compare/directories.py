"""Runs as they lie in their directories."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from tinyprop.compare.run import Run
from tinyprop.config.problems import nearest
from tinyprop.errors import DataError, RequestError
from tinyprop.progress import SILENT, Progress
from tinyprop.training import result

_CONFIG = "config.yaml"
_METRICS = "metrics.csv"
_KILLED_OUTRIGHT = "is running still, or its process ended without a word"


def read_directories(directories: Iterable[Path], progress: Progress = SILENT) -> list[Run]:
    """The runs in these directories. One that is damaged is ``unreadable``, with the reason."""
    paths = list(directories)
    found = []
    with progress.task("Reading runs", len(paths), "runs") as advance:
        for path in paths:
            try:
                found.append(read_directory(path))
            except DataError as error:
                found.append(Run(path.name, str(path), "unreadable", str(error)))
            advance(1)
    return found


def read_directory(path: Path) -> Run:
    """The run in a directory.

    Raises:
        DataError: a file of it is damaged.
    """
    outcome = result.read(path)
    config = _config(path)
    if outcome is None:
        return Run(path.name, str(path), "unreadable", f"{path}: has no {result.FILE_NAME}", config)
    status = str(outcome["status"])
    reason = outcome.get("error") or (_KILLED_OUTRIGHT if status == "running" else None)
    rows = read_rows(_text(path / _METRICS)) if status == "finished" and (path / _METRICS).exists() else []
    if status == "finished" and not config:
        raise DataError(f"{path / _CONFIG}: is missing, so nothing says what was run; train this run again")
    recorded = (path / result.FILE_NAME).stat().st_mtime
    return Run(str(outcome["name"]), str(path), status, reason, config, outcome, rows, recorded=recorded)


def is_run(path: Path) -> bool:
    """Whether a directory holds a run, finished or not."""
    return (path / result.FILE_NAME).is_file() or (path / _CONFIG).is_file()


def runs_in(directory: Path) -> list[Path]:
    """The run directories that lie in a directory."""
    return sorted(path for path in directory.iterdir() if path.is_dir() and is_run(path)) if directory.is_dir() else []


def study_directories(name: str, runs_dir: Path) -> list[Path]:
    """The directories of the runs of one sweep, reused ones too.

    Args:
        name: the sweep's id, which is the name of its directory in ``runs_dir/sweeps``; ``last`` is the latest.

    Raises:
        RequestError: there is no such sweep, or it has no runs yet.
    """
    sweeps = sorted((path for path in (runs_dir / "sweeps").glob("*") if path.is_dir()), key=lambda path: path.name)
    if not sweeps:
        raise RequestError(f"--study {name}: there are no sweeps in {runs_dir}; tinyprop train -m makes one")
    chosen = [path for path in sweeps if path.name == name] if name != "last" else sweeps[-1:]
    if not chosen:
        raise RequestError(f"--study {name}: no such sweep in {runs_dir}; {nearest(name, [p.name for p in sweeps])}")
    found = []
    for word in sorted(chosen[0].glob("[!.]*.json")):
        content = _json(word)
        inside = (content.get("result") or {}).get("run_dir") or content.get("run_dir")
        places = [runs_dir / word.stem, *([Path(inside)] if inside else [])]
        found += [path for path in places if path.is_dir()][:1]
    if not found:
        raise RequestError(f"--study {name}: none of its runs has begun")
    return found


def read_rows(text: str) -> list[dict[str, float]]:
    """The rows of a ``metrics.csv``; what is no number is left out.

    Raises:
        ValueError: a cell is neither empty nor a number.
    """
    return [
        {column: float(value) for column, value in row.items() if column and value not in (None, "")}
        for row in csv.DictReader(io.StringIO(text))
    ]


def _config(path: Path) -> Mapping[str, Any]:
    file = path / _CONFIG
    if not file.exists():
        return {}
    try:
        content = yaml.safe_load(_text(file))
    except yaml.YAMLError as error:
        raise DataError(f"{file}: cannot be read ({str(error).splitlines()[0]}); train this run again") from error
    if not isinstance(content, dict):
        raise DataError(f"{file}: not the configuration of a run; train this run again")
    return content


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read ({error}); train this run again") from error


def _json(path: Path) -> Mapping[str, Any]:
    try:
        content = json.loads(_text(path))
    except ValueError as error:
        raise DataError(f"{path}: cannot be read ({error}); name the runs themselves instead") from error
    return content if isinstance(content, dict) else {}
