"""Policies beyond the method's own: the random control and ssProp's schedule; and values that are refused."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from tinyprop.errors import InvalidSettings
from tinyprop.sparse import Adaptive, AdaptiveSkip, Dense, MeProp, Random, Scheduled, Static, sparsify

from . import reference


def random_masks(seed: int, steps: int = 2, epochs: tuple[int, ...] = (0,)) -> list[torch.Tensor]:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 12), nn.Tanh(), nn.Linear(12, 8))
    x = torch.randn(5, 4)
    sparsity = sparsify(model, Random(ratio=0.25, seed=seed))
    sparsity.record_masks = True
    masks = []
    for epoch in epochs:
        sparsity.begin_epoch(epoch)
        for _ in range(steps):
            model(x).square().sum(1).mean().backward()
            masks += [layer.last_mask.clone() for layer in sparsity.layers.values()]
    return masks


def test_random_keeps_k_entries_of_each_sample():
    for mask in random_masks(seed=0):
        assert mask.sum(1).tolist() == [mask.shape[1] // 4] * 5


def test_random_is_repeated_by_its_seed_and_epoch():
    assert all(map(torch.equal, random_masks(seed=0), random_masks(seed=0)))
    assert not all(map(torch.equal, random_masks(seed=0), random_masks(seed=1)))
    both = random_masks(seed=3, epochs=(0, 1))
    assert not all(map(torch.equal, both[:4], both[4:]))
    assert all(map(torch.equal, both[4:], random_masks(seed=3, epochs=(1,))))  # an epoch can be resumed by itself


def test_random_changes_from_step_to_step_and_leaves_torchs_generator_alone():
    masks = random_masks(seed=0)
    assert not torch.equal(masks[0], masks[2])
    model = nn.Sequential(nn.Linear(4, 12))
    sparsify(model, Random(ratio=0.5, seed=0))
    torch.manual_seed(9)
    expected = torch.rand(3)
    torch.manual_seed(9)
    model(torch.ones(2, 4)).sum().backward()
    assert torch.equal(torch.rand(3), expected)


def test_random_prefers_no_entry():
    model = nn.Sequential(nn.Linear(1, 8))
    sparsity = sparsify(model, Random(ratio=0.25, seed=0))
    sparsity.record_masks = True
    G = torch.tensor([100.0, 10, 1, 1, 1, 1, 1, 1]).expand(4000, 8)
    (model(torch.ones(4000, 1)) * G).sum(1).mean().backward()
    frequency = model[0].last_mask.double().mean(0)
    # each entry is kept in a quarter of 4000 samples; the deviation of such a mean is sqrt(.25·.75/4000) = .007
    assert (frequency - 0.25).abs().max() < 5 * 0.007


@pytest.mark.parametrize("layer", ["linear", "conv"])
def test_scheduled_alternates_dense_epochs_and_channels_chosen_by_the_whole_batch(layer):
    rng = np.random.default_rng(0)
    torch.manual_seed(0)
    if layer == "linear":
        model, x, G = nn.Sequential(nn.Linear(3, 7)), rng.normal(size=(5, 3)), rng.normal(size=(5, 7))
    else:
        model, x, G = nn.Sequential(nn.Conv2d(2, 7, 2)), rng.normal(size=(5, 2, 4, 4)), rng.normal(size=(5, 7, 3, 3))
    model = model.double()
    sparsity = sparsify(model, Scheduled(ratio=0.3, period=2))
    sparsity.record_masks = True
    for epoch in range(4):
        sparsity.begin_epoch(epoch)
        (model(torch.as_tensor(x)) * torch.as_tensor(G)).flatten(1).sum(1).mean().backward()
        expected = np.ones(G.shape, dtype=bool) if epoch % 2 == 0 else reference.scheduled_mask(G, 0.3)
        np.testing.assert_array_equal(model[0].last_mask.numpy(), expected)


def test_scheduled_gradients_are_those_of_the_kept_channels():
    torch.manual_seed(1)
    plain = nn.Conv2d(2, 6, 3, padding=1).double()
    model = nn.Sequential(nn.Conv2d(2, 6, 3, padding=1)).double()
    model[0].load_state_dict(plain.state_dict())
    sparsity = sparsify(model, Scheduled(ratio=0.5, period=2), loss_reduction="sum")
    sparsity.record_masks = True
    sparsity.begin_epoch(1)
    x = torch.randn(3, 2, 4, 4, dtype=torch.float64)
    G = torch.randn(3, 6, 4, 4, dtype=torch.float64)
    model(x).backward(G)
    plain(x).backward(G * torch.from_numpy(reference.scheduled_mask(G.numpy(), 0.5)))
    torch.testing.assert_close(model[0].weight.grad, plain.weight.grad, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(model[0].bias.grad, plain.bias.grad, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("policy", "options", "fields"),
    [
        (Static, {"ratio": -0.1}, {"ratio"}),
        (Static, {"ratio": math.nan}, {"ratio"}),
        (Static, {"ratio": 1.5}, {"ratio"}),
        (Static, {"ratio": 2.0, "granularity": "row", "rounding": "up"}, {"ratio", "granularity", "rounding"}),
        (MeProp, {"k": 0}, {"k"}),
        (Adaptive, {"s_min": -1.0}, {"s_min"}),
        (Adaptive, {"zeta": -0.5}, {"zeta"}),
        (Adaptive, {"s_max": math.inf}, {"s_max"}),
        (AdaptiveSkip, {"s_min": 0.0, "s_max": 1.0, "zeta": 1.0, "skip_threshold": -0.5}, {"skip_threshold"}),
        (Random, {"ratio": 0.5, "seed": -1}, {"seed"}),
        (Scheduled, {"ratio": 0.5, "period": 0}, {"period"}),
        (Dense, {"granularity": "row"}, {"granularity"}),
    ],
)
def test_values_that_make_no_sense_are_all_named_at_once(policy, options, fields):
    with pytest.raises(InvalidSettings) as caught:
        policy(**options)
    assert {field for field, _ in caught.value.problems} == fields
    for field, message in caught.value.problems:
        assert str(options[field]) in message


def test_an_unknown_loss_reduction_is_refused():
    with pytest.raises(ValueError, match="median"):
        sparsify(nn.Sequential(nn.Linear(2, 2)), Static(), loss_reduction="median")


def test_policies_are_values():
    assert Static(ratio=0.1) == Static(ratio=0.1) != Static(ratio=0.2)
    assert len({Adaptive(), Adaptive(), Dense()}) == 2
    with pytest.raises(AttributeError):
        Static().ratio = 0.5
    assert MeProp().k == 30
    assert not MeProp().sparsify_output
    assert (Adaptive().s_min, Adaptive().s_max, Adaptive().zeta) == (0.0, 1.0, 1.0)
