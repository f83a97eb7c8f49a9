"""What the configuration tree may compute: ``${run_name:}`` and ``${engine_or_torch:}``.

Importing this module registers both, because worker processes compose configurations before any code of ours is called.
"""

from __future__ import annotations

from omegaconf import DictConfig, OmegaConf

from tinyprop.config.validation import validated
from tinyprop.engine import library
from tinyprop.errors import RequestError


def _run_name(*, _root_: DictConfig) -> str:
    """What run directories are named by."""
    return validated(_root_).run_name


def engine_or_torch() -> str:
    """The backend of studies: the C engine where this machine has it."""
    try:
        library.find()
    except RequestError:
        return "torch"
    return "native"


OmegaConf.register_new_resolver("run_name", _run_name, replace=True)
OmegaConf.register_new_resolver("engine_or_torch", engine_or_torch, replace=True)
