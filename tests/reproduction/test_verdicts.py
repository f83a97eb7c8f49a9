"""The rule of the verdicts, on intervals that are given."""

import math

import pytest

from tinyprop.compare.statistics import mean_with_interval, paired_difference
from tinyprop.reproduction.verdicts import Condition, Figure, average, exact, of_difference, of_mean, verdict_of


def figure(low, high, n=5):
    return Figure("work", "times", (low + high) / 2, low, high, n)


@pytest.mark.parametrize(
    ("low", "high", "met"),
    [(5.1, 6.0, True), (5.0, 6.0, True), (4.0, 4.9, False), (4.0, 5.0, None), (4.9, 5.1, None)],
)
def test_a_bound_is_met_by_a_whole_interval_only(low, high, met):
    assert Condition(figure(low, high), at_least=5.0).met is met
    assert Condition(figure(-high, -low), at_most=-5.0).met is met


def test_a_range_is_met_inside_and_missed_outside():
    inside, across, outside = (Condition(figure(*ends), 82, 86).met for ends in ((83, 85), (81, 83), (87, 90)))
    assert (inside, across, outside) == (True, None, False)


def test_one_missed_figure_decides_and_an_open_one_leaves_open():
    met, missed, open_ = (Condition(figure(*ends), at_least=5) for ends in ((6, 7), (3, 4), (4, 6)))
    assert verdict_of([met, met]) == ("reproduced", None)
    assert verdict_of([met, open_]) == ("undecided", None)
    assert verdict_of([open_, missed]) == ("not reproduced", None)


def test_few_seeds_decide_nothing_whatever_their_interval():
    for ends in ((6, 7), (1, 2)):
        assert verdict_of([Condition(figure(*ends, n=4), at_least=5)]) == ("undecided", "4 seeds of at least 5")
    single = Condition(Figure("work", "times", 9.0, None, None, 1), at_least=5)
    assert verdict_of([single]) == ("undecided", "1 seed of at least 5")


def test_a_failed_run_keeps_a_claim_from_being_reproduced_but_not_from_being_refuted():
    met, missed = Condition(figure(6, 7), at_least=5), Condition(figure(3, 4), at_least=5)
    assert verdict_of([met], failed="seed 3 failed") == ("undecided", "seed 3 failed")
    assert verdict_of([missed], failed="seed 3 failed") == ("not reproduced", None)


def test_exact_numbers_need_no_seeds():
    assert verdict_of([Condition(exact("bound", "times", 2.03), at_most=2.3)]) == ("reproduced", None)
    assert verdict_of([Condition(exact("bound", "times", 2.69), at_most=2.3)]) == ("not reproduced", None)


def test_a_loss_in_points_has_the_t_interval_of_the_pairs():
    dense = dict.fromkeys(range(5), 0.9)
    ours = {seed: 0.89 + 0.001 * (seed - 2) for seed in range(5)}
    loss = of_difference("accuracy lost", paired_difference(dense, ours))
    # sd 0.001·√2.5 of five: error 0.1·√2.5/√5 points; t(4) = 2.7764.
    assert loss.value == pytest.approx(1.0)
    assert loss.error == pytest.approx(0.1 * math.sqrt(0.5))
    assert (loss.low, loss.high) == pytest.approx((1 - 2.7764 * 0.070711, 1 + 2.7764 * 0.070711), abs=1e-5)


def test_an_average_of_independent_figures_is_welchs():
    one = of_mean("work", "times", mean_with_interval([4.0, 5.0, 6.0]))
    other = of_mean("work", "times", mean_with_interval([10.0, 10.0, 13.0, 11.0]))
    both = average([one, other])
    # variances of the means: 1/3 and 2/4; the average's is a quarter of their sum, with Welch's degrees of freedom.
    first, second = 1 / 3, 2 / 4
    degrees = (first + second) ** 2 / (first**2 / 2 + second**2 / 3)
    assert both.value == pytest.approx(8.0)
    assert both.error == pytest.approx(math.sqrt((first + second) / 4))
    assert both.degrees == pytest.approx(degrees)
    from scipy.stats import t

    assert both.high - both.value == pytest.approx(t.ppf(0.975, degrees) * both.error)
    assert both.n == 3


def test_an_average_with_a_single_run_has_no_interval():
    one = of_mean("work", "times", mean_with_interval([4.0, 5.0]))
    alone = of_mean("work", "times", mean_with_interval([6.0]))
    assert (average([one, alone]).value, average([one, alone]).low) == (pytest.approx(5.25), None)
