"""From override strings to validated configurations, by Hydra's own loader.

This package is the only place that sees Hydra and OmegaConf; the rest of the program gets `RunConfig`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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
from yaml import MarkedYAMLError, YAMLError

from tinyprop.config.grid import Combination, Grid, study_grid
from tinyprop.config.launchers import missing_extra, refused_values
from tinyprop.config.location import CONFIG_NAME, config_directory
from tinyprop.config.overrides import check_names, first_of_each, is_hydras, parse
from tinyprop.config.problems import first_line, listed, nearest, of_validation, raise_all
from tinyprop.config.request import Job, Request, alike, backend_note, called, cluster_note, of_a_study
from tinyprop.config.schema import RunConfig, StudySettings
from tinyprop.config.search_request import is_search, planned
from tinyprop.config.validation import validated, without_hydra
from tinyprop.cost.target import Target
from tinyprop.errors import RequestError


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
        except MarkedYAMLError as error:
            mark = error.problem_mark
            place = "" if mark is None else f"{mark.name}, line {mark.line + 1}: "
            raise RequestError(f"{place}{error.problem}") from error
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
        given = {override.key_or_group for override in parsed}
        parsed, unknown = check_names(parsed, self.groups, self.compose)
        left_out = given - {override.key_or_group for override in parsed}
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
        if multirun:
            problems += [f"hydra/launcher: {launcher}"] if launcher else refused_values(tree)
        if is_search(tree) and not multirun:
            problems.append("hydra/sweeper=search: a search is a multirun; add -m")
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
        refused = [problem for problem in refused if problem.partition(":")[0] not in left_out]  # said already
        raise_all([*problems, *refused, *alike(jobs)])
        return Request(
            multirun,
            tuple(jobs) if is_grid or not multirun else (),
            jobs[0].config,
            name=called(parsed),
            notes=(
                (*grid.notes, *backend_note(grid, jobs), *cluster_note(tree, jobs[0].config))
                if multirun
                else of_a_study(jobs[0].config, parsed)
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

        plan, base, refused = planned(tree, [*space, *parsed], configure, self.targets(self.groups["target"]))
        raise_all(refused)
        assert plan is not None
        assert base is not None
        return Request(True, (), base, name="search", notes=cluster_note(tree, base), search=plan)

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
            telling = tuple(line for line in combination if line not in constant and not line.startswith("hydra"))
            jobs.append(Job(combination, telling, config))
        for names in dict.fromkeys(job.config.cost.targets for job in jobs):
            try:
                self.targets(names)
            except RequestError as error:
                problems += [f"cost.targets: {problem}" for problem in listed(error)]
        return jobs, list(dict.fromkeys(problems))


_ASIDE = "of_cost_targets"
"""Where `Composer.targets` has Hydra put targets that are not the run's."""
_TARGET = TypeAdapter(Target)
_REFUSALS = (HydraException, OmegaConfBaseException, YAMLError, ValueError, AssertionError, AttributeError)
"""What Hydra's loader raises on wrong overrides and files; the last three escape it for values of its own node."""


def _hint(error: MissingConfigException) -> str:
    return f"; {nearest(Path(error.missing_cfg_file or '').name, error.options)}" if error.options else ""


def _with_values(tree: DictConfig, overrides: Iterable[Override]) -> DictConfig:
    copy = tree.copy()
    with open_dict(copy):
        for override in overrides:
            OmegaConf.update(copy, override.key_or_group, override.value(), force_add=True)
    return copy
