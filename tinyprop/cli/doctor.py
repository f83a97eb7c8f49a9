"""`tinyprop doctor`: whether this machine has what runs need, and what to do where it has not."""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, metadata, requires, version
from pathlib import Path
from typing import Literal

SUMMARY = "check this installation and say what to do about what is wrong"

State = Literal["ok", "missing", "problem"]
_STYLES = {"ok": "green", "missing": "yellow", "problem": "bold red"}
_ENOUGH_SPACE = 2e9
_EXAMPLES = """examples:
  tinyprop doctor                           everything, as a table
  tinyprop doctor --json                    the same for scripts
  tinyprop doctor --runs-dir /srv/runs --data-dir /media/datasets"""


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    Attributes:
        name: what.
        state: ``missing`` is something optional that is not there, ``problem`` something that must be mended.
        found: what is there.
        advice: what to do; empty where nothing is.
        required: whether runs fail without it.
    """

    name: str
    state: State
    found: str
    advice: str = ""
    required: bool = False


def run(argv: list[str]) -> int:
    """Run `tinyprop doctor` with the arguments after ``doctor``.

    Returns:
        0 when everything that runs need is there, else 1.
    """
    arguments = _parser().parse_args(argv)
    runs_dir = Path(arguments.runs_dir).absolute()
    checks = list(examine(runs_dir, arguments.data_dir))
    broken = [check for check in checks if check.state == "problem" and check.required]
    if arguments.json:
        print(json.dumps({"ok": not broken, "checks": [asdict(check) for check in checks]}, indent=2))
    else:
        _print(checks, broken)
    return 1 if broken else 0


def examine(runs_dir: Path, data_dir: str) -> Iterator[Check]:
    """All checks, one after the other."""
    yield _python()
    yield from _packages()
    yield _torch()
    yield _engine()
    yield _renode()
    yield _librosa()
    yield _writable(runs_dir)
    yield _database(runs_dir / "mlflow.db")
    yield from _datasets(data_dir)
    yield from _extras()
    yield _space(runs_dir)
    yield _git()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tinyprop doctor",
        description="Check Python, packages, torch, the C engine, sound files, the directory of the\n"
        "runs, MLflow's database and datasets. The exit status is 1 if something that\nevery run needs is broken.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--runs-dir", default="runs", help="directory of the runs (default: %(default)s)")
    parser.add_argument("--data-dir", default="data", help="directory of the datasets (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser


def _print(checks: list[Check], broken: list[Check]) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from tinyprop.report.console import console

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("what", no_wrap=True)
    table.add_column("state", no_wrap=True)
    table.add_column("found", overflow="fold")
    for check in checks:
        found = Text(check.found)
        if check.advice:
            found.append(f"\n→ {check.advice}")
        table.add_row(Text(check.name), Text(check.state, style=_STYLES[check.state]), found)
    output = console()
    output.print(table)
    names = ", ".join(check.name for check in broken)
    output.print(Text(f"broken: {names}" if broken else "everything that runs need is there", style="bold"))


def _python() -> Check:
    from packaging.specifiers import SpecifierSet

    here, accepted = platform.python_version(), metadata("tinyprop")["Requires-Python"]
    if SpecifierSet(accepted).contains(here, prereleases=True):
        return Check("Python", "ok", here)
    return Check("Python", "problem", here, f"make an environment with Python {accepted}", required=True)


def _packages() -> Iterator[Check]:
    """The installed versions against the package's own requirements, those of extras left out."""
    from packaging.requirements import Requirement

    wrong = []
    names = []
    for text in requires("tinyprop") or []:
        requirement = Requirement(text)
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        installed = _version(requirement.name)
        if installed is None or not requirement.specifier.contains(installed, prereleases=True):
            wrong.append((requirement, installed))
        names.append(f"{requirement.name} {installed}")
    for requirement, installed in wrong:
        yield Check(
            requirement.name,
            "problem",
            installed or "not installed",
            f"pip install '{requirement.name}{requirement.specifier}'",
            required=True,
        )
    if not wrong:
        yield Check("packages", "ok", f"all {len(names)} in the versions required")


def _torch() -> Check:
    try:
        import torch
    except (ImportError, OSError) as error:
        return Check("torch", "problem", f"cannot be imported: {error}", "install it anew", required=True)
    cuda = torch.cuda.get_device_name(0) if torch.cuda.is_available() else "no CUDA device"
    cores = os.cpu_count()
    return Check("torch", "ok", f"{torch.__version__}, {cuda}, threads: {torch.get_num_threads()}, cores: {cores}")


def _engine() -> Check:
    """The C engine: whether a build of these sources is there and loads."""
    from tinyprop.engine import compile, library
    from tinyprop.errors import RequestError

    name = "C engine"
    try:
        path = library.find()
        library.load()
    except RequestError as error:
        found, _, advice = str(error).partition("; ")
        return Check(name, "missing", found, f"{advice}; needed for backend=native")
    try:
        compiler = " ".join(compile.find_compiler())
    except compile.CompileError:
        compiler = "none"
    return Check(name, "ok", f"{path.name}, C compiler: {compiler}")


