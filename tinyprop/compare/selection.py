"""Configurations named as the command line names them: ``policy=static,policy.ratio=0.1``."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tinyprop.compare.run import Run
from tinyprop.errors import RequestError
from tinyprop.tracking.values import as_text, flatten

_GROUPS = ("dataset", "model", "policy", "optimizer", "trainer", "backend", "target")


@dataclass(frozen=True)
class Selector:
    """Keys and the values that they must have.

    Attributes:
        text: as it was given.
        wanted: value, or several of which one will do, by the key's whole path.
    """

    text: str
    wanted: Mapping[str, str]

    def matches_policy(self, policy: Mapping[str, str]) -> bool:
        """Whether a policy, given by its leaves without ``policy.``, is meant. Keys of other groups are no obstacle."""
        return all(
            _equal(policy.get(key.removeprefix("policy.")), value)
            for key, value in self.wanted.items()
            if key.startswith("policy.")
        )

    def matches_run(self, run: Run) -> bool:
        """Whether a run's configuration is meant."""
        leaves = {path: as_text(value) for path, value in flatten(run.config)}
        return all(_equal(leaves.get(key), value) for key, value in self.wanted.items())


def parse(text: str, option: str) -> Selector:
    """A selector from ``key=value`` pairs with commas or spaces between; a group's name alone means the option's name.

    Raises:
        RequestError: a part is no assignment.
    """
    wanted: dict[str, str] = {}
    for part in text.replace(",", " ").split():
        key, equals, value = part.partition("=")
        if not equals or not key or not value:
            raise RequestError(f"{option} {text}: {part!r} is no key=value; give policy=static,policy.ratio=0.1")
        wanted[f"{key}.name" if key in _GROUPS else key] = value
    if not wanted:
        raise RequestError(f"{option}: is empty; give policy=static,policy.ratio=0.1")
    return Selector(text, wanted)


def only_policies(selector: Selector, option: str) -> Selector:
    """The selector, if it speaks of policies alone: they are all that differs within a family.

    Raises:
        RequestError: it names another group.
    """
    others = [key for key in selector.wanted if not key.startswith("policy.")]
    if others:
        raise RequestError(
            f"{option} {selector.text}: {others[0]} is no key of policies, and runs that differ in anything else are "
            f"never paired; --where {others[0].removesuffix('.name')}={selector.wanted[others[0]]} picks some"
        )
    return selector


def where(runs: Iterable[Run], selectors: Sequence[Selector]) -> list[Run]:
    """The runs that every selector means."""
    return [run for run in runs if all(selector.matches_run(run) for selector in selectors)]


def _equal(found: str | None, wanted: str) -> bool:
    """Whether values are the same, numbers by value: ``.1`` is ``0.10``."""
    return found is not None and (found == wanted or _value(found) == _value(wanted))


def _value(text: str) -> Any:
    try:
        return float(text)
    except ValueError:
        try:
            return json.loads(text)
        except ValueError:
            return text
