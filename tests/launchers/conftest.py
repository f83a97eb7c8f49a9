"""Sweeps on several machines, as far as one machine can stand for them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import start


@pytest.fixture
def words_in(tmp_path) -> Callable[[Path], dict[str, str]]:
    """A function from the directory of a command to the status of each run of its sweeps, by name."""

    def read(directory: Path) -> dict[str, str]:
        paths = directory.glob("runs/sweeps/*/[!.]*.json")
        return {path.stem: json.loads(path.read_text())["status"] for path in paths}

    return read


@pytest.fixture
def started() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """`tests.cli.conftest.start`, whose processes do not outlive a test that fails."""
    processes: list[subprocess.Popen[str]] = []

    def begin(*arguments: str, **options) -> subprocess.Popen[str]:
        processes.append(start(*arguments, **options))
        return processes[-1]

    yield begin
    for process in processes:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()


def wait_until(holds: Callable[[], bool], process, seconds: float = 300) -> None:
    """Wait for something that a process is to bring about."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)


def written(runs_dir: Path) -> dict[str, int]:
    """The finished runs, and when their results were written."""
    paths = [path for path in runs_dir.glob("*/result.json") if '"status": "finished"' in path.read_text()]
    return {path.parent.name: path.stat().st_mtime_ns for path in paths}
