"""The published archives of the DCASE2020 Task 2 development set: Zenodo record 3678171, one ZIP a machine type.

Zenodo publishes an MD5 for each archive and none for the clips in it. So a downloaded archive is checked by its MD5,
and what it holds is written to ``<machine>/archive.json``: names, sizes and CRC-32, by which clips are verified later.
"""

from __future__ import annotations

import json
import os
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

from tinyprop.datasets.dcase_clips import MACHINES, Machine, find_clips, machine_directory
from tinyprop.datasets.remote import RemoteFile, Source, missing_files
from tinyprop.datasets.verification import FileCheck, checksum_mismatch
from tinyprop.errors import DataError
from tinyprop.progress import SILENT, Progress

if TYPE_CHECKING:
    Contents = dict[str, tuple[int, int]]  # member name → size in bytes, CRC-32

RECORD = "https://zenodo.org/records/3678171"
CONTENTS = "archive.json"
_UNPACKED_LIMIT = 10_000_000_000  # bytes; the largest archive unpacks to about 2.3 GB


def _remote(machine: str, md5: str, size: int) -> RemoteFile:
    name = f"dev_data_{machine}.zip"
    return RemoteFile(name, (f"{RECORD}/files/{name}?download=1",), f"md5:{md5}", size)


# MD5 as Zenodo lists them. The last two sizes are rounded: sizes only serve progress and the check for disk space.
ARCHIVES: dict[str, RemoteFile] = {
    "fan": _remote("fan", "649bdfc06263ae7a838963f43b6641e6", 1_354_774_772),
    "pump": _remote("pump", "90e7091ef722b7238a7f1009365779cd", 1_031_279_015),
    "slider": _remote("slider", "da24a757719f0d94d5aa2d646bbfdc86", 1_002_998_966),
    "ToyCar": _remote("ToyCar", "4dec75ca8d9f666aa9e4c1894a740501", 1_816_443_231),
    "ToyConveyor": _remote("ToyConveyor", "03b6aa1bfd09a39d53af0ba39f71fa91", 1_500_000_000),
    "valve": _remote("valve", "34d2672f55bb041589ef79c10dc89934", 1_000_000_000),
}


def obtain(root: str, machine: Machine, source: Source, progress: Progress = SILENT) -> Path:
    """The folder of a machine type with clips in it: what is there, or downloaded, as ``source`` says.

    Raises:
        DataError: there are no clips and they cannot be downloaded.
    """
    directory = machine_directory(root, machine)
    if source == "download":
        fetch(root, progress, (machine,))
    elif not _has_clips(directory) or _unfinished(directory).exists():
        if source == "local":
            _require_archive(directory)
        fetch(root, progress, (machine,))
    return directory


def fetch(root: str, progress: Progress = SILENT, machines: Sequence[str] = MACHINES) -> None:
    """Download and unpack what is missing or damaged; clips that are not in the archive are left alone.

    Raises:
        DataError: an archive cannot be had or unpacked.
    """
    for machine in machines:
        directory = machine_directory(root, machine)
        if _is_complete(directory, progress):
            continue
        try:
            directory.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(directory.parent / f".{machine}.lock"):
                if not _is_complete(directory, progress):
                    _download_and_unpack(machine, directory, progress)
        except OSError as error:
            raise DataError(
                f"{directory}: cannot be written: {error}; choose another folder by dataset.root=…"
            ) from error


def verify(root: str, progress: Progress = SILENT, machines: Sequence[str] | None = None) -> list[FileCheck]:
    """Check the clips: one result for a machine type that is well, one for each file that is not.

    Clips from an archive that was downloaded by `fetch` are compared with its contents; others, having no published
    checksum, are read and must be whole 16 kHz mono recordings.

    Args:
        machines: None for those that are there.
    """
    present = [machine for machine in MACHINES if _has_clips(machine_directory(root, machine))]
    checks: list[FileCheck] = []
    for machine in present if machines is None else machines:
        directory = machine_directory(root, machine)
        if machine not in present:
            checks.append(FileCheck(directory, "missing", "no clips"))
            continue
        contents = _recorded_contents(directory)
        if contents is None:
            bad, detail = (
                _unreadable(directory, progress),
                "every clip is whole, 16 kHz, mono; no checksums to compare with",
            )
        else:
            bad, detail = _damaged(directory, contents, progress), f"{len(contents)} files as in the archive (CRC-32)"
        checks += bad or [FileCheck(directory, "ok", detail)]
    if not checks:
        checks.append(FileCheck(machine_directory(root, "<machine>"), "missing", "no clips of any machine type"))
    return checks


