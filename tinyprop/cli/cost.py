"""`tinyprop cost`: what a training step takes on microcontrollers, modelled and compared without training."""

from __future__ import annotations

import argparse
import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinyprop.errors import DataError, RequestError

if TYPE_CHECKING:
    from tinyprop.config.composition import Composer, Job
    from tinyprop.config.schema import RunConfig
    from tinyprop.cost import Budget
    from tinyprop.datasets.shape import SampleShape
    from tinyprop.estimate.comparison import Measured
    from tinyprop.estimate.steps import Kept

SUMMARY = "what a step costs on microcontrollers, without training"

_EPILOG = """\
overrides are those of tinyprop train; several values with commas between make
every combination. Without target= it is the default one and cost.targets.

examples:
  tinyprop cost policy=static policy.ratio=0.05,0.1,0.3 target=stm32f407
  tinyprop cost dataset=mnist model=lenet policy=dense,static optimizer=sgd
  tinyprop cost policy=adaptive --kept 0.05 target=stm32f407,stm32f746,rp2040
  tinyprop cost policy=adaptive --kept fc1=0.02,fc2=0.1,fc3=1
  tinyprop cost --run NAME target=rp2040          with what that run kept
  tinyprop cost --input 3x32x32 --outputs 2 model=cnn_small policy=static
  tinyprop cost policy=static --what-if milliseconds=2 --what-if ram=64KB
  tinyprop cost --json policy=static | jq '.rows[].["milliseconds.step"]'

  tinyprop cost validate     predictions against simulations
  tinyprop cost calibrate    fit the costs of every core anew

exit status: 0 printed, also where it does not fit; 1 a file is missing or
damaged; 2 the request was wrong; 130 interrupted."""


def run(argv: list[str]) -> int:
    """Run `tinyprop cost` with the arguments after ``cost``.

    Raises:
        RequestError: an override or option is wrong, the engine cannot run a network, or nothing is known of a core.
        DataError: files that say what samples look like are missing or damaged.
    """
    if argv[:1] == ["calibrate"] or argv[:1] == ["validate"]:
        from tinyprop.cli import cost_model

        return getattr(cost_model, argv[0])(argv[1:])  # type: ignore[no-any-return]
    arguments = _parser().parse_intermixed_args(argv)
    from tinyprop.config.composition import Composer
    from tinyprop.config.hydra_job import register_resolvers
    from tinyprop.estimate import comparison
    from tinyprop.report import cost_tables
    from tinyprop.report.console import console

    register_resolvers()
    budget, kept = _budget(arguments.what_if), _kept(arguments)
    composer = Composer([arguments.config_dir] if arguments.config_dir else [])
    overrides, measured = list(arguments.overrides), None
    if arguments.run is not None:
        overrides, measured = _of_run(arguments, overrides)
    cases, targets = comparison.cases_of(
        _jobs(composer, overrides),
        _shapes(arguments),
        kept=kept,
        run=measured,
        any_ratio=budget is not None,
    )
    found: list[Any] = []
    if budget is None:
        found += comparison.compare(cases, targets)
        shown = cost_tables.comparison_table(found)
    else:
        found += comparison.what_if(cases, targets, budget)
        shown = cost_tables.answers_table(found, ", ".join(arguments.what_if))
    if arguments.json:
        notes = list(cost_tables.notes_on([(each.case, each.estimate) for each in found], asks=budget is not None))
        content = {"modelled": True, "notes": notes, "rows": [each.as_dict() for each in found]}
        print(json.dumps(content, indent=2, ensure_ascii=False))
    else:
        console().print(shown)
    return 0


