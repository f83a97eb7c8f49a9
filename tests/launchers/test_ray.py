"""A Ray cluster of two nodes on this machine, and one MLflow server that the runs of both report to."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from tests.cli.conftest import SMALL, finished, mlflow_rows

from .conftest import wait_until, written

pytest.importorskip("ray")
pytest.importorskip("hydra_plugins.hydra_ray_launcher")


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    """Two nodes of one core each, whose processes begin in a directory of their own, as those of machines do."""
    from ray.cluster_utils import Cluster

    (tmp_path / "home").mkdir()
    monkeypatch.chdir(tmp_path / "home")
    memory = {"object_store_memory": 80 * 2**20}
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False, **memory})
    cluster.add_node(num_cpus=1, **memory)
    yield cluster
    cluster.shutdown()


@pytest.fixture
def server(tmp_path, empty_database):
    """The address of an MLflow server and its database."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    files = ("--backend-store-uri", f"sqlite:///{empty_database}", "--artifacts-destination", str(tmp_path / "files"))
    with open(tmp_path / "server.log", "w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "mlflow", "server", *files, "--port", str(port), "--workers", "1"],
            env={**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    address = f"http://127.0.0.1:{port}"
    try:
        wait_until(lambda: answers(f"{address}/health"), process)
        yield address
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=30)


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=1):
            return True
    except OSError:
        time.sleep(0.1)
        return False


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_node_that_is_killed_loses_no_finished_run_and_the_sweep_completes(
    cluster, server, tmp_path, empty_database, started, words_in
):
    command = (
        *("train", "-m", "hydra/launcher=ray", f"hydra.launcher.ray.init.address='{cluster.address}'", "--json"),
        *(f"tracking.uri={server}", "tracking.log_model=false", "tracking.plots=false"),
        *(*SMALL, "trainer.epochs=300", "seed=0,1,2,3"),
    )
    here = tmp_path / "user"
    here.mkdir()
    process = started(*command, cwd=here)
    wait_until(lambda: "done" in words_in(here).values() and "running" in words_in(here).values(), process)
    before = written(here / "runs")
    assert before
    cluster.remove_node(cluster.list_all_nodes()[1], allow_graceful=False)
    status, out, err = finished(process, timeout=300)
    assert status == 0, err
    runs = json.loads(out)["runs"]
    assert [(run["seed"], run["status"], run["epochs"]) for run in runs] == [(n, "done", 300) for n in range(4)]
    assert before.items() <= written(here / "runs").items(), "what was finished is not trained again"
    assert not list(Path("runs").glob("*")), "relative paths were taken from where the command began"

    parent, *children = mlflow_rows(empty_database)
    assert parent["status"] == "FINISHED"
    assert {child["id"] for child in children} == {run["run_id"] for run in runs}
    assert [(child["status"], child["parent"]) for child in children] == [("FINISHED", parent["id"])] * 4
