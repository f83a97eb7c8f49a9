"""``tinyprop train -m hydra/sweeper=search``: a multirun whose runs a search chooses, and the account of its trials."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

from tinyprop.cli.account import Account
from tinyprop.cli.multirun import run_multirun
from tinyprop.config.composition import Composer
from tinyprop.config.request import Request
from tinyprop.progress import Progress
from tinyprop.search.plan import SearchPlan
from tinyprop.search.session import Search, opened
from tinyprop.search.storage import locate
from tinyprop.search.study import TrialRecord


def run_search(
    request: Request, hydra_arguments: list[str], composer: Composer, progress: Progress
) -> tuple[Account, dict[str, Any]]:
    """Run a search as far as it goes; how its runs ended, and what is known of all of its trials.

    Raises:
        RequestError: another process runs it, or its study belongs to another search.
    """
    plan, runs_dir = request.search, Path(request.base.runs_dir)
    assert plan is not None
    with opened(plan, runs_dir, composer.job, anew=request.base.trainer.force) as search:
        ended = run_multirun(request, hydra_arguments, composer, progress, chosen=search.runs_left)
        return ended, _account(search, runs_dir, forced=request.base.trainer.force)


def is_complete(account: dict[str, Any]) -> bool:
    """Whether a search has all of its trials, none of them failed."""
    statuses = [trial["status"] for trial in account["trials"]]
    return len(statuses) >= account["n_trials"] and set(statuses) <= {"complete", "pruned"}


def _account(search: Search, runs_dir: Path, *, forced: bool) -> dict[str, Any]:
    plan = search.plan
    return {
        "study": plan.study_name,
        "storage": locate(plan.settings.storage, runs_dir),
        "space": [dimension.as_text() for dimension in plan.space],
        "seeds": list(plan.seeds),
        "objectives": [{"name": each.name, "maximised": each.maximised} for each in plan.objectives],
        "n_trials": plan.settings.n_trials,
        "forced": forced,
        "trials": [_trial(plan, trial) for trial in search.trials()],
    }


def _trial(plan: SearchPlan, trial: TrialRecord) -> dict[str, Any]:
    return {
        "number": trial.number,
        "status": trial.status,
        "values": trial.values,
        "scores": None if trial.scores is None else list(trial.scores),
        "reason": trial.reason,
        "runs": trial.runs,
        "best": trial.best,
        "command": _command(plan, trial),
    }


def _command(plan: SearchPlan, trial: TrialRecord) -> str:
    """The command line that trains what a trial did, without the search."""
    several = len(plan.seeds) > 1
    drawn = [f"{key}={value}" for key, value in trial.values.items()]
    seeds = f"seed={','.join(map(str, plan.seeds))}"
    fixed = [line for line in plan.fixed if not line.startswith("trainer.force=")]  # what is trained is found again
    return shlex.join(["tinyprop", "train", *(["-m"] if several else []), *fixed, *drawn, seeds])
