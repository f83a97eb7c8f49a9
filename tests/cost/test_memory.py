"""Memory against the firmware's own answer, over networks of every kind, and what fits by hand."""

import pytest

from tinyprop.cost import Target, coefficients_of, engine_memory, footprint, predict
from tinyprop.engine.images import CORES, core_of, load
from tinyprop.errors import RequestError
from tinyprop.sparse.policies import Dense

from .networks import part, step


@pytest.mark.parametrize("core", ["cortex-m0plus", "cortex-m4"])
def test_memory_is_the_firmware_s_to_the_byte(core):
    pytest.importorskip("unicorn")
    from tinyprop.cost.design import trainings
    from tinyprop.cost.simulation import firmware_memory

    for training in trainings(seed=7, count=40):
        assert engine_memory(training.step) == firmware_memory(training.step, core), training.step


@pytest.mark.parametrize("core", CORES)
def test_flash_and_static_data_are_the_firmware_s(core):
    sections = load(core_of(core)).section_sizes
    known = footprint(step(), part(core))
    code = sections[".vectors"] + sections[".text"]
    assert known.flash["code"] == pytest.approx(code, rel=0.02)
    assert known.flash["weights"] == 4 * (12 * 8 + 8 + 8 * 4 + 4)
    assert known.flash["description"] == 4 * (32 + 3 * 10)
    assert known.ram["static"] == sections.get(".data", 0) + sections.get(".bss", 0)
    assert known.ram["samples"] == 4 * (12 + 1)


def test_what_does_not_fit_says_by_how_much():
    fitting = footprint(step(), part())
    used = sum(fitting.ram.values())
    assert fitting.fits
    assert fitting.ram_spare == 65536 - used
    assert not fitting.lacking
    small = footprint(step(), part(sram_bytes=used - 7, flash_bytes=1000))
    assert not small.fits
    assert small.lacking[0] == f"7 bytes of SRAM more than the {used - 7} of a part"
    assert "of flash more than the 1000 of a part" in small.lacking[1]
    assert small.as_dict()["ram.spare"] == -7
    assert small.as_dict()["flash.fits"] is False


def test_memory_follows_the_batch_that_is_held():
    whole = footprint(step(policy=Dense(), batch_size=8), part())
    one = footprint(step(policy=Dense(), batch_size=8, micro_batch=1), part())
    assert whole.ram["activations"] == 8 * one.ram["activations"]
    assert whole.ram["gradients"] == 0
    assert one.ram["gradients"] == one.ram["weights"]


@pytest.mark.parametrize("ask", [footprint, predict])
def test_an_unknown_core_says_which_are_known(ask):
    other = Target(name="x", core="cortex-m55", fpu=True, clock_mhz=1, sram_bytes=1, flash_bytes=1, source="this test")
    with pytest.raises(RequestError, match=r"target.core=cortex-m55: .*known are cortex-m0plus, cortex-m3, cortex-m33"):
        ask(step(), other)


@pytest.mark.parametrize("core", CORES)
def test_coefficients_were_fitted_to_the_images_that_are_here(core):
    import hashlib

    digest = hashlib.sha256(core_of(core).path.read_bytes()).hexdigest()
    assert coefficients_of(core).provenance["image_sha256"] == digest, "run: python -m tinyprop.cost.calibrate"
