"""``tinyprop train -m hydra/sweeper=search``: trials that are chosen, recorded, gone on with and accounted for."""

import json
import os
import shlex
import signal
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from tinyprop.cli import jobs
from tinyprop.config.composition import Composer
from tinyprop.errors import DataError

from .conftest import SMALL, mlflow_rows, start

pytest.importorskip("optuna")

SEARCH = ("train", "-m", "hydra/sweeper=search", *SMALL, "tracking.plots=false")
HERE = "hydra/launcher=basic"
"""In this process, where tests can reach in."""
UNTRACKED = "tracking.enabled=false"


@pytest.fixture
def search(tinyprop):
    """A function from overrides to exit status and what is printed of a search without tracking, as JSON."""

    def run(*overrides: str) -> tuple[int, dict]:
        status, out, err = tinyprop(*SEARCH, HERE, "--json", UNTRACKED, *overrides)
        return status, json.loads(out) if out else {"error": err}

    return run


def settings_of(found: dict) -> list[dict]:
    return [trial["values"] for trial in found["search"]["trials"]]


def test_a_search_ends_with_its_pareto_front_and_commands_that_repeat_it(tinyprop, workplace):
    status, out, err = tinyprop(*SEARCH, HERE, UNTRACKED, "policy=adaptive", "hydra.sweeper.n_trials=3")
    assert status == 0, err
    assert "3 of 3 trials: 3 complete" in out
    assert "Pareto front (*):" in out
    assert "\x1b" not in out
    commands = [line.strip() for line in out.splitlines() if line.strip().startswith("tinyprop train")]
    assert commands
    assert max(len(line) for line in out.splitlines() if line.strip() not in commands) <= 80
    status, again, _ = tinyprop(*shlex.split(commands[0])[1:], "--json")
    assert (status, json.loads(again)["reused"]) == (0, True), "the command is the run that was searched"


def test_the_front_is_what_no_trial_beats_in_both(search):
    _, found = search(
        "hydra.sweeper.n_trials=5", "trainer.epochs=1", "hydra.sweeper.objectives=[validation_loss,macs.step_ratio]"
    )
    trials = found["search"]["trials"]
    scores = [trial["scores"] for trial in trials]
    for trial in trials:
        loss, work = trial["scores"]
        beaten = any(a <= loss and b <= work and (a, b) != (loss, work) for a, b in scores)
        assert trial["best"] is not beaten


def test_force_searches_anew_and_comes_to_the_same(search):
    trials = ("hydra.sweeper.n_trials=2", "trainer.epochs=1")
    _, first = search(*trials)
    status, again = search(*trials, "--force")
    assert status == 0
    assert [run["status"] for run in again["runs"]] == ["done", "done"], "trained, not found again"
    assert settings_of(again) == settings_of(first)
    assert again["search"]["forced"] is True
    assert not any("force" in trial["command"] for trial in again["search"]["trials"]), "the command finds it again"
    assert [trial["scores"] for trial in again["search"]["trials"]] == [
        trial["scores"] for trial in first["search"]["trials"]
    ]


def test_scores_are_what_the_runs_left(search, workplace):
    objectives = "hydra.sweeper.objectives=[validation_accuracy,macs.backward_ratio,cost.stm32f407.cycles.step]"
    _, found = search("hydra.sweeper.n_trials=2", objectives, "seed=0,1")
    for trial in found["search"]["trials"]:
        left = [json.loads((workplace / "runs" / run["name"] / "result.json").read_text()) for run in trial["runs"]]
        assert [result["seed"] for result in left] == [0, 1]
        assert trial["scores"] == pytest.approx(
            [
                sum(result["metrics"]["validation_accuracy"] for result in left) / 2,
                sum(result["macs"]["backward_ratio"] for result in left) / 2,
                sum(result["cost"]["STM32F407VG"]["cycles.step"] for result in left) / 2,
            ]
        )


def test_every_trial_is_valid_where_the_ranges_overlap(search):
    """s_max below s_min would be refused by the policy."""
    ranges = ("policy.s_min=interval(0.05,0.6)", "policy.s_max=interval(0.1,0.6)", "trainer.epochs=1")
    status, found = search("hydra.sweeper.n_trials=6", "hydra.sweeper.sampler=random", *ranges)
    assert status == 0
    assert all(values["policy.s_max"] >= values["policy.s_min"] for values in settings_of(found))
    assert any(values["policy.s_min"] > 0.1 for values in settings_of(found)), "the bound was put to use"


