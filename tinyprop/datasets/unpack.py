"""Unpacking archives that came from elsewhere: plain files only, inside the target only, no more than announced."""

from __future__ import annotations

import os
import shutil
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple

from tinyprop.errors import DataError
from tinyprop.progress import SILENT, Progress

_CHUNK = 1 << 20


class _Member(NamedTuple):
    name: str
    size: int
    entry: zipfile.ZipInfo | tarfile.TarInfo


def unpack(archive: Path, into: Path, *, limit_bytes: int, progress: Progress = SILENT) -> list[Path]:
    """Unpack a .zip or .tar(.gz, .bz2, .xz) into a directory, replacing files of the same name there.

    Everything is unpacked aside first and moved at the end, so a damaged archive leaves nothing behind.

    Args:
        limit_bytes: what the unpacked files may take together; a bound well above the true size stops archive bombs.

    Returns:
        The unpacked files.

    Raises:
        DataError: the archive is damaged, larger than ``limit_bytes``, or has a member that would land outside of
            ``into`` or is not a plain file or directory; or the disk is full or not writable.
    """
    try:
        into.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=".unpacking-", dir=into))
        try:
            with _opened(archive) as opened:
                members = _checked(archive, _members(archive, opened), limit_bytes)
                total = sum(member.size for member in members)
                with progress.task(f"unpacking {archive.name}", total, "B") as advance:
                    for member in members:
                        with _content(opened, member) as source:
                            advance(_write(source, staging / member.name, member, archive))
            unpacked = []
            for member in members:
                (into / member.name).parent.mkdir(parents=True, exist_ok=True)
                os.replace(staging / member.name, into / member.name)
                unpacked.append(into / member.name)
            return unpacked
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, zlib.error, RuntimeError, NotImplementedError) as error:
        raise DataError(f"{archive}: cannot be unpacked, it is damaged or cut ({error}); delete it") from error
    except OSError as error:
        raise DataError(f"{archive}: cannot be unpacked into {into}: {error}") from error


Opened = zipfile.ZipFile | tarfile.TarFile


@contextmanager
def _opened(archive: Path) -> Iterator[Opened]:
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as opened_zip:
            yield opened_zip
    else:
        with tarfile.open(archive) as opened_tar:
            yield opened_tar


def _members(archive: Path, opened: Opened) -> Iterator[_Member]:
    """Yield the plain files of an archive, lazily, so that an endless directory of contents is never read whole."""
    if isinstance(opened, zipfile.ZipFile):
        for info in opened.infolist():
            kind = info.external_attr >> 28  # upper bits of the Unix mode: 8 plain file, 4 directory, 0 not given
            if info.is_dir():
                continue
            if kind not in (0, 8):
                raise _refused(archive, info.filename, "is a link or a device")
            yield _Member(info.filename, info.file_size, info)
    else:
        for entry in opened:
            if entry.isdir():
                continue
            if not entry.isreg():
                raise _refused(archive, entry.name, "is a link or a device")
            yield _Member(entry.name, entry.size, entry)


def _checked(archive: Path, members: Iterator[_Member], limit_bytes: int) -> list[_Member]:
    accepted: dict[PurePosixPath, _Member] = {}
    total = 0
    for member in members:
        path = PurePosixPath(member.name)
        if path.is_absolute() or ".." in path.parts or not path.parts or set(member.name) & set("\\:\0"):
            raise _refused(archive, member.name, "would land outside of the target")
        if path in accepted:
            raise _refused(archive, member.name, "occurs twice")
        total += member.size
        if total > limit_bytes:
            raise DataError(
                f"{archive}: refused, it unpacks to more than {limit_bytes} bytes; it is not the expected archive"
            )
        accepted[path] = member
    return list(accepted.values())


def _content(opened: Opened, member: _Member) -> IO[bytes]:
    if isinstance(opened, zipfile.ZipFile):
        assert isinstance(member.entry, zipfile.ZipInfo)
        return opened.open(member.entry)
    assert isinstance(member.entry, tarfile.TarInfo)
    content = opened.extractfile(member.entry)
    assert content is not None  # only a plain file gets here
    return content


def _write(source: IO[bytes], target: Path, member: _Member, archive: Path) -> int:
    target.parent.mkdir(parents=True, exist_ok=True)
    written = 0
    with target.open("wb") as file:
        while chunk := source.read(_CHUNK):
            written += len(chunk)
            if written > member.size:
                break
            file.write(chunk)
    if written != member.size:
        raise DataError(f"{archive}: {member.name} has another size than announced; delete the archive")
    return written


def _refused(archive: Path, name: str, reason: str) -> DataError:
    return DataError(f"{archive}: refused, because its member {name!r} {reason}; nothing was unpacked")
