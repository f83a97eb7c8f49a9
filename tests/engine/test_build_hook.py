"""What the package's build hook asks hatchling for; hatchling itself is there only while a package is built."""

import importlib.util
import shutil
import sys
import sysconfig
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from tinyprop.engine import compile

ROOT = Path(__file__).parents[2]


class Interface:
    """Hatchling's base class as far as the hook uses it."""

    def __init__(self, root: Path):
        self.root = str(root)
        self.warnings: list[str] = []
        self.app = SimpleNamespace(display_warning=self.warnings.append)


@pytest.fixture
def hook(monkeypatch, tmp_path):
    """The hook in a source tree of its own, with a compiler that takes no time."""
    interface = ModuleType("hatchling.builders.hooks.plugin.interface")
    interface.BuildHookInterface = Interface
    for name in ("hatchling", "hatchling.builders", "hatchling.builders.hooks", "hatchling.builders.hooks.plugin"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setitem(sys.modules, interface.__name__, interface)
    root = tmp_path / "root"
    shutil.copytree(compile.SOURCES, root / "tinyprop" / "engine" / "c")
    shutil.copy(compile.__file__, root / "tinyprop" / "engine")
    compiler = tmp_path / "cc"
    compiler.write_text('#!/bin/sh\nfor word in "$@"; do last=$word; done\necho built > "$last"\n')
    compiler.chmod(0o755)
    monkeypatch.setenv("CC", str(compiler))
    specification = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module.EngineBuildHook(root)


def test_a_wheel_holds_the_engine_and_belongs_to_this_platform_with_any_python(hook):
    asked = {"force_include": {}, "pure_python": True, "tag": None}
    hook.initialize("standard", asked)
    placed = {Path(source).read_text(): target for source, target in asked["force_include"].items()}
    assert set(placed) == {"built\n"}
    names = sorted(Path(target).name for target in asked["force_include"].values())
    assert names == sorted(compile.library_path(variant).name for variant in compile.variants())
    assert {str(Path(target).parent) for target in asked["force_include"].values()} == {"tinyprop/engine/lib"}
    assert asked["pure_python"] is False
    python, abi, platform = asked["tag"].split("-")
    assert (python, abi) == ("py3", "none")
    assert platform.split("_")[0] == sysconfig.get_platform().split("-")[0]
    assert hook.warnings == []


def test_an_editable_installation_finds_the_engine_where_it_was_built(hook):
    asked = {"force_include": {}}
    hook.initialize("editable", asked)
    assert asked == {"force_include": {}}
    assert len(list(Path(hook.root, "tinyprop", "engine", "lib").iterdir())) == len(compile.variants())


@pytest.mark.parametrize("version", ["standard", "editable"])
def test_without_a_compiler_the_rest_is_installed_and_it_says_so(hook, version, monkeypatch):
    monkeypatch.setenv("CC", "gcc-99")
    asked = {"force_include": {}}
    hook.initialize(version, asked)
    assert asked == {"force_include": {}}, "a wheel for every platform"
    assert hook.warnings[0].startswith("tinyprop is installed without its C engine: CC=gcc-99: no such command")
    assert "python -P -m tinyprop.engine.compile" in hook.warnings[1]
