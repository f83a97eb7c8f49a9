"""Weights, samples and outputs between PyTorch's layout and the engine's: nothing lost, and the same network."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings

from tinyprop.engine import WeightLayout
from tinyprop.errors import DataError, RequestError
from tinyprop.models import LeNet
from tinyprop.models.modules import sequential
from tinyprop.models.specification import Activation, Conv2d, Flatten, Linear, NetworkSpecification, Pool2d

from .cases import specifications


def numbered(specification: NetworkSpecification) -> dict[str, torch.Tensor]:
    """Weights by name, each number another one."""
    count, named = 0, {}
    for name, value in sequential(specification).state_dict().items():
        named[name] = torch.arange(count, count + value.numel(), dtype=torch.float32).reshape(value.shape)
        count += value.numel()
    return named


@settings(deadline=None, max_examples=60)
@given(specification=specifications())
def test_packing_is_a_permutation_and_unpacking_its_inverse(specification):
    layout, named = WeightLayout(specification), numbered(specification)
    vector = layout.pack(named)
    assert vector.dtype == np.float32
    assert sorted(vector) == list(range(layout.size))
    unpacked = layout.unpack(vector)
    assert list(unpacked) == list(named)
    assert all(np.array_equal(unpacked[name], value) for name, value in named.items())
    assert np.array_equal(layout.pack(unpacked), vector)


def test_a_convolutions_weights_have_their_input_channels_last():
    specification = NetworkSpecification((2, 2, 2), (Conv2d(2, 1, 2), Flatten()), "mean_squared_error")
    weights = {"conv1.weight": torch.arange(8.0).reshape(1, 2, 2, 2), "conv1.bias": torch.tensor([9.0])}
    # PyTorch: channel 0 is 0 1 / 2 3, channel 1 is 4 5 / 6 7.
    assert WeightLayout(specification).pack(weights).tolist() == [0, 4, 1, 5, 2, 6, 3, 7, 9]


def test_images_have_their_channels_last():
    layout = WeightLayout(NetworkSpecification((2, 1, 3), (Flatten(), Linear(6, 1)), "binary_cross_entropy"))
    x = np.arange(12, dtype=np.float32).reshape(2, 2, 1, 3)
    assert layout.rows(x).tolist() == [[0, 3, 1, 4, 2, 5], [6, 9, 7, 10, 8, 11]]


@pytest.mark.parametrize("between", [(), (Activation("relu"),)])
def test_a_linear_layer_behind_a_flattened_image_sees_what_it_saw(between):
    """Its columns are permuted as the image is, also if something elementwise lies between."""
    specification = NetworkSpecification(
        (3, 4, 5), (Flatten(), *between, Linear(60, 7), Linear(7, 2)), "mean_squared_error"
    )
    layout, rng = WeightLayout(specification), np.random.default_rng(0)
    named = {name: rng.normal(size=value.shape) for name, value in sequential(specification).state_dict().items()}
    x = np.abs(rng.normal(size=(6, 3, 4, 5)).astype(np.float32))
    first = layout.pack(named)[: 7 * 60].reshape(7, 60)
    np.testing.assert_allclose(layout.rows(x) @ first.T, x.reshape(6, 60) @ named["fc1.weight"].T, rtol=1e-4, atol=1e-5)
    assert np.array_equal(layout.pack(named)[7 * 61 : 7 * 61 + 14], named["fc2.weight"].ravel().astype(np.float32))


def test_outputs_that_are_a_feature_map_come_back_in_pytorchs_order():
    specification = NetworkSpecification((1, 4, 4), (Conv2d(1, 3, 3), Flatten()), "softmax_cross_entropy")
    layout = WeightLayout(specification)  # outputs: 3 channels of 2 × 2
    in_pytorch = np.arange(24, dtype=np.float32).reshape(2, 3, 2, 2)
    in_the_engine = in_pytorch.transpose(0, 2, 3, 1).reshape(2, 12)
    assert np.array_equal(layout.outputs(in_the_engine), in_pytorch.reshape(2, 12))
    assert np.array_equal(layout.targets(in_pytorch), in_the_engine)
    labels = np.array([0, 1, 4, 11])
    assert layout.targets(labels).tolist() == [0, 3, 1, 11]  # output 4 is channel 1, row 0, column 0
    assert layout.targets(labels).dtype == np.uint32
    for wrong in (-1, 12):
        with pytest.raises(DataError, match="no class"):
            layout.targets(np.array([0, wrong]))


def test_flat_samples_and_labels_stay_as_they_are():
    layout = WeightLayout(LeNet().specification((1, 28, 28), 10, "softmax_cross_entropy"))
    x = np.random.default_rng(0).normal(size=(2, 1, 28, 28)).astype(np.float32)
    assert np.shares_memory(layout.rows(x), x), "one channel needs no copy"
    assert layout.targets(np.array([3, 9])).tolist() == [3, 9]
    outputs = np.ones((2, 10), np.float32)
    assert layout.outputs(outputs) is outputs


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"fc1.bias": None}, r"fc1\.bias: shape none, not \(2,\)"),
        ({"fc9.bias": np.zeros(1)}, r"fc9\.bias: shape \(1,\), not none"),
        ({"fc1.weight": np.zeros((3, 2))}, r"fc1\.weight: shape \(3, 2\), not \(2, 3\)"),
    ],
)
def test_weights_of_another_network_are_refused_by_name(change, said):
    layout = WeightLayout(NetworkSpecification((3,), (Linear(3, 2),), "mean_squared_error"))
    named = {"fc1.weight": np.zeros((2, 3)), "fc1.bias": np.zeros(2), **change}
    with pytest.raises(ValueError, match=said):
        layout.pack({name: value for name, value in named.items() if value is not None})


def test_a_network_without_weights_is_refused():
    with pytest.raises(RequestError, match="no layer with weights"):
        WeightLayout(NetworkSpecification((1, 4, 4), (Pool2d("max", 2), Flatten()), "mean_squared_error"))
