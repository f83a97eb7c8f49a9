"""Writing an exported project: whole or not at all, and over an earlier one only where that is untouched."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from tinyprop.errors import RequestError
from tinyprop.replacement import put_in_place

MANIFEST = ".tinyprop-export.json"
_FORMAT = 1


def write(directory: Path, files: Mapping[str, bytes], *, force: bool) -> None:
    """Put files, by their path in it, into a directory that is new or empty.

    Args:
        force: replace what an earlier export has written there; files that are somebody else's stay.

    Raises:
        RequestError: there is something else, or it cannot be written.
    """
    before = require_free(directory, files, force=force)
    directory = directory.resolve()
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{directory.name}.", dir=directory.parent) as workplace:
            new, old = Path(workplace, "new"), Path(workplace, "old")
            for name, content in files.items():
                _write(new / name, content)
            _write(new / MANIFEST, _manifest(files))
            if before is not None:
                _keep_others(directory, new, before)
            put_in_place(directory, new, old)
    except OSError as error:
        raise RequestError(f"--out {directory}: cannot be written ({error.strerror}); choose another") from error


def require_free(directory: Path, files: Mapping[str, bytes] | None, *, force: bool) -> dict[str, str] | None:
    """Refuse a directory that holds what an export must not touch.

    Args:
        files: about to be written; None where they are not known yet.

    Returns:
        What an earlier export has written there, by path, with its SHA-256; None where there is nothing.

    Raises:
        RequestError: says what is in the way.
    """
    if directory.resolve() == Path.cwd():
        raise RequestError(f"--out {directory}: the working directory itself; name a directory in it")
    try:
        found = sorted(path.name for path in directory.iterdir())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise RequestError(f"--out {directory}: not a directory ({error.strerror}); choose another") from error
    if not found:
        return None
    if MANIFEST not in found:
        raise RequestError(
            f"--out {directory}: holds files that no export has written ({_some(found)}); choose another directory"
        )
    if not force:
        raise RequestError(
            f"--out {directory}: holds an earlier export; --force replaces it, or choose another directory"
        )
    before = _recorded(directory)
    changed = [name for name, digest in before.items() if _digest(directory / name) not in (digest, None)]
    taken = [name for name in files or () if name not in before and (directory / name).exists()]
    if changed or taken:
        raise RequestError(
            f"--out {directory}: not what the earlier export wrote: {_some(changed + taken)}; move it away, or choose "
            "another directory"
        )
    return before


def _keep_others(directory: Path, new: Path, before: Mapping[str, str]) -> None:
    """Have what is neither the earlier export's nor its manifest in the new directory too."""
    own = {*before, MANIFEST}

    def exported(folder: str, names: list[str]) -> set[str]:
        inside = Path(folder).relative_to(directory)
        return {name for name in names if (inside / name).as_posix() in own}

    shutil.copytree(directory, new, symlinks=True, ignore=exported, dirs_exist_ok=True)


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def _manifest(files: Mapping[str, bytes]) -> bytes:
    sums = {name: hashlib.sha256(content).hexdigest() for name, content in sorted(files.items())}
    return (json.dumps({"format": _FORMAT, "files": sums}, indent=2) + "\n").encode()


def _recorded(directory: Path) -> dict[str, str]:
    path = directory / MANIFEST
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return {str(name): str(digest) for name, digest in content["files"].items()}
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise RequestError(f"{path}: cannot be read; choose another --out") from error


def _digest(path: Path) -> str | None:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except FileNotFoundError:
        return None
    except OSError:
        return ""


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
