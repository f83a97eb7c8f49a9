"""``tinyprop train -m --dry-run``: the runs of a multirun, where each stands, and how long what is missing takes."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from tinyprop.config.request import Job, Request
from tinyprop.errors import RequestError, TinypropError
from tinyprop.progress import Progress
from tinyprop.report.console import console
from tinyprop.report.progress import duration
from tinyprop.sweeps.forecast import forecast
from tinyprop.sweeps.workers import cores
from tinyprop.training import checkpoint
from tinyprop.training.reuse import earlier_result, is_finished


@dataclass(frozen=True)
class Planned:
    """One run.

    Attributes:
        state: ``finished``, ``repeat`` (finished, and trained anew by --force), ``interrupted`` (its checkpoint will be
            gone on from), ``failed`` or ``new``.
        seconds: of training, modelled; None of finished runs, and where it is not known.
    """

    name: str
    overrides: list[str]
    state: str
    seconds: float | None


def dry_run(request: Request, progress: Progress) -> list[Planned]:
    """Where the runs of a request stand, and how long each would take.

    Raises:
        RequestError: it is no grid, and its runs are known only when they are made.
    """
    if not request.jobs:
        raise RequestError("--dry-run lists the runs of a grid; a search decides on its runs as it goes")
    states = {job.config.run_name: _state(job) for job in request.jobs}
    missing = [job.config for job in request.jobs if states[job.config.run_name] != "finished"]
    seconds = forecast(missing, progress).seconds
    return [
        Planned(name, list(job.overrides), states[name], seconds.get(name))
        for job in request.jobs
        for name in [job.config.run_name]
    ]


def show(request: Request, planned: list[Planned]) -> None:
    """Print them."""
    output = console()
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for heading in ("runs", "of", "state", "seconds each"):
        table.add_column(heading, justify="left" if heading in ("of", "state") else "right", no_wrap=heading == "runs")
    for arm, runs in _by_arm(planned).items():
        states = Counter(run.state for run in runs)
        known = [run.seconds for run in runs if run.seconds is not None]
        seconds = f"{sum(known) / len(known):.2g}" if known else "" if set(states) == {"finished"} else "?"
        counted = ", ".join(f"{count} {state}" for state, count in states.items())
        table.add_row(str(len(runs)), Text(arm or "as given"), counted, seconds)
    config = request.base
    common = f"{config.dataset.name} · {config.model.name} · {config.optimizer.name} · backend={config.backend.name}"
    output.print(Text(f"{request.name}: {common}"))
    output.print(table)
    output.print(Text(_summary(planned), style="bold"))
    for note in request.notes:
        output.print(Text(note, style="dim"))


def as_json(request: Request, planned: list[Planned]) -> dict[str, Any]:
    """The same for scripts."""
    return {
        "name": request.name,
        "runs": [asdict(run) for run in planned],
        "processes": cores(),
        "seconds": _seconds(planned),
        "notes": list(request.notes),
    }


def _by_arm(planned: list[Planned]) -> dict[str, list[Planned]]:
    """Runs that differ in their seeds only, together."""
    arms: dict[str, list[Planned]] = {}
    for run in planned:
        arm = " ".join(line for line in run.overrides if not line.startswith("seed="))
        arms.setdefault(arm, []).append(run)
    return arms


def _state(job: Job) -> str:
    run_dir = Path(job.config.runs_dir).absolute() / job.config.run_name
    try:
        earlier = earlier_result(job.config, run_dir)
    except TinypropError:
        return "failed"
    if earlier is None:
        return "new"
    if is_finished(job.config, earlier):
        return "finished"
    if earlier["status"] == "finished":
        return "repeat"
    resumable = (run_dir / checkpoint.FILE_NAME).exists() and not job.config.trainer.force
    return "interrupted" if resumable else "failed"


def _seconds(planned: list[Planned]) -> float | None:
    """Until all have ended on this machine's cores; None where it is not known of some."""
    from tinyprop.sweeps.forecast import Forecast

    missing = [run for run in planned if run.state != "finished"]
    if any(run.seconds is None for run in missing):
        return None
    return Forecast({run.name: run.seconds or 0.0 for run in missing}, {}).total(cores())


def _summary(planned: list[Planned]) -> str:
    finished = sum(run.state == "finished" for run in planned)
    left = len(planned) - finished
    seconds = _seconds(planned)
    took = "their data is not here, so the time is not known" if seconds is None else f"about {duration(seconds)}"
    processes = min(cores(), left)
    where = "" if seconds is None else f" in {processes} process{'' if processes == 1 else 'es'}"
    counted = f"{len(planned)} run{'' if len(planned) == 1 else 's'}, {finished} finished"
    return f"{counted}; nothing to train" if not left else f"{counted}; {left} to train: {took}{where}"
