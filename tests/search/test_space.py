"""What is drawn from a dimension, by Optuna's own trials without a storage."""

import math

import pytest

from tinyprop.search.space import Choice, Interval

optuna = pytest.importorskip("optuna")


def drawn(*dimensions, count=200):
    """The values of many trials."""
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    found = []
    for _ in range(count):
        trial, values = study.ask(), {}
        for dimension in dimensions:
            values[dimension.key] = dimension.suggest(trial, values)
        found.append(values)
    return found


def test_a_key_is_never_drawn_below_the_one_that_it_is_at_least():
    low, high = Interval(key="low", low=0.0, high=0.6), Interval(key="high", low=0.2, high=0.6, at_least="low")
    found = drawn(low, high)
    assert all(values["low"] <= values["high"] <= 0.6 for values in found)
    assert sum(values["low"] > 0.2 for values in found) > 50


def test_steps_stay_on_their_grid_above_another_key():
    low, high = Interval(key="low", low=0, high=9), Interval(key="high", low=1, high=10, step=3, at_least="low")
    assert {values["high"] for values in drawn(low, high)} == {1, 4, 7, 10}


def test_whole_numbers_are_whole_and_reach_both_ends():
    values = {values["k"] for values in drawn(Interval(key="k", low=1, high=4, integer=True))}
    assert values == {1, 2, 3, 4}
    assert all(isinstance(value, int) for value in values)


def test_a_logarithmic_range_is_even_by_order_of_magnitude():
    exponents = [math.log10(values["x"]) for values in drawn(Interval(key="x", low=1e-4, high=1.0, log=True))]
    assert [sum(e < limit for e in exponents) for limit in (-3, -2, -1)] == pytest.approx([50, 100, 150], abs=25)


def test_drawn_fractions_can_be_read_and_lie_within_their_range():
    low, high = 0.123456, 0.123499
    values = [values["x"] for values in drawn(Interval(key="x", low=low, high=high))]
    assert all(low <= value <= high for value in values)
    assert {len(str(values["x"])) for values in drawn(Interval(key="x", low=0.1, high=0.9))} <= {3, 4, 5, 6}


def test_a_choice_gives_its_options():
    assert {values["c"] for values in drawn(Choice(key="c", options=("a", "b")))} == {"a", "b"}
