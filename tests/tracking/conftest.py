import pytest

from tinyprop.tracking import TrackingSettings, open_store


@pytest.fixture(scope="session")
def runs_dir(tmp_path_factory):
    return tmp_path_factory.mktemp("runs with a space")


@pytest.fixture(scope="session")
def store(runs_dir):
    """A real SQLite store, created once: that takes seconds."""
    return open_store(TrackingSettings(), runs_dir)


@pytest.fixture(scope="session")
def client(store):
    """MLflow's own client on the same database, to look from outside."""
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=store.uri)
