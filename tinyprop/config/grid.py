"""The runs of a multirun, as override strings: every combination of a command line's values, or the arms of a study.

A study is written down in the configuration, under ``study``: arms, each a line of overrides such as
``policy=static policy.ratio=0.1,0.33``, and how many seeds each arm is trained with. Arms are no product of one
another: a dense arm has no ratio.
"""

from __future__ import annotations

import itertools
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.types import Override

from tinyprop.config.overrides import Compose, check_names, parse
from tinyprop.config.schema import StudySettings

Combination = tuple[str, ...]
"""The overrides of one run."""


@dataclass(frozen=True)
class Grid:
    """The combinations that were asked for.

    Attributes:
        combinations: in the order of training. A study goes through all arms with its first seed, then with the next:
            what an interruption leaves is paired.
        of_study: whether they are the arms of a study.
        notes: what a user would not guess, one sentence each.
    """

    combinations: tuple[Combination, ...]
    of_study: bool = False
    notes: tuple[str, ...] = ()


def product(loader: ConfigLoader, lines: Sequence[str]) -> list[Combination]:
    """Every combination of the values of some overrides, in Hydra's order: the last one's values vary fastest."""
    parsed, _ = parse(loader, lines)
    batches = BasicSweeper.split_arguments(parsed, max_batch_size=None)
    return [tuple(combination) for combination in itertools.chain(*batches)]


def study_grid(
    loader: ConfigLoader,
    lines: Sequence[str],
    study: StudySettings,
    groups: Mapping[str, list[str]],
    compose: Compose,
) -> tuple[Grid, list[str]]:
    """The grid of a command line (``lines``) and the study that it names, and what is wrong with the study's arms.

    A command line that chooses what the arms choose (a policy) replaces the study, arms and seeds.
    """
    given = [override.key_or_group for override in parse(loader, lines)[0]]
    arms, problems = _arms(loader, study, groups, lambda choices: compose([*_choices(lines, groups), *choices]))
    set_by_arms = {override.key_or_group for arm in arms for override in arm}
    replaced = sorted(set_by_arms & set(given) & groups.keys())
    if not study.arms or replaced:
        notes = [f"{key}=… on the command line replaces the {len(study.arms)} arms of the study" for key in replaced]
        return Grid(tuple(product(loader, lines)), notes=tuple(notes)), []
    problems += [
        f"{key}: the study's arms set it themselves; give {key.split('.')[0]}=… too to replace them, or study.arms=[…]"
        for key in sorted(set_by_arms & set(given))
    ]
    seeds = [] if "seed" in given else [f"seed={','.join(map(str, range(study.seeds)))}"]
    combinations = [
        combination
        for arm in arms
        for combination in product(loader, [*lines, *(str(override.input_line) for override in arm), *seeds])
    ]
    return Grid(tuple(_seed_by_seed(combinations)), of_study=True), problems


def _arms(
    loader: ConfigLoader, study: StudySettings, groups: Mapping[str, list[str]], compose: Compose
) -> tuple[list[list[Override]], list[str]]:
    arms, problems = [], []
    for index, arm in enumerate(study.arms):
        parsed, wrong = parse(loader, shlex.split(arm))
        known, unknown = check_names(parsed, groups, compose)
        arms.append(known)
        problems += [f"study.arms[{index}]: {problem}" for problem in (*wrong, *unknown)]
    return arms, problems


def _choices(lines: Iterable[str], groups: Mapping[str, list[str]]) -> list[str]:
    """What a command line chooses of the groups, as far as it is no sweep."""
    return [line for line in lines if line.partition("=")[0] in groups and "," not in line]


def _seed_by_seed(combinations: Iterable[Combination]) -> list[Combination]:
    def seed(lines: Combination) -> int:
        return next(int(line.removeprefix("seed=")) for line in reversed(lines) if line.startswith("seed="))

    return sorted(combinations, key=seed)