def _require_archive(directory: Path) -> None:
    """Without clips and without network there must be the published archive, whole, to be unpacked."""
    file = ARCHIVES[directory.name]
    archive = directory.parent / file.name
    if not archive.exists():
        raise missing_files("dcase", directory, ["train/*.wav", "test/*.wav"], [RECORD])
    mismatch = checksum_mismatch(archive, file.checksum)
    if mismatch is not None:
        raise DataError(f"{archive}: not the published archive ({mismatch}); get it anew from {file.urls[0]}")


def _is_complete(directory: Path, progress: Progress) -> bool:
    contents = _recorded_contents(directory)
    return contents is not None and not _unfinished(directory).exists() and not _damaged(directory, contents, progress)


def _download_and_unpack(machine: str, directory: Path, progress: Progress) -> None:
    from tinyprop.datasets.download import download
    from tinyprop.datasets.unpack import unpack

    target = directory.parent
    brought_by_hand = (target / ARCHIVES[machine].name).exists()
    archive = download("dcase", ARCHIVES[machine], target, progress)
    contents = _archive_contents(archive, machine)
    unfinished = _unfinished(directory)
    unfinished.touch()  # until the contents are written: a process that is killed in between leaves no half set behind
    unpack(archive, target, limit_bytes=_UNPACKED_LIMIT, progress=progress)
    writing = directory / f".{CONTENTS}-{os.getpid()}"
    writing.write_text(json.dumps(contents, indent=0) + "\n")
    os.replace(writing, directory / CONTENTS)
    unfinished.unlink(missing_ok=True)
    if not brought_by_hand:
        archive.unlink(missing_ok=True)


def _unfinished(directory: Path) -> Path:
    return directory.parent / f".{directory.name}.unfinished"


def _has_clips(directory: Path) -> bool:
    return any(True for split in ("train", "test") for _ in (directory / split).glob("[!.]*.wav"))


def _archive_contents(archive: Path, machine: str) -> Contents:
    try:
        with zipfile.ZipFile(archive) as opened:
            members = {
                member.filename: (member.file_size, member.CRC) for member in opened.infolist() if not member.is_dir()
            }
    except (OSError, zipfile.BadZipFile) as error:
        raise DataError(f"{archive}: cannot be unpacked ({error}); delete it") from error
    contents = {
        name.removeprefix(f"{machine}/"): facts for name, facts in members.items() if name.startswith(f"{machine}/")
    }
    if not contents:
        raise DataError(f"{archive}: has no folder {machine}/; it is not the expected archive")
    return contents


def _recorded_contents(directory: Path) -> Contents | None:
    try:
        recorded = json.loads((directory / CONTENTS).read_text())
        return {str(name): (int(size), int(crc)) for name, (size, crc) in recorded.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return None


def _damaged(directory: Path, contents: Contents, progress: Progress) -> list[FileCheck]:
    bad = []
    with progress.task(f"verifying {directory.name}", len(contents), "files") as advance:
        for name, (size, crc) in contents.items():
            path = directory / name
            try:
                content = path.read_bytes()
            except FileNotFoundError:
                bad.append(FileCheck(path, "missing"))
            except OSError as error:
                bad.append(FileCheck(path, "damaged", f"cannot be read: {error.strerror}"))
            else:
                if len(content) != size:
                    bad.append(FileCheck(path, "damaged", f"{len(content)} bytes, expected {size}"))
                elif zlib.crc32(content) != crc:
                    bad.append(FileCheck(path, "damaged", "its CRC-32 is not that of the archive"))
            advance(1)
    return bad


def _unreadable(directory: Path, progress: Progress) -> list[FileCheck]:
    from tinyprop.features.audio import read_clip

    clips = find_clips(directory)
    bad = []
    with progress.task(f"verifying {directory.name}", len(clips), "clips") as advance:
        for clip in clips:
            try:
                read_clip(clip.path)
            except DataError as error:
                bad.append(FileCheck(clip.path, "damaged", str(error).removeprefix(f"{clip.path}: ")))
            advance(1)
    return bad
