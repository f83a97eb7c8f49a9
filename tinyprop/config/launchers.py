"""Launchers that come with an extra: whether it is installed, said before anything is composed for them."""

from __future__ import annotations

from importlib.util import find_spec

_EXTRAS = {
    "hydra_plugins.hydra_joblib_launcher": "joblib",
    "hydra_plugins.hydra_submitit_launcher": "slurm",
    "hydra_plugins.hydra_ray_launcher": "ray",
}
"""Packages of Hydra's launchers, and the extra of ours that installs each."""


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
