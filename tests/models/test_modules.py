"""The PyTorch modules of specifications: sizes against published or hand-worked counts, weights by seed alone."""

from itertools import pairwise

import pytest
import torch
from torch import nn

from tinyprop.errors import InvalidSettings, RequestError
from tinyprop.models import Autoencoder, CnnSmall, LeNet, Mlp, NetworkSpecification, ResNet8
from tinyprop.models.modules import build, sequential
from tinyprop.models.specification import Activation, BatchNorm, Conv2d, Flatten, Linear, Pool2d

CROSS_ENTROPY = "softmax_cross_entropy"


def parameters_of(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def weights_and_biases(*widths: int) -> int:
    return sum(before * after + after for before, after in pairwise(widths))


def test_the_authors_mnist_network_has_its_published_size():
    module = build(Mlp(hidden=(32, 16)), (1, 28, 28), 10, CROSS_ENTROPY, seed=0)
    assert parameters_of(module) == 25_818
    assert [tuple(p.shape) for p in module.parameters()][::2] == [(32, 784), (16, 32), (10, 16)]


def test_the_authors_dcase_network_has_its_widths_and_sigmoids():
    model = Mlp(hidden=(256, 128, 64, 32), activation="sigmoid")
    module = build(model, (2607,), 1, "binary_cross_entropy", seed=0)
    assert parameters_of(module) == weights_and_biases(2607, 256, 128, 64, 32, 1)
    assert sum(isinstance(layer, nn.Sigmoid) for layer in module) == 4
    assert module(torch.zeros(3, 2607)).shape == (3, 1)


def test_lenet_has_192_features_before_its_linear_layers():
    module = build(LeNet(), (1, 28, 28), 10, CROSS_ENTROPY, seed=0)
    assert module.fc1.in_features == 192
    convolutions = (1 * 6 * 25 + 6) + (6 * 12 * 25 + 12)
    assert parameters_of(module) == convolutions + weights_and_biases(192, 120, 60, 10)
    assert module(torch.zeros(2, 1, 28, 28)).shape == (2, 10)


def test_resnet8_has_mlperf_tinys_layers_and_size():
    """Seven 3×3 and two 1×1 convolutions with biases, seven batch norms, one linear layer."""
    module = build(ResNet8(), (3, 32, 32), 10, CROSS_ENTROPY, seed=0)
    threes = [(3, 16), (16, 16), (16, 16), (16, 32), (32, 32), (32, 64), (64, 64)]
    ones = [(16, 32), (32, 64)]
    convolutions = sum(9 * i * o + o for i, o in threes) + sum(i * o + o for i, o in ones)
    norms = 2 * sum(o for _, o in threes)
    assert parameters_of(module) == convolutions + norms + weights_and_biases(64, 10)
    # Keras counts the running means and variances in: 78,666 in MLPerf Tiny's summary.
    assert parameters_of(module) + norms == 78_666
    assert module(torch.zeros(2, 3, 32, 32)).shape == (2, 10)


def test_the_dcase_autoencoder_has_the_baselines_layers():
    module = build(Autoencoder(), (640,), 640, "mean_squared_error", seed=0)
    widths = (640, 128, 128, 128, 128, 8, 128, 128, 128, 128, 640)
    norms = sum(2 * width for width in widths[1:-1])
    assert parameters_of(module) == weights_and_biases(*widths) + norms
    assert [layer.out_features for layer in module if isinstance(layer, nn.Linear)] == list(widths[1:])
    assert module(torch.zeros(4, 640)).shape == (4, 640)


def test_cnn_small_fits_a_cortex_m_in_float32():
    module = build(CnnSmall(), (3, 32, 32), 10, CROSS_ENTROPY, seed=0)
    expected = (3 * 16 + 16 * 32 + 32 * 32) * 9 + (16 + 32 + 32) + weights_and_biases(32 * 4 * 4, 64, 10)
    assert parameters_of(module) == expected
    assert 4 * parameters_of(module) < 320 * 1024
    assert module(torch.zeros(2, 3, 32, 32)).shape == (2, 10)


ALL = [
    (Mlp(), (1, 8, 8)),
    (LeNet(), (1, 28, 28)),
    (CnnSmall(), (3, 32, 32)),
    (Autoencoder(), (64,)),
    (ResNet8(), (3, 32, 32)),
]


@pytest.mark.parametrize(("model", "shape"), ALL, ids=lambda value: getattr(value, "name", None))
def test_the_seed_alone_decides_the_weights(model, shape):
    torch.manual_seed(1)
    one = build(model, shape, 5, CROSS_ENTROPY, seed=7).state_dict()
    drawn = torch.rand(1)
    torch.manual_seed(2)
    same = build(model, shape, 5, CROSS_ENTROPY, seed=7).state_dict()
    other = build(model, shape, 5, CROSS_ENTROPY, seed=8).state_dict()
    assert all(torch.equal(one[name], same[name]) for name in one)
    first = next(name for name in one if name.endswith("weight"))
    assert not torch.equal(one[first], other[first])
    torch.manual_seed(1)
    assert torch.equal(torch.rand(1), drawn), "building must leave the caller's random numbers alone"


def test_weights_are_pytorchs_own_for_the_seed():
    built = build(Mlp(hidden=(4,)), (6,), 2, CROSS_ENTROPY, seed=3)
    torch.manual_seed(3)
    plain = nn.Sequential(nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 2))
    x = torch.randn(5, 6)
    assert torch.equal(built(x), plain(x))


