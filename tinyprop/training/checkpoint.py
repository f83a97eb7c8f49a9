"""Checkpoints: written whole or not at all, and read without executing anything that they hold."""

from __future__ import annotations

import hashlib
import os
import pickle
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tinyprop.errors import DataError, RequestError

FILE_NAME = "checkpoint.pt"
_FORMAT = 1


def save(path: Path, content: dict[str, Any]) -> None:
    """Write ``content`` (tensors, numbers, strings, lists, dicts) so that ``path`` is always a whole checkpoint."""
    unfinished = path.with_name(f"{path.name}.unfinished")
    with unfinished.open("wb") as file:
        torch.save({"format": _FORMAT, **content}, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(unfinished, path)


def load(path: Path) -> dict[str, Any]:
    """Read what `save` wrote.

    Raises:
        DataError: the file is damaged, or no checkpoint of ours.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
        if damaged is not None:
            raise zipfile.BadZipFile(f"{damaged} in it is damaged")
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise _unreadable(path, "it holds more than tensors, numbers and text") from error
    except _DAMAGE as error:
        raise _unreadable(path, (str(error).strip() or type(error).__name__).splitlines()[0]) from error
    if not isinstance(content, dict) or content.get("format") != _FORMAT:
        raise DataError(f"{path}: not a tinyprop checkpoint of format {_FORMAT}; delete it to begin anew")
    return content


def initial_weights(source: str, runs_dir: Path) -> dict[str, Tensor]:
    """The weights behind ``trainer.init_from``: a checkpoint, a run directory, or the name of one in ``runs_dir``.

    Raises:
        RequestError: there is no such thing, naming where it was looked for.
    """
    candidates = (Path(source), Path(source) / FILE_NAME, runs_dir / source / FILE_NAME)
    for candidate in candidates:
        if candidate.is_file():
            weights: dict[str, Tensor] = load(candidate)["weights"]
            return weights
    raise RequestError(
        f"trainer.init_from={source}: no checkpoint is there; give a run directory, the name of one in {runs_dir}, "
        f"or a checkpoint file (looked for {', '.join(map(str, candidates))})"
    )


def digest(weights: dict[str, Tensor]) -> str:
    """Hexadecimal SHA-256 of weights by name."""
    hasher = hashlib.sha256()
    for name, value in sorted(weights.items()):
        hasher.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        hasher.update(value.contiguous().numpy().tobytes())
    return hasher.hexdigest()


_DAMAGE = (
    *(OSError, EOFError, RuntimeError, ValueError, LookupError, TypeError, AttributeError),
    *(struct.error, zipfile.BadZipFile, zlib.error),
)
"""What reading a damaged file raises, depending on where the damage is."""


def _unreadable(path: Path, reason: str) -> DataError:
    return DataError(f"{path}: not a checkpoint that can be read ({reason}); delete it to begin anew")