def _renode() -> Check:
    """Renode: where it is; it is not started, which takes seconds."""
    from tinyprop.backends import renode_process
    from tinyprop.errors import RequestError

    try:
        return Check("Renode", "ok", str(renode_process.find(None)))
    except RequestError as error:
        found = "not installed" if renode_process.VARIABLE not in os.environ else str(error).partition(";")[0]
        return Check("Renode", "missing", found, f"{renode_process.HOW_TO_GET}; needed for backend=renode")


def _librosa() -> Check:
    try:
        import librosa  # noqa: F401
        import soundfile
    except (ImportError, OSError) as error:
        advice = "pip install --force-reinstall librosa soundfile; needed for dcase, dcase_ae and folder"
        return Check("sound", "problem", f"cannot be imported: {error}", advice, required=True)
    return Check("sound", "ok", f"librosa {_version('librosa')}, libsndfile {soundfile.__libsndfile_version__}")


def _writable(runs_dir: Path) -> Check:
    nearest = next(path for path in (runs_dir, *runs_dir.parents) if path.exists())
    try:
        with tempfile.TemporaryFile(dir=nearest):
            pass
    except OSError as error:
        advice = "choose a writable directory for the runs"
        return Check("runs directory", "problem", f"{runs_dir}: {error.strerror}", advice, required=True)
    return Check("runs directory", "ok", f"{runs_dir}" if nearest == runs_dir else f"{runs_dir}, will be created")


def _database(path: Path) -> Check:
    """MLflow's database looked at without MLflow, except for the version of its tables."""
    name = "MLflow database"
    if not path.exists() or path.stat().st_size == 0:
        return Check(name, "ok", "none yet, the first run creates it")
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
            counts = dict(connection.execute("SELECT status, count(*) FROM runs GROUP BY status").fetchall())
            (revision,) = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except (sqlite3.Error, TypeError) as error:
        advice = f"move {path} away, the next run creates a new one; or restore a copy"
        return Check(name, "problem", f"cannot be read: {error}", advice, required=True)
    expected = _mlflow_revision()
    found = ", ".join(f"{count} {status}" for status, count in sorted(counts.items())) or "no runs yet"
    if expected is not None and revision != expected:
        advice = f"copy it, then: mlflow db upgrade 'sqlite:///{path}'"
        return Check(name, "problem", f"tables of another MLflow ({revision}); {found}", advice, required=True)
    return Check(name, "ok", found)


def _mlflow_revision() -> str | None:
    """The version of the tables that the installed MLflow works with, None if MLflow is not installed."""
    from tinyprop.tracking.database import quiet_mlflow

    quiet_mlflow()
    try:
        from alembic.script import ScriptDirectory
        from mlflow.store import db_migrations
    except ImportError:
        return None
    return ScriptDirectory(str(Path(db_migrations.__file__).parent)).get_current_head()


def _datasets(data_dir: str) -> Iterator[Check]:
    try:
        from tinyprop.datasets.catalogue import ENTRIES, state
    except ImportError as error:
        yield Check("datasets", "problem", f"cannot be looked at: {error}", "mend the packages above", required=True)
        return
    for entry in ENTRIES.values():
        found = state(entry, data_dir)
        if found == "yours":
            continue
        advice = f"tinyprop data fetch {entry.name} --root {data_dir}" if found in ("missing", "partial") else ""
        there: State = "missing" if advice else "ok"
        yield Check(f"dataset {entry.name}", there, found if found != "missing" else f"not in {data_dir}", advice)


def _extras() -> Iterator[Check]:
    launcher = _version("hydra-joblib-launcher")
    advice = "" if launcher else "pip install 'tinyprop[joblib]' for sweeps in parallel"
    yield Check("joblib launcher", "ok" if launcher else "missing", launcher or "not installed", advice)
    yield _unicorn()


def _unicorn() -> Check:
    """The simulator of microcontrollers, and the images that run in it."""
    from tinyprop.engine import images

    lacking = [package for package in ("unicorn", "capstone") if _version(package) is None]
    if lacking:
        advice = "pip install 'tinyprop[unicorn]' for backend=unicorn"
        return Check("Unicorn", "missing", f"not installed: {', '.join(lacking)}", advice)
    if images.stale():
        return Check("Unicorn", "missing", "firmware images of other sources than these", images.REBUILD)
    return Check("Unicorn", "ok", f"{_version('unicorn')}, firmware images: {', '.join(images.CORES)}")


def _space(runs_dir: Path) -> Check:
    nearest = next(path for path in (runs_dir, *runs_dir.parents) if path.exists())
    free = shutil.disk_usage(nearest).free
    found = f"{free / 1e9:.1f} GB free"
    if free < _ENOUGH_SPACE:
        return Check("disk", "problem", found, "make room: datasets and runs may need some gigabytes")
    return Check("disk", "ok", found)


def _git() -> Check:
    from tinyprop.tracking.environment import checkout

    if shutil.which("git") is None:
        return Check("git", "missing", "not installed", "without it runs do not record a commit")
    here = checkout(Path.cwd())
    if here is None:
        return Check("git", "ok", "this directory is no checkout; runs record no commit of it")
    changed = ", with changes that are not committed" if here["dirty"] else ""
    return Check("git", "ok", f"commit {str(here['commit'])[:12]}{changed}")


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
