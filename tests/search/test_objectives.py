"""What is searched for: names, directions, and where the result has the number."""

import pytest

from tinyprop.errors import TinypropError
from tinyprop.search.objectives import objective, refusal

RESULT = {
    "metrics": {"validation_accuracy": 0.9, "validation_loss": 0.3, "test_accuracy": 0.8},
    "macs": {"backward_ratio": 0.2, "step_ratio": 0.6},
    "cost": {"RP2040 (Raspberry Pi Pico)": {"cycles.step": 1e6, "speed_up.dense.step": 1.5}},
}
TARGETS = {"rp2040": "RP2040 (Raspberry Pi Pico)"}


@pytest.mark.parametrize(
    ("name", "value", "maximised"),
    [
        ("validation_accuracy", 0.9, True),
        ("validation_loss", 0.3, False),
        ("macs.backward_ratio", 0.2, False),
        ("macs.step_ratio", 0.6, False),
        ("cost.rp2040.cycles.step", 1e6, False),
        ("cost.rp2040.speed_up.dense.step", 1.5, True),
    ],
)
def test_an_objective_is_a_number_of_the_result_with_its_better_direction(name, value, maximised):
    found = objective(name, TARGETS)
    assert refusal(name) is None
    assert (found.value(RESULT), found.maximised) == (value, maximised)


@pytest.mark.parametrize(
    "name", ["test_accuracy", "initial_test_accuracy", "validation_", "macs.forward", "cost.x", ""]
)
def test_what_is_no_objective_is_refused(name):
    assert refusal(name)


def test_a_number_that_is_missing_is_named_with_those_that_are_there_but_for_the_test_set():
    with pytest.raises(TinypropError, match=r"no validation_auc, only validation_accuracy, validation_loss$"):
        objective("validation_auc", TARGETS).value(RESULT)
