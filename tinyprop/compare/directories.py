"""Runs as they lie in their directories."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from glob import glob
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
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The one in C reads a configuration in 2 ms instead of 20."""
_SUCCEEDED = ("done", "reused")
"""Words of runs that have a result."""
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


def find_directories(places: Sequence[str], runs_dir: Path) -> tuple[list[Path], list[Path]]:
    """The run directories that a user means: those that are named, and those that were found in or by what is named.

    Args:
        places: run directories, names of some in ``runs_dir``, directories that hold some, or patterns with ``*``.

    Raises:
        RequestError: one of them is, holds and matches no run.
    """
    named: list[Path] = []
    others: list[Path] = []
    for place in places:
        directory = next((path for path in (Path(place), runs_dir / place) if path.is_dir()), None)
        if directory is not None and is_run(directory):
            named.append(directory)
        elif directory is not None:
            inside = runs_in(directory)
            if not inside:
                raise RequestError(f"{place}: is no run directory and holds none; tinyprop train makes some in ./runs")
            others += inside
        elif any(character in place for character in "*?["):
            matched = [Path(path) for path in sorted(glob(place)) if is_run(Path(path))]
            if not matched:
                raise RequestError(f"{place}: matches no run directory")
            others += matched
        else:
            known = [path.name for path in runs_in(runs_dir)]
            hint = nearest(place, known) if known else f"there are no runs in {runs_dir}; tinyprop train makes some"
            raise RequestError(f"{place}: no such run directory, neither here nor in {runs_dir}; {hint}")
    return named, [path for path in others if path not in named]


def read_study(name: str, runs_dir: Path, progress: Progress = SILENT) -> list[Run]:
    """The runs of one sweep, reused ones too, and those that ended before they had a directory.

    Args:
        name: the sweep's id, which is the name of its directory in ``runs_dir/sweeps``; ``last`` is the latest.

    Raises:
        RequestError: there is no such sweep, or none of its runs has begun.
    """
    sweeps = sorted((path for path in (runs_dir / "sweeps").glob("*") if path.is_dir()), key=_changed)
    if not sweeps:
        raise RequestError(f"--study {name}: there are no sweeps in {runs_dir}; tinyprop train -m makes one")
    chosen = [path for path in sweeps if path.name == name] if name != "last" else sweeps[-1:]
    if not chosen:
        raise RequestError(f"--study {name}: no such sweep in {runs_dir}; {nearest(name, [p.name for p in sweeps])}")
    directories, without, elsewhere = [], [], set()
    for path in sorted(chosen[0].glob("[!.]*.json")):
        word = _json(path)
        here, recorded = runs_dir / path.stem, Path(str(word.get("run_dir")))
        if is_run(here):
            directories.append(here)
        elif is_run(recorded):
            directories.append(recorded)
            elsewhere.add(str(recorded))
        elif word.get("status") in _SUCCEEDED:
            without.append(Run(path.stem, str(recorded), "missing", "its directory is gone; its study trains it again"))
        else:
            without.append(Run(path.stem, str(recorded), str(word.get("status")), word.get("reason")))
    if not directories and not without:
        raise RequestError(f"--study {name}: none of its runs has begun")
    remark = f"Read where it was trained, since it is not in {runs_dir}."
    runs = read_directories(directories, progress)
    return [*(replace(run, remark=remark) if run.place in elsewhere else run for run in runs), *without]


def read_rows(text: str) -> list[dict[str, float]]:
    """The rows of a ``metrics.csv``; what is no number is left out.

    Raises:
        ValueError: a cell is neither empty nor a number.
    """
    return [
        {column: float(value) for column, value in row.items() if column and value not in (None, "")}
        for row in csv.DictReader(io.StringIO(text))
    ]


def _changed(path: Path) -> float:
    return path.stat().st_mtime


def _config(path: Path) -> Mapping[str, Any]:
    file = path / _CONFIG
    if not file.exists():
        return {}
    try:
        content = yaml.load(_text(file), Loader=_LOADER)
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
