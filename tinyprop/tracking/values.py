"""What a run hands over, in the form that MLflow keeps without cutting, refusing or changing it silently."""

from __future__ import annotations

import hashlib
import json
import math
import posixpath
import re
from collections.abc import Iterator, Mapping

PARAM_LIMIT = 6000
"""Characters of a parameter's value that MLflow keeps (mlflow.utils.validation, MAX_PARAM_VAL_LENGTH)."""
TAG_LIMIT = 8000
NAME_LIMIT = 250
_REFUSED = re.compile(r"[^\w./\- ]")


def flatten(tree: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    """The leaves of nested mappings with their paths joined by dots; an empty mapping is a leaf."""
    for key, value in tree.items():
        path = f"{prefix}{key}"
        if isinstance(value, Mapping) and value:
            yield from flatten(value, f"{path}.")
        else:
            yield path, value


def as_params(tree: Mapping[str, object]) -> tuple[dict[str, str], dict[str, str]]:
    """Parameters as text, and those whose value was too long to be one, in full.

    A long value is replaced by its beginning and its length, so that nobody takes the cut value for the whole.
    """
    params, long = {}, {}
    for path, value in flatten(tree):
        text = as_text(value)
        name = safe_name(path)
        if len(text) > PARAM_LIMIT:
            long[path] = text
            text = f"{text[:100]}… [{len(text)} characters, whole in long_params.json]"
        params[name] = text
    return params, long


def as_text(value: object) -> str:
    """A value as an override on the command line would say it: ``null``, ``true``, ``0.1``, ``[32,16]``."""
    if isinstance(value, str):
        return value
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return json.dumps(value, default=str, separators=(",", ":"), ensure_ascii=False)


def as_tag(value: str) -> str:
    """A tag's value, marked where it had to be cut."""
    return value if len(value) <= TAG_LIMIT else f"{value[: TAG_LIMIT - 40]}… [cut from {len(value)} characters]"


def safe_name(name: str) -> str:
    """A metric's or parameter's name that MLflow accepts.

    Refused characters (``[ ] = @`` and others) become ``_``, and a changed name ends in four digits of its hash, so
    that two names never become one: ``ratio.conv[0]`` is ``ratio.conv_0_-af87``.
    """
    changed = _REFUSED.sub("_", name)
    if changed in ("", ".") or changed.startswith(("/", "..")) or posixpath.normpath(changed) != changed:
        changed = changed.replace("/", "_").replace("..", "__") or "_"
    if changed == name and len(name) <= NAME_LIMIT:
        return name
    return f"{changed[: NAME_LIMIT - 5]}-{hashlib.sha256(name.encode()).hexdigest()[:4]}"
