"""One run of a multirun inside a worker process, composed as Hydra's own launchers compose it."""

from __future__ import annotations

from hydra import version
from hydra.core.hydra_config import HydraConfig
from hydra.core.plugins import Plugins
from hydra.core.utils import run_job, setup_globals
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict

from tinyprop.config.hydra_command import HYDRA_VERSION

Shared = tuple[HydraContext, DictConfig, TaskFunction]
"""Hydra's context, the multirun's configuration, and what trains a run."""


def train(shared: Shared, task: tuple[int, list[str]]) -> None:
    """Train the run with these overrides, the how-manieth of the launch it is going before them."""
    context, config, function = shared
    index, overrides = task
    setup_globals()
    version.setbase(HYDRA_VERSION)
    Plugins.instance()  # whose options the configuration may name
    composed = context.config_loader.load_sweep_config(config, overrides)
    with open_dict(composed):
        composed.hydra.job.id = f"{composed.hydra.job.name}_{index}"
        composed.hydra.job.num = index
    HydraConfig.instance().set_config(composed)
    run_job(
        hydra_context=context,
        task_function=function,
        config=composed,
        job_dir_key="hydra.sweep.dir",
        job_subdir_key="hydra.sweep.subdir",
    )
