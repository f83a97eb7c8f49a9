"""What a study leaves besides its runs: their comparison, beside the ledger and with the parent in MLflow."""

from __future__ import annotations

import logging
from pathlib import Path

from tinyprop.cli.account import Account
from tinyprop.compare import Comparison, Question, compare, read_directories
from tinyprop.compare.targets import preset_names
from tinyprop.errors import TinypropError
from tinyprop.progress import Progress
from tinyprop.report import comparison as report
from tinyprop.sweeps.ledger import Ledger
from tinyprop.tracking import ParentRun

FOLDER = "report"
"""Of the multirun's directory."""

_logger = logging.getLogger(__name__)


def is_study(account: Account) -> bool:
    """Whether runs can be compared: two configurations or more, each with two seeds or more."""
    finished = [ended.result for ended in account.outcomes if ended.result.get("status") == "finished"]
    seeds = {result["seed"] for result in finished}
    return len(seeds) > 1 and len(finished) >= 2 * len(seeds)


def write(account: Account, ledger: Ledger, parent: ParentRun, progress: Progress) -> Comparison | None:
    """Compare the runs, as files and in MLflow; None where that fails, which costs no run."""
    directory = ledger.directory / FOLDER
    places = [Path(ended.result["run_dir"]) for ended in account.outcomes if "run_dir" in ended.result]
    try:
        question = Question(presets=preset_names(), command=f"tinyprop compare --study {ledger.directory.name}")
        comparison = compare(read_directories(places), question)
        if not (directory / report.REPORT).exists() or any(ended.status != "reused" for ended in account.outcomes):
            report.write(comparison, directory, progress)
            parent.log_artifacts(directory)
    except TinypropError as error:
        _logger.warning("the runs cannot be compared: %s", error)
        return None
    return comparison
