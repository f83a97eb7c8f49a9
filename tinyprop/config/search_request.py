"""What a command line with ``hydra/sweeper=search`` asks for, checked before the first trial."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from importlib.util import find_spec
from typing import Any

from hydra.core.override_parser.types import IntervalSweep, Override, RangeSweep
from omegaconf import DictConfig, OmegaConf
from pydantic import TypeAdapter, ValidationError

from tinyprop.config.overrides import is_hydras
from tinyprop.config.problems import of_validation
from tinyprop.config.schema import RunConfig
from tinyprop.cost.target import Target
from tinyprop.search.objectives import objective, target_of
from tinyprop.search.plan import SearchPlan
from tinyprop.search.settings import SearchSettings
from tinyprop.search.space import Choice, Dimension, Interval, as_override
from tinyprop.tracking.environment import usable_cores

SWEEPER = "hydra_plugins.tinyprop_plugins.search_sweeper.SearchSweeper"
_SETTINGS = TypeAdapter(SearchSettings)

Configure = Callable[[Sequence[str]], tuple[RunConfig | None, list[str]]]
"""From overrides to the configuration that they make, and what is wrong with it."""


def is_search(tree: DictConfig) -> bool:
    """Whether the composed tree's sweeper is the one that searches."""
    return str(OmegaConf.select(tree, "hydra.sweeper._target_")) == SWEEPER


def planned(
    tree: DictConfig, overrides: Sequence[Override], configure: Configure, targets: Mapping[str, Target]
) -> tuple[SearchPlan | None, RunConfig | None, list[str]]:
    """The search, the configuration of its first corner, and what is wrong with either.

    Args:
        overrides: the sweeper's own ``params``, then the command line; of a key's the last one counts.
        targets: every option of the group ``target``.
    """
    if find_spec("optuna") is None:
        return None, None, ["hydra/sweeper=search: Optuna is not installed; pip install 'tinyprop[search]'"]
    try:
        settings = _SETTINGS.validate_python(_settings(tree))
    except ValidationError as error:
        return None, None, [f"hydra.sweeper.{problem}" for problem in of_validation(error)]
    last = {override.get_key_element(): override for override in overrides}
    seeds, problems = _seeds(last.pop("seed", None))
    dimensions, fixed = [], []
    for key, override in last.items():
        if override.is_sweep_override() and not is_hydras(override):
            dimensions.append(_dimension(override, OmegaConf.select(tree, key)))
        elif not is_hydras(override):
            fixed.append(str(override.input_line))
    problems += [problem for dimension in dimensions if (problem := dimension.problem())]
    if not dimensions:
        problems.append("hydra.sweeper.params: nothing to search; give a range such as policy.s_max=interval(0.2,1)")
    if problems:
        return None, None, problems
    known = {key: last[key].value() if key in last else OmegaConf.select(tree, key) for key in _named(settings)}
    space, problems = _bounded(dimensions, settings.at_least, known)
    base, refused = configure([*fixed, *_corner(space, 0), f"seed={seeds[0]}"])
    if base is None:
        return None, None, [*problems, *refused]
    if not problems:
        problems += configure([*fixed, *_corner(space, 1), f"seed={seeds[0]}"])[1]
    problems += _objective_problems(settings, base, targets)
    batch_size, refused = _batch_size(settings, tree)
    problems += refused
    if settings.pruner is not None and len(seeds) > 1:
        problems.append(
            f"hydra.sweeper.pruner: {settings.pruner!r} watches one run a trial, and there are {len(seeds)} seeds; "
            "search with one seed or without pruning"
        )
    names = {option: target.name for option, target in targets.items()}
    plan = SearchPlan(
        settings=settings,
        space=space,
        objectives=tuple(objective(name, names) for name in settings.objectives),
        seeds=seeds,
        fixed=tuple(fixed),
        batch_size=batch_size,
        base=base.hash,
        prefix=f"{base.dataset.name}-{base.model.name}-{base.policy.name}",
    )
    return plan, base, problems


def _settings(tree: DictConfig) -> dict[str, Any]:
    node = OmegaConf.to_container(OmegaConf.select(tree, "hydra.sweeper"))
    assert isinstance(node, dict)
    given = {str(key): value for key, value in node.items() if key != "_target_"}
    for key in ("params", "at_least"):  # null on the command line is how to want none of them
        given[key] = given.get(key) or {}
    return given


def _seeds(override: Override | None) -> tuple[tuple[int, ...], list[str]]:
    """``seed=0,1,2`` is several seeds a trial: nobody searches for the seed that suits best."""
    if override is None:
        return (0,), []
    if override.is_discrete_sweep():
        values = [str(text) for text in override.sweep_string_iterator()]
    elif override.is_sweep_override():
        return (), [f"{override.input_line}: seeds are not searched; seed=0,1,2 trains each trial with all of them"]
    else:
        values = [override.get_value_element_as_str()]
    wrong = [text for text in values if not text.isdecimal()]
    if wrong or len(set(values)) < len(values):
        return (), [f"{override.input_line}: seeds are different whole numbers from 0"]
    return tuple(map(int, values)), []


