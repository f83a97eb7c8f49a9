"""Building the firmware images: ``python -m tinyprop.engine.build_images``.

They are built by the clang of the ``ziglang`` package, so that anyone gets the same bytes from any directory and any
system: ``pip install 'tinyprop[firmware]'``.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from tinyprop.engine.images import CORES, ENGINE, IMAGES, SUMS, Core, sources, stale, sums

COMPILER = "0.17.1"
"""The version of ziglang that the images are made with; another one makes other code."""

_FLAGS = (
    *("-std=c99", "-O2", "-ffreestanding", "-ffp-contract=off", "-fno-math-errno", "-DTP_MARKED"),
    "-fomit-frame-pointer",
    *("-g0", "-fno-unwind-tables", "-fno-asynchronous-unwind-tables", "-ffunction-sections", "-fdata-sections"),
    *("-Wall", "-Wextra", "-Werror", "-Ifirmware/include"),
    *("-T", "firmware/link.ld", "-e", "Reset_Handler"),
    *("-Wl,--gc-sections", "-Wl,-z,max-page-size=4"),
)


def main(arguments: list[str]) -> int:
    """Build all images, or with ``--check`` compare them with those that are there; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tinyprop.engine.build_images", description=__doc__)
    parser.add_argument("--check", action="store_true", help="build into a temporary directory and compare")
    check = parser.parse_args(arguments).check
    found = compiler()
    if found != COMPILER:
        print(f"error: needs ziglang=={COMPILER}, found {found}: pip install 'tinyprop[firmware]'", file=sys.stderr)
        return 1
    if check:
        different = differing()
        print("\n".join(f"differs: {name}" for name in different) or "all images are those of the sources")
        return 1 if different else 0
    build_all(IMAGES)
    for core in CORES.values():
        print(f"{core.path.stat().st_size:6} bytes  {core.path.name}")
    lines = [f"{digest}  {name}\n" for name, digest in sums().items()]
    (IMAGES / SUMS).write_text("".join(lines), encoding="utf-8")
    return 0


def compiler() -> str | None:
    """The version of ziglang that is installed."""
    try:
        return version("ziglang")
    except PackageNotFoundError:
        return None


def build_all(directory: Path) -> None:
    """Compile and link every image, several at a time.

    Raises:
        subprocess.CalledProcessError: as of `build`.
    """
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(lambda core: build(core, directory / core.path.name), CORES.values()))


def build(core: Core, image: Path) -> None:
    """Compile and link one image.

    Raises:
        subprocess.CalledProcessError: the compiler refuses; it has said why on standard error.
    """
    abi = "eabihf" if core.fpu else "eabi"
    files = [path.relative_to(ENGINE).as_posix() for path in sources() if path.suffix == ".c"]
    command = [sys.executable, "-m", "ziglang", "cc", "-target", f"thumb-freestanding-{abi}", f"-mcpu={core.cpu}"]
    # Relative paths, sorted: neither the place nor the order of the file system shows in the result.
    subprocess.run([*command, *_FLAGS, *files, "-o", os.fspath(image.resolve())], cwd=ENGINE, check=True)
    image.chmod(0o644)  # nothing that this machine could execute


def differing() -> list[str]:
    """Images that the sources do not give, and files that ``SHA256SUMS`` does not know as they are."""
    different = set(stale())
    with tempfile.TemporaryDirectory() as name:
        build_all(Path(name))
        for rebuilt in Path(name).iterdir():
            committed = IMAGES / rebuilt.name
            if not committed.exists() or rebuilt.read_bytes() != committed.read_bytes():
                different.add(rebuilt.name)
    return sorted(different)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
