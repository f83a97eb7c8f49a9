"""What the options of `tinyprop cost` say: the shape of samples, what is kept, a budget."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING

from tinyprop.errors import DataError, RequestError

if TYPE_CHECKING:
    from tinyprop.config.schema import RunConfig
    from tinyprop.cost import Budget
    from tinyprop.datasets.shape import SampleShape
    from tinyprop.estimate.steps import Kept

_BUDGETS = {
    "milliseconds": ("milliseconds", 1.0),
    "microjoules": ("microjoules", 1.0),
    "millijoules": ("microjoules", 1e3),
    "ram": ("ram_bytes", 1.0),
}


def shapes(arguments: argparse.Namespace) -> Callable[[RunConfig], SampleShape]:
    """What samples look like: as given, as the dataset is known to be, or as its files say."""
    from tinyprop import datasets
    from tinyprop.datasets.shape import SampleShape, known_shape, shape_of
    from tinyprop.report.progress import console_progress

    if (arguments.input is None) != (arguments.outputs is None):
        raise RequestError("--input and --outputs go together: --input 1x28x28 --outputs 10")
    if arguments.input is not None:
        sides = arguments.input.lower().replace("×", "x").split("x")
        if not all(side.isdecimal() and int(side) for side in sides) or len(sides) not in (1, 3):
            raise RequestError(
                f"--input {arguments.input}: is neither channels x height x width, as 1x28x28, nor a number, as 640"
            )
        if arguments.outputs < 1:
            raise RequestError(f"--outputs {arguments.outputs}: is under 1")
        given = SampleShape(
            tuple(map(int, sides)), arguments.outputs, "binary" if arguments.outputs == 1 else "classification"
        )
        return lambda config: given

    def find(config: RunConfig) -> SampleShape:
        known = known_shape(config.dataset)
        if known is not None:
            return known
        try:
            with console_progress() as progress:
                return shape_of(datasets.load(config.dataset, progress))
        except DataError as error:
            raise DataError(f"{error}; or say what samples look like: --input 1x28x28 --outputs 10") from error

    return find


def kept_fractions(arguments: argparse.Namespace) -> Kept | None:
    """What ``--kept`` says of adaptive policies.

    Raises:
        RequestError: it is no fraction, or ``--run`` says it too, or ``--what-if`` asks it.
    """
    text = arguments.kept
    if text is None:
        return None
    if arguments.run is not None:
        raise RequestError("--kept and --run both say what is kept; give one of them")
    if arguments.what_if is not None:
        raise RequestError("--what-if asks what may be kept, and --kept says it; give one of them")
    try:
        if "=" not in text:
            share = float(text)
            if not 0 <= share <= 1:
                raise RequestError(f"--kept {text}: is outside [0, 1], the fraction of entries that is kept")
            return share
        pairs = [part.split("=") for part in text.split(",")]
        fractions = {name.strip(): float(value) for name, value in pairs}
        if len(fractions) < len(pairs):
            raise RequestError(f"--kept {text}: a layer is given twice; give each once")
        return fractions
    except ValueError:
        raise RequestError(
            f"--kept {text}: is neither a fraction, as 0.05, nor one a layer, as fc1=0.02,fc2=0.1"
        ) from None


def budget_of(asked: list[str] | None) -> Budget | None:
    """What ``--what-if`` allows a step.

    Raises:
        RequestError: a budget is unknown, or not above 0.
    """
    from tinyprop.cost import Budget

    if asked is None:
        return None
    values: dict[str, float] = {}
    for text in [part for each in asked for part in each.split(",")]:
        name, _, amount = text.partition("=")
        field, scale = _BUDGETS.get(name.strip(), ("", 1.0))
        number = amount.strip().upper()
        if name.strip() == "ram":
            number, scale = number.removesuffix("B").removesuffix("K"), 1024.0 if "K" in number else 1.0
        try:
            value = float(number) * scale
        except ValueError:
            field = ""
        if not field:
            raise RequestError(
                f"--what-if {text}: is no budget; give milliseconds=2, millijoules=0.1, microjoules=100, ram=64KB or "
                "ram=65536 (bytes)"
            )
        if not 0 < value < float("inf"):
            raise RequestError(f"--what-if {text}: is no finite number above 0")
        if field in values:
            raise RequestError(f"--what-if {text}: this budget is given twice; give each once")
        values[field] = value
    if "ram_bytes" in values:
        values["ram_bytes"] = int(values["ram_bytes"])
    return Budget(**values)  # type: ignore[arg-type]
