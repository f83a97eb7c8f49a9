"""Files that are published elsewhere: what to call them, where to get them, how to know them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tinyprop.errors import DataError

Source = Literal["auto", "local", "download", "synthetic"]
"""Where samples come from: ``auto`` reads local files and downloads those that are missing, ``local`` never downloads,
``download`` also replaces damaged files, ``synthetic`` generates data in the same files and layout."""


@dataclass(frozen=True)
class RemoteFile:
    """A published file.

    Attributes:
        name: its name on disk.
        urls: mirrors, the preferred one first.
        checksum: ``md5:<hex>`` or ``sha256:<hex>``.
        size: bytes, for display and for free disk space; the checksum decides.
    """

    name: str
    urls: tuple[str, ...]
    checksum: str
    size: int


def missing_files(
    dataset: str, directory: Path, missing: Sequence[str], origin: Sequence[str], failures: Sequence[str] = ()
) -> DataError:
    """The error for files that are neither there nor to be had: what, from where, where to put them, what else works.

    Args:
        dataset: the name that `tinyprop data fetch` and `dataset=` know it by.
        missing: names of the files, relative to ``directory``.
        origin: addresses that they are published at.
        failures: one line for each mirror that was tried, with the reason.
    """
    lines = [f"{dataset}: missing in {directory}: {', '.join(missing)}"]
    lines += [f"  published at {address}" for address in origin]
    lines += [f"  tried {failure}" for failure in failures]
    lines += [
        f"  put what is missing into {directory} (dataset.root=… names another folder),",
        f"  or run `tinyprop data fetch {dataset}` where there is a network;",
        "  without a network: `tinyprop train dataset=digits`"
        f" or `tinyprop train dataset={dataset} dataset.source=synthetic`",
    ]
    return DataError("\n".join(lines))
