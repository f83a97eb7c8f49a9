"""Real processes that are interrupted, terminated and killed in the middle of training, or that all start at once."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from .conftest import finished, mlflow_rows, start

LONG = (
    *("train", "dataset=digits", "dataset.subset.train=400", "policy=adaptive", "optimizer=sgd", "seed=0"),
    *("optimizer.momentum=0.9", "trainer.epochs=60", "trainer.batch_size=20", "tracking.log_model=false"),
)
EAGER = (
    "import sys; from tinyprop.training import fit; fit._CHECKPOINT_INTERVAL = 0.0;"
    "from tinyprop.cli import main; sys.exit(main(sys.argv[1:]))"
)
"""The command line with a checkpoint after every epoch, so that there is something to go on from soon."""


def started(cwd: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", EAGER, *arguments],
        cwd=cwd,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def epochs_in(directory: Path) -> int:
    try:
        return max(0, len((directory / "metrics.csv").read_text().splitlines()) - 1)
    except FileNotFoundError:
        return 0


def wait_until(holds, process: subprocess.Popen[str], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.005)


def weights_in(directory: Path) -> dict[str, torch.Tensor]:
    return torch.load(directory / "checkpoint.pt", weights_only=True)["weights"]


def test_control_c_while_a_simulator_counts_ends_the_process_as_it_should(tmp_path):
    # In a process of its own: a simulator that still ran when Python ends would take it down with a fault.
    pytest.importorskip("unicorn")
    board = ("backend=unicorn", "backend.count=all", "tracking.enabled=false")
    process = started(tmp_path, *LONG, *board)
    wait_until(lambda: any((tmp_path / "runs").glob("digits-*/metrics.csv")), process)
    time.sleep(1.0)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "interrupted" in err


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_run_interrupted_terminated_and_killed_ends_like_one_that_never_was(tinyprop, tmp_path, empty_database):
    assert tinyprop(*LONG, "hydra.run.dir=whole", "tracking.enabled=false")[0] == 0

    directory = None
    for ending, status in ((signal.SIGINT, 130), (signal.SIGTERM, 130), (signal.SIGKILL, -signal.SIGKILL)):
        process = started(tmp_path, *LONG)
        if directory is None:
            wait_until(lambda: any((tmp_path / "runs").glob("digits-*/metrics.csv")), process)
            (directory,) = (tmp_path / "runs").glob("digits-*")
        before = epochs_in(directory)
        wait_until(lambda where=directory, before=before: epochs_in(where) > before, process)
        os.killpg(process.pid, ending)
        code, out, err = finished(process)
        assert (code, out) == (status, "")
        assert before < epochs_in(directory) < 60
        result = json.loads((directory / "result.json").read_text())
        (row,) = mlflow_rows(empty_database)
        if ending == signal.SIGKILL:
            assert (result["status"], row["status"]) == ("running", "RUNNING")
        else:
            assert err == "error: interrupted; the same command goes on where training stopped\n"
            assert (result["status"], row["status"]) == ("killed", "KILLED")

    code, out, err = finished(start(*LONG, "trainer.resume=true", "--json", cwd=tmp_path))
    assert code == 0, err
    result = json.loads(out)
    assert (result["status"], result["epochs"]) == ("finished", 60)
    (row,) = mlflow_rows(empty_database)
    assert (row["id"], row["status"]) == (result["run_id"], "FINISHED")
    uninterrupted = json.loads((tmp_path / "whole" / "result.json").read_text())
    assert result["metrics"] == uninterrupted["metrics"]
    assert result["macs"] == uninterrupted["macs"]
    one, other = weights_in(directory), weights_in(tmp_path / "whole")
    assert all(torch.equal(one[name], other[name]) for name in other)
    assert steps_in(empty_database, row["id"]) == list(range(1, 61)), "each epoch once in MLflow's history"


def steps_in(database: Path, run_id: str) -> list[int]:
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{database}")
    return [metric.step for metric in client.get_metric_history(run_id, "train_loss")]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_an_interrupted_sweep_of_several_processes_leaves_nothing_running(tmp_path, empty_database):
    """Ctrl-C reaches all of them, and the launcher kills its workers before they can say anything."""
    sweep = ("train", "-m", "hydra/launcher=joblib", "hydra.launcher.n_jobs=2", *LONG[1:], "trainer.epochs=5000")
    process = start(*(word for word in sweep if word != "seed=0"), "seed=0,1,2", cwd=tmp_path)
    wait_until(lambda: len(list((tmp_path / "runs").glob("digits-*/checkpoint.pt"))) == 2, process)
    os.killpg(process.pid, signal.SIGINT)
    code, out, err = finished(process, timeout=60)
    assert code == 130
    assert "Traceback" not in out + err
    assert "3 runs: 2 killed, 1 missing" in out
    parent, *children = mlflow_rows(empty_database)
    assert parent["status"] == "KILLED"
    assert [(child["status"], child["parent"]) for child in children] == [("KILLED", parent["id"])] * 2
    results = [json.loads(path.read_text()) for path in (tmp_path / "runs").glob("digits-*/result.json")]
    assert [(result["status"], result["error"]) for result in results] == [("killed", "interrupted")] * 2
    assert not processes_of_group(process.pid)


def processes_of_group(group: int) -> list[str]:
    """Commands of live processes in a process group (from /proc), after a moment to go."""
    deadline = time.monotonic() + 10
    while True:
        found = []
        for directory in Path("/proc").glob("[0-9]*"):
            try:
                fields = (directory / "stat").read_text().rpartition(")")[2].split()
                if int(fields[2]) == group and fields[0] != "Z":
                    found.append((directory / "cmdline").read_text())
            except OSError:
                continue
        if not found or time.monotonic() > deadline:
            return found
        time.sleep(0.1)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_four_processes_that_start_at_once_in_an_empty_directory_all_finish(tmp_path):
    """Nothing is there: one creates the database, and the same dataset and experiment are recorded by all."""
    small = ("dataset=digits", "dataset.subset.train=100", "trainer.epochs=1", "tracking.log_model=false")
    seeds = (0, 1, 2, 2)  # the last two are the same run: one trains it, the other waits and finds it
    processes = [start("train", "--json", *small, f"seed={seed}", cwd=tmp_path) for seed in seeds]
    ended = [finished(process, timeout=300) for process in processes]
    assert [code for code, _, _ in ended] == [0, 0, 0, 0], [err for _, _, err in ended]
    results = [json.loads(out) for _, out, _ in ended]
    assert [result["seed"] for result in results] == list(seeds)
    assert sorted("reused" in result for result in results) == [False, False, False, True]
    rows = mlflow_rows(tmp_path / "runs" / "mlflow.db")
    assert [row["status"] for row in rows] == ["FINISHED"] * 3
    assert {row["id"] for row in rows} == {result["run_id"] for result in results}
