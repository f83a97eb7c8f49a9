"""Against scipy, against definitions, and against examples worked by hand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from tinyprop.compare import holm, mean_with_interval, paired_difference, ratio_of_means, reciprocal

ACCURACIES = [0.886, 0.894, 0.891, 0.89, 0.89]


def by_seed(values):
    return dict(enumerate(values))


def test_a_mean_has_students_interval():
    found = mean_with_interval(ACCURACIES)
    low, high = stats.t.interval(0.95, 4, np.mean(ACCURACIES), stats.sem(ACCURACIES))
    assert (found.n, found.mean) == (5, pytest.approx(0.8902))
    assert (found.low, found.high) == pytest.approx((low, high))
    assert found.sd == pytest.approx(np.std(ACCURACIES, ddof=1))


def test_an_interval_worked_by_hand():
    found = mean_with_interval([0.90, 0.92, 0.94])
    # sd 0.02, t(0.975, 2) = 4.3027 from a table: 4.3027 · 0.02 / √3
    assert found.half_width == pytest.approx(0.049683, abs=1e-5)
    assert found.mean == pytest.approx(0.92)


def test_one_run_has_a_mean_and_no_interval():
    found = mean_with_interval([0.5])
    assert (found.n, found.mean, found.sd, found.low, found.half_width) == (1, 0.5, None, None, None)


def test_no_run_has_no_mean():
    with pytest.raises(ValueError, match="needs a value"):
        mean_with_interval([])


def test_equal_runs_have_no_spread_whatever_rounding_says():
    found = mean_with_interval([0.1 + 0.2, 0.3, 0.3])
    assert (found.low, found.high) == (found.mean, found.mean)


def test_differences_are_within_pairs_and_tested_as_scipy_does():
    ours, theirs = [0.877, 0.86, 0.892, 0.876, 0.879], [0.886, 0.894, 0.891, 0.89, 0.89]
    found = paired_difference(by_seed(ours), by_seed(theirs))
    expected = stats.ttest_rel(ours, theirs)
    interval = expected.confidence_interval(0.95)
    assert found.mean == pytest.approx(np.mean(np.subtract(ours, theirs)))
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))
    assert found.p_t == pytest.approx(expected.pvalue)
    exact = stats.permutation_test(
        (np.subtract(ours, theirs),), np.mean, permutation_type="samples", n_resamples=np.inf
    )
    assert found.p_exact == pytest.approx(exact.pvalue)


def test_five_pairs_that_agree_cannot_be_more_significant_than_one_in_sixteen():
    found = paired_difference(by_seed([1.0, 2.0, 3.0, 4.0, 5.0]), by_seed([0.0] * 5))
    assert found.p_exact == 2 / 2**5


def test_many_pairs_are_tested_by_wilcoxon():
    generator = np.random.default_rng(0)
    ours, theirs = generator.normal(0.3, 1, 20), generator.normal(0, 1, 20)
    found = paired_difference(by_seed(ours), by_seed(theirs))
    assert found.p_exact == pytest.approx(stats.wilcoxon(ours, theirs).pvalue)


def test_only_seeds_that_both_have_are_paired():
    found = paired_difference({0: 1.0, 1: 3.0, 2: 9.0}, {1: 1.0, 2: 5.0, 7: 0.0})
    assert (found.seeds, found.n, found.mean) == ((1, 2), 2, 3.0)


def test_without_a_pair_there_is_nothing_and_with_one_no_interval():
    assert paired_difference({0: 1.0}, {1: 1.0}).mean is None
    single = paired_difference({0: 1.0}, {0: 0.75})
    assert (single.mean, single.low, single.p_t, single.p_exact) == (0.25, None, None, None)


def test_no_difference_at_all_is_no_evidence_and_the_same_one_everywhere_is():
    equal = paired_difference({0: 0.5, 1: 0.6}, {0: 0.5, 1: 0.6})
    assert (equal.mean, equal.p_t, equal.p_exact) == (0.0, 1.0, 1.0)
    always = paired_difference({0: 0.5, 1: 0.6, 2: 0.7}, {0: 0.25, 1: 0.35, 2: 0.45})
    assert (always.p_t, always.p_exact) == (0.0, 0.25)


def test_holms_correction_worked_by_hand():
    # in order: 0.005·4 = 0.02, 0.01·3 = 0.03, 0.03·2 = 0.06, then 0.04·1 = 0.04, which may not fall below 0.06
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_a_test_that_could_not_be_made_does_not_count_in_the_correction():
    assert holm([None, 0.02, None, 0.5]) == [None, 0.04, None, 0.5]
    assert holm([0.9, 0.8]) == [1.0, 1.0]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_keeps_the_order_and_is_never_under_the_plain_nor_over_bonferronis(p_values):
    corrected = holm(p_values)
    for p, q in zip(p_values, corrected, strict=True):
        assert p <= q <= min(1.0, len(p_values) * p)
    assert [corrected[i] for i in np.argsort(p_values, kind="stable")] == sorted(corrected)


def test_a_ratio_of_means_ends_where_the_t_test_begins_to_refuse_it():
    dense, ours = [4.0, 4.3, 3.9, 4.1], [1.1, 0.9, 1.3, 1.0]
    found = ratio_of_means(by_seed(dense), by_seed(ours))
    assert found.ratio == pytest.approx(np.mean(dense) / np.mean(ours))
    for end in (found.low, found.high):
        residual = np.array(dense) - end * np.array(ours)
        assert stats.ttest_1samp(residual, 0).pvalue == pytest.approx(0.05)
    assert found.low < found.ratio < found.high


def test_a_ratio_over_what_may_be_nothing_has_no_interval():
    found = ratio_of_means({0: 1.0, 1: 1.0}, {0: -1.0, 1: 1.5})
    assert (found.ratio, found.low, found.high) == (4.0, None, None)
    assert ratio_of_means({0: 1.0}, {1: 1.0}) is None
    assert ratio_of_means({0: 3.0}, {0: 2.0}).low is None
    with pytest.raises(ZeroDivisionError):
        ratio_of_means({0: 1.0, 1: 1.0}, {0: -1.0, 1: 1.0})


def test_the_interval_of_a_ratio_covers_the_truth_as_often_as_it_says():
    generator = np.random.default_rng(1)
    trials, held = 1500, 0
    for _ in range(trials):
        base = generator.normal(1.0, 0.1, 5)  # what a seed has in common
        found = ratio_of_means(by_seed(base + generator.normal(4, 0.3, 5)), by_seed(base + generator.normal(1, 0.2, 5)))
        held += found.low <= 5 / 2 <= found.high
    assert held / trials == pytest.approx(0.95, abs=3 * math.sqrt(0.95 * 0.05 / trials))


def test_how_many_times_less_work_is_the_mean_turned_over():
    mean = mean_with_interval([0.2, 0.25, 0.3])
    found = reciprocal(mean)
    assert (found.ratio, found.low, found.high) == pytest.approx((4.0, 1 / mean.high, 1 / mean.low))
    constant = ratio_of_means(dict.fromkeys(range(3), 1.0), by_seed([0.2, 0.25, 0.3]))
    assert (found.low, found.high) == pytest.approx((constant.low, constant.high))


def test_a_mean_whose_interval_holds_zero_has_no_interval_turned_over():
    assert reciprocal(mean_with_interval([-0.1, 0.5])).low is None
    assert reciprocal(mean_with_interval([0.5])).ratio == 2.0