def test_the_same_search_proposes_the_same_trials_and_another_seed_others(search):
    few = ("hydra.sweeper.n_trials=2", "trainer.epochs=1")
    first = settings_of(search(*few, "runs_dir=a")[1])
    assert settings_of(search(*few, "runs_dir=b")[1]) == first
    assert settings_of(search(*few, "runs_dir=c", "hydra.sweeper.seed=1")[1]) != first


def test_any_key_can_be_searched_and_a_value_takes_one_out(search):
    ranges = ("trainer.batch_size=range(10,31,10)", "policy=adaptive,adaptive_skip", "policy.s_min=0.05")
    _, found = search("hydra.sweeper.n_trials=4", "trainer.epochs=1", *ranges)
    for values in settings_of(found):
        assert set(values) == {"policy.s_max", "policy.zeta", "trainer.batch_size", "policy"}
        assert values["trainer.batch_size"] in (10, 20, 30)
        assert values["policy"] in ("adaptive", "adaptive_skip")


def test_more_trials_go_on_with_the_search(search):
    _, found = search("hydra.sweeper.n_trials=2", "trainer.epochs=1")
    _, more = search("hydra.sweeper.n_trials=3", "trainer.epochs=1")
    assert more["search"]["trials"][:2] == found["search"]["trials"]
    began = [(Path("runs") / run["name"] / "result.json").stat().st_mtime_ns for run in more["runs"]]
    assert len(began) == 3
    status, done = search("hydra.sweeper.n_trials=3", "trainer.epochs=1")
    assert (status, done["search"]) == (0, more["search"])


def test_trials_are_children_of_the_sweep_with_their_numbers(tinyprop, empty_database):
    status, _, err = tinyprop(*SEARCH, HERE, "hydra.sweeper.n_trials=2", "tracking.log_model=false")
    assert status == 0, err
    parent, *children = mlflow_rows(empty_database)
    assert [child["tags"]["tinyprop.trial"] for child in children] == ["0", "1"]
    assert {(child["status"], child["parent"]) for child in children} == {("FINISHED", parent["id"])}
    assert {child["tags"]["tinyprop.study"] for child in children} == {parent["tags"]["tinyprop.sweep"]}
    assert parent["status"] == "FINISHED"


def test_a_pruned_run_is_marked_so_and_is_not_taken_for_a_result(tinyprop, empty_database):
    """Learning rates over ten orders of magnitude: the small ones fall behind at once."""
    space = ("hydra.sweeper.params=null", "optimizer.lr=tag(log,interval(1e-12,1e-2))", "trainer.epochs=4")
    single = ("hydra.sweeper.objectives=[validation_loss]", "hydra.sweeper.pruner=median")
    fast = "tracking.log_model=false"
    status, out, err = tinyprop(*SEARCH, HERE, "--json", *space, *single, "hydra.sweeper.n_trials=10", fast)
    assert status == 0, err
    found = json.loads(out)["search"]["trials"]
    pruned = [trial for trial in found if trial["status"] == "pruned"]
    assert pruned
    assert [trial["number"] for trial in found if trial["best"]] == [
        min((trial for trial in found if trial["scores"]), key=lambda trial: trial["scores"][0])["number"]
    ]
    name = pruned[0]["runs"][0]["name"]
    left = json.loads(Path("runs", name, "result.json").read_text())
    assert (left["status"], "falls behind" in left["error"]) == ("pruned", True)
    (row,) = [row for row in mlflow_rows(empty_database) if row["tags"].get("tinyprop.run_dir", "").endswith(name)]
    assert (row["status"], "falls behind" in row["tags"]["tinyprop.pruned"]) == ("KILLED", True)
    rows = Path("runs", name, "metrics.csv").read_text().splitlines()
    assert 2 <= len(rows) < 5, "some epochs, not all"

    status, out, _ = tinyprop(*shlex.split(pruned[0]["command"])[1:], "--json")
    whole = json.loads(out)
    assert (status, whole["status"], whole["epochs"], "reused" in whole) == (0, "finished", 4, False)
    (row,) = [row for row in mlflow_rows(empty_database) if row["tags"].get("tinyprop.run_dir", "").endswith(name)]
    assert (row["status"], row["tags"]["tinyprop.pruned"]) == ("FINISHED", "gone on with")


