"""What a trained network's numbers are like, against networks worked out by hand."""

import numpy as np
import pytest
import torch
from torch import nn

from tinyprop.training.numbers import numbers_of, zeros_of


def test_zeros_are_counted_as_the_engine_reads_samples():
    """Channels last: eight neighbours of an image with two channels are four positions."""
    x = torch.ones(1, 2, 2, 4)
    x[0, :, 0] = 0  # the first row of both channels: eight numbers that lie together
    x[0, 0, 1, 0] = 0
    assert zeros_of(x) == {"zero_inputs": 9 / 16, "zero_blocks": 1 / 2}
    assert zeros_of(torch.zeros(3, 5)) == {"zero_inputs": 1.0, "zero_blocks": 0.0}


def network() -> nn.Sequential:
    """Four inputs, of which the first unit passes on the sum, and the second its negative; then a tanh."""
    module = nn.Sequential()
    module.add_module("fc1", nn.Linear(4, 2))
    module.add_module("relu1", nn.ReLU())
    module.add_module("fc2", nn.Linear(2, 1))
    module.add_module("tanh2", nn.Tanh())
    with torch.no_grad():
        module.fc1.weight[:] = torch.tensor([[1.0] * 4, [-1.0] * 4])
        module.fc2.weight[:] = 1.0
        module.fc1.bias[:] = module.fc2.bias[:] = 0.0
    return module


def test_each_layer_says_what_it_is_given_and_what_no_gradient_has_reached():
    x = np.float32([[1, 0, 0, 0], [0.1, 0.2, 0, 0]])
    moments = {"fc1.weight": np.float32([[1, 0, 0, 0], [1, 1, 0, 0]]), "fc1.bias": np.float32([0, 1])}
    found = numbers_of(network(), moments, x)
    assert found["fc1"] == {"zero_inputs": 5 / 8, "zero_blocks": 0.0, "zero_moments": 0.6}
    # of each sample one unit is let through, and the tanh of 1 is beyond that of 5/8, that of 0.3 is not
    assert found["fc2"] == {"zero_inputs": 0.5, "zero_blocks": 0.0, "large_outputs": 0.5}


def test_the_input_of_a_layer_behind_a_flatten_lies_as_in_the_engine():
    module = nn.Sequential()
    module.add_module("conv1", nn.Conv2d(1, 8, 1, bias=False))
    module.add_module("flatten", nn.Flatten())
    module.add_module("fc1", nn.Linear(16, 1))
    with torch.no_grad():
        module.conv1.weight[:] = 1.0
    x = np.float32([[[[0, 1]]]])  # all eight channels of the first position are zero: one block, channels last
    assert numbers_of(module, {}, x)["fc1"] == {"zero_inputs": 0.5, "zero_blocks": 0.5}


def test_nothing_is_said_of_a_network_that_branches():
    assert numbers_of(nn.Bilinear(2, 2, 1), {}, np.zeros((1, 2), np.float32)) == {}


@pytest.mark.parametrize("optimizer", ["sgd optimizer.momentum=0.9", "adam"])
def test_backends_remember_alike_what_no_gradient_has_reached(configured, c_engine, optimizer):
    from tinyprop import datasets
    from tinyprop.training.prepare import open_backend

    found = {}
    for backend in ("torch", "native"):
        config = configured(
            f"backend={backend}", "policy=static", "policy.ratio=0.1", *f"optimizer={optimizer}".split()
        )
        dataset = datasets.load(config.dataset)
        training, _ = open_backend(config, dataset, None)
        assert not any(np.any(each) for each in training.moments().values())
        x, order = dataset.train.x, np.arange(20)
        training.train_epoch(0, 0.01, x, dataset.train.y, order, lambda _: None)
        found[backend] = {name: each == 0 for name, each in training.moments().items()}
    assert found["torch"].keys() == found["native"].keys()
    for name, zeros in found["torch"].items():
        np.testing.assert_array_equal(zeros, found["native"][name])
    assert 0 < found["torch"]["fc1.weight"].mean() < 1
