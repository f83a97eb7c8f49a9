"""``tinyprop train -m``: every run accounted for, whatever becomes of the others."""

import csv
import io
import json
from pathlib import Path

import pytest

from tinyprop.cli import account, jobs, multirun
from tinyprop.config.composition import Composer
from tinyprop.config.schema import RunConfig
from tinyprop.sweeps.ledger import Ledger, Word
from tinyprop.sweeps.rounds import Plan
from tinyprop.tracking import open_store
from tinyprop.training import record, result

from .conftest import SMALL, finished, mlflow_rows, start

UNTRACKED = "tracking.enabled=false"
HERE = "hydra/launcher=basic"
"""In this process, where tests can reach in."""
FAILING = ("optimizer=sgd", "optimizer.lr=0.01,1e30")
"""The second of the two diverges."""


@pytest.fixture(autouse=True)
def _without_plots(monkeypatch):
    monkeypatch.setattr(record, "write_plots", lambda *_: None)


@pytest.fixture
def sweep(tinyprop):
    """A function from overrides to exit status and the printed JSON object of a multirun without tracking."""

    def run(*overrides: str) -> tuple[int, dict]:
        status, out, _ = tinyprop("train", "-m", "--json", *SMALL, HERE, UNTRACKED, *overrides)
        return status, json.loads(out)

    return run


def test_a_sweep_over_policies_is_a_parent_with_children(tinyprop, empty_database):
    command = ("train", "-m", *SMALL, HERE, "policy=dense,static,adaptive", "tracking.log_model=false")
    status, out, _ = tinyprop(*command)
    assert status == 0
    assert "3 runs: 3 done" in out
    assert max(map(len, out.splitlines())) <= 80
    assert "\x1b" not in out
    assert [line.split()[1] for line in out.splitlines() if line[:1].isdigit()][:3] == [
        *("policy=dense", "policy=static", "policy=adaptive")
    ]

    parent, *children = mlflow_rows(empty_database)
    assert (parent["status"], parent["parent"]) == ("FINISHED", None)
    assert parent["name"].split()[0] == "sweep"
    assert "tinyprop train --multirun dataset=digits" in parent["tags"]["tinyprop.command"]
    assert [child["tags"]["tinyprop.policy"] for child in children] == ["dense", "static", "adaptive"]
    assert {(child["status"], child["parent"]) for child in children} == {("FINISHED", parent["id"])}
    judged = {child["id"]: child["metrics"]["validation_accuracy"] for child in children}
    assert parent["tags"]["tinyprop.best_by"] == "validation_accuracy"  # the test set selects nothing
    assert judged[parent["tags"]["tinyprop.best_run"]] == max(judged.values())
    assert parent["metrics"]["best.validation_accuracy"] == max(judged.values())
    assert (parent["metrics"]["children"], parent["metrics"]["children.done"]) == (3, 3)
    (summary,) = Path("runs/mlartifacts").glob(f"{parent['id']}/artifacts/summary.csv")
    rows = list(csv.DictReader(io.StringIO(summary.read_text())))
    assert [row["overrides"] for row in rows] == ["policy=dense", "policy=static", "policy=adaptive"]
    assert [row["run_id"] for row in rows] == [child["id"] for child in children]
    dense = next(row for row in rows if row["overrides"] == "policy=dense")
    assert float(dense["backward_ratio"]) == float(dense["step_ratio"]) == 1

    status, out, _ = tinyprop(*command)
    assert (status, "3 runs: 3 reused" in out) == (0, True)
    (again, *same), _ = mlflow_rows(empty_database), None
    assert [child["id"] for child in same] == [child["id"] for child in children], "no child trained twice"
    assert (again["id"], again["status"]) == (parent["id"], "FINISHED")
    assert again["metrics"]["children.reused"] == 3


