"""From override strings to validated configurations, by Hydra's own loader.

This package is the only place that sees Hydra and OmegaConf; the rest of the program gets `RunConfig`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.utils import create_config_search_path
from hydra.core.override_parser.types import Override
from hydra.core.plugins import Plugins
from hydra.errors import HydraException, MissingConfigException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException
from pydantic import TypeAdapter, ValidationError
from yaml import YAMLError

from tinyprop.config.grid import Combination, Grid, study_grid
from tinyprop.config.launchers import database_note, missing_extra
from tinyprop.config.location import CONFIG_NAME, config_directory
from tinyprop.config.overrides import check_names, first_of_each, is_hydras, parse
from tinyprop.config.problems import first_line, listed, nearest, of_validation, raise_all
from tinyprop.config.resolvers import engine_or_torch
from tinyprop.config.schema import RunConfig, StudySettings
from tinyprop.config.search_request import is_search, planned
from tinyprop.config.validation import validated, without_hydra
from tinyprop.cost.target import Target
from tinyprop.errors import RequestError
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


class Composer:
    """Hydra's loader over our configuration tree and the user's additional directories."""

    def __init__(self, extra_directories: Iterable[str | Path] = ()):
        Plugins.instance()
        search_path = create_config_search_path(str(config_directory()))
        for directory in extra_directories:
            if not Path(directory).is_dir():
                raise RequestError(f"--config-dir {directory}: no such directory")
            search_path.prepend("command-line", f"file://{Path(directory).resolve()}")
        self._loader = ConfigLoaderImpl(config_search_path=search_path)
        self._composed: dict[tuple[str, ...], DictConfig] = {}

    @cached_property
    def groups(self) -> dict[str, list[str]]:
        """Our groups, each with its options."""
        groups = self._loader.list_groups("")
        return {group: self._loader.get_group_options(group) for group in groups if group != "hydra"}

    def compose(self, overrides: Sequence[str]) -> DictConfig:
        """The composed tree, Hydra's own node included; not to be changed, since it is kept: composing takes long.

        Raises:
            RequestError: Hydra refuses it.
        """
        key = tuple(overrides)
        if key not in self._composed:
            self._composed[key] = self._load(key)
        return self._composed[key]

    def _load(self, overrides: Sequence[str]) -> DictConfig:
        try:
            return self._loader.load_configuration(CONFIG_NAME, list(overrides), run_mode=RunMode.RUN)
        except MissingConfigException as error:
            raise RequestError(f"{first_line(error)}{_hint(error)}") from error
        except _REFUSALS as error:
            raise RequestError(first_line(error)) from error

    def run_config(self, overrides: Sequence[str]) -> RunConfig:
        """One validated configuration.

        Raises:
            RequestError: with everything that is wrong.
        """
        return self.request(overrides, multirun=False).base

    def first(self, overrides: Sequence[str]) -> list[str]:
        """The overrides of the first run of a sweep."""
        return first_of_each(parse(self._loader, overrides)[0])

    def targets(self, names: Sequence[str]) -> dict[str, Target]:
        """Options of the group ``target``, by name.

        Raises:
            RequestError: with every name that is unknown, and everything that is wrong with the others.
        """
        known = self.groups["target"]
        raise_all(f"{name}: no such target; {nearest(name, known)}" for name in names if name not in known)
        aside = {f"{_ASIDE}.n{index}": name for index, name in enumerate(names)}
        tree = self.compose([f"+target@{place}={name}" for place, name in aside.items()])
        found, problems = {}, []
        for place, name in aside.items():
            try:
                found[name] = _TARGET.validate_python(OmegaConf.to_container(OmegaConf.select(tree, place)))
            except ValidationError as error:
                problems += [f"target {name}: {problem}" for problem in of_validation(error)]
        raise_all(problems)
        return found

    def request(self, overrides: Sequence[str], *, multirun: bool) -> Request:
        """Everything that a command line asks for, checked before any of it begins.

        Raises:
            RequestError: with everything that is wrong in any of its runs.
        """
        parsed, problems = parse(self._loader, overrides)
        parsed, unknown = check_names(parsed, self.groups, self.compose)
        problems += unknown
        try:
            tree = self.compose(first_of_each(o for o in parsed if o.key_or_group in self.groups or is_hydras(o)))
        except RequestError as error:
            raise_all([*problems, *listed(error)])
            raise
        multirun = multirun or str(OmegaConf.select(tree, "hydra.mode")).endswith("MULTIRUN")
        swept = [override.input_line for override in parsed if override.is_discrete_sweep()]
        if swept and not multirun:
            problems.append(f"{' '.join(map(str, swept))}: several values make a multirun; add -m")
        if multirun and any(override.key_or_group == "hydra.run.dir" for override in parsed):
            problems.append("hydra.run.dir: a multirun has a directory for each run; set runs_dir or hydra.sweep.dir")
        launcher = missing_extra(str(OmegaConf.select(tree, "hydra.launcher._target_")))
        problems += [f"hydra/launcher: {launcher}"] if multirun and launcher else []
        if multirun and is_search(tree):
            return self._search(tree, parsed, problems)
        problems += [
            f"{override.input_line}: a range is searched; add -m hydra/sweeper=search, or name its values"
            for override in parsed
            if override.is_interval_sweep()
        ]
        parsed = [override for override in parsed if not override.is_interval_sweep()]
        params = (OmegaConf.select(tree, "hydra.sweeper.params") or {}) if multirun else {}
        lines = [f"{key}={value}" for key, value in params.items()] + [str(override.input_line) for override in parsed]
        is_grid = str(OmegaConf.select(tree, "hydra.sweeper._target_")).endswith(("GridSweeper", "BasicSweeper"))
        grid = Grid((tuple(first_of_each(parse(self._loader, lines)[0])),))
        if multirun and is_grid:
            try:
                study = self._study(tree, parsed)
            except RequestError as error:
                raise_all([*problems, *listed(error)])
                raise
            grid, wrong = study_grid(self._loader, lines, study, self.groups, self.compose)
            problems += wrong
        jobs, refused = self._jobs(grid.combinations)
        raise_all([*problems, *refused, *_alike(jobs)])
        return Request(
            multirun,
            tuple(jobs) if is_grid or not multirun else (),
            jobs[0].config,
            name=_name(parsed),
            notes=(
                (*grid.notes, *_backend_note(grid, jobs), *_database_note(tree, jobs[0].config))
                if multirun
                else _of_a_study(jobs[0].config, parsed)
            ),
            in_runs_dir=not any(o.key_or_group.startswith(("hydra.sweep.", "hydra.run.")) for o in parsed),
        )

    def job(self, arguments: Sequence[str]) -> Job:
        """One run of a search by all its overrides, whose names are known to be right.

        Raises:
            RequestError: with every value that is wrong.
        """
        jobs, problems = self._jobs([tuple(arguments)])
        raise_all(problems)
        return jobs[0]

    def _search(self, tree: DictConfig, parsed: Sequence[Override], problems: list[str]) -> Request:
        """A request whose runs are chosen as it goes."""
        params = OmegaConf.select(tree, "hydra.sweeper.params") or {}
        asked = {override.get_key_element() for override in parsed}
        space, wrong = parse(self._loader, [f"{key}={value}" for key, value in params.items() if key not in asked])
        choices = [override for override in parsed if override.key_or_group in self.groups]
        _, unknown = check_names([*choices, *space], self.groups, self.compose)
        problems += [f"hydra.sweeper.params: {problem}" for problem in (*wrong, *unknown)]
        if unknown:
            problems.append("hydra.sweeper.params=null leaves these out; name ranges of your own on the command line")
        raise_all(problems)

        def configure(arguments: Sequence[str]) -> tuple[RunConfig | None, list[str]]:
            jobs, refused = self._jobs([tuple(arguments)])
            return (jobs[0].config if jobs else None), refused

        names = {option: target.name for option, target in self.targets(self.groups["target"]).items()}
        plan, base, refused = planned(tree, [*space, *parsed], configure, names)
        raise_all(refused)
        assert plan is not None
        assert base is not None
        return Request(True, (), base, name="search", notes=_database_note(tree, base), search=plan)

    def _study(self, tree: DictConfig, overrides: Iterable[Override]) -> StudySettings:
        """The study that a command line names or describes."""
        own = [override for override in overrides if override.key_or_group.split(".")[0] == "study"]
        described = OmegaConf.to_container(_with_values(without_hydra(tree), own).study)
        try:
            return StudySettings.model_validate(described)
        except ValidationError as error:
            raise_all(f"study.{problem}" for problem in of_validation(error))
            raise

    def _jobs(self, combinations: Sequence[Combination]) -> tuple[list[Job], list[str]]:
        """Each run, and what is wrong with any of them."""
        constant = set.intersection(*map(set, combinations)) if len(combinations) > 1 else set()
        jobs, problems, trees = [], [], {}
        for combination in combinations:
            overrides, _ = parse(self._loader, combination)
            choices = tuple(str(o.input_line) for o in overrides if o.key_or_group in self.groups)
            values = [o for o in overrides if o.key_or_group not in self.groups and not is_hydras(o)]
            try:
                if choices not in trees:
                    trees[choices] = without_hydra(self.compose(choices))
                config = validated(_with_values(trees[choices], values))
            except RequestError as error:
                problems += listed(error)
                continue
            jobs.append(Job(combination, tuple(line for line in combination if line not in constant), config))
        for names in dict.fromkeys(job.config.cost.targets for job in jobs):
            try:
                self.targets(names)
            except RequestError as error:
                problems += [f"cost.targets: {problem}" for problem in listed(error)]
        return jobs, list(dict.fromkeys(problems))


def _name(overrides: Iterable[Override]) -> str:
    chosen = [o.value() for o in overrides if o.key_or_group == "experiment" and not o.is_sweep_override()]
    return str(chosen[0] or "sweep") if chosen else "sweep"


def _backend_note(grid: Grid, jobs: Sequence[Job]) -> tuple[str, ...]:
    """A study trains with PyTorch only where it has to, and says so."""
    chosen = grid.of_study and all(job.config.backend.name == "torch" for job in jobs)
    if not chosen or any(line.startswith("backend=") for line in jobs[0].arguments) or engine_or_torch() == "native":
        return ()
    return ("the C engine is not built here: the study trains with PyTorch, which takes longer; see tinyprop doctor",)


def _database_note(tree: DictConfig, config: RunConfig) -> tuple[str, ...]:
    note = database_note(tree, config.tracking)
    return (note,) if note else ()


def _of_a_study(config: RunConfig, overrides: Iterable[Override]) -> tuple[str, ...]:
    """The hint for who asks for a study but not for its runs."""
    if not config.study.arms or any(override.key_or_group == "policy" for override in overrides):
        return ()
    return (f"this is one run of a study of {len(config.study.arms)} arms; -m trains them all, --dry-run lists them",)


_ASIDE = "of_cost_targets"
"""Where `Composer.targets` has Hydra put targets that are not the run's."""
_TARGET = TypeAdapter(Target)
_REFUSALS = (HydraException, OmegaConfBaseException, YAMLError, ValueError, AssertionError, AttributeError)
"""What Hydra's loader raises on wrong overrides and files; the last three escape it for values of its own node."""


def _alike(jobs: list[Job]) -> list[str]:
    """Runs of one sweep that are the same run: one would be reported as the other."""
    known: dict[str, Job] = {}
    problems = []
    for job in jobs:
        other = known.setdefault(job.config.run_name, job)
        if other is not job:
            first, second = (" ".join(each.overrides) or "the defaults" for each in (other, job))
            problems.append(f"{second}: the same run as {first}; a sweep has each run once")
    return problems


def _hint(error: MissingConfigException) -> str:
    return f"; {nearest(Path(error.missing_cfg_file or '').name, error.options)}" if error.options else ""


def _with_values(tree: DictConfig, overrides: Iterable[Override]) -> DictConfig:
    copy = tree.copy()
    with open_dict(copy):
        for override in overrides:
            OmegaConf.update(copy, override.key_or_group, override.value(), force_add=True)
    return copy
