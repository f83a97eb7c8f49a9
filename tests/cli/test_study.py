"""Studies from the command line: skipped, gone on with, repeated, killed in the middle, and complete in the end."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pytest

from tinyprop.training import record, result

from .conftest import SMALL, finished, mlflow_rows, start

HERE = "hydra/launcher=basic"
UNTRACKED = "tracking.enabled=false"
STUDY = (*SMALL, "tracking.log_model=false", 'study.arms=["policy=dense","policy=static policy.ratio=0.1,0.2"]')
"""Three arms."""


@pytest.fixture(autouse=True)
def _without_plots(monkeypatch):
    monkeypatch.setattr(record, "write_plots", lambda *_: None)


@pytest.fixture
def study(tinyprop):
    """A function from flags and overrides to exit status and the status of each run, in the order of the account."""

    def run(*arguments: str) -> tuple[int, list[str]]:
        status, out, _ = tinyprop("train", "-m", "--json", *STUDY, HERE, UNTRACKED, *arguments)
        return status, [run["status"] for run in json.loads(out)["runs"]]

    return run


def test_a_finished_study_is_not_trained_again_unless_forced(study):
    assert study() == (0, ["done"] * 3)
    first = {path: path.stat().st_mtime_ns for path in Path("runs").glob("*/result.json")}
    assert study() == (0, ["reused"] * 3)
    assert {path: path.stat().st_mtime_ns for path in Path("runs").glob("*/result.json")} == first
    assert study("--force") == (0, ["done"] * 3)


def test_a_wider_study_trains_what_is_new(study):
    assert study("seed=0") == (0, ["done"] * 3)
    assert study("seed=0,1") == (0, ["reused"] * 3 + ["done"] * 3)


def test_a_wider_study_becomes_the_parent_of_all_its_runs(tinyprop, empty_database):
    tinyprop("train", "-m", *STUDY, HERE, "seed=0")
    status, out, _ = tinyprop("train", "-m", *STUDY, HERE, "seed=0,1")
    assert (status, "6 runs: 3 done, 3 reused" in out) == (0, True)
    rows = mlflow_rows(empty_database)
    parents = [row for row in rows if row["parent"] is None]
    assert len(parents) == 2
    assert [sum(row["parent"] == parent["id"] for row in rows) for parent in parents] == [0, 6]


def test_a_failed_run_is_retried_in_the_same_command_if_asked(study, monkeypatch):
    from tinyprop.cli import jobs

    whole, attempts = jobs.execute, []

    def unlucky(config, *arguments, **options):
        attempts.append(config.policy.name)
        if attempts.count("dense") == 1 and config.policy.name == "dense":
            raise ZeroDivisionError("the first time only")
        return whole(config, *arguments, **options)

    monkeypatch.setattr(jobs, "execute", unlucky)
    assert study("--retry-failed") == (0, ["done"] * 3)
    assert attempts == ["dense", "static", "static", "dense"]


def test_retrying_without_a_multirun_is_a_mistake(tinyprop, workplace):
    status, _, err = tinyprop("train", "--retry-failed", *SMALL)
    assert status == 2
    assert "--retry-failed goes with -m" in err


def test_a_dry_run_lists_the_grid_its_size_and_the_time_and_trains_nothing(tinyprop, workplace):
    status, out, _ = tinyprop("train", "-m", "--dry-run", *STUDY, "study.seeds=2")
    assert status == 0
    assert max(map(len, out.splitlines())) <= 80
    lines = [line.split() for line in out.splitlines()]
    assert ["2", "policy=dense", "2", "new"] in [line[:4] for line in lines]
    assert "6 runs, 0 finished; 6 to train: about" in out
    assert not Path("runs").exists()


def test_a_dry_run_knows_where_each_run_stands(tinyprop, study):
    study("seed=0")
    killed = next(path for path in Path("runs").glob("*dense*/result.json"))
    killed.write_text(json.dumps({**json.loads(killed.read_text()), "status": "running"}))
    status, out, _ = tinyprop("train", "-m", "--dry-run", "--json", *STUDY, "seed=0,1")
    told = json.loads(out)
    assert status == 0
    assert [run["state"] for run in told["runs"]] == ["interrupted", "finished", "finished", "new", "new", "new"]
    assert told["seconds"] > 0
    assert all(run["seconds"] is None or run["seconds"] > 0 for run in told["runs"])
    _, out, _ = tinyprop("train", "-m", "--dry-run", "--json", "--force", *STUDY, "seed=0")
    assert [run["state"] for run in json.loads(out)["runs"]] == ["failed", "repeat", "repeat"]


def test_a_dry_run_without_the_data_says_that_the_time_is_not_known(tinyprop, workplace):
    status, out, _ = tinyprop("train", "-m", "--dry-run", "dataset=mnist", "policy=dense,static")
    assert status == 0
    assert "2 runs, 0 finished; 2 to train: their data is not here, so the time is not known" in " ".join(out.split())
    assert not Path("data").exists(), "nothing is downloaded"


def test_a_run_whose_data_has_changed_fails_instead_of_being_reused(study):
    study("seed=0")
    (path,) = Path("runs").glob("*dense*/result.json")
    path.write_text(json.dumps({**json.loads(path.read_text()), "dataset_fingerprint": "0" * 64}))
    assert study("seed=0") == (1, ["failed", "reused", "reused"])


@pytest.mark.slow
def test_a_study_killed_at_any_moment_is_completed_by_the_same_command(tmp_path, empty_database, c_engine):
    """Killed outright again and again; nothing that had finished is trained twice, and nothing is missing."""
    command = ("train", "-m", *STUDY, "backend=native", "study.seeds=3", "hydra.launcher.n_jobs=2")
    finished_before: dict[str, int] = {}
    for seconds in (4.5, 6.5):
        process = start(*command, cwd=tmp_path)
        time.sleep(seconds)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        now = results(tmp_path)
        assert finished_before.items() <= now.items(), "a finished run was trained again"
        finished_before = now
    status, out, err = finished(start(*command, cwd=tmp_path))
    assert status == 0, err
    assert "9 runs: " in out
    assert len(results(tmp_path)) == 9
    assert finished_before.items() <= results(tmp_path).items()
    rows = mlflow_rows(empty_database)
    (parent,) = [row for row in rows if row["parent"] is None]
    assert (parent["status"], parent["metrics"]["children"]) == ("FINISHED", 9)
    assert sum(row["status"] == "FINISHED" and row["parent"] == parent["id"] for row in rows) == 9
    assert {row["status"] for row in rows} <= {"FINISHED", "KILLED"}


def results(directory: Path) -> dict[str, int]:
    """When each finished run was finished."""
    paths = directory.glob("runs/*/result.json")
    return {
        path.parent.name: path.stat().st_mtime_ns for path in paths if result.read(path.parent)["status"] == "finished"
    }


@pytest.mark.slow
def test_workers_that_are_killed_lose_no_run(tmp_path, empty_database, c_engine):
    process = start("train", "-m", *STUDY, "backend=native", "study.seeds=6", "hydra.launcher.n_jobs=3", cwd=tmp_path)
    killed = 0
    while process.poll() is None and killed < 4:
        time.sleep(0.7)
        for word in sorted(tmp_path.glob("runs/sweeps/*/*.json")):
            if json.loads(word.read_text())["status"] == "running":
                killed += kill_who_trains(tmp_path / "runs" / word.stem)
                break
    status, out, err = finished(process)
    assert (status, "18 runs: 18 done" in out) == (0, True), out + err
    assert killed >= 1
    rows = mlflow_rows(empty_database)
    assert sum(row["status"] == "FINISHED" for row in rows) == 19
    assert {row["status"] for row in rows} <= {"FINISHED", "KILLED"}


def kill_who_trains(run_dir: Path) -> int:
    """Kill the process that holds the lock of a run; how many were killed."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            held = any(os.readlink(link) == str(run_dir / ".lock") for link in (process / "fd").iterdir())
        except OSError:
            continue
        if held:
            os.kill(int(process.name), signal.SIGKILL)
            return 1
    return 0


@pytest.mark.slow
def test_ctrl_c_ends_every_process_and_leaves_a_true_account(tmp_path, empty_database, c_engine):
    """A terminal sends it to all processes of the command at once."""
    command = (
        "train",
        "-m",
        *STUDY,
        "backend=native",
        "study.seeds=8",
        "hydra.launcher.n_jobs=2",
        "trainer.epochs=3000",
    )
    process = start(*command, cwd=tmp_path)
    until = time.monotonic() + 60
    while not list(tmp_path.glob("runs/*/checkpoint.pt")) and time.monotonic() < until:
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGINT)
    status, out, err = finished(process, timeout=60)
    assert status == 130, err
    assert "Traceback" not in out + err
    words = [json.loads(path.read_text()) for path in tmp_path.glob("runs/sweeps/*/*.json")]
    assert {word["status"] for word in words} <= {"done", "killed"}
    assert any(word["status"] == "killed" for word in words)
    assert "24 runs: " in out
    assert "interrupted; the same command goes on with what is left" in err
    parent, *children = mlflow_rows(empty_database)
    assert parent["status"] == "KILLED"
    assert {child["status"] for child in children} <= {"FINISHED", "KILLED"}
