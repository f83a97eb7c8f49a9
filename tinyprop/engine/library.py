"""The engine's library on this machine: the build that suits the processor, or what to do where there is none."""

from __future__ import annotations

import ctypes
from functools import cache
from pathlib import Path

from tinyprop.errors import RequestError

REBUILD = "python -P -m tinyprop.engine.compile"
"""-P, since otherwise Python would take the package that lies in the working directory for the installed one."""
_ADDED = {
    "x86-64-v3": {"avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe"},
    "x86-64-v4": {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"},
}
"""What each level of x86-64 adds to the one before (System V ABI for AMD64, section 3.1.1), as Linux names it."""


@cache
def load(variant: str | None = None) -> ctypes.CDLL:
    """The engine, loaded once.

    Args:
        variant: which build, of `compile.variants`; None takes the best that this processor runs.

    Raises:
        RequestError: it is not there, was built from other sources, or cannot be loaded; says what to do.
    """
    from tinyprop.engine import compile  # here, so that it can be run as a program without being loaded before

    path = find() if variant is None else compile.library_path(variant)
    try:
        return ctypes.CDLL(str(path))
    except OSError as error:
        raise RequestError(f"the C engine cannot be loaded ({error}); build it anew: {REBUILD}") from error


def find() -> Path:
    """The build that `load` takes.

    Raises:
        RequestError: as of `load`.
    """
    from tinyprop.engine import compile

    candidates = [compile.library_path(variant) for variant in reversed(compile.variants()) if runs_here(variant)]
    for path in candidates:
        if path.exists():
            return path
    if any(compile.DIRECTORY.glob("tinyprop-*")):
        raise RequestError(f"the C engine was built from other sources than those that are here; run: {REBUILD}")
    try:
        compile.find_compiler()
    except compile.CompileError as error:
        raise RequestError(f"the C engine is not built, and {error}; then run: {REBUILD}") from error
    raise RequestError(f"the C engine is not built in {compile.DIRECTORY}; run: {REBUILD}")


def runs_here(variant: str) -> bool:
    """Whether this processor can do all that a build may make use of."""
    levels = list(_ADDED)
    needed = levels[: levels.index(variant) + 1] if variant in _ADDED else []
    return all(_processor_flags() >= _ADDED[level] for level in needed)


@cache
def _processor_flags() -> set[str]:
    """What the processor can do and Linux lets it; nothing is known on other systems."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return set()
    return next((set(line.split()[2:]) for line in lines if line.startswith("flags")), set())
