"""Building the C engine for this machine.

    python -m tinyprop.engine.compile

builds it in place, beside this file, with the compiler that ``CC`` names, or else cc, gcc or clang. Installing the
package does the same where there is a compiler. This module needs the standard library only, since the installation
uses it before anything else is there.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

SOURCES = Path(__file__).parent / "c"
DIRECTORY = Path(__file__).parent / "lib"
FLAGS = (
    *("-std=gnu11", "-O3", "-ffp-contract=off", "-fno-math-errno", "-fPIC", "-shared"),
    *("-DTP_HOST", "-DTP_OBSERVED"),
)
"""No multiply-add is fused: all builds, and the microcontrollers, are to compute the same bits."""

_TIME_LIMIT = 300
_SUFFIX = ".dll" if sys.platform == "win32" else ".so"


class CompileError(Exception):
    """The engine could not be built; the message says why and what to do."""


def build(directory: Path = DIRECTORY) -> list[Path]:
    """Build the engine for every kind of processor that this one's family has, and remove older builds.

    Returns:
        The libraries. The first is the one that runs on all of the family.

    Raises:
        CompileError: there is no compiler, or it fails.
    """
    compiler = find_compiler()
    first, *others = variants()
    built = [_build(compiler, first, directory)]
    for variant in others:
        try:
            built.append(_build(compiler, variant, directory))
        except CompileError:
            continue  # an older compiler that does not know this kind of processor
    for old in directory.glob(f"tinyprop-*{_SUFFIX}"):
        if old not in built:
            old.unlink(missing_ok=True)
    return built


def find_compiler() -> list[str]:
    """The command that compiles C.

    Raises:
        CompileError: there is none.
    """
    chosen = os.environ.get("CC", "").strip()
    for candidate in [chosen] if chosen else ["cc", "gcc", "clang"]:
        try:
            command = shlex.split(candidate)
        except ValueError as error:
            raise CompileError(f"CC={chosen}: {error}; name a C compiler, or unset CC") from error
        if command and shutil.which(command[0]) is not None:
            return command
    if chosen:
        raise CompileError(f"CC={chosen}: no such command; name a C compiler, or unset CC")
    raise CompileError("there is no C compiler (looked for cc, gcc and clang): install one, or name one in CC")


def variants() -> tuple[str, ...]:
    """The kinds of processors to build for, as `library_path` names them; each runs whatever the ones before run."""
    machine = platform.machine().lower()
    if machine in ("x86_64", "amd64") and sys.maxsize > 2**32:
        return ("x86-64", "x86-64-v3", "x86-64-v4")
    return (machine or "unknown",)


def library_path(variant: str, directory: Path = DIRECTORY) -> Path:
    """Where the build for a kind of processor is; its name tells the sources that it was made of."""
    return directory / f"tinyprop-{variant}-{digest()}{_SUFFIX}"


@cache
def digest() -> str:
    """Ten hexadecimal digits that stand for the sources and the flags."""
    hasher = hashlib.sha256(" ".join(FLAGS).encode())
    for path in sorted(path for path in SOURCES.rglob("*") if path.suffix in (".c", ".h")):
        hasher.update(f"\n{path.relative_to(SOURCES).as_posix()}\n".encode())
        hasher.update(path.read_bytes())
    return hasher.hexdigest()[:10]


def _build(compiler: list[str], variant: str, directory: Path) -> Path:
    sources = sorted(map(str, SOURCES.rglob("*.c")))
    architecture = [f"-march={variant}"] if variant.startswith("x86-64") else []
    path = library_path(variant, directory)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=directory) as workplace:
            unfinished = Path(workplace) / path.name
            command = [*compiler, *FLAGS, *architecture, *sources, "-o", str(unfinished)]
            ended = subprocess.run(command, capture_output=True, text=True, timeout=_TIME_LIMIT)
            if ended.returncode != 0:
                raise CompileError(f"{shlex.join(compiler)} failed: {_first_error(ended.stderr)}")
            os.replace(unfinished, path)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CompileError(f"building {path} with {shlex.join(compiler)}: {error}") from error
    return path


def _first_error(messages: str) -> str:
    lines = [line.strip() for line in messages.splitlines() if line.strip()]
    return next((line for line in lines if "error" in line), lines[0] if lines else "it said nothing")


def main() -> int:
    """Build in place and say what was built."""
    try:
        built = build()
    except CompileError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    for path in built:
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
