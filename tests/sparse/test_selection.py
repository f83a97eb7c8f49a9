"""Which entries are kept: steps 1 to 3 of the method, by hand and against the reference."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from tinyprop.sparse import Adaptive, MeProp, Static, keep_largest, sparsify

from . import reference
from .cases import backward_of, linear_of, pair


@settings(deadline=None, max_examples=80)
@given(st.data())
def test_keep_largest_is_a_stable_sort(data):
    B, n = data.draw(st.integers(1, 5)), data.draw(st.integers(1, 12))
    rows = data.draw(st.lists(st.lists(st.integers(0, 3), min_size=n, max_size=n), min_size=B, max_size=B))
    ks = data.draw(st.lists(st.integers(0, n), min_size=B, max_size=B))
    kept = keep_largest(torch.tensor(rows, dtype=torch.float32), torch.tensor(ks))
    assert kept.dtype == torch.bool
    for row, k, mask in zip(rows, ks, kept.tolist(), strict=True):
        assert [j for j in range(n) if mask[j]] == sorted(reference.largest([float(v) for v in row], k))


@pytest.mark.parametrize("n", [2607, 10_000])
def test_keep_largest_breaks_thousands_of_ties_to_the_lowest_index(n):
    magnitude = torch.randint(0, 4, (3, n), generator=torch.Generator().manual_seed(0)).float()
    ks = torch.tensor([1, n // 3, n - 1])
    kept = keep_largest(magnitude, ks)
    for b in range(3):
        order = np.argsort(-magnitude[b].numpy(), kind="stable")
        assert set(np.flatnonzero(kept[b].numpy())) == set(order[: int(ks[b])])


def test_keep_largest_tells_neighbouring_floats_apart():
    """A tie-break that adds something small to the magnitudes would lose the last bit."""
    for base in (1.0, 1e-38, 1e38, 1e-45):
        low = np.float32(base)
        high = np.nextafter(low, np.float32(np.inf))
        magnitude = torch.from_numpy(np.array([[low] * 50 + [high] + [low] * 50], dtype=np.float32))
        assert keep_largest(magnitude, torch.tensor([1])).nonzero().tolist() == [[0, 50]]
        assert keep_largest(magnitude, torch.tensor([2])).nonzero().tolist() == [[0, 0], [0, 50]]


def test_keep_largest_of_float64_does_not_rank_in_float32():
    magnitude = torch.tensor([[1.0, 1.0 + 1e-12, 1.0]], dtype=torch.float64)
    assert keep_largest(magnitude, torch.tensor([1])).tolist() == [[False, True, False]]


@pytest.mark.parametrize("shape", [(0, 5), (3, 1), (1, 1)])
def test_keep_largest_of_small_shapes(shape):
    kept = keep_largest(torch.ones(shape), torch.ones(shape[0], dtype=torch.long))
    assert kept.shape == shape
    assert kept.sum() == shape[0]


def test_hand_worked_adaptive_step():
    # s_min .2, s_max 1, depth 0, four units.
    # sample 0: |1| + |-4| + |2| + |-3| = 10 = Y_max, r = .2 + 10·.8/10 = 1,   k = 4
    # sample 1: |1| + 0 + |-1| + |.5|   = 2.5,        r = .2 + 2.5·.8/10 = .4, 4·.4 = 1.6, k = 2: the two of size 1
    # sample 2: all zero: nothing
    G = [[1, -4, 2, -3], [1, 0, -1, 0.5], [0, 0, 0, 0]]
    W = [[1, 2], [3, 4], [5, 6], [7, 8]]
    x = [[1, 0], [10, 20], [5, 5]]
    outcome = backward_of(linear_of(W), Adaptive(s_min=0.2, s_max=1.0, zeta=1.0), x, G)
    assert outcome.local_error_max == 10
    assert outcome.mask.tolist() == [[True] * 4, [True, False, True, False], [False] * 4]
    # dW[j] = G0[j]·(1, 0) + kept G1[j]·(10, 20): (1 + 10, 20), (-4, 0), (2 - 10, -20), (-3, 0)
    np.testing.assert_allclose(outcome.dW, [[11, 20], [-4, 0], [-8, -20], [-3, 0]], atol=1e-12)
    np.testing.assert_allclose(outcome.db, [2, -4, 1, -3], atol=1e-12)
    # dX0 = 1·(1,2) - 4·(3,4) + 2·(5,6) - 3·(7,8) = (-22, -26);  dX1 = (1,2) - (5,6) = (-4, -4);  dX2 = 0
    np.testing.assert_allclose(outcome.dX, [[-22, -26], [-4, -4], [0, 0]], atol=1e-12)


def test_hand_worked_floor_keeps_one_where_nearest_keeps_two():
    # the second sample above: 4·.4 = 1.6 is cut to 1, and of the two entries of size 1 the first is kept
    G = [[1, -4, 2, -3], [1, 0, -1, 0.5]]
    policy = Adaptive(s_min=0.2, s_max=1.0, zeta=1.0, rounding="floor")
    outcome = backward_of(linear_of(np.ones((4, 2))), policy, np.ones((2, 2)), G)
    assert outcome.mask[1].tolist() == [True, False, False, False]


def test_hand_worked_damping_halves_the_ratio_of_the_layer_before():
    # identity weights pass G = (1, -4, 2, -3) down unchanged. Alone in its batch a sample is its own Y_max:
    # output layer d = 0: r = 1·1, k = 4;  the layer before d = 1: r = 1·.5, k = 2;  and before it d = 2: r = .25, k = 1
    # (the middle layer hands down only -4 and -3, so the first sees (0, -4, 0, -3): Y = 7, Y_max = 7)
    model = nn.Sequential(*(linear_of(np.eye(4)) for _ in range(3)))
    sparsity = sparsify(model, Adaptive(s_min=0.0, s_max=1.0, zeta=0.5))
    sparsity.record_masks = True
    y = model(torch.ones(1, 4, dtype=torch.float64))
    (y * torch.tensor([[1.0, -4, 2, -3]])).sum().backward()
    assert [layer.depth for layer in sparsity.layers.values()] == [2, 1, 0]
    assert model[2].last_mask.tolist() == [[True] * 4]
    assert model[1].last_mask.tolist() == [[False, True, False, True]]
    assert model[0].last_mask.tolist() == [[False, True, False, False]]
    assert [float(layer.local_error_max) for layer in model] == [7.0, 10.0, 10.0]


def test_hand_worked_ratio_over_one_is_clamped_only_after_damping():
    # s_max 1.2, ζ .5: the largest sample has r = 1.2·.5 = .6 one layer up, not clamp(1.2)·.5 = .5; 10 units: k = 6
    model = nn.Sequential(linear_of(np.eye(10)), linear_of(np.eye(10)))
    sparsity = sparsify(model, Adaptive(s_min=0.0, s_max=1.2, zeta=0.5))
    sparsity.record_masks = True
    model(torch.ones(1, 10, dtype=torch.float64)).sum().backward()
    assert model[1].last_mask.tolist() == [[True] * 10]
    assert model[0].last_mask.tolist() == [[True] * 6 + [False] * 4]


@pytest.mark.parametrize(
    ("n", "ratio", "nearest", "floor"),
    [
        (10, 0.25, 3, 2),  # 2.5: a half goes up (to even would be 2)
        (10, 0.35, 4, 3),  # 3.5
        (2, 0.25, 1, 1),  # .5 goes up to 1; cut to 0, then clamped to 1
        (10, 0.01, 1, 1),  # never fewer than one
        (10, 0.24, 2, 2),
        (3, 0.99, 3, 2),
        (7, 1.0, 7, 7),
        (1, 0.1, 1, 1),
    ],
)
def test_number_of_kept_entries(n, ratio, nearest, floor):
    G = np.arange(1.0, n + 1)[None]
    for rounding, k in (("nearest", nearest), ("floor", floor)):
        outcome = backward_of(linear_of(np.ones((n, 2))), Static(ratio=ratio, rounding=rounding), np.ones((1, 2)), G)
        assert outcome.mask.tolist() == [[False] * (n - k) + [True] * k], rounding


def test_ties_keep_the_lowest_index():
    G = [[2.0, -2, 2, -2, 2, -2, 2, -2], [0, 0, 0, 0, 0, 0, 0, 5]]
    outcome = backward_of(linear_of(np.ones((8, 3))), Static(ratio=0.375), np.ones((2, 3)), G)
    assert outcome.mask[0].tolist() == [True] * 3 + [False] * 5
    assert outcome.mask[1].tolist() == [True, True] + [False] * 5 + [True]


def test_channel_ties_keep_the_lowest_channel():
    conv = nn.Conv2d(1, 4, 1)
    G = np.ones((1, 4, 2, 2))
    G[0, 3] *= -1
    outcome = backward_of(conv, Static(ratio=0.5, granularity="channel"), np.ones((1, 1, 2, 2)), G)
    assert outcome.mask.all(axis=(2, 3)).tolist() == [[True, True, False, False]]


def test_channels_are_ranked_by_their_sum_not_by_their_largest_entry():
    # channel 0 holds one 3, channel 1 four times 1: L1 norms 3 and 4
    G = np.zeros((1, 2, 2, 2))
    G[0, 0, 0, 0] = -3
    G[0, 1] = 1
    outcome = backward_of(nn.Conv2d(1, 2, 1), Static(ratio=0.5, granularity="channel"), np.ones((1, 1, 2, 2)), G)
    assert outcome.mask.all(axis=(2, 3)).tolist() == [[False, True]]
    assert outcome.mask.sum() == 4


def test_channel_count_rounds_the_number_of_channels():
    # 5 channels at .3: round(1.5) = 2 channels, whatever their size (of 20 entries it would have been 6)
    G = np.random.default_rng(0).normal(size=(1, 5, 2, 2))
    outcome = backward_of(nn.Conv2d(1, 5, 1), Static(ratio=0.3, granularity="channel"), np.ones((1, 1, 2, 2)), G)
    assert outcome.mask.sum() == 8


@pytest.mark.parametrize(
    "policy", [Static(ratio=0.5), Adaptive(s_min=0.5, s_max=1.0), MeProp(k=2, sparsify_output=True)]
)
@pytest.mark.parametrize("granularity", ["element", "channel"])
def test_zero_gradients_keep_nothing_and_make_no_nan(policy, granularity):
    from dataclasses import replace

    policy = replace(policy, granularity=granularity)
    G = np.zeros((3, 4, 2, 2))
    outcome = backward_of(nn.Conv2d(2, 4, 2), policy, np.ones((3, 2, 3, 3)), G)
    assert not outcome.mask.any()
    assert outcome.local_error_max == 0
    for gradient in (outcome.dW, outcome.db, outcome.dX):
        assert not np.any(gradient)  # NaN is true
    statistics = outcome.sparsity.collect()["0"]
    assert statistics.kept == 0
    assert statistics.kept_fraction == 0
    assert statistics.local_error == 0
    assert np.isfinite(statistics.ratio)


def test_a_zero_sample_between_others_keeps_nothing():
    policy, settings_ = pair("adaptive", s_min=0.9, s_max=1.0)
    G = np.array([[1.0, 2, 3], [0, 0, 0], [3, 2, 1]])
    outcome = backward_of(linear_of(np.ones((3, 2))), policy, np.ones((3, 2)), G)
    np.testing.assert_array_equal(outcome.mask, reference.select(settings_, G, 0.0).mask)
    assert not outcome.mask[1].any()


def test_subnormal_gradients_are_selected_like_any_other():
    model = nn.Sequential(nn.Linear(2, 4))
    sparsity = sparsify(model, Adaptive(s_min=0.5, s_max=0.5), loss_reduction="sum")
    sparsity.record_masks = True
    (model(torch.ones(1, 2)) * torch.tensor([[1e-42, 3e-42, 2e-42, 0]])).sum().backward()
    assert model[0].last_mask.tolist() == [[False, True, True, False]]
    assert torch.isfinite(model[0].weight.grad).all()


def test_one_unit_is_kept_by_every_ratio():
    for policy in (Static(ratio=0.01), Adaptive(s_min=0.0, s_max=0.1), MeProp(k=30, sparsify_output=True)):
        outcome = backward_of(linear_of([[1.0, 2.0]]), policy, [[1.0, 1], [2, 2]], [[0.5], [-1e-3]])
        assert outcome.mask.tolist() == [[True], [True]]


def test_meprop_keeps_k_entries_and_at_most_all():
    G = np.random.default_rng(1).normal(size=(3, 6))
    for k, kept in ((1, 1), (4, 4), (6, 6), (30, 6)):
        outcome = backward_of(linear_of(np.ones((6, 2))), MeProp(k=k, sparsify_output=True), np.ones((3, 2)), G)
        assert outcome.mask.sum(axis=1).tolist() == [kept] * 3


def test_mean_and_sum_losses_select_the_same():
    rng = np.random.default_rng(2)
    G, x = rng.normal(size=(5, 8)) * rng.uniform(0.1, 1, size=(5, 1)), rng.normal(size=(5, 3))
    layer = linear_of(rng.normal(size=(8, 3)))
    results = [backward_of(layer, Adaptive(), x, G, loss_reduction="mean")]
    results.append(backward_of(layer, Adaptive(), x, G, loss_reduction="sum"))
    np.testing.assert_array_equal(results[0].mask, results[1].mask)
    np.testing.assert_allclose(results[0].local_error_max, results[1].local_error_max, rtol=1e-6)


def test_a_sample_keeps_the_same_in_a_short_last_batch():
    """The mean of 2 samples has ten times the scale of the mean of 20; the ratios must not notice."""
    torch.manual_seed(0)
    x, labels = torch.randn(20, 6, dtype=torch.float64), torch.randint(0, 5, (20,))
    model = nn.Sequential(nn.Linear(6, 9), nn.Tanh(), nn.Linear(9, 5)).double()
    sparsity = sparsify(model, Adaptive(s_min=0.1, s_max=1.0, zeta=0.8))
    sparsity.record_masks = True

    def masks_of(part: slice) -> list[torch.Tensor]:
        nn.functional.cross_entropy(model(x[part]), labels[part]).backward()
        return [layer.last_mask.clone() for layer in sparsity.layers.values()]

    full = masks_of(slice(0, 20))
    maxima = [float(layer.local_error_max) for layer in sparsity.layers.values()]
    for start, stop in ((18, 20), (7, 8), (0, 5)):
        for whole, short in zip(full, masks_of(slice(start, stop)), strict=True):
            assert torch.equal(whole[start:stop], short)
    assert [float(layer.local_error_max) for layer in sparsity.layers.values()] == pytest.approx(maxima, rel=1e-6)