def test_failed_trials_are_told_and_tried_again_by_the_same_command(search, monkeypatch):
    whole = jobs.execute

    def failing(config, *arguments, **options):
        if config.sweep.trial == 1:
            raise DataError("the disk is gone")
        return whole(config, *arguments, **options)

    monkeypatch.setattr(jobs, "execute", failing)
    status, found = search("hydra.sweeper.n_trials=3", "trainer.epochs=1")
    assert status == 1
    assert [trial["status"] for trial in found["search"]["trials"]] == ["complete", "failed", "complete"]
    assert found["search"]["trials"][1]["reason"] == "the disk is gone"
    monkeypatch.setattr(jobs, "execute", whole)
    status, mended = search("hydra.sweeper.n_trials=3", "trainer.epochs=1")
    assert status == 0
    assert [trial["number"] for trial in mended["search"]["trials"]] == [0, 2, 3]
    assert mended["search"]["trials"][2]["values"] == found["search"]["trials"][1]["values"]


def test_ctrl_c_leaves_a_trial_that_the_same_command_takes_up(search, monkeypatch):
    whole = jobs.execute

    def interrupted(config, *arguments, **options):
        if config.sweep.trial == 1:
            raise KeyboardInterrupt
        return whole(config, *arguments, **options)

    monkeypatch.setattr(jobs, "execute", interrupted)
    few = ("hydra.sweeper.n_trials=3", "trainer.epochs=1")
    status, found = search(*few)
    assert status == 130
    assert [trial["status"] for trial in found["search"]["trials"]] == ["complete", "open"]
    monkeypatch.setattr(jobs, "execute", whole)
    status, complete = search(*few)
    assert status == 0
    assert settings_of(complete) == settings_of(search(*few, "runs_dir=undisturbed")[1])


@pytest.mark.slow
def test_after_kill_9_the_same_command_trains_what_is_missing_and_ends_as_if_undisturbed(search, tmp_path):
    few = ("hydra.sweeper.n_trials=5", "hydra.sweeper.batch_size=2", "trainer.epochs=3")
    process = start(*SEARCH, UNTRACKED, *few, cwd=tmp_path)
    deadline = time.monotonic() + 120
    while len(finished_runs(tmp_path / "runs")) < 3:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    before = finished_runs(tmp_path / "runs")
    with closing(sqlite3.connect(tmp_path / "runs" / "search.db")) as connection:
        assert connection.execute("SELECT COUNT(*) FROM trials WHERE state = 'RUNNING'").fetchone() > (0,)

    status, complete = search(*few)
    assert status == 0
    trials = complete["search"]["trials"]
    assert [(trial["number"], trial["status"]) for trial in trials] == [(n, "complete") for n in range(5)]
    assert before.items() <= finished_runs(tmp_path / "runs").items(), "what was finished is not trained twice"
    undisturbed = search(*few, "runs_dir=elsewhere")[1]["search"]["trials"]
    assert [(t["values"], t["scores"]) for t in trials] == [(t["values"], t["scores"]) for t in undisturbed]


def finished_runs(runs_dir: Path) -> dict[str, int]:
    """The finished runs and when their results were written."""
    paths = [path for path in runs_dir.glob("*/result.json") if '"status": "finished"' in path.read_text()]
    return {path.parent.name: path.stat().st_mtime_ns for path in paths}


def test_a_wrong_search_is_refused_before_it_begins(tinyprop, workplace):
    status, out, err = tinyprop(*SEARCH, "hydra.sweeper.objectives=[test_accuracy]")
    assert (status, out) == (2, "")
    assert "test_accuracy is of the test set, which selects nothing; take validation_accuracy" in err
    assert list(workplace.iterdir()) == []


def test_a_named_study_of_another_search_is_refused(search, tinyprop):
    named = ("hydra.sweeper.study=mine", "hydra.sweeper.n_trials=1", "trainer.epochs=1")
    assert search(*named)[0] == 0
    status, out, err = tinyprop(*SEARCH, UNTRACKED, *named, "policy.zeta=1")
    assert (status, out) == (2, "")
    assert "another search of this name (another configuration, space)" in err


def test_a_storage_that_holds_something_else_is_left_alone(tinyprop, empty_database):
    before = empty_database.read_bytes() if isinstance(empty_database, Path) else Path(empty_database).read_bytes()
    status, _, err = tinyprop(*SEARCH, UNTRACKED, f"hydra.sweeper.storage='sqlite:///{empty_database}'")
    assert (status, "holds something else" in err) == (2, True)
    assert Path(empty_database).read_bytes() == before


def test_one_search_is_run_by_one_process(tinyprop, workplace):
    from filelock import FileLock

    plan = Composer().request([*SEARCH[2:], UNTRACKED], multirun=True).search
    Path("runs").mkdir()
    with FileLock(Path("runs") / f".{plan.study_name}.lock", thread_local=False, is_singleton=False):
        status, _, err = tinyprop(*SEARCH, UNTRACKED)
    assert (status, "is run by another process" in err) == (2, True)
