"""Building and finding the engine's library, with compilers that are there, missing or broken."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tinyprop.engine import compile, library
from tinyprop.errors import RequestError


@pytest.fixture
def nothing_loaded(monkeypatch, tmp_path):
    """An installation without a built engine."""
    monkeypatch.setattr(compile, "DIRECTORY", tmp_path)
    monkeypatch.setattr(compile.library_path, "__defaults__", (tmp_path,))
    library.load.cache_clear()
    yield tmp_path
    library.load.cache_clear()


def compiler(directory: Path, content: str, monkeypatch) -> Path:
    """A command that poses as a C compiler, as the only one."""
    path = directory / "fakecc"
    path.write_text(f"#!/bin/sh\n{content}\n")
    path.chmod(0o755)
    monkeypatch.setenv("CC", str(path))
    return path


def test_the_first_compiler_on_the_path_is_taken_unless_one_is_named(monkeypatch, tmp_path):
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    for name in ("clang", "gcc"):
        (tmp_path / name).touch(mode=0o755)
    assert compile.find_compiler() == ["gcc"]
    monkeypatch.setenv("CC", "clang --target=x 'a b'")
    assert compile.find_compiler() == ["clang", "--target=x", "a b"]


def test_a_missing_compiler_is_named_with_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    with pytest.raises(compile.CompileError, match=r"no C compiler \(looked for cc, gcc and clang\): install one"):
        compile.find_compiler()
    for named, said in (("gcc-99", "CC=gcc-99: no such command"), ("'gcc", "CC='gcc: No closing quotation; name a C")):
        monkeypatch.setenv("CC", named)
        with pytest.raises(compile.CompileError, match=said):
            compile.find_compiler()
    monkeypatch.setenv("CC", " ")
    with pytest.raises(compile.CompileError, match="no C compiler"):
        compile.find_compiler()


def test_a_compiler_that_fails_is_quoted(monkeypatch, tmp_path):
    path = compiler(tmp_path, 'echo "dot.c:3: error: no such lane" >&2; exit 1', monkeypatch)
    with pytest.raises(compile.CompileError, match=f"{path} failed: dot.c:3: error: no such lane"):
        compile.build(tmp_path / "lib")
    assert not list((tmp_path / "lib").iterdir()), "nothing unfinished is left"


def test_older_builds_go_and_a_compiler_may_not_know_every_processor(monkeypatch, tmp_path):
    compiler(
        tmp_path,
        'for word in "$@"; do case $word in -march=x86-64-v3) exit 1;; esac; last=$word; done; echo x > "$last"',
        monkeypatch,
    )
    monkeypatch.setattr(compile, "variants", lambda: ("x86-64", "x86-64-v3"))
    old = tmp_path / f"tinyprop-x86-64-0123456789{compile.library_path('x').suffix}"
    old.touch()
    assert compile.build(tmp_path) == [compile.library_path("x86-64", tmp_path)]
    assert not old.exists()


@pytest.mark.parametrize("change", ["another.c", "another.h", "kernels/dot.c"])
def test_the_name_of_a_build_tells_the_sources(monkeypatch, tmp_path, change):
    before = compile.library_path("any")
    sources = shutil.copytree(compile.SOURCES, tmp_path / "c")
    monkeypatch.setattr(compile, "SOURCES", sources)
    compile.digest.cache_clear()
    try:
        assert compile.library_path("any") == before, "wherever they are"
        compile.digest.cache_clear()
        with (sources / change).open("a") as file:
            file.write("/* changed */\n")
        assert compile.library_path("any") != before
    finally:
        compile.digest.cache_clear()


def test_an_installation_without_the_engine_says_how_to_get_it(nothing_loaded, monkeypatch):
    monkeypatch.setenv("CC", "gcc-99")
    with pytest.raises(RequestError) as missing:
        library.load()
    assert str(missing.value) == (
        "the C engine is not built, and CC=gcc-99: no such command; name a C compiler, or unset CC; "
        "then run: python -P -m tinyprop.engine.compile"
    )
    compiler(nothing_loaded, "", monkeypatch)
    with pytest.raises(RequestError, match=r"not built in .*; run: python -P -m tinyprop\.engine\.compile"):
        library.load()


def test_a_build_of_other_sources_is_not_taken(nothing_loaded):
    (nothing_loaded / "tinyprop-x86-64-0123456789.so").touch()
    with pytest.raises(RequestError, match=r"built from other sources .* run: python -P -m tinyprop\.engine\.compile"):
        library.load()


def test_a_build_that_does_not_load_says_so(nothing_loaded):
    compile.library_path(compile.variants()[0]).write_text("no library")
    with pytest.raises(RequestError, match=r"cannot be loaded \(.*; build it anew: python -P -m"):
        library.load()


def test_the_best_build_that_the_processor_runs_is_taken(nothing_loaded, monkeypatch):
    monkeypatch.setattr(compile, "variants", lambda: ("x86-64", "x86-64-v3", "x86-64-v4"))
    for variant in compile.variants():
        compile.library_path(variant).touch()
    haswell = {"avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe"}
    skylake_server = {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"}
    for flags, best in (
        (haswell | skylake_server, "x86-64-v4"),
        (haswell | {"avx512f"}, "x86-64-v3"),
        (haswell - {"fma"}, "x86-64"),
        (skylake_server, "x86-64"),
        (set(), "x86-64"),
    ):
        monkeypatch.setattr(library, "_processor_flags", lambda flags=flags: flags | {"sse2"})
        assert library.find() == compile.library_path(best)
    compile.library_path("x86-64-v4").unlink()
    monkeypatch.setattr(library, "_processor_flags", lambda: haswell | skylake_server)
    assert library.find() == compile.library_path("x86-64-v3"), "the best that is there"


def test_the_command_builds_in_place_what_can_be_used_at_once(c_engine, tmp_path):
    """From a copy of the package, in a process of its own."""
    package = Path(compile.__file__).parents[1]
    shutil.copytree(package, tmp_path / "tinyprop", ignore=shutil.ignore_patterns("lib", "__pycache__"))
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    build = [sys.executable, "-W", "error", "-m", "tinyprop.engine.compile"]
    ended = subprocess.run(build, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert [Path(line).parent for line in ended.stdout.split()] == [tmp_path / "tinyprop/engine/lib"] * len(
        compile.variants()
    )
    use = "import tinyprop.engine.library as library; print(library.load()._name)"
    ended = subprocess.run([sys.executable, "-c", use], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert ended.stdout.strip() in [str(path) for path in (tmp_path / "tinyprop/engine/lib").iterdir()]


def test_the_command_that_cannot_build_is_one_line_and_a_status(tmp_path):
    environment = {**os.environ, "CC": "gcc-99"}
    build = [sys.executable, "-m", "tinyprop.engine.compile"]
    ended = subprocess.run(build, env=environment, capture_output=True, text=True)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == "error: CC=gcc-99: no such command; name a C compiler, or unset CC\n"
