"""What tests of several packages need."""

import shutil

import pytest

from tinyprop.engine import compile, library
from tinyprop.errors import RequestError
from tinyprop.tracking.database import create_database


@pytest.fixture(scope="session")
def _database(tmp_path_factory):
    path = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    create_database(path)
    return path


@pytest.fixture
def empty_database(_database, tmp_path):
    """A fresh MLflow database in ``tmp_path / "runs"``, copied, since creating one takes seconds."""
    (tmp_path / "runs").mkdir(exist_ok=True)
    return shutil.copy(_database, tmp_path / "runs" / "mlflow.db")


@pytest.fixture
def every_launcher(monkeypatch):
    """Commands for launchers are checked like all others where the extras that install those are not here."""
    monkeypatch.setattr("tinyprop.config.composition.missing_extra", lambda target: None)


@pytest.fixture(scope="session")
def c_engine():
    """The C engine; tests that need it are skipped only where nothing could have built it."""
    try:
        return library.load()
    except RequestError as missing:
        try:
            compile.find_compiler()
        except compile.CompileError:
            pytest.skip(str(missing))
        raise
