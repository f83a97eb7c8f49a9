"""Launching until all runs have ended, with launchers that lose runs in every way that real ones do."""

from types import SimpleNamespace

import pytest

from tinyprop.sweeps.ledger import Ledger, Word
from tinyprop.sweeps.rounds import Plan

NAMES = ("a", "b", "c", "d")


@pytest.fixture
def plan(tmp_path):
    ledger = Ledger(tmp_path, "study")
    ledger.directory.mkdir(parents=True)
    return Plan(tuple(job(name) for name in NAMES), ledger, ("sweep.id=study",))


def job(name, *overrides):
    config = SimpleNamespace(run_name=name)
    return SimpleNamespace(arguments=(f"run={name}", *overrides), overrides=overrides, config=config)


class Scripted:
    """A launcher that does in each launch what it is told: a status for each run, or an exception at the end."""

    def __init__(self, plan, *script):
        self._plan, self._script = plan, list(script)
        self.launches = []

    def launch(self, job_overrides, initial_job_idx):
        assert all(lines[-1] == "sweep.id=study" for lines in job_overrides)
        names = [lines[0].removeprefix("run=") for lines in job_overrides]
        self.launches.append((initial_job_idx, "".join(names)))
        told = self._script.pop(0) if self._script else {}
        for name in names:
            status = told.get(name, "done")
            if status != "untouched":
                self._plan.ledger.leave(Word(name, status, "/run"))
        if "raise" in told:
            raise told["raise"]
        return []


def carried_out(plan, *script, losses=3, retry_failed=False):
    launcher = Scripted(plan, *script)
    plan.complete(launcher, losses=losses, retry_failed=retry_failed)
    return launcher.launches, {name: word.status for name, word in plan.ledger.words().items()}


def test_one_launch_is_enough_where_nothing_is_lost(plan):
    launches, ended = carried_out(plan)
    assert launches == [(0, "abcd")]
    assert ended == dict.fromkeys(NAMES, "done")


def test_runs_that_were_lost_are_launched_again_and_the_others_are_not(plan):
    launches, ended = carried_out(plan, {"b": "running"}, {"b": "running"})
    assert launches == [(0, "abcd"), (4, "b"), (5, "b")]
    assert ended == dict.fromkeys(NAMES, "done")


def test_a_launcher_that_breaks_loses_no_run_that_it_had_not_begun(plan):
    broken = {"b": "running", "c": "untouched", "d": "untouched", "raise": OSError("a worker is gone")}
    launches, ended = carried_out(plan, broken)
    assert launches == [(0, "abcd"), (4, "bcd")]
    assert ended == dict.fromkeys(NAMES, "done")
    assert plan.trouble is None


def test_a_run_whose_process_dies_again_and_again_is_given_up(plan):
    launches, ended = carried_out(plan, {"a": "running"}, {"a": "running"}, {"a": "running"}, losses=3)
    assert [names for _, names in launches] == ["abcd", "a", "a"]
    assert ended["a"] == "running"
    assert plan.losses["a"] == 3
    assert plan.trouble is None


def test_a_launcher_that_trains_nothing_is_given_up_with_its_reason(plan):
    nothing = {**dict.fromkeys(NAMES, "untouched"), "raise": RuntimeError("no partition\nof that name")}
    launches, ended = carried_out(plan, *[nothing] * 9)
    assert len(launches) == 3
    assert ended == {}
    assert plan.trouble == "RuntimeError: no partition"


def test_failed_runs_are_launched_once_more_only_if_asked(plan):
    launches, ended = carried_out(plan, {"a": "failed", "c": "failed"})
    assert (len(launches), ended["a"]) == (1, "failed")


def test_a_failed_run_that_is_retried_ends_as_its_second_attempt_does(plan):
    launches, ended = carried_out(plan, {"a": "failed", "c": "failed"}, {"c": "failed"}, retry_failed=True)
    assert [names for _, names in launches] == ["abcd", "ac"]
    assert ended == {"a": "done", "b": "done", "c": "failed", "d": "done"}


def test_an_interruption_is_passed_on(plan):
    with pytest.raises(KeyboardInterrupt):
        carried_out(plan, {"raise": KeyboardInterrupt()})


def test_runs_are_told_what_sets_them_apart_besides_policy_and_seed(tmp_path):
    ledger = Ledger(tmp_path, "study")
    ledger.directory.mkdir(parents=True)
    apart = job("a", "policy=static", "policy.ratio=0.1", "optimizer.lr=0.1", "seed=1", "model.hidden='[64,32]'")
    plan = Plan((apart, job("b", "policy=dense", "seed=0")), ledger, ("sweep.id=study",))
    given = []
    plan._round(SimpleNamespace(launch=lambda lines, initial_job_idx: given.extend(lines) or []), plan.jobs, 0)
    assert "sweep.apart='optimizer.lr=0.1 model.hidden=[64,32]'" in given[0]
    assert not any(line.startswith("sweep.apart") for line in given[1])
