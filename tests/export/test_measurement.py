"""Where figures come from: the core if Unicorn is there; memory is computed and nothing counted otherwise."""

from dataclasses import replace

import pytest

from tests.export.networks import NETWORKS, network, project
from tinyprop.export import measurement
from tinyprop.export.measurement import EXTRA, measurement_of
from tinyprop.export.project import project_of
from tinyprop.progress import SILENT


@pytest.fixture
def no_unicorn(monkeypatch):
    """A function after which Unicorn is not to be found."""
    return lambda: monkeypatch.setattr(measurement, "find_spec", lambda name: None)


@pytest.mark.parametrize("name", NETWORKS)
def test_without_unicorn_the_same_memory_is_computed(name, no_unicorn):
    pytest.importorskip("unicorn")
    exported, asked = network(name), project(name).measured
    no_unicorn()
    computed = measurement_of(exported, exported.run.config.target, SILENT)
    assert computed.memory == asked.memory
    assert (computed.stack, computed.counts) == (None, None)
    parts = ("gradients", "optimizer", "activations", "scratch", "network")
    assert sum(getattr(asked.memory, part) for part in parts) == asked.memory.arena


def test_without_unicorn_the_readme_says_so_and_has_no_counts(no_unicorn):
    no_unicorn()
    exported = network("mlp")
    target = exported.run.config.target
    files = project_of(exported, target, measurement_of(exported, target, SILENT)).files
    readme = " ".join(files["README.md"].decode().split())
    assert f"Not counted: `{EXTRA}` adds what counts them." in readme
    assert "The engine's memory is computed" in readme
    assert "bytes of the stack there" not in readme
    assert "| instructions |" not in readme
    assert {name for name, content in files.items() if content != project("mlp").files[name]} <= {"README.md"}


def test_counts_are_of_whole_batches_and_of_short_ones_where_that_takes_long(monkeypatch):
    pytest.importorskip("unicorn")
    exported = network("detector")
    target = exported.run.config.target
    whole = project("detector").measured.counts
    assert (whole.samples, whole.steps) == (4, 2)
    macs = sum(layer.units * layer.fan_in for layer in exported.description.layers)
    monkeypatch.setitem(measurement._AFFORDABLE_MACS, True, 3 * macs)
    short = measurement_of(exported, target, SILENT).counts
    assert (short.samples, short.steps) == (3, 1)
    assert sum(short.instructions.values()) < sum(whole.instructions.values())


def test_an_image_that_uses_an_fpu_is_not_counted_for_a_part_without():
    pytest.importorskip("unicorn")
    exported = network("mlp")
    target = replace(exported.run.config.target, fpu=False)
    measured = measurement_of(exported, target, SILENT)
    assert measured.counts is None
    assert "floating-point unit" in measured.uncounted
    assert measured.memory == project("mlp").measured.memory
    files = project_of(exported, target, measured).files
    assert b"-mfloat-abi=soft" in files["build.sh"]
    assert b"-mfpu" not in files["build.sh"]
