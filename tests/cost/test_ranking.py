"""Expected work of a ranking against counts of what such algorithms do on numbers in any order."""

import numpy as np
import pytest

from tinyprop.cost.assumptions import alike
from tinyprop.cost.layers import layers_of
from tinyprop.cost.ranking import rank, route
from tinyprop.models.specification import Activation, Conv2d, Flatten, Linear, NetworkSpecification, Pool2d


def insertions(values, k) -> tuple[int, int]:
    """Numbers put into a list of the k largest, and numbers moved by that."""
    kept: list[float] = []
    inserted = moved = 0
    for value in values:
        if len(kept) < k or value > kept[-1]:
            at = sum(other >= value for other in kept)
            kept.insert(at, value)
            del kept[k:]
            moved += len(kept) - 1 - at
            inserted += 1
    return inserted, moved


@pytest.mark.parametrize(("n", "k"), [(50, 1), (200, 4), (1000, 8)])
def test_a_list_takes_in_as_many_as_expected(n, k):
    rng = np.random.default_rng(1)
    counted = np.mean([insertions(rng.random(n), k) for _ in range(200)], axis=0)
    expected = rank(n, k, n, 1)
    assert expected.inserted == pytest.approx(counted[0], rel=0.15)
    assert expected.shifted == pytest.approx(counted[1], rel=0.25, abs=1)
    assert expected.scanned == n


def looked_at(values, k) -> int:
    """Numbers that the partitions of Hoare's search for the k-th largest look at."""
    if len(values) < 2:
        return 0
    pivot = values[k - 1]
    above, below = values[values > pivot], values[values < pivot]
    if k <= len(above):
        return len(values) + looked_at(above, k)
    if k > len(values) - len(below):
        return len(values) + looked_at(below, k - (len(values) - len(below)))
    return len(values)


@pytest.mark.parametrize(("n", "k"), [(400, 150), (1000, 900)])
def test_a_search_looks_at_as_many_as_expected(n, k):
    rng = np.random.default_rng(2)
    counted = np.mean([looked_at(rng.random(n), k) for _ in range(300)])
    assert 2 * rank(n, k, n, 1).partitioned == pytest.approx(counted, rel=0.15)


@pytest.mark.parametrize(
    ("n", "k", "nonzero", "way"),
    [
        (100, 100, 100, "copy"),
        (100, 8, 100, "list"),
        (100, 8, 7, "all"),
        (1000, 100, 1000, "bound"),
        (1000, 300, 1000, "all"),
        (60, 12, 60, "all"),
    ],
)
def test_the_way_is_the_engine_s(n, k, nonzero, way):
    assert route(n, k, nonzero) == way


def test_of_numbers_that_are_alike_a_bound_now_and_then_parts_those_wanted():
    """Groups as an average pool of 2 by 2 leaves them behind a ReLU: the engine ranks everything where one is cut."""
    rng = np.random.default_rng(3)
    n, k, cut = 1000, 100, 0
    for _ in range(2000):
        values = np.sort((rng.random(n // 4).repeat(4)) * (rng.random(n) < 0.5))[::-1]
        cut += values[k - 1] == values[k]
    group = 4 * 0.5 / (1 - 0.5**4)
    assert route(n, k, n / 2, alike=group) == "all"
    work = rank(n, k, n / 2, 1, alike=group)
    assert work.thresholds == pytest.approx(cut / 2000, abs=0.04)
    assert work.passed > k
    assert (work.collected, work.compared) == (n, n * work.thresholds)


def test_of_a_convolution_positions_and_channels_are_walked_too():
    work = rank(60, 30, 20, 4)  # 15 positions of 4 channels; 10 of 40 zeros are kept
    assert (work.walked_positions, work.walked_channels) == (15, 1)
    assert work.searched == 15
    assert rank(60, 30, 20, 60) == rank(60, 30, 20, 1)  # one position is a list


def test_equals_are_told_apart_by_where_they_stand():
    assert rank(60, 30, 60, 1).searched == 0
    assert rank(60, 30, 60, 1, alike=4).searched == pytest.approx(60 * 0.5 * 3 / 4)  # or none of the equals is dropped


def test_an_average_pool_makes_gradients_alike_unless_each_is_multiplied_by_a_slope():
    def of(*between):
        layers = (Conv2d(1, 3, 1), *between, Flatten(), Linear(48, 2))
        return alike(layers_of(NetworkSpecification((1, 8, 8), layers, "mean_squared_error")), 0, 0.4)

    pool, relu = Pool2d("average", 2), Activation("relu")
    assert of(pool, relu) == 4
    assert of(relu, pool) == pytest.approx(4 * 0.5 / (1 - 0.5**4))
    assert of(Activation("tanh"), pool) == of(Pool2d("max", 2)) == 1
