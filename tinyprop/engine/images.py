"""The prebuilt firmware images, one a core, and whether they are those of the sources beside them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from tinyprop.engine.image import Image
from tinyprop.errors import RequestError

ENGINE = Path(__file__).resolve().parent
IMAGES = ENGINE / "images"
SUMS = "SHA256SUMS"
REBUILD = "python -P -m tinyprop.engine.build_images"


@dataclass(frozen=True)
class Core:
    """A core that there is an image for.

    Attributes:
        name: as targets name it, such as ``cortex-m4``.
        cpu: what the compiler calls it, with its floating-point unit.
        fpu: whether the image computes float32 in hardware.
    """

    name: str
    cpu: str
    fpu: bool

    @property
    def path(self) -> Path:
        """Its image."""
        return IMAGES / f"{self.name}.elf"


CORES = {
    core.name: core
    for core in (
        Core("cortex-m0plus", "cortex_m0plus", fpu=False),
        Core("cortex-m3", "cortex_m3", fpu=False),
        Core("cortex-m4", "cortex_m4+vfp4d16sp", fpu=True),
        Core("cortex-m7", "cortex_m7+fp_armv8d16sp", fpu=True),
        Core("cortex-m33", "cortex_m33+fp_armv8d16sp", fpu=True),
    )
}


def load(core: Core) -> Image:
    """The image for a core.

    Raises:
        RequestError: it was built from other sources than those that are here.
    """
    if different := stale():
        raise RequestError(f"the firmware images are not those of the sources ({different[0]} differs); run: {REBUILD}")
    return Image.read(core.path)


def core_of(target_core: str) -> Core:
    """The core that a target names.

    Raises:
        RequestError: there is no image for it.
    """
    if target_core not in CORES:
        raise RequestError(
            f"target.core={target_core}: there is no firmware image for this core; there are {', '.join(CORES)}"
        )
    return CORES[target_core]


def sources() -> list[Path]:
    """All files that the images are made of."""
    return sorted(
        path
        for directory in (ENGINE / "c", ENGINE / "firmware")
        for path in directory.rglob("*")
        if path.suffix in (".c", ".h", ".ld")
    )


def sums() -> dict[str, str]:
    """The SHA-256 of each image and source as it is now, by its path as ``SHA256SUMS`` has it."""
    files = [core.path for core in CORES.values()] + sources()
    return {_name(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files if path.exists()}


def recorded_sums() -> dict[str, str]:
    """What ``SHA256SUMS`` says; ``sha256sum -c`` reads it too."""
    lines = (IMAGES / SUMS).read_text(encoding="utf-8").splitlines()
    return {name: digest for digest, name in (line.split("  ", 1) for line in lines)}


def stale() -> list[str]:
    """Sources that are not those that the images were made of, by path; images that are not those that were made."""
    now, then = sums(), recorded_sums()
    return sorted(name for name in now.keys() | then.keys() if now.get(name) != then.get(name))


def _name(path: Path) -> str:
    return f"../{path.relative_to(ENGINE).as_posix()}" if path.parent != IMAGES else path.name
