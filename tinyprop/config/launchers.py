"""Launchers that come with an extra: whether it is installed, and what several machines must not share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import Any

from omegaconf import DictConfig, OmegaConf

from tinyprop.tracking import TrackingSettings

_EXTRAS = {
    "hydra_plugins.hydra_joblib_launcher": "joblib",
    "hydra_plugins.hydra_submitit_launcher": "slurm",
    "hydra_plugins.hydra_ray_launcher": "ray",
}
"""Packages of Hydra's launchers, and the extra of ours that installs each."""
_ABSENT = object()


def missing_extra(target: str) -> str | None:
    """What to say of a launcher whose class is at ``target`` if its package is not there; None if it is.

    Args:
        target: ``hydra.launcher._target_``.
    """
    package = ".".join(target.split(".")[:2])
    extra = _EXTRAS.get(package)
    if extra is None or find_spec(package) is not None:
        return None
    name = package.rpartition(".")[2].replace("_", "-")
    return f"{name} is not installed; pip install 'tinyprop[{extra}]'"


def database_note(tree: DictConfig, tracking: TrackingSettings) -> str | None:
    """What to say where the runs of several machines would write to one SQLite file.

    Args:
        tree: the composed tree, Hydra's node included.
    """
    target = str(OmegaConf.select(tree, "hydra.launcher._target_"))
    cluster = target.endswith("SlurmLauncher") or OmegaConf.select(tree, "hydra.launcher.ray.init.address") is not None
    if not cluster or not tracking.enabled or not (tracking.uri is None or tracking.uri.startswith("sqlite:")):
        return None
    return (
        "every machine will write to one SQLite file, which network file systems damage; run an MLflow server and set "
        "tracking.uri=http://HOST:5000"
    )


def refused_values(tree: DictConfig) -> list[str]:
    """What is wrong with the values that Hydra hands to a launcher and to our sweepers as they are.

    Args:
        tree: the composed tree, Hydra's node included.
    """
    problems = []
    for key, accepts, what in _checks(str(OmegaConf.select(tree, "hydra.launcher._target_"))):
        value = OmegaConf.select(tree, key, default=_ABSENT)
        if value is not _ABSENT and not accepts(value):
            problems.append(f"{key}={'null' if value is None else value}: {what}")
    return problems


def _checks(launcher: str) -> Iterator[tuple[str, Callable[[Any], bool], str]]:
    if launcher.endswith("ProcessLauncher"):
        yield (
            "hydra.launcher.n_jobs",
            lambda value: value is None or (_is_whole(value) and value >= 1),
            "runs at once; a whole number from 1 on, or null for one a core",
        )
    if launcher.endswith("JoblibLauncher"):
        yield (
            "hydra.launcher.n_jobs",
            lambda value: _is_whole(value) and value != 0,
            "processes at once; a whole number from 1 on, or -1 for one a core",
        )
    yield "hydra.sweeper.losses", lambda value: _is_whole(value) and value >= 1, "a whole number from 1 on"
    yield "hydra.sweeper.retry_failed", lambda value: isinstance(value, bool), "true or false"


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
