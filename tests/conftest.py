"""What tests of several packages need."""

import shutil

import pytest

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
