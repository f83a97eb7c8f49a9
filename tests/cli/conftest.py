"""The command line in this process where that shows as much, and as a process of its own where it does not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tinyprop.cli import main
from tinyprop.training import record

SMALL = ("dataset=digits", "dataset.subset.train=100", "trainer.epochs=2", "trainer.batch_size=20")
"""A run of milliseconds on real digits."""


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    """An empty directory, which commands are started in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def tinyprop(workplace, capsys):
    """A function from arguments to exit status, standard output and standard error, in this process."""

    def run(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        try:
            status = main(list(arguments))
        except SystemExit as end:
            status = int(end.code or 0)
        shown = capsys.readouterr()
        return status, shown.out, shown.err

    return run


@pytest.fixture
def train(tinyprop, monkeypatch):
    """A function from overrides to exit status and the printed JSON object, of a run without tracking and figures."""
    monkeypatch.setattr(record, "write_plots", lambda *_: None)

    def run(*overrides: str) -> tuple[int, dict, str]:
        status, out, err = tinyprop("train", "--json", *SMALL, "tracking.enabled=false", *overrides)
        return status, json.loads(out) if out else {}, err

    return run


def start(*arguments: str, cwd: Path, **options) -> subprocess.Popen[str]:
    """The command line as a process of its own, in a process group of its own as a shell would start it."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **options.pop("env", {})}
    return subprocess.Popen(
        [sys.executable, "-m", "tinyprop", *arguments],
        cwd=cwd,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        **options,
    )


def finished(process: subprocess.Popen[str], timeout: float = 200) -> tuple[int, str, str]:
    """Exit status, standard output and standard error of a process that `start` started."""
    out, err = process.communicate(timeout=timeout)
    return process.returncode, out, err


def mlflow_rows(database: Path) -> list[dict]:
    """Every run in a database: name, status, id, parent, tags, metrics; by an eye that is not MLflow's."""
    import sqlite3

    with closing(sqlite3.connect(database)) as connection:
        runs = connection.execute("SELECT run_uuid, name, status FROM runs ORDER BY start_time").fetchall()
        tags = connection.execute("SELECT run_uuid, key, value FROM tags").fetchall()
        metrics = connection.execute("SELECT run_uuid, key, value FROM latest_metrics").fetchall()
    return [
        {
            "id": run,
            "name": name,
            "status": status,
            "tags": {key: value for owner, key, value in tags if owner == run},
            "metrics": {key: value for owner, key, value in metrics if owner == run},
            "parent": next((v for owner, key, v in tags if owner == run and key == "mlflow.parentRunId"), None),
        }
        for run, name, status in runs
    ]