def candidates(words: list[str]) -> list[str]:
    """What the last of the words after ``cost`` can become, overrides left out: an option, a run, an action."""
    before, last = words[-2] if len(words) > 1 else "", words[-1]
    found: list[str] = []
    if before == "--run":
        found = sorted(path.parent.name for path in Path("runs").glob("*/result.json"))
    elif last.startswith("-"):
        found = sorted(option for action in _parser()._actions for option in action.option_strings if option[1] == "-")
    elif len(words) == 1 and last:
        found = ["calibrate", "validate"]
    return [name for name in found if name.startswith(last)]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tinyprop cost",
        description="Compare what a training step takes on microcontrollers: instructions, modelled\n"
        "cycles, time, energy, RAM and flash, and how many times as fast as dense\n"
        "backpropagation it is. Nothing is trained, no data is needed.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("overrides", nargs="*", metavar="OVERRIDE", help="GROUP=OPTION[,…] or key=value[,…]")
    parser.add_argument(
        "--kept", metavar="SHARE", help="what adaptive policies keep: 0.05 of every layer, or fc1=0.02,fc2=0.1"
    )
    parser.add_argument("--run", metavar="NAME", help="a finished run: its configuration, and what it kept")
    parser.add_argument("--input", metavar="SHAPE", help="of a sample instead of the dataset's: 1x28x28, or 640")
    parser.add_argument("--outputs", type=int, metavar="N", help="of the network, with --input")
    parser.add_argument(
        "--what-if",
        action="append",
        metavar="BUDGET",
        help="the largest ratio for which a step stays within milliseconds=2, millijoules=0.1 or ram=64KB",
    )
    parser.add_argument(
        "--runs-dir", default="runs", metavar="DIR", help="directory of the runs (default: %(default)s)"
    )
    parser.add_argument("-cd", "--config-dir", type=Path, metavar="DIR", help="a directory with more configuration")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser


def _jobs(composer: Composer, overrides: list[str]) -> list[Job]:
    """Every combination; where no target is chosen, on the default one and on ``cost.targets``."""
    from tinyprop.config.composition import Job

    request = composer.request(overrides, multirun=True)
    if any(line.lstrip("+").startswith(("target=", "target.")) for line in overrides):
        return list(request.jobs)
    found = []
    for job in request.jobs:
        others = composer.targets(job.config.cost.targets).values()
        for target in [job.config.target, *(other for other in others if other != job.config.target)]:
            found.append(Job(job.overrides, job.config.model_copy(update={"target": target})))
    return found


def _shapes(arguments: argparse.Namespace) -> Callable[[RunConfig], SampleShape]:
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


def _kept(arguments: argparse.Namespace) -> Kept | None:
    text = arguments.kept
    if text is None:
        return None
    if arguments.run is not None:
        raise RequestError("--kept and --run both say what is kept; give one of them")
    try:
        if "=" not in text:
            share = float(text)
            if not 0 <= share <= 1:
                raise RequestError(f"--kept {text}: is outside [0, 1], the fraction of entries that is kept")
            return share
        pairs = [part.split("=") for part in text.split(",")]
        return {name.strip(): float(value) for name, value in pairs}
    except ValueError:
        raise RequestError(
            f"--kept {text}: is neither a fraction, as 0.05, nor one a layer, as fc1=0.02,fc2=0.1"
        ) from None


def _budget(asked: list[str] | None) -> Budget | None:
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
                f"--what-if {text}: is no budget; give milliseconds=2, millijoules=0.1, microjoules=100 or ram=64KB"
            )
        if not 0 < value < float("inf"):
            raise RequestError(f"--what-if {text}: is not above 0")
        values[field] = value
    if "ram_bytes" in values:
        values["ram_bytes"] = int(values["ram_bytes"])
    return Budget(**values)  # type: ignore[arg-type]


_BUDGETS = {
    "milliseconds": ("milliseconds", 1.0),
    "microjoules": ("microjoules", 1.0),
    "millijoules": ("microjoules", 1e3),
    "ram": ("ram_bytes", 1.0),
}


def _of_run(arguments: argparse.Namespace, overrides: list[str]) -> tuple[list[str], Measured]:
    """The overrides of a finished run with those given in their place, and what it measured."""
    from tinyprop.estimate.comparison import Measured
    from tinyprop.estimate.trained import activity_in
    from tinyprop.export.finished_run import read_config, read_result

    directory, result = read_result(arguments.run, Path(arguments.runs_dir))
    config = read_config(directory)
    given = [line.lstrip("+").partition("=")[0] for line in overrides]
    try:
        words = shlex.split((directory / "command.txt").read_text(encoding="utf-8"))[2:]
    except (OSError, ValueError) as error:
        raise DataError(f"{directory / 'command.txt'}: cannot be read ({error}); train this run again") from error
    own = [
        word
        for word in words
        if not word.startswith(("-", "hydra")) and not any(word.startswith((f"{key}=", f"{key}.")) for key in given)
    ]
    measured = Measured(result["name"], config.policy, config.trainer.batch_size, activity_in(result))
    return [*own, *overrides], measured
