"""`tinyprop cost`: what a training step takes on microcontrollers, modelled and compared without training."""

from __future__ import annotations

import argparse
import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinyprop.errors import DataError

if TYPE_CHECKING:
    from tinyprop.config.composition import Composer
    from tinyprop.config.request import Job
    from tinyprop.estimate.comparison import Measured

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
    from tinyprop.cli import cost_options
    from tinyprop.config.composition import Composer
    from tinyprop.estimate import comparison
    from tinyprop.report import cost_tables
    from tinyprop.report.console import console

    budget, kept = cost_options.budget_of(arguments.what_if), cost_options.kept_fractions(arguments)
    composer = Composer([arguments.config_dir] if arguments.config_dir else [])
    overrides, measured = list(arguments.overrides), None
    if arguments.run is not None:
        overrides, measured = _of_run(arguments, overrides)
    cases, targets = comparison.cases_of(
        _jobs(composer, overrides, arguments.overrides),
        cost_options.shapes(arguments),
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
    parser.add_argument(
        "-m",
        "--multirun",
        action="store_true",
        help="accepted as tinyprop train takes it; combinations are made anyway",
    )
    return parser


def _jobs(composer: Composer, overrides: list[str], asked: list[str]) -> list[Job]:
    """Every combination; where no target is asked for, on the configured one and on ``cost.targets``."""
    from dataclasses import replace

    request = composer.request(overrides, multirun=True)
    keys = [line.lstrip("+").partition("=")[0] for line in asked]
    if "cost.targets" not in keys and any(key == "target" or key.startswith("target.") for key in keys):
        return list(request.jobs)
    found = []
    for job in request.jobs:
        others = composer.targets(job.config.cost.targets).values()
        for target in [job.config.target, *(other for other in others if other != job.config.target)]:
            found.append(replace(job, config=job.config.model_copy(update={"target": target})))
    return found


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
    return [*own, *overrides], Measured(result["name"], config, activity_in(result))
