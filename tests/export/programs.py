"""Exported projects as programs: built by their own script, run on this machine and on a simulated core."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tinyprop.engine.image import Image
from tinyprop.export.project import Project

ZIG = f"{sys.executable} -m ziglang"
_RAM = 0x20000000
_PAGE = 4096


def written(project: Project, directory: Path) -> Path:
    """The project in a directory."""
    for name, content in project.files.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_bytes(content)
    return directory


def built(directory: Path, how: str, *options: str) -> Path:
    """What ``build.sh`` makes; any warning fails, and what is not installed is skipped."""
    needed = {"host": _host_compiler(), "gcc": shutil.which("arm-none-eabi-gcc"), "zig": find_spec("ziglang")}[how]
    if needed is None:
        pytest.skip({"host": "no C compiler", "gcc": "no arm-none-eabi-gcc", "zig": "no ziglang"}[how])
    environment = {key: value for key, value in os.environ.items() if how == "host" or key != "CC"} | {"ZIG": ZIG}
    command = ["sh", "build.sh", how, "-Werror", *options]
    ended = subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr == ""
    return directory / ("build/host/demonstration" if how == "host" else "build/board/demonstration.elf")


def _host_compiler() -> str | None:
    return shutil.which(os.environ.get("CC", "cc").split()[0])


class Simulated:
    """A program that a core has executed from reset to ``halt``; an eye that is not the backend's."""

    def __init__(self, elf: Path, core: str, ram_bytes: int):
        unicorn = pytest.importorskip("unicorn")
        from unicorn import arm_const

        self.image = Image.read(elf)
        self._uc = unicorn.Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB)
        self._uc.ctl_set_cpu_model(
            getattr(arm_const, f"UC_CPU_ARM_{core.replace('plus', '').replace('-', '_').upper()}")
        )
        self._uc.mem_map(_RAM, ram_bytes)
        self._uc.mem_map(0xE000E000, _PAGE)
        code = [segment for segment in self.image.segments if segment.address < _RAM]
        first = min(segment.address for segment in code) // _PAGE * _PAGE
        self._uc.mem_map(first, 1 << 20)
        for segment in code:
            self._uc.mem_write(segment.address, segment.content)
        vectors = min(segment.address for segment in code)
        stack, reset = struct.unpack("<2I", self._uc.mem_read(vectors, 8))
        self._uc.reg_write(arm_const.UC_ARM_REG_SP, stack)
        halt = self.image.symbols["halt"]
        self._uc.emu_start(reset, halt, timeout=20_000_000)
        assert self._uc.reg_read(arm_const.UC_ARM_REG_PC) == halt

    def variable(self, name: str, layout: str) -> tuple:
        """A variable of the program, taken apart by `struct`."""
        return struct.unpack(layout, self._uc.mem_read(self.image.symbols[name], struct.calcsize(layout)))
