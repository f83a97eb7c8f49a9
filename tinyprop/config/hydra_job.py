"""The edge to Hydra: handing a command line over to it, and taking typed configurations back inside its jobs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from tinyprop.config.composition import Composer, validated
from tinyprop.config.hydra_command import run_hydra
from tinyprop.config.location import config_directory
from tinyprop.config.schema import RunConfig

_BY_FLAG = "command-line"
"""What Hydra calls the source of ``--config-dir``."""

HydraTree = DictConfig
"""What Hydra gives a job; nobody but `received` looks into it."""


def hand_over(arguments: Sequence[str], job: Callable[[HydraTree], Any]) -> None:
    """Run Hydra's own command line (runs, multiruns, --cfg, --info) on our configuration tree.

    Ends by `SystemExit` where Hydra ends the program.
    """
    register_resolvers()
    run_hydra(arguments, job)


@dataclass(frozen=True)
class Received:
    """What a job runs on.

    Attributes:
        composer: sees the same configuration directories as the command line did.
        command: arguments of a command line that repeats this run by itself.
    """

    config: RunConfig
    run_dir: Path
    composer: Composer
    command: list[str]


def received(tree: HydraTree) -> Received:
    """The job that Hydra has handed over."""
    register_resolvers()
    known = HydraConfig.get()
    own = config_directory().resolve()
    sources = [Path(source.path) for source in known.runtime.config_sources if source.schema == "file"]
    directories = [directory for directory in sources if directory.resolve() != own]
    # What a multirun adds to find its runs again is no part of what repeats one of them.
    command = [line for line in known.overrides.task if not line.startswith("sweep.")]
    command += [line for line in known.overrides.hydra if line.startswith(("hydra.run.dir=", "hydra.searchpath="))]
    command += [f"--config-dir={source.path}" for source in known.runtime.config_sources if source.provider == _BY_FLAG]
    return Received(validated(tree), Path(known.runtime.output_dir), Composer(reversed(directories)), command)


def register_resolvers() -> None:
    """``${run_name:}``, which the run directory is named by."""
    OmegaConf.register_new_resolver("run_name", _run_name, replace=True)


def _run_name(*, _root_: DictConfig) -> str:
    return validated(_root_).run_name


def as_yaml(config: RunConfig) -> str:
    """The resolved configuration, in the keys that the command line takes."""
    return OmegaConf.to_yaml(OmegaConf.create(config.plain()))
