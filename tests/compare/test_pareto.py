from hypothesis import given
from hypothesis import strategies as st

from tinyprop.compare.pareto import pareto_front


def test_who_costs_more_and_scores_no_better_is_not_on_the_front():
    points = [(1.0, 0.90), (0.1, 0.80), (0.3, 0.80), (0.3, 0.85), None, (0.05, 0.2)]
    assert pareto_front(points) == [True, True, False, True, False, True]


def test_of_losses_the_lower_is_better():
    assert pareto_front([(1.0, 0.3), (0.5, 0.4), (0.6, 0.5)], higher_is_better=False) == [True, True, False]


def test_equal_points_are_on_the_front_together():
    assert pareto_front([(0.5, 0.5), (0.5, 0.5), (0.5, 0.4)]) == [True, True, False]


def test_means_that_differ_in_their_rounding_only_are_equal():
    scores = [0.9, 0.95, 0.93, 0.92, 0.91]
    mean, other = sum(scores) / 5, sum(reversed(scores)) / 5
    assert pareto_front([(0.35, min(mean, other)), (0.38, max(mean, other) + 1e-15)]) == [True, False]


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=12))
def test_the_front_is_what_no_choice_of_budget_would_leave_out(points):
    """Whoever scores best for some budget, and cheapest of those, is on the front; nobody else is."""
    best = set()
    for budget in range(6):
        affordable = [point for point in points if point[0] <= budget]
        if affordable:
            top = max(score for _, score in affordable)
            best.add(min(point for point in affordable if point[1] == top))
    assert pareto_front(points) == [point in best for point in points]
