"""A finished run found again: the same configuration, on the same data, from the same initial weights."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from tinyprop import datasets
from tinyprop.config.schema import RunConfig
from tinyprop.cost import Target
from tinyprop.datasets.contract import Dataset
from tinyprop.datasets.shape import shape_of
from tinyprop.errors import RequestError
from tinyprop.estimate.trained import activity_in, estimates_of_run
from tinyprop.progress import SILENT, Progress
from tinyprop.training import checkpoint, result


def earlier_result(config: RunConfig, run_dir: Path) -> result.Result | None:
    """What an earlier process left in the directory, which must be of this very configuration.

    Raises:
        RequestError: it is another run's.
    """
    earlier = result.read(run_dir)
    if earlier is not None and earlier["config_hash"] != config.hash and not config.trainer.force:
        raise RequestError(
            f"{run_dir} holds another run ({earlier['name']}); choose another hydra.run.dir, "
            "or set trainer.force=true to replace it"
        )
    return earlier


def is_finished(config: RunConfig, earlier: result.Result | None) -> bool:
    """Whether a configuration need not be trained."""
    return earlier is not None and earlier["status"] == "finished" and not config.trainer.force


def reused(
    config: RunConfig,
    run_dir: Path,
    earlier: result.Result,
    targets: Iterable[Target],
    progress: Progress = SILENT,
) -> result.Result:
    """A finished result, with what is modelled of it for the targets of now.

    Raises:
        RequestError: its data or initial weights, which configurations only name, have changed.
    """
    dataset = _same_ingredients(config, run_dir, earlier, progress)
    costs, notes = estimates_of_run(config, shape_of(dataset), activity_in(earlier), tuple(targets))
    cost = {key: estimate.as_dict() for key, estimate in costs.items()}
    return {**earlier, "cost": cost, "cost_notes": notes, "reused": True}


def _same_ingredients(config: RunConfig, run_dir: Path, earlier: result.Result, progress: Progress) -> Dataset:
    dataset = datasets.load(config.dataset, progress)
    if earlier["dataset_fingerprint"] != dataset.fingerprint:
        raise RequestError(
            f"{run_dir}: this configuration was trained there on other data (fingerprint "
            f"{earlier['dataset_fingerprint'][:10]}, now {dataset.fingerprint[:10]}); set trainer.force=true to "
            "train on what is there now, or hydra.run.dir to keep both"
        )
    source = config.trainer.init_from
    if source is None:
        return dataset
    try:
        weights = checkpoint.initial_weights(source, Path(config.runs_dir))
    except RequestError:
        return dataset  # gone since: nothing contradicts the result
    if earlier.get("initial_weights") != checkpoint.digest(weights):
        raise RequestError(
            f"{run_dir}: this configuration began with other weights there than {source} holds now; set "
            "trainer.force=true to begin with these, or hydra.run.dir to keep both"
        )
    return dataset
