"""Where runs are tracked: the settings, and the store that they mean."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tinyprop.errors import require

_SQLITE = "sqlite:///"


@dataclass(frozen=True)
class TrackingSettings:
    """Tracking of runs in MLflow.

    Attributes:
        enabled: without tracking a run has its directory only, and no run id.
        uri: MLflow's tracking URI; None means ``mlflow.db`` in the directory of the runs.
        experiment: MLflow's name for the group of runs.
        log_model: whether the trained network is stored with the run.
        plots: whether figures of the run are drawn into its directory, and stored with it.
    """

    enabled: bool = True
    uri: str | None = None
    experiment: str = "tinyprop"
    log_model: bool = True
    plots: bool = True

    def __post_init__(self) -> None:
        require(
            (
                self.uri is None or "://" in self.uri or self.uri == "databricks",
                "uri",
                f"{self.uri!r} is no tracking URI; give one such as sqlite:////absolute/path/mlflow.db or "
                "http://host:5000, or null for mlflow.db in the directory of the runs",
            ),
            (
                0 < len(self.experiment.strip()) <= 500,
                "experiment",
                f"{self.experiment!r} is no experiment's name; give 1 to 500 characters",
            ),
        )


@dataclass(frozen=True)
class StoreLocation:
    """A tracking URI made absolute.

    Attributes:
        uri: as MLflow understands it from any working directory.
        database: the SQLite file, where it is one.
        artifacts: where the client itself has to put files; None where a server decides.
    """

    uri: str
    database: Path | None
    artifacts: Path | None


def locate(uri: str | None, runs_dir: Path) -> StoreLocation:
    """The store that ``uri`` means for runs in ``runs_dir``; None is ``runs_dir/mlflow.db``."""
    runs_dir = runs_dir.absolute()
    if uri is None:
        uri = f"{_SQLITE}{runs_dir / 'mlflow.db'}"
    if uri.startswith(_SQLITE):
        path, question_mark, query = uri.removeprefix(_SQLITE).partition("?")
        database = Path(path).absolute()
        return StoreLocation(f"{_SQLITE}{database}{question_mark}{query}", database, database.parent / "mlartifacts")
    served = uri.startswith(("http://", "https://", "databricks"))
    return StoreLocation(uri, None, None if served else runs_dir / "mlartifacts")
