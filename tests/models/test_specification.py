"""Network specifications: shapes, names, and what does not fit."""

import pytest

from tinyprop.errors import RequestError
from tinyprop.models import Autoencoder, CnnSmall, LeNet, Mlp
from tinyprop.models.specification import (
    Activation,
    BatchNorm,
    Conv2d,
    Flatten,
    Linear,
    NetworkSpecification,
    Pool2d,
)


def test_layers_are_named_by_kind_and_order_with_their_output_shapes():
    named = LeNet().specification((1, 28, 28), 10, "softmax_cross_entropy").named_layers()
    assert [(name, shape) for name, _, shape in named] == [
        *(("conv1", (6, 24, 24)), ("relu1", (6, 24, 24)), ("pool1", (6, 12, 12))),
        *(("conv2", (12, 8, 8)), ("relu2", (12, 8, 8)), ("pool2", (12, 4, 4)), ("flatten1", (192,))),
        *(("fc1", (120,)), ("relu3", (120,)), ("fc2", (60,)), ("relu4", (60,)), ("fc3", (10,))),
    ]


@pytest.mark.parametrize(
    ("shape", "layers", "said"),
    [
        ((20,), [Linear(10, 5)], "layer fc1 takes (10,), but is given 20"),
        ((1, 28, 28), [Linear(784, 5)], "layer fc1 takes (784,), but is given 1×28×28"),
        ((10,), [Linear(10, 5), Activation("relu"), Linear(6, 2)], "layer fc2 takes (6,), but is given 5"),
        ((3, 8, 8), [Conv2d(1, 4, 3)], "layer conv1 takes (1, height, width), but is given 3×8×8"),
        ((1, 4, 4), [Conv2d(1, 4, 5)], "layer conv1 needs at least 5×5 positions, but is given 1×4×4"),
        ((1, 2, 2), [Conv2d(1, 4, 5, padding=1)], "layer conv1 needs at least 3×3 positions"),
        ((64,), [Pool2d("max", 2)], "layer pool1 takes (channels, height, width), but is given 64"),
        ((1, 4, 1), [Pool2d("average", 2)], "layer pool1 needs at least 2×2 positions"),
        ((10,), [Linear(10, 8), BatchNorm(6)], "layer norm1 takes 6 features or channels, but is given 8"),
    ],
)
def test_a_layer_that_does_not_fit_is_named_with_what_it_is_given(shape, layers, said):
    with pytest.raises(RequestError, match="the network does not fit its data") as refused:
        NetworkSpecification(shape, tuple(layers), "softmax_cross_entropy")
    assert said in str(refused.value)
    assert "model=" in str(refused.value)


def test_a_preset_on_data_that_it_cannot_take_is_refused():
    with pytest.raises(RequestError, match=r"input 1×8×8.*layer conv2 needs at least 5×5"):
        LeNet().specification((1, 8, 8), 10, "softmax_cross_entropy")
    with pytest.raises(RequestError, match=r"layer conv1"):
        CnnSmall().specification((640,), 10, "softmax_cross_entropy")
    with pytest.raises(RequestError, match=r"layer pool4"):
        CnnSmall(channels=(4, 4, 4, 4)).specification((1, 8, 8), 10, "softmax_cross_entropy")


@pytest.mark.parametrize(
    ("model", "shape", "outputs"),
    [(Mlp(), (1, 8, 8), 10), (LeNet(), (1, 28, 28), 7), (CnnSmall(), (3, 32, 32), 10), (Autoencoder(), (640,), 640)],
)
def test_a_preset_puts_out_what_is_asked_of_it(model, shape, outputs):
    assert model.specification(shape, outputs, "softmax_cross_entropy").output_shape == (outputs,)


def test_flat_input_needs_no_flattening():
    layers = Mlp(hidden=(4,)).specification((9,), 2, "softmax_cross_entropy").layers
    assert layers == (Linear(9, 4), Activation("relu"), Linear(4, 2))
    assert Mlp(hidden=()).specification((3, 3), 2, "softmax_cross_entropy").layers == (Flatten(), Linear(9, 2))
