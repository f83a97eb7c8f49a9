"""What a command line asks for: its runs, what they are called, and what the user should know before they begin."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hydra.core.override_parser.types import Override
from omegaconf import DictConfig

from tinyprop.config.grid import Grid
from tinyprop.config.launchers import database_note
from tinyprop.config.resolvers import engine_or_torch
from tinyprop.config.schema import RunConfig
from tinyprop.search.plan import SearchPlan


@dataclass(frozen=True)
class Job:
    """One run that a request asks for.

    Attributes:
        arguments: all its overrides.
        overrides: those that tell it from its siblings.
    """

    arguments: tuple[str, ...]
    overrides: tuple[str, ...]
    config: RunConfig


@dataclass(frozen=True)
class Request:
    """A whole request.

    Attributes:
        jobs: every run; empty where a sweeper that chooses as it goes (a search) decides on them later.
        base: the first of them, for what all have in common.
        name: what a multirun is called by: its experiment, or ``sweep``.
        notes: what the user should know before it begins.
        in_runs_dir: whether every run has the directory of its name in ``runs_dir``.
        search: what chooses the runs, where the sweeper searches.
    """

    multirun: bool
    jobs: tuple[Job, ...]
    base: RunConfig
    name: str = "sweep"
    notes: tuple[str, ...] = ()
    in_runs_dir: bool = True
    search: SearchPlan | None = None


def called(overrides: Iterable[Override]) -> str:
    """What a multirun is called by: the one experiment that its command line chooses, or ``sweep``."""
    chosen = [o.value() for o in overrides if o.key_or_group == "experiment" and not o.is_sweep_override()]
    return str(chosen[0] or "sweep") if chosen else "sweep"


def backend_note(grid: Grid, jobs: Sequence[Job]) -> tuple[str, ...]:
    """A study trains with PyTorch only where it has to, and says so."""
    chosen = grid.of_study and all(job.config.backend.name == "torch" for job in jobs)
    if not chosen or any(line.startswith("backend=") for line in jobs[0].arguments) or engine_or_torch() == "native":
        return ()
    return ("the C engine is not built here: the study trains with PyTorch, which takes longer; see tinyprop doctor",)


def cluster_note(tree: DictConfig, config: RunConfig) -> tuple[str, ...]:
    """A warning where several machines would write to one SQLite file."""
    note = database_note(tree, config.tracking)
    return (note,) if note else ()


def of_a_study(config: RunConfig, overrides: Iterable[Override]) -> tuple[str, ...]:
    """The hint for who asks for a study but not for its runs."""
    if not config.study.arms or any(override.key_or_group == "policy" for override in overrides):
        return ()
    return (f"this is one run of a study of {len(config.study.arms)} arms; -m trains them all, --dry-run lists them",)


def alike(jobs: list[Job]) -> list[str]:
    """Runs of one sweep that are the same run: one would be reported as the other."""
    known: dict[str, Job] = {}
    problems = []
    for job in jobs:
        other = known.setdefault(job.config.run_name, job)
        if other is not job:
            first, second = (" ".join(each.overrides or each.arguments) or "the defaults" for each in (other, job))
            earlier = "an earlier one" if first == second else first
            problems.append(f"{second}: the same run as {earlier}; a sweep has each run once")
    return problems
