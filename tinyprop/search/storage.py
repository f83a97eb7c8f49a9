"""Where Optuna keeps a study: opened so that many processes may write, and never in a file that is something else's."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

from tinyprop.errors import RequestError, TinypropError

if TYPE_CHECKING:
    from optuna.storages import BaseStorage

_SQLITE = "sqlite:///"
_JOURNAL = "journal:///"
_BUSY_LIMIT = 60
"""Seconds that SQLite waits for other writers."""


def locate(storage: str | None, runs_dir: Path) -> str:
    """The storage's URL with an absolute path; None is ``search.db`` in ``runs_dir``."""
    if storage is None:
        return f"{_SQLITE}{runs_dir.absolute() / 'search.db'}"
    for scheme in (_SQLITE, _JOURNAL):
        if storage.startswith(scheme):
            return f"{scheme}{Path(storage.removeprefix(scheme)).absolute()}"
    return storage


def open_storage(url: str) -> BaseStorage:
    """Optuna's storage at a URL that `locate` gave; created where it is missing.

    Raises:
        RequestError: there is something else.
        TinypropError: it cannot be reached or written.
    """
    import optuna
    from optuna.storages import JournalStorage, RDBStorage
    from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        if url.startswith(_JOURNAL):
            path = url.removeprefix(_JOURNAL)
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            return JournalStorage(JournalFileBackend(path, lock_obj=JournalFileOpenLock(path)))
        if not url.startswith(_SQLITE):
            return RDBStorage(url, engine_kwargs={"pool_pre_ping": True})
        path = url.removeprefix(_SQLITE)
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{path}.lock"):  # tables are created once, whole
            _require_optunas(Path(path))
            storage = RDBStorage(url, engine_kwargs={"connect_args": {"timeout": _BUSY_LIMIT}})
            with closing(sqlite3.connect(path)) as connection:
                connection.execute("PRAGMA journal_mode=WAL")  # readers do not wait for writers
        return storage
    except TinypropError:
        raise
    except ModuleNotFoundError as error:
        raise TinypropError(f"hydra.sweeper.storage={url}: its driver {error.name!r} is not installed") from error
    except Exception as error:  # SQLAlchemy's, Optuna's, the journal's and the operating system's
        first_line = str(error).strip().split("\n")[0]
        hint = f"; optuna storage upgrade --storage {url}" if "upgrade" in str(error) else ""
        raise TinypropError(f"hydra.sweeper.storage={url}: cannot be used ({first_line}){hint}") from error


def _require_optunas(path: Path) -> None:
    """Refuse a file of somebody else's, into which Optuna would write its tables."""
    if not path.exists() or path.stat().st_size == 0:
        return
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
            tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    except sqlite3.DatabaseError:
        tables = {"no database"}
    if tables and not {"studies", "trials", "version_info"} <= tables:
        raise RequestError(
            f"hydra.sweeper.storage: {path} holds something else ({', '.join(sorted(tables)[:4])}, …); "
            "choose another file, or null for search.db in runs_dir"
        )