def _dimension(override: Override, known: object) -> Dimension:
    """The dimension that a sweep override describes of a key that holds ``known``."""
    key, sweep = override.get_key_element(), override.value()
    if isinstance(sweep, RangeSweep):
        numbers = list(sweep.range())
        whole = all(isinstance(number, int) for number in numbers)
        low, high = (min(numbers), max(numbers)) if numbers else (1, 0)
        return Interval(key=key, low=low, high=high, step=abs(sweep.step), integer=whole)
    if isinstance(sweep, IntervalSweep):
        assert sweep.start is not None
        assert sweep.end is not None
        # Hydra reads the bounds as fractions unless they are in int(…).
        whole = isinstance(sweep.start, int) or (isinstance(known, int) and not isinstance(known, bool))
        return Interval(key=key, low=sweep.start, high=sweep.end, integer=whole, log="log" in sweep.tags)
    return Choice(key=key, options=tuple(_as_written(str(text)) for text in override.sweep_string_iterator()))


def _as_written(text: str) -> str:
    """Hydra writes the booleans it has read as Python does."""
    return text.lower() if text in ("True", "False") else text


def _corner(dimensions: Iterable[Dimension], which: int) -> list[str]:
    return [as_override(dimension.key, dimension.corners()[which]) for dimension in dimensions]


def _bounded(
    dimensions: list[Dimension], at_least: Mapping[str, str], known: Mapping[str, object]
) -> tuple[tuple[Dimension, ...], list[str]]:
    """The dimensions with their bounds on each other, each after the one that bounds it.

    Args:
        known: what the keys of ``at_least`` are where they are not searched.
    """
    space = {dimension.key: dimension for dimension in dimensions}
    problems = []
    for upper, lower in at_least.items():
        above, below = space.get(upper), space.get(lower)
        if isinstance(above, Choice) or isinstance(below, Choice) or (above is None and below is None):
            continue
        if above is None and below is not None:
            limit = _number(known[upper])
            if limit is not None and limit < below.high:
                space[lower] = replace(below, high=limit)
        elif below is None and above is not None:
            limit = _number(known[lower])
            if limit is not None and limit > above.low:
                space[upper] = replace(above, low=limit)
        elif above is not None and below is not None:
            space[upper] = replace(above, at_least=lower)
            if above.high < below.high:
                problems.append(
                    f"{upper} is at least {lower}, so its range must reach {below.high:g}; it ends at {above.high:g}"
                )
    problems += [problem for dimension in space.values() if (problem := dimension.problem())]
    ordered = sorted(space.values(), key=lambda each: isinstance(each, Interval) and each.at_least is not None)
    return tuple(ordered), problems


def _named(settings: SearchSettings) -> set[str]:
    return {*settings.at_least, *settings.at_least.values()}


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _objective_problems(settings: SearchSettings, base: RunConfig, targets: Mapping[str, Target]) -> list[str]:
    problems = []
    watched = [name for name in settings.objectives if name.startswith("validation_")]
    if watched and base.trainer.validation_fraction == 0:
        problems.append(
            f"hydra.sweeper.objectives: {', '.join(watched)} needs validation data: "
            "set trainer.validation_fraction above 0 (the test set is never used)"
        )
    others = [targets[option] for option in base.cost.targets if option in targets]
    modelled = {target.name: target for target in (*others, base.target)}
    for name in settings.objectives:
        target = target_of(name)
        if target is None:
            continue
        part = modelled.get(targets[target].name if target in targets else target)
        if part is None:
            known = [option for option, other in targets.items() if other.name in modelled]
            problems.append(
                f"hydra.sweeper.objectives: {name}: these runs have no cost on {target}, only on {', '.join(known)}; "
                "set target or cost.targets"
            )
        elif "microjoules" in name and not part.knows_power:
            problems.append(
                f"hydra.sweeper.objectives: {name}: no energy is known for {part.name}; its file lacks run_current_ma "
                "and supply_volts"
            )
    return problems


def _batch_size(settings: SearchSettings, tree: DictConfig) -> tuple[int, list[str]]:
    """Trials at once: what the settings say, or what the launcher does."""
    if settings.batch_size is not None:
        return settings.batch_size, []
    launcher = OmegaConf.select(tree, "hydra.launcher")
    if "n_jobs" in launcher:
        at_once = launcher.n_jobs
        return (at_once if isinstance(at_once, int) and at_once > 0 else usable_cores()), []
    if str(launcher.get("_target_")).endswith("BasicLauncher"):
        return 1, []
    name = OmegaConf.select(tree, "hydra.runtime.choices.hydra/launcher") or launcher.get("_target_")
    return 1, [f"hydra.sweeper.batch_size: say how many trials hydra/launcher={name} is to train at once"]
