"""Whether the files of a dataset are there and are what they claim to be."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

FileStatus = Literal["ok", "missing", "damaged"]


@dataclass(frozen=True)
class FileCheck:
    """What was found out about one file; ``detail`` is one clause, such as the checksum that differs."""

    path: Path
    status: FileStatus
    detail: str = ""


def checksum_mismatch(path: Path, checksum: str) -> str | None:
    """Compare a file with ``checksum``, written ``md5:<hex>`` or ``sha256:<hex>``.

    Returns:
        None if they agree, else one clause that says how they differ.
    """
    algorithm, _, expected = checksum.partition(":")
    with path.open("rb") as file:
        found = hashlib.file_digest(file, algorithm).hexdigest()
    return None if found == expected else f"its {algorithm} is {found}, expected {expected}"


def check_file(path: Path, checksum: str) -> FileCheck:
    """Check that ``path`` is a readable file with ``checksum``."""
    try:
        mismatch = checksum_mismatch(path, checksum)
    except FileNotFoundError:
        return FileCheck(path, "missing")
    except OSError as error:
        return FileCheck(path, "damaged", f"cannot be read: {error.strerror}")
    return FileCheck(path, "ok") if mismatch is None else FileCheck(path, "damaged", mismatch)
