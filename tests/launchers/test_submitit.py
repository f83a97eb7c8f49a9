"""Submitit's executor for this machine, which stands in for Slurm: the same scripts, pickles and waiting."""

import json
import os
import signal
from pathlib import Path

import pytest

from tests.cli.conftest import SMALL, finished

from .conftest import wait_until, written

pytest.importorskip("submitit")

SWEEP = ("train", "-m", "hydra/launcher=submitit_local", *SMALL, "tracking.enabled=false", "tracking.plots=false")


def jobs_of(folder: Path) -> list[int]:
    """The processes of submitit that carry out jobs of a folder (from /proc)."""
    found = []
    for directory in Path("/proc").glob("[0-9]*"):
        try:
            command = (directory / "cmdline").read_text()
        except OSError:
            continue
        if "submitit.core._submit" in command and str(folder) in command:
            found.append(int(directory.name))
    return found


@pytest.mark.slow
def test_a_job_that_is_killed_is_submitted_again_and_no_finished_run_is_repeated(tmp_path, started, words_in):
    process = started(*SWEEP, "trainer.epochs=2,500", "--json", cwd=tmp_path)  # a run of a moment, and one of seconds
    wait_until(lambda: sorted(words_in(tmp_path).values()) == ["done", "running"], process)
    before = written(tmp_path / "runs")
    for job in jobs_of(tmp_path / "runs" / ".submitit"):
        os.kill(job, signal.SIGKILL)
    status, out, err = finished(process)
    assert status == 0, err
    assert "1 of 2 runs were lost" in err
    assert [(run["status"], run["epochs"]) for run in json.loads(out)["runs"]] == [("done", 2), ("done", 500)]
    assert before.items() <= written(tmp_path / "runs").items()
