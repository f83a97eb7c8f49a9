"""What a configuration says apart from the seed: the setting that runs must share to be paired, and the policy."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

from tinyprop.tracking.identity import deciding
from tinyprop.tracking.values import as_text, flatten

Keys = Mapping[str, str]
"""A configuration's leaves: paths joined by dots, values as an override would say them."""

ABSENT = "absent"
"""Stands for a key that a configuration lacks: one of another version, or of another policy."""

_OF_A_RUN = ("seed=", "dataset.root=", "runs_dir=")
_SAME_NETWORK = ("torch", "native")
"""Backends on which ``target`` is nothing but what is modelled."""


def setting_of(config: Mapping[str, Any]) -> Keys:
    """All that two runs must have in common for their difference to be the policy's: everything that decides a result
    but the policy and the seed. Whether the test set was evaluated every epoch decides nothing.
    """
    kept = deciding(config)
    seed = kept.pop("seed", None)
    kept.pop("policy", None)
    trainer = kept.get("trainer", {})
    trainer.pop("test_every_epoch", None)
    if trainer.get("init_from"):
        trainer["init_from"] = _without_seed(str(trainer["init_from"]), seed)
    kept["pretrain"] = [line for line in kept.get("pretrain", ()) if not line.startswith(_OF_A_RUN)]
    if kept.get("backend", {}).get("name") in _SAME_NETWORK:
        kept.pop("target", None)
    return dict(_leaves(kept))


def policy_of(config: Mapping[str, Any]) -> Keys:
    """The policy without the seed of its lots. Dense has settings without effect: they are left out."""
    policy = dict(config.get("policy", {}))
    policy.pop("seed", None)
    if policy.get("name") == "dense":
        policy = {"name": "dense"}
    return dict(_leaves(policy))


def differing(settings: Sequence[Keys]) -> list[str]:
    """Keys whose values are not the same in all of them, in the order of their first appearance."""
    keys = dict.fromkeys(key for setting in settings for key in setting)
    return [key for key in keys if len({setting.get(key, ABSENT) for setting in settings}) > 1]


def _leaves(tree: Mapping[str, Any]) -> dict[str, str]:
    return {path: as_text(value) for path, value in flatten(tree)}


def _without_seed(source: str, seed: object) -> str:
    """The name of a run to begin with, without its own seed and hash where that seed is the run's own."""
    return re.sub(rf"-s{seed}-[0-9a-f]{{10}}", "-s…", PurePath(source).name)
