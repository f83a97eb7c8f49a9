"""Exported projects compile without a warning and compute what tinyprop computes, on this machine and on a core."""

import re
import shutil
import subprocess

import numpy as np
import pytest

from tests.export.networks import NETWORKS, native_weights, project
from tests.export.programs import Simulated, built, written

PASSES = 4
"""Of main.c."""
pytestmark = pytest.mark.usefixtures("c_engine")


def simulated(elf, exported) -> Simulated:
    return Simulated(elf, exported.target.core, exported.budgets[0].available)


@pytest.mark.parametrize("name", NETWORKS)
def test_on_this_machine_it_ends_with_the_weights_of_the_native_engine(name, tmp_path):
    exported = project(name)
    program = built(written(exported, tmp_path), "host", "-O0")
    said = subprocess.run([program, tmp_path / "weights.bin"], capture_output=True, text=True, check=True).stdout
    weights = np.fromfile(tmp_path / "weights.bin", np.float32)
    assert weights.tobytes() == native_weights(exported.network, PASSES).tobytes()
    assert (weights != exported.network.weights).any()
    before, after = map(float, re.match(r"loss ([\d.]+) before, ([\d.]+) after", said).groups())
    assert after < before


@pytest.mark.parametrize(
    ("name", "target", "compiler"),
    [
        ("mlp", "stm32f407", "zig"),
        ("cnn", "stm32f407", "gcc"),
        ("detector", "stm32f746", "gcc"),
        ("mlp", "rp2040", "gcc"),
    ],
)
def test_a_core_ends_with_the_weights_of_the_native_engine_in_the_memory_that_is_stated(
    name, target, compiler, tmp_path
):
    exported = project(name, target)
    core = simulated(built(written(exported, tmp_path), compiler), exported)

    weights = native_weights(exported.network, PASSES)
    assert np.array(core.variable("fine_tune_weights", f"<{len(weights)}f"), np.float32).tobytes() == weights.tobytes()
    status, samples, before, after, *correct = core.variable("demonstration", "<2I2f2I")
    assert (status, samples) == (0, PASSES * len(exported.network.x))
    assert after < before
    assert correct[0] <= correct[1] <= len(exported.network.x)

    ram, sections = exported.budgets[0], core.image.section_sizes
    stack = dict(ram.uses)["stack"]
    assert sections[".data"] + sections[".bss"] == ram.used - stack
    (used,) = core.variable("stack_bytes", "<I")
    assert 0 < used <= 3 / 4 * stack
    has_software_floats = any(symbol.startswith("__aeabi_fmul") for symbol in core.image.symbols)
    assert has_software_floats == (target == "rp2040")


def test_cmake_builds_it_for_this_machine_and_for_the_board(tmp_path):
    if shutil.which("cmake") is None or shutil.which("arm-none-eabi-gcc") is None:
        pytest.skip("no cmake, or no arm-none-eabi-gcc")
    exported = project("mlp")
    place = written(exported, tmp_path)
    for build, options in (("host", []), ("board", ["--toolchain", "arm-none-eabi.cmake"])):
        flags = ["-DCMAKE_C_FLAGS=-Werror"] if build == "host" else []
        configure = ["cmake", "-B", f"build/{build}", "-DCMAKE_BUILD_TYPE=Debug", *flags, *options]
        subprocess.run(configure, cwd=place, capture_output=True, check=True)
        subprocess.run(
            ["cmake", "--build", f"build/{build}", "--parallel", "2"], cwd=place, capture_output=True, check=True
        )
    said = subprocess.run([place / "build/host/demonstration"], capture_output=True, text=True, check=True).stdout
    core = simulated(place / "build/board/demonstration.elf", exported)
    status, _, before, after, *_ = core.variable("demonstration", "<2I2f2I")
    assert status == 0
    assert said.startswith(f"loss {before:.6f} before, {after:.6f} after")
