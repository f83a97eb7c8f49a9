"""Compiles the C engine when the package is built or installed; without a compiler the rest is installed alone."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from packaging.tags import sys_tags


class EngineBuildHook(BuildHookInterface):
    """Puts the engine's libraries into the wheel, which then belongs to this platform, with any Python."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        compile = _module(Path(self.root, "tinyprop", "engine", "compile.py"))
        try:
            built = compile.build()
        except compile.CompileError as problem:
            self.app.display_warning(f"tinyprop is installed without its C engine: {problem}")
            self.app.display_warning("all but backend=native works; later: python -P -m tinyprop.engine.compile")
            return
        if version == "editable":
            return  # found where it was built
        for path in built:
            build_data["force_include"][str(path)] = path.relative_to(self.root).as_posix()
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{_platform()}"


def _module(path: Path) -> ModuleType:
    """A module of the package, which cannot be imported as a whole before it is installed."""
    specification = importlib.util.spec_from_file_location(path.stem, path)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def _platform() -> str:
    """This platform in the name of a wheel, without a promise of which other Linux systems it runs on."""
    return next(tag.platform for tag in sys_tags() if not tag.platform.startswith(("manylinux", "musllinux")))
