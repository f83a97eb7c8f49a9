"""The edge to Hydra: handing a command line over to it, and taking typed configurations back inside its jobs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from tinyprop.config.composition import Composer
from tinyprop.config.hydra_command import run_hydra
from tinyprop.config.location import config_directory
from tinyprop.config.schema import RunConfig
from tinyprop.config.validation import validated

_BY_FLAG = "command-line"
"""What Hydra calls the source of ``--config-dir``."""

HydraTree = DictConfig
"""What Hydra gives a job; nobody but `received` looks into it."""


def hand_over(arguments: Sequence[str], job: Callable[[HydraTree], Any]) -> None:
    """Run Hydra's own command line (runs, multiruns, --cfg, --info) on our configuration tree.

    Ends by `SystemExit` where Hydra ends the program.
    """
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
    known = HydraConfig.get()
    own = config_directory().resolve()
    sources = [Path(source.path) for source in known.runtime.config_sources if source.schema == "file"]
    directories = [directory for directory in sources if directory.resolve() != own]
    # What a multirun adds to find its runs again is no part of what repeats one of them.
    command = [line for line in known.overrides.task if not line.startswith(("sweep.", "study."))]
    command += [line for line in known.overrides.hydra if line.startswith(("hydra.run.dir=", "hydra.searchpath="))]
    command += [f"--config-dir={source.path}" for source in known.runtime.config_sources if source.provider == _BY_FLAG]
    return Received(validated(tree), Path(known.runtime.output_dir), _composer(tuple(reversed(directories))), command)


@cache
def _composer(directories: tuple[Path, ...]) -> Composer:
    """Kept, with all that it has composed: worker processes train many runs."""
    return Composer(directories)


def as_yaml(config: RunConfig) -> str:
    """The resolved configuration, in the keys that the command line takes."""
    return OmegaConf.to_yaml(OmegaConf.create(config.plain()))