def test_paired_runs_differ_in_their_policy_only(sweep):
    status, answer = sweep("policy=dense,static", "seed=0,1")
    assert (status, answer["status"]) == (0, "finished")
    assert [run["overrides"] for run in answer["runs"]] == [
        ["policy=dense", "seed=0"],
        ["policy=dense", "seed=1"],
        ["policy=static", "seed=0"],
        ["policy=static", "seed=1"],
    ]
    assert len({run["run_dir"] for run in answer["runs"]}) == 4
    assert [run["seed"] for run in answer["runs"]] == [0, 1, 0, 1]


def test_a_failed_run_neither_stops_the_others_nor_hides(tinyprop, empty_database):
    status, out, err = tinyprop("train", "-m", *SMALL, HERE, *FAILING, "seed=1,2", "tracking.log_model=false")
    assert status == 1
    assert "4 runs: 2 done, 2 failed" in out
    flat = " ".join(out.split())
    assert "3 failed: training diverged: the" in flat or "3–4 failed: training diverged" in flat
    assert "Traceback" not in out + err
    parent, *children = mlflow_rows(empty_database)
    assert parent["status"] == "FAILED"
    assert sorted(child["status"] for child in children) == ["FAILED", "FAILED", "FINISHED", "FINISHED"]
    assert (parent["metrics"]["children.done"], parent["metrics"]["children.failed"]) == (2, 2)


def test_a_defect_in_one_run_does_not_reach_the_others(sweep, monkeypatch):
    whole = jobs.execute

    def defect(config, *arguments, **options):
        if config.seed == 1:
            raise ZeroDivisionError("nobody's fault")
        return whole(config, *arguments, **options)

    monkeypatch.setattr(jobs, "execute", defect)
    status, answer = sweep("seed=0,1,2")
    assert (status, answer["status"]) == (1, "failed")
    assert [run["status"] for run in answer["runs"]] == ["done", "failed", "done"]
    assert "unexpected ZeroDivisionError: nobody's fault" in answer["runs"][1]["reason"]


def test_ctrl_c_ends_a_sweep_with_an_account_of_it(tinyprop, empty_database, monkeypatch):
    whole = jobs.execute

    def interrupted(config, *arguments, **options):
        if config.seed == 1:
            raise KeyboardInterrupt
        return whole(config, *arguments, **options)

    monkeypatch.setattr(jobs, "execute", interrupted)
    status, out, _ = tinyprop("train", "-m", *SMALL, HERE, "seed=0,1,2", "tracking.log_model=false")
    assert status == 130
    assert "3 runs: 1 done, 1 killed, 1 missing" in out
    assert "2 killed: interrupted" in out
    assert "3 missing: interrupted before it began" in out
    parent, child = mlflow_rows(empty_database)
    assert (parent["status"], child["status"]) == ("KILLED", "FINISHED")


def test_a_sweep_without_any_result_still_has_a_table(tinyprop, workplace, caplog):
    diverging = ("optimizer=sgd", "optimizer.lr=1e30", "seed=0,1")
    status, out, _ = tinyprop("train", "-m", *SMALL, HERE, UNTRACKED, *diverging)
    assert status == 1
    assert "accuracy" in out
    assert "2 runs: 2 failed" in out
    told = [message.split(":")[1] for message in caplog.messages if message.startswith("failed:")]
    assert told == [" seed=0 (training diverged", " seed=1 (training diverged"], "while others are still to come"


def test_a_multirun_of_one_is_a_table_of_one(tinyprop, workplace):
    status, out, _ = tinyprop("train", "-m", *SMALL, HERE, UNTRACKED, "seed=3")
    assert status == 0
    assert "seed=3" in out
    assert "1 run: 1 done" in out


def test_a_wrong_value_anywhere_stops_a_sweep_before_it_begins(tinyprop, workplace):
    status, out, err = tinyprop("train", "-m", *SMALL, HERE, "trainer.batch_size=1,2,0", "policy=dense,sttic")
    assert (status, out) == (2, "")
    assert "policy=sttic: no such option; did you mean static?" in err
    assert "trainer.batch_size: 0 is under 1" in err
    assert list(workplace.iterdir()) == []


