"""The firmware images: rebuilt from the sources, and what is and is not in them."""

import shutil
import struct
import sys
from pathlib import Path

import pytest

from tinyprop.backends.board import ANSWER_BYTES, JOB_BYTES
from tinyprop.engine import build_images, images
from tinyprop.engine.image import Image
from tinyprop.engine.images import CORES
from tinyprop.errors import RequestError

every_core = pytest.mark.parametrize("core", CORES.values(), ids=lambda core: core.name)


def test_the_images_are_what_the_sources_give():
    assert build_images.compiler() == build_images.COMPILER, "pip install 'tinyprop[firmware]'"
    assert build_images.differing() == [], f"run: {images.REBUILD}"


def test_they_come_out_the_same_from_another_directory(tmp_path, monkeypatch):
    for directory in ("c", "firmware"):
        shutil.copytree(images.ENGINE / directory, tmp_path / directory)
    monkeypatch.setattr(images, "ENGINE", tmp_path)
    monkeypatch.setattr(build_images, "ENGINE", tmp_path)
    core = CORES["cortex-m3"]
    build_images.build(core, tmp_path / "anew.elf")
    assert (tmp_path / "anew.elf").read_bytes() == core.path.read_bytes()


def test_an_image_of_other_sources_is_refused_with_the_command_that_mends_it(tmp_path, monkeypatch):
    copy = tmp_path / "engine"
    shutil.copytree(images.ENGINE, copy, ignore=shutil.ignore_patterns("lib", "__pycache__"))
    monkeypatch.setattr(images, "ENGINE", copy)
    monkeypatch.setattr(images, "IMAGES", copy / "images")
    assert images.stale() == []
    with (copy / "c" / "train.c").open("a") as source:
        source.write("/* changed */\n")
    (copy / "c" / "kernels" / "new.c").write_text("")
    assert images.stale() == ["../c/kernels/new.c", "../c/train.c"]
    with pytest.raises(RequestError, match=r"new\.c differs\); run: python -P -m tinyprop\.engine\.build_images"):
        images.load(CORES["cortex-m4"])


def test_a_core_without_an_image_is_refused_naming_those_that_have_one():
    with pytest.raises(RequestError, match=r"target\.core=cortex-m55: .* cortex-m0plus, .*, cortex-m33"):
        images.core_of("cortex-m55")


@every_core
def test_nothing_is_computed_in_double_precision(core):
    """Nor in software where there is hardware. Names: run-time ABI for the Arm architecture, section 5.1."""
    names = set(Image.read(core.path).symbols)
    helpers = {name for name in names if name.startswith("__aeabi_")}
    assert not {name for name in helpers if name.startswith("__aeabi_d") or name.endswith("2d")}
    floats = {name for name in helpers if name.startswith("__aeabi_f") or name.endswith("2f")}
    assert bool(floats) != core.fpu


@every_core
def test_the_core_starts_where_the_vector_table_says(core):
    image = Image.read(core.path)
    memory = {segment.address: segment.content for segment in image.segments}
    stack, reset = struct.unpack("<2I", memory[0][:8])
    assert stack == image.symbols["tp_stack_top"] == 0x20040000
    assert reset == image.entry == image.symbols["Reset_Handler"] | 1


@every_core
def test_the_job_block_is_as_long_as_the_host_takes_it_to_be_and_not_part_of_what_is_loaded(core):
    image = Image.read(core.path)
    assert image.section_sizes[".job"] == JOB_BYTES + ANSWER_BYTES
    job = image.symbols["tp_job"]
    assert all(not segment.address <= job < segment.address + len(segment.content) for segment in image.segments)


def test_functions_are_found_by_address():
    functions = {function.name: function for function in Image.read(CORES["cortex-m4"].path).functions}
    assert functions["tp_mark"].end - functions["tp_mark"].start == 2  # it does nothing: bx lr
    assert functions["tp_train"].start % 2 == 0


def test_what_is_no_image_is_refused(tmp_path):
    with pytest.raises(ValueError, match="not a little-endian 32-bit ELF file"):
        Image(Path(sys.executable).read_bytes()[:1000])
    content = bytearray(CORES["cortex-m4"].path.read_bytes())
    content[18] = 3  # Intel 80386
    with pytest.raises(ValueError, match="not for Arm"):
        Image(bytes(content))
