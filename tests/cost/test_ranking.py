"""Expected work of a ranking against counts of what such algorithms do on numbers in any order."""

import numpy as np
import pytest

from tinyprop.cost.ranking import rank, route


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
    expected = rank(n, k, n, 1, tied=False)
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
    assert 2 * rank(n, k, n, 1, tied=False).partitioned == pytest.approx(counted, rel=0.15)


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
    assert route(n, k, nonzero, tied=False) == way


def test_numbers_that_are_alike_are_ranked_in_full():
    assert route(1000, 100, 1000, tied=True) == "all"
    work = rank(1000, 100, 1000, 1, tied=True)
    assert (work.collected, work.compared) == (1000, 1000)


def test_of_a_convolution_positions_and_channels_are_walked_too():
    work = rank(60, 30, 20, 4, tied=False)  # 15 positions of 4 channels; 10 of 40 zeros are kept
    assert (work.walked_positions, work.walked_channels) == (15, 1)
    assert work.searched == 15
    assert rank(60, 30, 20, 60, tied=False) == rank(60, 30, 20, 1, tied=False)  # one position is a list


def test_equals_are_told_apart_by_where_they_stand():
    assert rank(60, 30, 60, 1, tied=False).searched == 0
    assert rank(60, 30, 60, 1, tied=True).searched == 30
