"""Override strings parsed, and their names checked against the configuration tree before anything is composed."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf

from tinyprop.config.problems import nearest
from tinyprop.errors import RequestError

Compose = Callable[[Sequence[str]], DictConfig]


def parse(loader: ConfigLoader, overrides: Iterable[str]) -> tuple[list[Override], list[str]]:
    """The overrides that can be parsed, and what is wrong with the others."""
    parser = OverridesParser.create(config_loader=loader)
    parsed, problems = [], []
    for text in overrides:
        try:
            parsed += parser.parse_overrides([text])
        except HydraException:
            problems.append(f"{text}: not an override; overrides look like key=value, quoted where the shell needs it")
    return parsed, problems


def check_names(
    overrides: list[Override], groups: Mapping[str, list[str]], compose: Compose
) -> tuple[list[Override], list[str]]:
    """The overrides whose group, option and key exist, and what is wrong with the others, naming what is near."""
    problems: list[str] = []
    choices: list[Override] = []
    values: list[Override] = []
    good: list[Override] = []
    for override in overrides:
        group = override.key_or_group
        if is_hydras(override):
            good.append(override)
        elif group not in groups:
            values.append(override)
        elif override.is_interval_sweep():
            problems.append(f"{override.input_line}: an interval is of numbers; name options of {group}")
        elif override.is_delete() or (None in _options(override) and group != "experiment"):
            problems.append(f"{override.input_line}: every run needs a {group}; choose one with {group}=…")
        else:
            unknown = [name for name in _options(override) if name is not None and name not in groups[group]]
            problems += [f"{group}={name}: no such option; {nearest(name, groups[group])}" for name in unknown]
            if not unknown:
                choices.append(override)

    branches = _branches(choices)
    trees = [compose(branch) for branch in branches]
    for override in values:
        # What is added (+key=…) is for the schema to refuse, which knows no keys beyond its own.
        key = override.key_or_group
        if override.is_delete():
            problems.append(f"{override.input_line}: every key of a run is needed; set it instead")
            continue
        lacking = [branch for branch, tree in zip(branches, trees, strict=True) if not _has(tree, key)]
        if override.is_add() or override.is_force_add() or not lacking:
            good.append(override)
        elif len(lacking) == len(trees):
            problems.append(f"{override.input_line}: no such key; {_hint(key, trees, groups, compose)}")
        else:
            group = key.split(".")[0]
            without = dict.fromkeys(line for branch in lacking for line in branch if line.startswith(f"{group}="))
            problems.append(
                f"{override.input_line}: there is no {key} with {', '.join(without)}; give those a command of their own"
            )
    return [override for override in overrides if override in good or override in choices], problems


def first_of_each(overrides: Iterable[Override]) -> list[str]:
    """The overrides as text, each sweep replaced by its first value, and an interval by its lower bound."""
    return [
        f"{override.key_or_group}={_first(override)}" if override.is_sweep_override() else str(override.input_line)
        for override in overrides
    ]


def _first(override: Override) -> str:
    if override.is_interval_sweep():
        return str(override.value().start)  # type: ignore[union-attr]
    try:
        return next(override.sweep_string_iterator(), "null")
    except ValueError as error:  # a range whose step is 0
        raise RequestError(f"{override.input_line}: {error}") from error


def is_hydras(override: Override) -> bool:
    """Whether the override is for Hydra itself, which checks it itself."""
    return override.key_or_group.split(".")[0].split("/")[0] == "hydra"


def _hint(key: str, trees: list[DictConfig], groups: Mapping[str, list[str]], compose: Compose) -> str:
    group, _, rest = key.partition(".")
    options = groups.get(group, []) if rest and group != "experiment" else []
    elsewhere = [f"{group}={option}" for option in options if _has(compose([f"{group}={option}"]), key)]
    if elsewhere:
        return f"it exists with {' or '.join(elsewhere)}"
    return nearest(key, [*groups, *itertools.chain(*(_keys(tree) for tree in trees))])


def _branches(choices: list[Override]) -> list[list[str]]:
    """Every combination of the group choices of a sweep, as overrides."""
    lines = [[f"{choice.key_or_group}={'null' if o is None else o}" for o in _options(choice)] for choice in choices]
    return [list(branch) for branch in itertools.product(*lines)]


def _options(override: Override) -> list[str | None]:
    """The values that an override gives its group: several of a sweep, one otherwise."""
    if override.is_sweep_override():
        return [None if text == "null" else text for text in map(str, override.sweep_string_iterator())]
    value = override.value()
    return [None if value is None else str(value)]


def _has(tree: DictConfig, key: str) -> bool:
    node: Any = tree
    for part in key.split("."):
        if not OmegaConf.is_dict(node) or part not in node:
            return False
        node = node._get_node(part)
    return True


def _keys(tree: Any, prefix: str = "") -> Iterable[str]:
    for key in tree:
        if not prefix and key == "hydra":
            continue
        yield f"{prefix}{key}"
        node = tree._get_node(key)
        if OmegaConf.is_dict(node) and not node._is_none():
            yield from _keys(node, f"{prefix}{key}.")
