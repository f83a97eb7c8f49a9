"""What a sparsity reports about the steps since it was last asked."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from tinyprop.sparse import Adaptive, AdaptiveSkip, Dense, Static, sparsify

from . import reference
from .cases import backward_of, linear_of, pair


def test_hand_worked_statistics():
    # s_min .2, s_max 1: local errors 10 and 2.5, ratios 1 and .4, kept 4 and round(1.6) = 2 of four entries
    G = [[1, -4, 2, -3], [1, 0, -1, 0.5]]
    outcome = backward_of(linear_of(np.ones((4, 2))), Adaptive(s_min=0.2, s_max=1.0), np.ones((2, 2)), G)
    statistics = outcome.sparsity.collect()["0"]
    assert statistics.steps == 1
    assert statistics.samples == 2
    assert statistics.entries == 4
    assert statistics.kept == 6
    assert isinstance(statistics.kept, int)
    assert statistics.kept_rows == 4
    assert statistics.ratio == pytest.approx(0.7)
    assert statistics.kept_fraction == pytest.approx(6 / 8)
    assert statistics.local_error == pytest.approx(6.25)


def test_kept_rows_counts_units_that_any_sample_kept():
    G = [[5, 1, 1, 1], [5, 1, 1, 1], [1, 1, 5, 1]]
    outcome = backward_of(linear_of(np.ones((4, 2))), Static(ratio=0.25), np.ones((3, 2)), G)
    assert outcome.sparsity.collect()["0"].kept_rows == 2


def test_kept_rows_of_a_convolution_counts_channels():
    G = np.full((2, 3, 2, 2), 1e-3)
    G[0, 1, 1, 1] = G[0, 1, 0, 0] = G[1, 1, 0, 1] = G[1, 1, 1, 0] = 1
    outcome = backward_of(nn.Conv2d(1, 3, 1), Static(ratio=2 / 12), np.ones((2, 1, 2, 2)), G)
    statistics = outcome.sparsity.collect()["0"]
    assert (statistics.entries, statistics.kept, statistics.kept_rows) == (12, 4, 1)


def test_patches_of_a_convolution_are_counted_for_each_group():
    mask = np.random.default_rng(3).random((2, 6, 4, 5)) < 0.05
    G = np.where(mask, 1.0, 1e-3)
    kept = mask[0].sum()
    G[1], mask[1] = 1e-3, False
    mask[1].flat[:kept] = True  # of equals the first are kept
    outcome = backward_of(nn.Conv2d(3, 6, 1, groups=3), Static(ratio=kept / 120), np.ones((2, 3, 4, 5)), G)
    statistics = outcome.sparsity.collect()["0"]
    by_hand = sum(
        any(mask[sample, 2 * group + unit, row, column] for unit in range(2))
        for sample, group, row, column in np.ndindex(2, 3, 4, 5)
    )
    assert (statistics.patches, statistics.kept_patches) == (60, by_hand)
    assert statistics.kept_patches_fraction == by_hand / 120


def test_everything_kept_is_every_patch_kept_and_a_linear_layer_has_none():
    model = nn.Sequential(nn.Conv2d(2, 4, 2, groups=2), nn.Flatten(), nn.Linear(16, 3))
    sparsity = sparsify(model, Dense())
    model(torch.ones(3, 2, 3, 3)).sum().backward()
    convolution, linear = sparsity.collect().values()
    assert (convolution.patches, convolution.kept_patches, convolution.kept_patches_fraction) == (8, 24, 1.0)
    assert (linear.patches, linear.kept_patches, linear.kept_patches_fraction) == (0, 0, None)


def test_patches_stay_unknown_where_some_steps_did_not_count_them():
    outcome = backward_of(nn.Conv2d(1, 2, 1), Static(ratio=0.5), np.ones((2, 1, 2, 2)), np.ones((2, 2, 2, 2)))
    counted = outcome.sparsity.collect()["0"]
    assert (counted + counted).kept_patches == 2 * counted.kept_patches
    earlier = replace(counted, patches=0, kept_patches=None)
    assert (earlier + counted).kept_patches_fraction is None
    assert (earlier + counted).samples == 4


def test_channel_granularity_counts_channels_and_their_positions():
    G = np.random.default_rng(0).normal(size=(2, 4, 3, 3))
    outcome = backward_of(nn.Conv2d(1, 4, 1), Static(ratio=0.5, granularity="channel"), np.ones((2, 1, 3, 3)), G)
    statistics = outcome.sparsity.collect()["0"]
    assert (statistics.entries, statistics.positions, statistics.kept) == (4, 9, 2 * 2)
    assert statistics.kept_fraction == pytest.approx(0.5)
    assert statistics.ratio == pytest.approx(0.5)


def test_means_weigh_samples_equally_over_batches_of_different_size():
    rng = np.random.default_rng(1)
    policy, settings = pair("adaptive", s_min=0.1, s_max=0.9)
    model = nn.Sequential(nn.Linear(3, 10)).double()
    sparsity = sparsify(model, policy)
    Y_max, ratios, errors, kept, rows = 0.0, [], [], 0, 0
    for B in (5, 1, 3):
        x, G = rng.normal(size=(B, 3)), rng.normal(size=(B, 10))
        (model(torch.as_tensor(x)) * torch.as_tensor(G)).sum(1).mean().backward()
        chosen = reference.select(settings, G, Y_max)
        Y_max = chosen.local_error_max
        ratios += chosen.ratio
        errors += chosen.local_error
        kept += int(chosen.mask.sum())
        rows += int(chosen.mask.any(axis=0).sum())
    statistics = sparsity.collect()["0"]
    assert (statistics.steps, statistics.samples, statistics.entries) == (3, 9, 10)
    assert (statistics.kept, statistics.kept_rows) == (kept, rows)
    assert statistics.ratio == pytest.approx(np.mean(ratios), rel=1e-6)
    assert statistics.local_error == pytest.approx(np.mean(errors), rel=1e-6)
    assert statistics.kept_fraction == pytest.approx(kept / 90)


def test_collecting_starts_anew():
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    sparsity = sparsify(model, Static(ratio=0.5))
    model(torch.ones(3, 3)).sum().backward()
    assert [s.samples for s in sparsity.collect().values()] == [3, 3]
    assert sparsity.collect() == {}
    model(torch.ones(1, 3)).sum().backward()
    assert [s.samples for s in sparsity.collect().values()] == [1, 1]


@pytest.mark.parametrize("policy", [Dense(), Static(ratio=1.0)])
def test_dense_keeps_everything(policy):
    G = np.random.default_rng(2).normal(size=(4, 6))
    outcome = backward_of(linear_of(np.ones((6, 2))), policy, np.ones((4, 2)), G)
    statistics = outcome.sparsity.collect()["0"]
    assert (statistics.kept, statistics.kept_rows, statistics.kept_fraction, statistics.ratio) == (24, 6, 1.0, 1.0)
    assert statistics.local_error == pytest.approx(np.abs(G).sum(1).mean(), rel=1e-6)


def test_a_dense_output_layer_is_reported_dense():
    model = nn.Sequential(nn.Linear(3, 10), nn.Tanh(), nn.Linear(10, 10))
    sparsity = sparsify(model, Static(ratio=0.2, sparsify_output=False))
    (model(torch.ones(2, 3)) * torch.arange(1.0, 11)).sum().backward()
    statistics = sparsity.collect()
    assert statistics["2"].kept_fraction == 1
    assert statistics["2"].ratio == 1
    assert statistics["0"].kept_fraction == pytest.approx(0.2)


def test_skipped_samples_are_counted_but_keep_nothing():
    G = [[4, 3, 2, 1], [1, 1, 1, 1]]  # local errors 10 and 4: ratios 1 and .4
    outcome = backward_of(linear_of(np.ones((4, 2))), AdaptiveSkip(skip_threshold=0.5), np.ones((2, 2)), G)
    statistics = outcome.sparsity.collect()["0"]
    assert (statistics.samples, statistics.kept, statistics.kept_rows) == (2, 4, 4)
    assert statistics.kept_fraction == pytest.approx(0.5)


def test_statistics_of_a_long_epoch_stay_exact():
    """Counts are integers: a float32 sum would stand still at 2²⁴."""
    model = nn.Sequential(nn.Linear(1, 1000))
    sparsity = sparsify(model, Static(ratio=0.999))
    x, G = torch.ones(3000, 1), torch.arange(1.0, 1001).expand(3000, 1000)
    for _ in range(6):
        model(x).backward(G)
    assert sparsity.collect()["0"].kept == 6 * 3000 * 999


def test_counts_over_two_to_the_24_in_one_step_stay_exact():
    model = nn.Sequential(nn.Conv2d(1, 1, 1))
    sparsity = sparsify(model, Dense())
    model(torch.ones(1, 1, 4097, 4097)).sum().backward()
    assert sparsity.collect()["0"].kept == 4097**2