def test_an_auc_is_shown_where_there_is_no_accuracy():
    found = [
        account.Outcome(name, [name], "done", None, {"metrics": {"test_auc": auc}, "run_id": None})
        for name, auc in (("one", 0.7), ("two", 0.8))
    ]
    ended = account.account(found, None, interrupted=False, complete=True)
    assert (ended.metric, ended.exit_status) == ("test_auc", 0)
    assert [row["accuracy"] for row in ended.rows] == [0.7, 0.8]


@pytest.mark.slow
def test_joblib_trains_two_at_once(tmp_path, empty_database):
    arguments = ("train", "-m", "hydra/launcher=joblib", "hydra.launcher.n_jobs=2", *SMALL, "tracking.log_model=false")
    status, out, err = finished(start(*arguments, "policy=dense,adaptive", cwd=tmp_path))
    assert (status, "2 runs: 2 done" in out) == (0, True), err
    parent, *children = mlflow_rows(empty_database)
    assert parent["status"] == "FINISHED"
    assert [(child["status"], child["parent"]) for child in children] == [("FINISHED", parent["id"])] * 2


def test_runs_that_a_launcher_leaves_behind_are_accounted_for(tinyprop, empty_database, monkeypatch):
    """A run under way, the other not begun, and Hydra's exit."""

    def launcher(arguments, job):
        overrides = [argument for argument in arguments if not argument.startswith("--")]
        config = Composer().run_config([line for line in overrides if not line.startswith("seed=")])
        run_dir = Path("runs", config.run_name).absolute()
        Ledger("runs", config.sweep.id).leave(Word(config.run_name, "running", str(run_dir)))
        run_dir.mkdir()
        store = open_store(config.tracking, Path("runs"))
        child = store.start_run(config.run_name, parent_run_id=config.sweep.parent_run_id)
        result.write(run_dir, {**result.header(config, run_dir), "run_id": child.run_id})
        raise SystemExit(1)

    monkeypatch.setattr(multirun, "hand_over", launcher)
    status, out, _ = tinyprop("train", "-m", *SMALL, HERE, "tracking.log_model=false", "seed=0,1")
    assert status == 1
    assert "1 failed: its process ended without a word" in out
    assert "2 missing: the launcher ended with status 1" in out
    parent, child = mlflow_rows(empty_database)
    assert (parent["status"], child["status"], child["parent"]) == ("FAILED", "FAILED", parent["id"])
    lost = json.loads(Path("runs", child["name"], "result.json").read_text())
    assert (lost["status"], lost["error"]) == ("failed", "its process ended without a word")


def test_a_word_of_a_run_under_way_is_completed_by_the_parent(tmp_path):
    """What is left when a launcher kills a worker in the middle of a run."""
    config: RunConfig = Composer().run_config([*SMALL, UNTRACKED, f"runs_dir='{tmp_path}'"])
    run_dir = tmp_path / config.run_name
    run_dir.mkdir()
    result.write(run_dir, result.header(config, run_dir))
    ledger = Ledger(tmp_path, "sweep")
    ledger.directory.mkdir(parents=True)
    ledger.leave(Word(config.run_name, "running", str(run_dir)))
    multirun._conclude(ledger, Plan((), ledger, ()), interrupted=True)
    word = ledger.words()[config.run_name]
    assert (word.status, word.reason) == ("killed", "interrupted")
    assert (result.read(run_dir)["status"], result.read(run_dir)["error"]) == ("killed", "interrupted")


def test_results_are_in_the_directories_that_hydra_is_told(sweep, workplace):
    answer = sweep("seed=0,1", "hydra.sweep.dir=elsewhere", "hydra.sweep.subdir=s${seed}")[1]
    assert [run["run_dir"] for run in answer["runs"]] == [str(workplace / "elsewhere" / f"s{seed}") for seed in (0, 1)]


@pytest.mark.parametrize("sweep", ["seed=0,0", "runs_dir=here,there", "trainer.force=true,false"])
def test_runs_that_are_alike_are_refused_because_one_would_be_reported_as_the_other(tinyprop, workplace, sweep):
    status, out, err = tinyprop("train", "-m", *SMALL, HERE, sweep)
    assert (status, out) == (2, "")
    assert "the same run as" in err
