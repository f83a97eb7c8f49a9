"""Turning a model sparse and back, what it keeps as training state, and what evaluation leaves alone."""

import copy
import pickle

import pytest
import torch
from torch import nn

from tinyprop.sparse import Adaptive, AdaptiveSkip, Dense, Random, SparseConv2d, SparseLinear, Static, densify, sparsify


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(),
        nn.Linear(64, 8), nn.Dropout(0.5), nn.Linear(8, 3),
    )  # fmt: skip


def backward(model: nn.Module, seed: int = 1, scale: float = 1.0) -> torch.Tensor:
    torch.manual_seed(seed)
    x, labels = torch.randn(5, 1, 4, 4), torch.randint(0, 3, (5,))
    loss = nn.functional.cross_entropy(model(x), labels) * scale
    loss.backward()
    return loss


def maxima(sparsity) -> list[float]:
    return [float(layer.local_error_max) for layer in sparsity.layers.values()]


def test_layers_are_replaced_in_place_and_share_their_parameters():
    model = network()
    before = dict(model.named_parameters())
    keys = set(model.state_dict())
    sparsity = sparsify(model, Adaptive())
    assert isinstance(model[0], SparseConv2d)
    assert isinstance(model[4], SparseLinear)
    assert isinstance(model[6], SparseLinear)
    assert list(sparsity.layers) == ["0", "4", "6"]
    after = dict(model.named_parameters())
    assert list(after) == list(before)
    assert all(after[name] is before[name] for name in before)
    assert set(model.state_dict()) - keys == {f"{name}.local_error_max" for name in ("0", "4", "6")}
    assert all(layer.local_error_max.shape == () for layer in sparsity.layers.values())


def test_densify_gives_back_plain_layers_with_the_same_parameters():
    model = network()
    before, keys = dict(model.named_parameters()), list(model.state_dict())
    sparsify(model, Adaptive())
    backward(model)
    model[4].eval()
    densify(model)
    assert [type(layer) for layer in (model[0], model[4], model[6])] == [nn.Conv2d, nn.Linear, nn.Linear]
    assert all(after is before[name] for name, after in model.named_parameters())
    assert list(model.state_dict()) == keys
    assert (model[0].training, model[4].training) == (True, False)
    plain = network()
    plain.load_state_dict(model.state_dict())
    x = torch.randn(2, 1, 4, 4)
    assert torch.equal(model.eval()(x), plain.eval()(x))


def test_nested_modules_are_found_by_their_full_names():
    model = nn.ModuleDict({"encoder": nn.Sequential(nn.Linear(4, 3), nn.ReLU()), "head": nn.Linear(3, 2)})
    sparsity = sparsify(model, Static())
    assert list(sparsity.layers) == ["encoder.0", "head"]
    assert "encoder.0.local_error_max" in model.state_dict()


def test_frozen_layers_stay_as_they_are_and_do_not_count_for_depth():
    model = nn.Sequential(nn.Linear(4, 6), nn.Linear(6, 6), nn.ReLU(), nn.Linear(6, 3))
    model[1].requires_grad_(False)
    frozen = model[1]
    sparsity = sparsify(model, Static(ratio=0.5))
    assert model[1] is frozen
    assert type(model[1]) is nn.Linear
    assert {name: layer.depth for name, layer in sparsity.layers.items()} == {"0": 1, "3": 0}
    model(torch.ones(2, 4)).sum().backward()
    assert frozen.weight.grad is None
    assert model[0].weight.grad is not None


def test_a_frozen_weight_of_a_sparse_layer_gets_no_gradient():
    model = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3))
    sparsify(model, Static(ratio=0.5))
    model[2].weight.requires_grad_(False)
    model(torch.ones(2, 4)).square().sum().backward()
    assert model[2].weight.grad is None
    assert model[2].bias.grad is not None
    assert model[0].weight.grad is not None


def test_training_and_device_flags_hooks_and_requires_grad_survive():
    model = network()
    model[0].bias.requires_grad_(False)
    model[4].eval()
    sparsify(model, Static())
    assert not model[0].bias.requires_grad
    assert (model[0].training, model[4].training) == (True, False)
    densify(model)
    assert not model[0].bias.requires_grad


def test_an_example_only_orders_the_layers():
    """Neither batch norm's averages, nor gradients, modes or the random generator move."""
    model = network()
    before = copy.deepcopy(model.state_dict())
    model[1].eval()
    generator = torch.random.get_rng_state()
    sparsity = sparsify(model, Adaptive(), example=torch.randn(2, 1, 4, 4, generator=torch.Generator().manual_seed(5)))
    assert torch.equal(torch.random.get_rng_state(), generator)
    assert all(torch.equal(model.state_dict()[key], value) for key, value in before.items())
    assert (model[0].training, model[1].training, model[5].training) == (True, False, True)
    assert all(p.grad is None for p in model.parameters())
    assert maxima(sparsity) == [0, 0, 0]


def test_local_error_max_only_grows():
    model = network()
    sparsity = sparsify(model, Adaptive())
    backward(model)
    first = maxima(sparsity)
    assert min(first) > 0
    backward(model, scale=1e-3)
    assert maxima(sparsity) == first
    backward(model, scale=10)
    assert all(now > then for now, then in zip(maxima(sparsity), first, strict=True))


