"""From a composed tree to the typed configuration of one run."""

from __future__ import annotations

from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException
from pydantic import ValidationError

from tinyprop.config.problems import first_line, of_validation, raise_all
from tinyprop.config.schema import RunConfig
from tinyprop.errors import RequestError


def validated(tree: DictConfig) -> RunConfig:
    """The typed configuration of a composed tree.

    Raises:
        RequestError: with every refused value.
    """
    try:
        values = OmegaConf.to_container(without_hydra(tree), resolve=True, throw_on_missing=False)
    except OmegaConfBaseException as error:
        raise RequestError(first_line(error)) from error
    missing = [
        f"{key}: a value is required, as in {key}=…" for key in sorted(OmegaConf.missing_keys(without_hydra(tree)))
    ]
    raise_all(missing)
    try:
        return RunConfig.model_validate(values)
    except ValidationError as error:
        raise_all(of_validation(error))
        raise


def without_hydra(tree: DictConfig) -> DictConfig:
    """The tree without Hydra's node."""
    if "hydra" not in tree:
        return tree
    copy = tree.copy()
    with open_dict(copy):
        copy.pop("hydra")
    return copy
