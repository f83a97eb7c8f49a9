"""What a search wants: numbers of a finished run, each with the better direction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tinyprop.errors import TinypropError

_RATIOS = ("macs.backward_ratio", "macs.step_ratio")
_FIGURES = ("cycles", "instructions", "milliseconds", "microjoules", "ram", "flash", "speed_up")
_KNOWN = (
    "validation_accuracy, validation_loss, validation_auc and what else is measured on validation data; "
    f"{' and '.join(_RATIOS)}; cost.<target>.cycles.step and other figures of a target's cost"
)


@dataclass(frozen=True)
class Objective:
    """One number of ``result.json``.

    Attributes:
        name: ``validation_<metric>``, ``macs.<ratio>`` or ``cost.<target>.<figure>``.
        key: where the result has it: part and key; of costs the target's own name comes between.
    """

    name: str
    key: tuple[str, ...]

    @property
    def maximised(self) -> bool:
        """Whether more is better: of scores and speed-ups, and of nothing else."""
        if self.name.startswith("validation_"):
            return not self.name.endswith("loss")
        return "speed_up." in self.name

    def value(self, result: Mapping[str, Any]) -> float:
        """The number in a result.

        Raises:
            TinypropError: it is not there; the message says what is.
        """
        found: Any = result
        numbers: Mapping[str, Any] = {}
        for part in self.key:
            numbers = found if isinstance(found, Mapping) else {}
            found = numbers.get(part)
        if isinstance(found, bool) or not isinstance(found, int | float):
            known = [name for name, number in numbers.items() if isinstance(number, float) and "test_" not in name]
            raise TinypropError(f"the result has no {self.name}{', only ' + ', '.join(known) if known else ''}")
        return float(found)


def objective(name: str, target_names: Mapping[str, str]) -> Objective:
    """An objective by its name.

    Args:
        name: one that `refusal` has nothing against.
        target_names: option of the group ``target`` to the name that results have it under.
    """
    head, _, rest = name.partition(".")
    if head == "cost":
        target, _, figure = rest.partition(".")
        return Objective(name, ("cost", target_names.get(target, target), figure))
    return Objective(name, ("macs", rest) if head == "macs" else ("metrics", name))


def refusal(name: str) -> str | None:
    """Why a name is no objective, or None."""
    if "test_" in name:
        return f"{name} is of the test set, which selects nothing; take validation_{name.partition('test_')[2]}"
    parts = name.split(".")
    good = (
        name in _RATIOS
        or (name.startswith("validation_") and len(name) > len("validation_"))
        or (parts[0] == "cost" and len(parts) >= 4 and parts[2] in _FIGURES)
    )
    return None if good else f"{name} is nothing to search by; known: {_KNOWN}"


def target_of(name: str) -> str | None:
    """The target that an objective's name asks the cost of."""
    return name.split(".")[1] if name.startswith("cost.") else None