def test_every_layer_computes_what_its_plain_counterpart_does():
    specification = NetworkSpecification(
        (2, 9, 9),
        (
            Conv2d(2, 4, 3, stride=2, padding=1, groups=2, bias=False),
            BatchNorm(4),
            Activation("tanh"),
            Pool2d("average", 2, stride=1),
            Flatten(),
            Linear(64, 3),
            BatchNorm(3),
            Activation("sigmoid"),
        ),
        CROSS_ENTROPY,
    )
    torch.manual_seed(0)
    built = sequential(specification).eval()
    torch.manual_seed(0)
    plain = nn.Sequential(
        nn.Conv2d(2, 4, 3, 2, 1, groups=2, bias=False),
        nn.BatchNorm2d(4),
        nn.Tanh(),
        nn.AvgPool2d(2, 1),
        nn.Flatten(),
        nn.Linear(64, 3),
        nn.BatchNorm1d(3),
        nn.Sigmoid(),
    ).eval()
    x = torch.randn(5, 2, 9, 9)
    assert torch.equal(built(x), plain(x))
    assert [name for name, _ in built.named_children()] == [
        *("conv1", "norm1", "tanh1", "pool1", "flatten1", "fc1", "norm2", "sigmoid1")
    ]
    assert specification.output_shape == (3,)


def test_resnet8_refuses_what_is_no_image():
    for shape in ((640,), (1, 4, 4)):
        with pytest.raises(RequestError, match="resnet8 takes images of at least 8×8"):
            build(ResNet8(), shape, 2, CROSS_ENTROPY, seed=0)


@pytest.mark.parametrize(
    ("make", "fields"),
    [
        (lambda: Mlp(hidden=(8, 0), activation="swish"), ["hidden", "activation"]),
        (lambda: CnnSmall(channels=(), hidden=0), ["channels", "hidden"]),
        (lambda: Autoencoder(width=0, bottleneck=-1), ["width", "bottleneck"]),
        (lambda: ResNet8(channels=(16, 0, 64)), ["channels"]),
    ],
)
def test_settings_name_every_field_that_is_wrong(make, fields):
    with pytest.raises(InvalidSettings) as refused:
        make()
    assert [field for field, _ in refused.value.problems] == fields
