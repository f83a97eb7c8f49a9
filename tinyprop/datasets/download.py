"""Downloading: resumable, over several mirrors, verified, and in place only when whole."""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from filelock import FileLock

from tinyprop import __version__
from tinyprop.datasets.remote import RemoteFile, missing_files
from tinyprop.datasets.verification import checksum_mismatch
from tinyprop.errors import DataError
from tinyprop.progress import SILENT, Advance, Progress

_CHUNK = 1 << 16
_TIMEOUT_S = 20.0
_ATTEMPTS = 5  # for each mirror; a further one is made only if the last one brought new bytes


def download(
    dataset: str,
    file: RemoteFile,
    directory: Path,
    progress: Progress = SILENT,
    *,
    also_missing: Sequence[str] = (),
) -> Path:
    """Download ``file`` into ``directory`` and verify it, replacing what has its name there.

    An interrupted download leaves ``<name>.part`` and is resumed by the next one, from whichever mirror. Processes
    that want the same file take turns, and the later ones find it done.

    Args:
        dataset: the dataset's name, for the error's advice.
        also_missing: names of the files that are wanted next, so that the error names them all.

    Raises:
        DataError: no mirror delivered the file (the message has each one's reason, and what to do for ``dataset``
            instead), the directory cannot be written, or the disk is too small.
    """
    target = directory / file.name
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with FileLock(directory / f".{file.name}.lock"):
            if target.is_file() and checksum_mismatch(target, file.checksum) is None:
                return target
            part = directory / f"{file.name}.part"
            _require_space(file, part)
            failures = []
            for url in file.urls:
                try:
                    _from_mirror(url, file, part, progress)
                except _MirrorError as error:
                    failures.append(f"{url}: {error}")
                else:
                    os.replace(part, target)
                    return target
            raise missing_files(dataset, directory, [file.name, *also_missing], (), failures)
    except OSError as error:
        raise DataError(
            f"{target}: cannot be written: {error}; free some space or choose another folder by dataset.root=…"
        ) from error


class _MirrorError(Exception):
    """Why a mirror did not deliver."""


def _require_space(file: RemoteFile, part: Path) -> None:
    wanted = file.size - (part.stat().st_size if part.exists() else 0)
    free = shutil.disk_usage(part.parent).free
    if wanted > free:
        raise OSError(errno.ENOSPC, f"{wanted / 1e6:.0f} MB wanted, {free / 1e6:.0f} MB free", str(part.parent))


def _from_mirror(url: str, file: RemoteFile, part: Path, progress: Progress) -> None:
    """Complete and verify ``part`` from one mirror, going on after interruptions while they bring new bytes."""
    resumed = part.exists()
    for attempt in range(_ATTEMPTS):
        before = part.stat().st_size if part.exists() else 0
        try:
            _transfer(url, file, part, progress)
            break
        except _MirrorError:
            gained = part.exists() and part.stat().st_size > before
            if not gained or attempt == _ATTEMPTS - 1:
                raise
    mismatch = checksum_mismatch(part, file.checksum)
    if mismatch is None:
        return
    part.unlink()
    if resumed:  # the beginning may have been the bad half
        _from_mirror(url, file, part, progress)
    else:
        raise _MirrorError(f"wrong content ({mismatch})")


def _transfer(url: str, file: RemoteFile, part: Path, progress: Progress) -> None:
    offset = part.stat().st_size if part.exists() else 0
    with _response(url, offset) as response:
        if response is None:  # the server says that nothing follows after offset: whole, or longer than it should be
            return
        if response.status == 206:
            if not re.match(rf"bytes {offset}-", response.headers.get("Content-Range", "")):
                raise _MirrorError("answered another range than asked for")
        else:
            offset = 0  # the server cannot resume and sends the whole file
        length = response.headers.get("Content-Length", "")
        total = offset + int(length) if length.isdigit() else None
        with progress.task(f"downloading {file.name}", total or file.size, "B") as advance:
            advance(offset)
            received = offset + _receive(response, part, offset, advance)
        if total is not None and received < total:
            raise _MirrorError(f"the connection ended after {received} of {total} bytes")


def _receive(response: HTTPResponse, part: Path, offset: int, advance: Advance) -> int:
    received = 0
    with part.open("r+b" if offset else "wb") as output:
        output.seek(offset)
        while True:
            try:
                chunk = response.read1(_CHUNK)
            except (OSError, HTTPException) as error:
                raise _MirrorError(
                    f"the connection broke after {offset + received} bytes ({_reason(error)})"
                ) from error
            if not chunk:
                return received
            output.write(chunk)
            received += len(chunk)
            advance(len(chunk))


@contextmanager
def _response(url: str, offset: int) -> Iterator[HTTPResponse | None]:
    headers = {"User-Agent": f"tinyprop/{__version__}", "Accept-Encoding": "identity"}
    if offset:
        headers["Range"] = f"bytes={offset}-"
    try:
        response = urlopen(Request(url, headers=headers), timeout=_TIMEOUT_S)
    except HTTPError as error:
        error.close()
        if error.code == 416 and offset:
            yield None
            return
        raise _MirrorError(f"HTTP status {error.code} {error.reason}") from error
    except (OSError, HTTPException) as error:
        raise _MirrorError(_reason(error)) from error
    with response:
        yield response


def _reason(error: Exception) -> str:
    if isinstance(error, URLError):
        error = error.reason if isinstance(error.reason, Exception) else error
    return str(error) or type(error).__name__
