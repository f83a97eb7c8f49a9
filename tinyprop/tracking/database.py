"""MLflow's stores made ready before a run starts: SQLite created once and whole, others reached within seconds."""

from __future__ import annotations

import logging
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from tinyprop.errors import TinypropError
from tinyprop.progress import SILENT, Progress
from tinyprop.tracking.settings import StoreLocation

_CREATION_LIMIT = 180.0
"""Seconds to wait for another process that creates the database (2 to 11 s on an idle machine)."""
_BUSY_LIMIT = 60
"""Seconds that SQLite waits for other writers; pysqlite's own default of 5 is short for a slow disk."""
_PROBE_LIMIT = 5


def quiet_mlflow() -> None:
    """Keep MLflow to itself: no telemetry, no log lines under a warning, no retries for minutes.

    Called before MLflow is imported; what the user has set in the environment stays.
    """
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    if os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING") == "WARNING":
        logging.getLogger("mlflow").setLevel(logging.WARNING)  # where MLflow was imported before
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "4")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")
    os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")  # of each run that ends
    if logging.getLogger("alembic").level == logging.NOTSET:
        logging.getLogger("alembic").setLevel(logging.WARNING)


def prepare(location: StoreLocation, progress: Progress = SILENT) -> str:
    """Make the store at ``location`` ready for many processes and return the URI that clients should use.

    Raises:
        TinypropError: when it cannot be reached, created or read.
    """
    quiet_mlflow()
    if location.database is not None:
        create_database(location.database, progress)
        return location.uri if "?" in location.uri else f"{location.uri}?timeout={_BUSY_LIMIT}"
    if location.artifacts is not None:
        _connect_once(location.uri)
    return location.uri


def create_database(path: Path, progress: Progress = SILENT) -> bool:
    """Create MLflow's SQLite database at ``path`` unless it is there; return whether it was created.

    Processes that start at once wait for the first of them. The database appears under its name when complete, so that
    one killed in between leaves nothing that a later start would take for a database.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if _has_content(path):
            return False
        with FileLock(f"{path}.lock", timeout=_CREATION_LIMIT):
            if _has_content(path):
                return False
            with progress.task(f"Creating MLflow's database {path.name}", None):
                _create(path)
            return True
    except Timeout:
        raise TinypropError(
            f"{path}: another process has been creating this database for {_CREATION_LIMIT:.0f} s; "
            f"if none is running, delete {path}.lock and start again"
        ) from None
    except (OSError, sqlite3.Error) as error:
        raise TinypropError(
            f"{path}: MLflow's database cannot be created ({error}); "
            "choose a writable directory or set tracking.uri, or switch tracking off with tracking.enabled=false"
        ) from error


def _has_content(path: Path) -> bool:
    return path.exists() and path.stat().st_size > 0


def _create(path: Path) -> None:
    quiet_mlflow()
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    unfinished = path.with_name(f"{path.name}.unfinished-{os.getpid()}")
    try:
        store = SqlAlchemyStore(f"sqlite:///{unfinished}", str(path.parent / "mlartifacts"))
        store.engine.dispose()
        connection = sqlite3.connect(unfinished)
        try:
            connection.execute("PRAGMA journal_mode=WAL")  # a property of the file: a call takes 8 ms instead of 29
        finally:
            connection.close()
        os.replace(unfinished, path)
    finally:
        for leftover in path.parent.glob(f"{path.name}.unfinished-*"):  # of a killed process too: the lock is ours
            leftover.unlink(missing_ok=True)


@contextmanager
def impatient() -> Iterator[None]:
    """Let a request to a tracking server fail within seconds while the block runs."""
    limits = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": str(_PROBE_LIMIT)}
    before = {name: os.environ.get(name) for name in limits}
    os.environ.update(limits)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _connect_once(uri: str) -> None:
    """One connection to a database server; MLflow itself would retry an unreachable one for more than a minute."""
    if not uri.startswith(("postgresql", "mysql", "mssql")):
        return
    from sqlalchemy import create_engine
    from sqlalchemy.exc import SQLAlchemyError

    try:
        engine = create_engine(uri, connect_args={"connect_timeout": _PROBE_LIMIT})
        with engine.connect():
            pass
        engine.dispose()
    except ModuleNotFoundError as error:
        raise TinypropError(
            f"tracking.uri={uri}: the driver {error.name!r} is not installed; install it with pip"
        ) from error
    except SQLAlchemyError as error:
        raise TinypropError(f"tracking.uri={_without_password(uri)}: no connection ({first_line(error)})") from error


def _without_password(uri: str) -> str:
    from sqlalchemy.engine import make_url

    return make_url(uri).render_as_string(hide_password=True)


def first_line(error: BaseException, limit: int = 300) -> str:
    """The first line of an error's message, cut at ``limit`` characters, for use inside another message."""
    lines = str(error).strip().splitlines()
    line = lines[0] if lines else type(error).__name__
    if "Max retries exceeded" in line:  # urllib3's way of saying it takes three hundred characters
        return "no server answers there"
    return line if len(line) <= limit else f"{line[: limit - 1]}…"
