"""`tinyprop cost calibrate` and `validate`: the costs of each core, fitted to simulations and held against others."""

from __future__ import annotations

import argparse
import json
from importlib.util import find_spec
from typing import Any

from tinyprop.errors import RequestError


def calibrate(argv: list[str]) -> int:
    """Fit the costs of some cores anew and store them; a core that is done stays when others are interrupted.

    Raises:
        RequestError: a core is unknown, a package is missing, or the firmware images are not those of the sources.
    """
    arguments = _parser(
        "calibrate",
        "Fit what one unit of work costs on a core to exact counts from simulated boards\n"
        "and store it with the package. Takes some minutes a core; a core that is done\n"
        "is kept when the command is interrupted.",
        "  tinyprop cost calibrate\n  tinyprop cost calibrate cortex-m4",
    ).parse_args(argv)
    cores = _cores(arguments.cores)
    from tinyprop.cost.calibrate import HELD_OUT, NETWORKS
    from tinyprop.cost.calibrate import calibrate as fit_core
    from tinyprop.engine.images import CORES
    from tinyprop.report.modelled import stated_error
    from tinyprop.report.progress import console_progress

    found: dict[str, Any] = {}
    for name in cores:
        with (
            console_progress() as progress,
            progress.task(f"Simulating {name}", NETWORKS[CORES[name].fpu] + HELD_OUT, "networks") as step,
        ):
            known = fit_core(CORES[name], advance=lambda *_: step(1))
        known.save()
        found[name] = known.errors
        if not arguments.json:
            print(f"{name}: {stated_error(known.errors)}", flush=True)
    if arguments.json:
        print(json.dumps(found, indent=2))
    return 0


def validate(argv: list[str]) -> int:
    """Print predicted against simulated steps of well-known networks.

    Raises:
        RequestError: a core is unknown, or nothing is stored of it; or a package is missing.
    """
    parser = _parser(
        "validate",
        "Predict a step of well-known networks, simulate it too, and print both. Takes\nsome minutes.",
        "  tinyprop cost validate cortex-m4\n  tinyprop cost validate --markdown    the table of docs/cost.md",
    )
    parser.add_argument("--markdown", action="store_true", help="print the table in Markdown")
    arguments = parser.parse_args(argv)
    cores = _cores(arguments.cores)
    from tinyprop.cost.coefficients import coefficients_of
    from tinyprop.cost.validation import rows
    from tinyprop.report.console import console
    from tinyprop.report.progress import console_progress
    from tinyprop.report.validation import as_markdown, validation_table

    known = [coefficients_of(core) for core in cores]
    found = []
    with console_progress() as progress, progress.task("Simulating", None, "steps") as step:
        for row in rows(cores):
            found.append(row)
            step(1)
    if arguments.json:
        held_out = {each.core: each.errors for each in known}
        unmeasured = {each.core: each.errors_unmeasured for each in known}
        content = {"rows": [vars(row) for row in found], "held_out": held_out, "held_out_unmeasured": unmeasured}
        print(json.dumps(content, indent=2))
    elif arguments.markdown:
        print(as_markdown(found, known))
    else:
        console().print(validation_table(found, known))
    return 0


def _parser(verb: str, description: str, examples: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f"tinyprop cost {verb}",
        description=description,
        epilog=f"examples:\n{examples}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("cores", nargs="*", metavar="CORE", help="such as cortex-m4 (default: all)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser


def _cores(asked: list[str]) -> list[str]:
    from tinyprop.config.problems import nearest
    from tinyprop.engine.images import CORES

    for name in asked:
        if name not in CORES:
            raise RequestError(f"{name}: no such core; {nearest(name, CORES)}")
    for package in ("unicorn", "capstone"):
        if find_spec(package) is None:
            raise RequestError(f"simulating needs the package {package}: pip install 'tinyprop[unicorn]'")
    return asked or list(CORES)