def test_local_error_max_is_saved_and_restored(tmp_path):
    model = network()
    sparsity = sparsify(model, Adaptive(s_min=0.1, s_max=0.9))
    sparsity.record_masks = True
    backward(model, scale=5)
    torch.save(model.state_dict(), tmp_path / "model.pt")

    other = network()
    resumed = sparsify(other, Adaptive(s_min=0.1, s_max=0.9))
    resumed.record_masks = True
    other.load_state_dict(torch.load(tmp_path / "model.pt", weights_only=True))
    assert maxima(resumed) == maxima(sparsity)

    for m in (model, other):
        m.zero_grad()
        backward(m, seed=2)
    for name, layer in sparsity.layers.items():
        assert torch.equal(layer.last_mask, resumed.layers[name].last_mask)
    assert all(torch.equal(a.grad, b.grad) for a, b in zip(model.parameters(), other.parameters(), strict=True))
    assert maxima(resumed) == maxima(sparsity)


def test_evaluation_touches_neither_state_nor_statistics():
    model = network()
    sparsity = sparsify(model, Adaptive())
    backward(model)
    before = maxima(sparsity)
    sparsity.collect()
    x = torch.randn(5, 1, 4, 4) * 100
    model.eval()
    model(x)
    with torch.no_grad():
        model(x)
    model(x.requires_grad_()).square().sum().backward()  # a saliency map, say: no training step
    model.train()
    with torch.no_grad():
        model(x)
    with torch.inference_mode():
        model(x)
    assert maxima(sparsity) == before
    assert sparsity.collect() == {}


def test_a_forward_pass_without_backward_touches_nothing():
    model = network()
    sparsity = sparsify(model, Adaptive())
    model(torch.randn(2, 1, 4, 4))
    assert maxima(sparsity) == [0, 0, 0]
    assert sparsity.collect() == {}


@pytest.mark.parametrize(
    "policy", [Static(ratio=0.4), Adaptive(), AdaptiveSkip(skip_threshold=0.3), Dense(), Random(ratio=0.4, seed=1)]
)
@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_a_copy_trains_like_the_original_and_by_itself(policy, duplicate):
    model = network()
    sparsity = sparsify(model, policy)
    backward(model)
    model.zero_grad()
    twin = duplicate(model)
    before = maxima(sparsity)
    backward(twin, seed=3, scale=50)
    assert maxima(sparsity) == before  # the copy has its own Y_max
    assert all(p.grad is None for p in model.parameters())
    backward(model, seed=3, scale=50)
    for ours, theirs in zip(model.parameters(), twin.parameters(), strict=True):
        assert torch.equal(ours.grad, theirs.grad)


def test_a_model_and_its_sparsity_can_be_copied_together():
    model = network()
    sparsity = sparsify(model, Static(ratio=0.4))
    twin, twin_sparsity = copy.deepcopy((model, sparsity))
    backward(twin)
    assert twin_sparsity.collect()["0"].samples == 5
    assert sparsity.collect() == {}


def test_dtype_moves_with_the_model():
    model = network()
    sparsity = sparsify(model, Adaptive())
    model.double()
    model(torch.randn(3, 1, 4, 4, dtype=torch.float64)).square().sum().backward()
    assert model[0].weight.grad.dtype == torch.float64
    assert min(maxima(sparsity)) > 0


def test_tied_parameters_stay_tied():
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4))
    model[2].weight = model[0].weight
    sparsify(model, Static(ratio=0.5))
    assert model[2].weight is model[0].weight
    model(torch.ones(2, 4)).sum().backward()


def test_same_seed_same_bits():
    results = []
    for _ in range(2):
        model = network()
        sparsify(model, Adaptive(s_min=0.1, s_max=0.8, zeta=0.9))
        optimizer = torch.optim.Adam(model.parameters())
        for step in range(4):
            optimizer.zero_grad()
            backward(model, seed=step)
            optimizer.step()
        results.append(model.state_dict())
    assert all(torch.equal(results[0][key], results[1][key]) for key in results[0])


def test_a_layer_can_be_the_whole_model():
    layer = nn.Linear(4, 10)
    sparsity = sparsify(layer, Static(ratio=0.2))
    sparsity.record_masks = True
    (layer(torch.ones(2, 4)) * torch.arange(10.0)).sum().backward()
    assert layer.last_mask.sum(1).tolist() == [2, 2]


def test_a_model_without_anything_to_sparsify_is_refused():
    with pytest.raises(ValueError, match="Linear"):
        sparsify(nn.Sequential(nn.ReLU()), Static())


def test_a_second_policy_needs_densify_first():
    model = network()
    sparsify(model, Static(ratio=0.5))
    with pytest.raises(ValueError, match="densify"):
        sparsify(model, Adaptive())
    densify(model)
    assert maxima(sparsify(model, Adaptive())) == [0, 0, 0]


def test_an_empty_batch_changes_nothing():
    model = nn.Sequential(nn.Linear(4, 3))
    sparsity = sparsify(model, Adaptive())
    model(torch.ones(0, 4)).sum().backward()
    assert not model[0].weight.grad.any()
    assert maxima(sparsity) == [0]
