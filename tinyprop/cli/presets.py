"""``tinyprop presets``: what can be configured, read from the configuration tree itself."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path

SUMMARY = "list what can be configured, and show it"

_EPILOG = """\
examples:
  tinyprop presets                    every group with its options
  tinyprop presets policy             the options of one group
  tinyprop presets policy=adaptive    its settings, with what each means
  tinyprop presets --json             for scripts"""

_GENERATED = "for_"
"""Options that only name another one's default, such as model=for_mnist."""


def run(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="tinyprop presets",
        description="List the groups of the configuration and their options, or show the settings\nof one option.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("what", nargs="?", metavar="GROUP[=OPTION]")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args(argv)
    groups = _groups()
    if arguments.what is None:
        _list(groups, arguments.json)
        return 0
    group, _, option = arguments.what.replace("/", "=").partition("=")
    _require_known("group", group, groups)
    if not option:
        _list({group: groups[group]}, arguments.json)
        return 0
    _require_known(f"option of {group}", option, groups[group])
    text = _file(group, option).read_text(encoding="utf-8")
    print(json.dumps({"group": group, "option": option, "yaml": text}) if arguments.json else text.rstrip())
    return 0


def candidates() -> list[str]:
    """Every group and option, as this verb takes them."""
    groups = _groups()
    return [*groups, *(f"{group}={option}" for group, options in groups.items() for option in options)]


def _groups() -> dict[str, dict[str, str]]:
    """Group to option to what it is."""
    from tinyprop.config.location import config_directory

    groups: dict[str, dict[str, str]] = {}
    for path in sorted(config_directory().glob("*/*.yaml")):
        if not path.stem.startswith(_GENERATED):
            groups.setdefault(path.parent.name, {})[path.stem] = _description(path)
    return groups


def _description(path: Path) -> str:
    """A file's second comment; the first is the command that uses it, and Hydra's package line is neither."""
    lines = path.read_text(encoding="utf-8").splitlines()
    comments = [line.removeprefix("# ") for line in lines if line.startswith("# ") and not line.startswith("# @")]
    return comments[1]


def _list(groups: dict[str, dict[str, str]], as_json: bool) -> None:
    if as_json:
        print(json.dumps(groups, indent=2, ensure_ascii=False))
        return
    from rich.table import Table
    from rich.text import Text

    from tinyprop.report.console import console

    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for group, options in groups.items():
        table.add_row(Text(f"{group}=", style="bold"), "")
        for option, description in options.items():
            table.add_row(f"  {option}", Text(description))
    console().print(table)


def _file(group: str, option: str) -> Path:
    from tinyprop.config.location import config_directory

    return config_directory() / group / f"{option}.yaml"


def _require_known(kind: str, name: str, known: Mapping[str, object]) -> None:
    from difflib import get_close_matches

    from tinyprop.errors import RequestError

    if name not in known:
        similar = get_close_matches(name, known, n=3)
        hint = f"did you mean {' or '.join(similar)}?" if similar else f"known: {', '.join(known)}"
        raise RequestError(f"{name}: no such {kind}; {hint}")
