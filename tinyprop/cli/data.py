"""`tinyprop data`: which datasets there are, fetching them, checking them."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from dataclasses import asdict
from difflib import get_close_matches
from typing import TYPE_CHECKING

from tinyprop.errors import DataError, RequestError

if TYPE_CHECKING:
    from tinyprop.datasets.catalogue import Entry
    from tinyprop.datasets.verification import FileCheck

SUMMARY = "list, download and verify datasets"

_VERBS = ("list", "fetch", "verify")
_EXAMPLES = {
    "data": """examples:
  tinyprop data list                      what there is, and what of it is here
  tinyprop data fetch mnist               download MNIST into data/mnist
  tinyprop data verify all                check every file that is here""",
    "list": """examples:
  tinyprop data list
  tinyprop data list --root /media/datasets
  tinyprop data list --json""",
    "fetch": """examples:
  tinyprop data fetch mnist
  tinyprop data fetch cifar10 --root /media/datasets
  tinyprop data fetch dcase --machine slider valve""",
    "verify": """examples:
  tinyprop data verify mnist
  tinyprop data verify all --root /media/datasets
  tinyprop data verify all --json""",
}
_NO_FILES = {
    "built in": "comes with scikit-learn, nothing to download or verify",
    "yours": "your own files, nothing to download; they are checked when they are loaded",
}
_PLACES = {"digits": "scikit-learn", "folder": "dataset.path", "arrays": "dataset.path"}


def run(argv: list[str]) -> int:
    """Run `tinyprop data` with the arguments after ``data``.

    Returns:
        0 if everything asked for was done and is right, 1 if a file is missing or damaged.

    Raises:
        RequestError: an unknown name, or options that do not belong together.
        DataError: a download failed.
    """
    if argv and not argv[0].startswith("-"):
        _require_known("action", argv[0], _VERBS)
    arguments = _parser().parse_args(argv)
    if arguments.verb == "list":
        return _list(arguments.root, arguments.json)
    if arguments.verb == "fetch":
        return _fetch(arguments.name, arguments.root, arguments.machine, arguments.json)
    return _verify(arguments.name, arguments.root, arguments.json)


def _parser() -> argparse.ArgumentParser:
    as_written = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        prog="tinyprop data",
        description="Datasets: list, download and verify them.",
        epilog=_EXAMPLES["data"],
        formatter_class=as_written,
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="{list,fetch,verify}")

    def add(verb: str, does: str) -> argparse.ArgumentParser:
        added = verbs.add_parser(verb, help=does, description=does, epilog=_EXAMPLES[verb], formatter_class=as_written)
        added.add_argument("--root", default="data", help="folder that datasets are in (default: %(default)s)")
        added.add_argument("--json", action="store_true", help="print one JSON object")
        return added

    add("list", "every dataset: what, size, licence, where it is looked for, whether it is there")
    fetch = add("fetch", "download what is missing or damaged; resumes, verifies, unpacks")
    fetch.add_argument("name", help="a dataset of `tinyprop data list`")
    fetch.add_argument(
        "--machine",
        nargs="+",
        action="extend",
        default=[],
        metavar="TYPE",
        help="machine types of dcase (default: all six)",
    )
    verify = add("verify", "read and check every file; exit status 1 if one is missing or damaged")
    verify.add_argument("name", help="a dataset of `tinyprop data list`, or all: those that are there")
    return parser


def _list(root: str, as_json: bool) -> int:
    from tinyprop.datasets.catalogue import ENTRIES, state

    if as_json:
        listed = [
            {
                "name": entry.name,
                "what": entry.what,
                "size": entry.size,
                "licence": entry.licence,
                "place": _place(entry, root),
                "state": state(entry, root),
            }
            for entry in ENTRIES.values()
        ]
        _print_json({"root": root, "datasets": listed})
        return 0
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from tinyprop.report.console import console

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for column in ("dataset", "what", "size", "licence", "looked for in", "state"):
        table.add_column(column, no_wrap=column in ("dataset", "looked for in", "state"))
    colours = {"missing": "yellow", "partial": "yellow", "complete": "green"}
    for entry in ENTRIES.values():
        found = state(entry, root)
        cells = [entry.name, entry.what, entry.size, entry.licence, entry.folder or _PLACES[entry.name]]
        table.add_row(*map(Text, cells), Text(found, colours.get(found, "")))
    output = console()
    output.print(f"Datasets under {root} (another folder: --root)", markup=False, soft_wrap=True)
    output.print(table)
    return 0


def _fetch(name: str, root: str, machines: list[str], as_json: bool) -> int:
    from tinyprop.datasets.catalogue import ENTRIES, fetch, verify
    from tinyprop.datasets.dcase_clips import MACHINES
    from tinyprop.report.progress import console_progress

    _require_known("dataset", name, ENTRIES)
    entry = ENTRIES[name]
    if machines and not entry.folder.startswith("dcase"):
        raise RequestError(f"--machine {' '.join(machines)}: {name} has no machine types; leave it out, or fetch dcase")
    for machine in machines:
        _require_known("machine type", machine, MACHINES)
    wanted = machines or list(MACHINES)
    with console_progress() as progress:
        fetch(entry, root, wanted, progress)
        checks = verify(entry, root, wanted, progress)
    return _report(root, {name: checks}, as_json)


def _verify(name: str, root: str, as_json: bool) -> int:
    from tinyprop.datasets.catalogue import ENTRIES, verify
    from tinyprop.report.progress import console_progress

    _require_known("dataset", name, [*ENTRIES, "all"])
    chosen = _with_files_there(root) if name == "all" else [ENTRIES[name]]
    with console_progress() as progress:
        checks = {entry.name: verify(entry, root, progress=progress) for entry in chosen}
    return _report(root, checks, as_json)


def _with_files_there(root: str) -> list[Entry]:
    """One entry for each folder with files in it: dcase and dcase_ae share theirs."""
    from tinyprop.datasets.catalogue import ENTRIES, state

    by_folder: dict[str, Entry] = {}
    for entry in ENTRIES.values():
        if entry.folder and state(entry, root) != "missing":
            by_folder.setdefault(entry.folder, entry)
    if not by_folder:
        raise DataError(f"{root}: there is no dataset to verify; `tinyprop data fetch mnist` downloads one")
    return list(by_folder.values())


def _report(root: str, checks: dict[str, list[FileCheck]], as_json: bool) -> int:
    """Print a line for each file; the exit status."""
    from tinyprop.datasets.catalogue import ENTRIES

    wrong = [check for files in checks.values() for check in files if check.status != "ok"]
    if as_json:
        datasets = {
            name: [{**asdict(check), "path": str(check.path)} for check in files] for name, files in checks.items()
        }
        _print_json({"root": root, "ok": not wrong, "datasets": datasets})
        return 1 if wrong else 0
    for name, files in checks.items():
        if not files:
            print(f"{name}: {_NO_FILES[ENTRIES[name].state_without_files]}")
        for check in files:
            print(f"{check.status:8} {check.path}" + (f"  ({check.detail})" if check.detail else ""))
    total = sum(map(len, checks.values()))
    if wrong:
        print(f"{len(wrong)} of {total} missing or damaged; `tinyprop data fetch {'|'.join(checks)}` mends that")
    elif total:
        print(f"all {total} right")
    return 1 if wrong else 0


def _place(entry: Entry, root: str) -> str:
    if entry.folder:
        return f"{root.rstrip('/')}/{entry.folder}"
    return _PLACES[entry.name]


def _require_known(kind: str, name: str, known: Iterable[str]) -> None:
    names = list(known)
    if name in names:
        return
    nearest = get_close_matches(name, names, n=1, cutoff=0.4)
    hint = f"did you mean {nearest[0]}? " if nearest else ""
    raise RequestError(f"unknown {kind} {name!r}: {hint}There are {', '.join(names)}.")


def _print_json(content: dict[str, object]) -> None:
    print(json.dumps(content, indent=2, ensure_ascii=False))
