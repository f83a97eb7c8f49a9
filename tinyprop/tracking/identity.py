"""Who a run is: a digest of everything that decides its result."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

_OUTSIDE = (
    ("runs_dir",),  # where results go
    ("tracking",),
    ("study",),  # which other runs there are
    ("sweep",),
    ("cost",),  # what is modelled of it
    ("dataset", "root"),  # where data comes from; what it holds is checked by its fingerprint
    ("trainer", "resume"),  # how a result is come by
    ("trainer", "force"),
    ("backend", "path"),
    ("backend", "time_limit_s"),
)
"""Keys that say where and how, but not what."""


def config_hash(config: Mapping[str, Any]) -> str:
    """Hexadecimal SHA-256 of a configuration, given as nested mappings of JSON values, without paths and procedure."""
    return hashlib.sha256(json.dumps(deciding(config), sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def deciding(config: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of a configuration without paths and procedure: what decides the result."""
    kept: dict[str, Any] = json.loads(json.dumps(config, sort_keys=True))
    for *path, key in _OUTSIDE:
        node = kept
        for part in path:
            node = node.get(part, {})
        node.pop(key, None)
    return kept


def run_name(config: Mapping[str, Any]) -> str:
    """``dataset-model-policy-sSEED-hash``: the name of the run's directory."""
    parts = (config["dataset"]["name"], config["model"]["name"], config["policy"]["name"], f"s{config['seed']}")
    return "-".join((*parts, config_hash(config)[:10]))
