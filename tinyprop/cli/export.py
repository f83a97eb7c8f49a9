"""`tinyprop export`: a finished run's network as a C project for a microcontroller."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinyprop.errors import RequestError

if TYPE_CHECKING:
    from rich.console import RenderableType

    from tinyprop.cost.target import Target
    from tinyprop.export.project import Project

SUMMARY = "take a trained network to a microcontroller, as a C project"

_EPILOG = """\
examples:
  tinyprop export runs/NAME --out board
  tinyprop export NAME --target stm32f746 --out board
  tinyprop export NAME --target rp2040 --batch-size 1 --samples 20 --out pico
  tinyprop export NAME --out board --force     replace an earlier export
  tinyprop presets target                      the targets there are

then: cd board && sh build.sh host && build/host/demonstration

exit status: 0 written, also where it does not fit the target; 1 a file of the
run or its data is missing or damaged; 2 the request was wrong."""


def run(argv: list[str]) -> int:
    """Run `tinyprop export` with the arguments after ``export``.

    Raises:
        RequestError: there is no such run or target, the engine cannot run the network, or the directory is taken.
        DataError: the run's files or its data are missing or damaged.
    """
    arguments = _parser().parse_args(argv)
    for option in ("batch_size", "samples"):
        value = getattr(arguments, option)
        if value is not None and value < 1:
            raise RequestError(f"--{option.replace('_', '-')} {value}: is under 1")
    from tinyprop import datasets
    from tinyprop.export import directory
    from tinyprop.export.finished_run import read_run
    from tinyprop.export.measurement import measurement_of
    from tinyprop.export.network import network_of
    from tinyprop.export.project import project_of
    from tinyprop.report.console import console
    from tinyprop.report.progress import console_progress

    out = Path(arguments.out)
    directory.require_free(out, None, force=arguments.force)
    found = read_run(arguments.run, Path(arguments.runs_dir))
    target = _target(arguments.target, arguments.config_dir) if arguments.target else found.config.target
    with console_progress() as progress:
        dataset = datasets.load(found.config.dataset, progress)
        network = network_of(found, dataset, batch_size=arguments.batch_size, samples=arguments.samples)
        project = project_of(network, target, measurement_of(network, target, progress))
    directory.write(out, project.files, force=arguments.force)
    if arguments.json:
        print(json.dumps(_as_dict(project, out), indent=2, ensure_ascii=False))
    else:
        console().print(_summary(project, out))
    return 0


def candidates(words: list[str]) -> list[str]:
    """What the last of the words after ``export`` can become: a run, a target, an option."""
    before, last = words[-2] if len(words) > 1 else "", words[-1]
    if before == "--target":
        from tinyprop.config.location import config_directory

        found = sorted(path.stem for path in (config_directory() / "target").glob("*.yaml"))
    elif last.startswith("-"):
        found = sorted(option for action in _parser()._actions for option in action.option_strings if option[1] == "-")
    else:
        found = sorted(path.parent.name for path in Path("runs").glob("*/result.json"))
    return [name for name in found if name.startswith(last)]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tinyprop export",
        description="Write a C project that holds the network of a finished run and goes on training\n"
        "it on a microcontroller: engine, weights, link script, and a demonstration on\n"
        "real samples that runs on this machine too.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("run", metavar="RUN", help="a run directory, or the name of one in --runs-dir")
    parser.add_argument("--out", required=True, metavar="DIR", help="the project's directory, new or empty")
    parser.add_argument("--target", metavar="NAME", help="a target of `tinyprop presets target` (default: the run's)")
    parser.add_argument("--batch-size", type=int, metavar="N", help="samples an update (default: the run's)")
    parser.add_argument(
        "--samples", type=int, default=8, metavar="N", help="test samples that come with it (default: %(default)s)"
    )
    parser.add_argument("--force", action="store_true", help="replace an earlier export that was not changed since")
    parser.add_argument(
        "--runs-dir", default="runs", metavar="DIR", help="directory of the runs (default: %(default)s)"
    )
    parser.add_argument("-cd", "--config-dir", type=Path, metavar="DIR", help="a directory with more targets")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser


def _target(name: str, config_dir: Path | None) -> Target:
    from tinyprop.config.composition import Composer
    from tinyprop.config.problems import nearest

    composer = Composer([config_dir] if config_dir else [])
    known = composer.groups["target"]
    if name not in known:
        raise RequestError(f"--target {name}: no such target; {nearest(name, known)}")
    return composer.run_config([f"target={name}"]).target


def _summary(project: Project, out: Path) -> RenderableType:
    from rich import box
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    from tinyprop.export import readme

    measured, target = project.measured, project.target
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(overflow="fold")
    for budget in project.budgets:
        for use, size in budget.uses:
            if size:
                table.add_row(f"  {use}", f"{size:,}", "")
        share = f"of {budget.available:,} bytes"
        table.add_row(Text(budget.name, "bold"), Text(f"{budget.used:,}", "bold"), share, end_section=True)
    counts = measured.counts
    if counts is not None:
        cycles = sum(counts.cycles.values())
        samples = "one sample" if counts.samples == 1 else f"{counts.samples} samples"
        table.add_row("Instructions a step", f"{sum(counts.instructions.values()):,.0f}", f"counted, {samples}")
        table.add_row("Cycles a step", f"{cycles:,.0f}", f"modelled, {readme.duration(cycles, target)}")
    fits = not any(budget.missing for budget in project.budgets)
    parts: list[RenderableType] = [
        Text(f"{project.network.run.name} on {target.name}", "bold"),
        table,
        Text(readme.fit(project.budgets, target.name), "green" if fits else "bold red"),
    ]
    if project.budgets[0].missing and project.network.description.batch_size > 1:
        parts.append(Text("A smaller --batch-size takes less RAM."))
    if counts is None:
        parts.append(Text(f"Instructions are not counted: {measured.uncounted.replace('`', '')}."))
    parts.append(Text(f"Written: {out}; its README.md says how to build and use it."))
    return Group(*parts)


def _as_dict(project: Project, out: Path) -> dict[str, Any]:
    measured, counts = project.measured, project.measured.counts
    memory = {
        budget.name.lower(): {"uses": dict(budget.uses), "used": budget.used, "available": budget.available}
        for budget in project.budgets
    }
    return {
        "out": str(out),
        "run": project.network.run.name,
        "target": project.target.name,
        "core": project.target.core,
        "batch_size": project.network.description.batch_size,
        "fits": not any(budget.missing for budget in project.budgets),
        **memory,
        "stack_used": measured.stack,
        "instructions": None if counts is None else counts.instructions,
        "cycles": None if counts is None else counts.cycles,
        "files": sorted(project.files),
    }
