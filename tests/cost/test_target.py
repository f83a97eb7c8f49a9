"""Time and energy of a part by hand, and what its figures must come with."""

import pytest
import yaml

from tinyprop.config.location import config_directory
from tinyprop.cost import Target, predict
from tinyprop.errors import InvalidSettings, RequestError

from .networks import part, step

POWER = {"run_current_ma": 40.0, "supply_volts": 3.3}
FLASH = {"flash_wait_states": 2, "flash_accelerator": False}


def sourced(**fields) -> dict:
    return {**fields, "sources": dict.fromkeys(fields, "this test")}


def test_time_is_cycles_over_the_clock_and_energy_is_power_over_time():
    prediction = predict(step(), part(**sourced(**POWER)))
    assert prediction.milliseconds == pytest.approx(prediction.cycles / 100e3)
    assert prediction.microjoules == pytest.approx(40 * 3.3 * prediction.milliseconds)
    assert prediction.as_dict()["microjoules.step"] == prediction.microjoules


def test_every_jump_waits_for_a_flash_without_accelerator():
    at_once = predict(step(), part())
    waiting = predict(step(), part(**sourced(**FLASH)))
    behind_cache = predict(step(), part(**sourced(**{**FLASH, "flash_accelerator": True})))
    assert waiting.cycles == pytest.approx(at_once.cycles + 2 * at_once.total.jumps)
    assert behind_cache.cycles == at_once.cycles
    assert at_once.total.jumps > 0


@pytest.mark.parametrize("missing", POWER)
def test_an_energy_without_current_or_voltage_is_refused_and_only_that(missing):
    known = {name: value for name, value in POWER.items() if name != missing}
    prediction = predict(step(), part(**sourced(**known)))
    assert prediction.milliseconds > 0
    with pytest.raises(RequestError, match=rf"energy is not known for a part: target.{missing} missing.*this test"):
        prediction.microjoules  # noqa: B018  # what is asked for is refused


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"run_current_ma": 40.0}, "sources.run_current_ma: is missing"),
        (sourced(supply_volts=-1.0), "supply_volts: -1.0 is not above 0"),
        (sourced(flash_wait_states=-1), "flash_wait_states: -1 is under 0"),
    ],
)
def test_a_figure_without_a_source_or_out_of_range_is_refused(fields, said):
    with pytest.raises(InvalidSettings, match=said):
        part(**fields)


@pytest.mark.parametrize("path", sorted(config_directory().glob("target/*.yaml")), ids=lambda path: path.stem)
def test_shipped_targets_are_complete(path):
    target = Target(**yaml.safe_load(path.read_text(encoding="utf-8")))
    assert predict(step(), target).milliseconds > 0
    assert target.flash_accelerator is not None
