"""What there is to choose from: every dataset, its origin, licence and place, for `tinyprop data`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from tinyprop.datasets.verification import FileCheck
from tinyprop.progress import SILENT, Progress

State = Literal["built in", "yours", "missing", "partial", "present", "complete"]


@dataclass(frozen=True)
class Entry:
    """A dataset as a person chooses it.

    Attributes:
        folder: where its files are looked for, under the root; empty if it has none there.
        size: of its download and what it holds.
    """

    name: str
    what: str
    size: str
    licence: str
    folder: str = ""
    state_without_files: Literal["built in", "yours"] = "built in"


ENTRIES = {
    entry.name: entry
    for entry in (
        Entry("digits", "digits, 8×8 grey", "1797 images", "CC BY 4.0"),
        Entry("mnist", "digits, 28×28 grey", "70000 images, 12 MB", "CC BY-SA 3.0", "mnist"),
        Entry("cifar10", "photos, 32×32 colour", "60000 images, 170 MB", "none stated", "cifar10"),
        Entry("dcase", "machine sounds, normal or anomalous", "1–2 GB a machine", "CC BY-NC-SA 4.0", "dcase2020_task2"),
        Entry("dcase_ae", "the same, for an autoencoder", "as dcase", "CC BY-NC-SA 4.0", "dcase2020_task2"),
        Entry("folder", "your clips, a folder a class", "", "", state_without_files="yours"),
        Entry("arrays", "your .npz with x and y", "", "", state_without_files="yours"),
    )
}


def state(entry: Entry, root: str) -> State:
    """Whether the files are there, at a glance: `verify` reads them, this only looks for them.

    The clips of ``dcase`` are ``complete`` for machine types that were fetched; ``present`` are clips of every type
    that came by another way, where nobody knows how many there should be.
    """
    if not entry.folder:
        return entry.state_without_files
    if entry.folder == "dcase2020_task2":
        return _state_of_clips(root)
    from tinyprop.datasets import cifar10, mnist

    found, expected = (mnist if entry.folder == "mnist" else cifar10).present(root)
    return "missing" if found == 0 else "complete" if found == expected else "partial"


def fetch(entry: Entry, root: str, machines: Sequence[str], progress: Progress = SILENT) -> None:
    """Download what is missing or damaged; ``machines`` counts for ``dcase`` and ``dcase_ae`` only.

    Raises:
        DataError: it cannot be downloaded or written.
    """
    if entry.folder == "mnist":
        from tinyprop.datasets import mnist

        mnist.fetch(root, progress)
    elif entry.folder == "cifar10":
        from tinyprop.datasets import cifar10

        cifar10.fetch(root, progress)
    elif entry.folder:
        from tinyprop.datasets import dcase_archives

        dcase_archives.fetch(root, machines=machines, progress=progress)


def verify(
    entry: Entry, root: str, machines: Sequence[str] | None = None, progress: Progress = SILENT
) -> list[FileCheck]:
    """Read and check every file; empty for a dataset without files of its own.

    Args:
        machines: the machine types of ``dcase`` to check, None for those that are there.
    """
    if entry.folder == "mnist":
        from tinyprop.datasets import mnist

        return mnist.verify(root)
    if entry.folder == "cifar10":
        from tinyprop.datasets import cifar10

        return cifar10.verify(root)
    if entry.folder:
        from tinyprop.datasets import dcase_archives

        return dcase_archives.verify(root, machines=machines, progress=progress)
    return []


def _state_of_clips(root: str) -> State:
    from tinyprop.datasets.dcase_archives import CONTENTS
    from tinyprop.datasets.dcase_clips import MACHINES, machine_directory

    directories = [machine_directory(root, machine) for machine in MACHINES]
    if all((directory / CONTENTS).exists() for directory in directories):
        return "complete"
    found = sum(any(True for _ in directory.glob("t*/*.wav")) for directory in directories)
    return "missing" if found == 0 else "present" if found == len(directories) else "partial"
