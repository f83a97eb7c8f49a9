"""The words that a network becomes, against the format in description.h and by hand."""

import math
import re
import struct
import subprocess
import sys

import numpy as np
import pytest

from tinyprop.engine import compile, describe, description, refused_layers, refused_settings
from tinyprop.errors import RequestError
from tinyprop.models import Autoencoder, CnnSmall, Mlp
from tinyprop.models.specification import Activation, Conv2d, Flatten, Linear, NetworkSpecification, Pool2d
from tinyprop.sparse import Adaptive, AdaptiveSkip, Budget, Dense, MeProp, Random, Scheduled, Static
from tinyprop.training.optimizer import Adam, AdamW, Sgd

SMALL = NetworkSpecification((2,), (Linear(2, 3), Activation("tanh"), Linear(3, 1)), "binary_cross_entropy")
CONVOLUTIONAL = NetworkSpecification(
    (2, 9, 8),
    (
        Conv2d(2, 4, 3, stride=2, padding=1, groups=2, bias=False),
        Activation("relu"),
        Pool2d("max", 2),
        Pool2d("average", 2, 1),
        Flatten(),
        Linear(4, 3),
        Activation("sigmoid"),
    ),
    "mean_squared_error",
)


def words_of(value: float) -> int:
    return struct.unpack("<I", struct.pack("<f", value))[0]


def floats(words) -> list[float]:
    return [struct.unpack("<f", struct.pack("<I", word))[0] for word in words]


def constants_of(header: str) -> dict[str, int]:
    """What the enumerations and numeric macros of a C header come to."""
    text = re.sub(r"/\*.*?\*/", "", (compile.SOURCES / header).read_text(encoding="utf-8"), flags=re.DOTALL)
    found = {name: int(value, 0) for name, value in re.findall(r"#define (TP_\w+) (\w+?)u?\s", text)}
    for body in re.findall(r"enum \{(.*?)\}", text, flags=re.DOTALL):
        value = -1
        for item in filter(None, map(str.strip, body.split(","))):
            name, _, given = map(str.strip, item.partition("="))
            value = int(given, 0) if given else value + 1
            found[name] = value
    return found


def test_every_constant_is_the_one_of_the_c_header():
    said = constants_of("description.h")
    assert {f"TP_WORD_{word.name}": word.value for word in description.Word}.items() <= said.items()
    groups = {
        *(f"TP_{name}" for name in ("MAGIC", "HEADER_WORDS", "LAYER_WORDS", "WORD_DAMPING")),
        *(f"TP_{name}" for name in ("BY_CHANNEL", "ROUND_DOWN", "DENSE_BIAS", "DENSE_OUTPUT")),
        *(f"TP_{name}" for name in ("SKIP_ZEROS", "MEASURE_ERROR", "LINEAR", "CONV2D", "RELU", "SIGMOID", "TANH")),
        *(f"TP_{name}" for name in ("MAX_POOL", "AVERAGE_POOL", "FLATTEN")),
    }
    assert {name: getattr(description, name.removeprefix("TP_")) for name in groups} == {n: said[n] for n in groups}
    for table in (description.LOSSES, description.POLICIES, description.OPTIMIZERS):
        assert {f"TP_{name.upper()}": value for name, value in table.items()}.items() <= said.items()
    tables = (*description.LOSSES, *description.POLICIES, *description.OPTIMIZERS)
    named = {f"TP_WORD_{word.name}" for word in description.Word} | {f"TP_{name.upper()}" for name in tables}
    assert said.keys() == named | groups, "nothing in the header that is not known here"
    limits = constants_of("tinyprop.h")
    assert limits["TP_MAX_OUTPUTS"] == description.MAX_OUTPUTS
    assert constants_of("kernels/pool.h")["TP_MAX_POOL_KERNEL"] == description.MAX_POOL_KERNEL


def test_a_small_network_word_by_word():
    found = describe(SMALL, Static(ratio=0.25), Sgd(momentum=0.5, weight_decay=0.125), batch_size=7, micro_batch=2)
    header = [0x314E5054, 62, 3, 1, 1, 2, 1, 7, 2, 1, 0, words_of(0.25), 0, 0, 0, 0, 0, words_of(0.5)]
    header += [0] * 5 + [words_of(0.125), 0] + [0] * 7
    first = [1, 2, 3, 0, 0, 0, 0, 0, words_of(1.0), 0]
    second = [1, 3, 1, 0, 0, 0, 0, 0, words_of(1.0), 0]
    assert found.words.tolist() == [*header, *first, 5, *[0] * 9, *second]
    assert found.words.dtype == np.uint32
    assert (found.inputs, found.outputs, found.loss, found.batch_size) == (2, 1, "binary_cross_entropy", 7)


def test_convolutions_pools_and_flattening_word_by_word():
    words = describe(CONVOLUTIONAL, Dense(), Sgd(), batch_size=1).words
    assert words[[3, 4, 5, 6]].tolist() == [9, 8, 2, 2]  # height, width, channels, loss
    layers = words[32:].reshape(7, 10)
    assert layers[:, 0].tolist() == [2, 3, 6, 7, 8, 1, 4]
    assert layers[0, 1:8].tolist() == [2, 4, 3, 2, 1, 2, 0]
    assert layers[2, 1:3].tolist() == [2, 2]  # a stride that is not given is the kernel
    assert layers[3, 1:3].tolist() == [2, 1]


def test_what_selections_choose_among_follows_the_granularity():
    by_entry = describe(CONVOLUTIONAL, Static(), Sgd(), batch_size=1).layers[0]
    by_channel = describe(CONVOLUTIONAL, Static(granularity="channel"), Sgd(), batch_size=1).layers[0]
    assert (by_entry.name, by_entry.units, by_entry.fan_in, by_entry.bias) == ("conv1", 4, 9, False)
    assert (by_entry.positions, by_entry.entries) == (20, 80)
    assert (by_channel.positions, by_channel.entries) == (20, 4)


@pytest.mark.parametrize(
    ("options", "flags"),
    [
        ({}, 0),
        ({"granularity": "channel"}, 1),
        ({"rounding": "floor"}, 2),
        ({"sparse_bias": False}, 4),
        ({"sparsify_output": False}, 8),
        ({"granularity": "channel", "rounding": "floor", "sparse_bias": False, "sparsify_output": False}, 15),
    ],
)
def test_options_of_a_policy_are_flags(options, flags):
    assert describe(SMALL, Static(**options), Sgd(), batch_size=1).words[10] == flags


def test_numbers_are_computed_in_double_precision_and_rounded_once():
    words = describe(SMALL, Adaptive(s_min=0.1, s_max=0.9, zeta=0.3), Adam(beta1=0.9, beta2=0.999), batch_size=1).words
    assert floats(words[[13, 14]]) == [np.float32(0.1), np.float32(0.9 - 0.1)]
    assert np.float32(0.9 - 0.1) != np.float32(0.9) - np.float32(0.1), "what it is that is tested"
    assert floats(words[18:22]) == [np.float32(x) for x in (0.9, 1 - 0.9, 0.999, 1 - 0.999)]
    assert np.float32(1 - 0.999) != np.float32(1) - np.float32(0.999)
    deep = Mlp(hidden=(2,) * 5).specification((2,), 2, "softmax_cross_entropy")
    damping = floats(describe(deep, Adaptive(zeta=0.3), Sgd(), batch_size=1).words[32:].reshape(-1, 10)[::2, 8])
    assert damping == [np.float32(0.3**depth) for depth in (5, 4, 3, 2, 1, 0)]
    assert np.float32(0.3**3) != np.float32(0.3) ** 3


def test_every_policy_and_optimizer_has_its_own_words():
    def words(policy, optimizer):
        return describe(SMALL, policy, optimizer, batch_size=1).words

    assert words(MeProp(k=5), Sgd())[[9, 12]].tolist() == [2, 5]
    assert words(MeProp(k=10**12), Sgd())[12] == 65536  # everything, as that many is
    skip = words(AdaptiveSkip(s_min=0.0, skip_threshold=0.25), AdamW(epsilon=0.5, weight_decay=0.25))
    assert skip[9] == 4
    assert floats(skip[[15, 22, 23]]) == [0.25, 0.5, 0.25]
    assert skip[16] == 2
    assert words(Dense(), Adam())[16] == 1
    budget = words(Budget(budget=0.3, horizon=50, max_factor=4.0), Sgd())
    assert budget[[9, 10]].tolist() == [5, 0]
    assert floats(budget[25:29]) == [np.float32(0.3), np.float32(-math.log(0.3)), 50.0, 4.0]


def test_a_budget_that_the_dense_output_layer_takes_is_refused():
    """2 to 3 to 1: 6 multiply-accumulates for the first layer's weights, twice 3 for the second."""
    assert describe(SMALL, Budget(budget=0.51, sparsify_output=False), Sgd(), batch_size=1).words[10] == 8
    with pytest.raises(RequestError, match=r"policy\.budget=0\.5: the dense output layer alone takes 0\.500 of the "):
        describe(SMALL, Budget(budget=0.5, sparsify_output=False), Sgd(), batch_size=1)


def test_options_of_the_engine_are_flags():
    flags = lambda **options: describe(SMALL, Dense(), Sgd(), batch_size=4, **options).words[[8, 24]].tolist()
    assert flags() == [4, 0]
    assert flags(skip_zeros=True) == [4, 1]
    assert flags(measure_error=True, micro_batch=3) == [3, 2]


def test_samples_that_are_no_images_are_flat():
    spectrum = Mlp(hidden=()).specification((5, 3), 2, "softmax_cross_entropy")
    assert describe(spectrum, Dense(), Sgd(), batch_size=1).words[[3, 4, 5]].tolist() == [1, 1, 15]


def test_settings_that_the_engine_cannot_run_are_named_without_data():
    assert list(refused_settings(Adaptive(), AdamW())) == []
    assert list(refused_settings(None, None)) == []
    refused = list(refused_settings(Random(), Sgd(momentum=0.9, nesterov=True)))
    assert [text.split(" (")[0] for text in refused] == ["policy=random", "optimizer.nesterov=true"]
    (scheduled,) = refused_settings(Scheduled(), Sgd())
    assert scheduled.startswith("policy=scheduled")


@pytest.mark.parametrize(
    ("specification", "said"),
    [
        (Autoencoder().specification((20,), 20, "mean_squared_error"), "layer norm1 (batch norm)"),
        (
            CnnSmall().specification((3, 80, 80), 10, "softmax_cross_entropy"),
            "layer conv1 (102400 outputs, over 65536)",
        ),
        (
            NetworkSpecification((1, 4, 4), (Conv2d(1, 1, 2, padding=2), Flatten()), "mean_squared_error"),
            "layer conv1 (padding 2, not under its kernel 2)",
        ),
        (
            NetworkSpecification((1, 20, 20), (Pool2d("max", 16), Flatten(), Linear(1, 2)), "mean_squared_error"),
            "layer pool1 (kernel 16, over 15)",
        ),
    ],
)
def test_layers_that_the_engine_cannot_run_are_named_with_the_reason(specification, said):
    assert next(refused_layers(specification)) == said
    with pytest.raises(RequestError) as refused:
        describe(specification, Dense(), Sgd(), batch_size=1)
    assert str(refused.value) == f"the C engine cannot run {said}; backend=torch can"


def test_the_library_loads_neither_pytorch_nor_the_runner():
    program = (
        "import sys, tinyprop.engine;"
        "print(sorted({'torch', 'hydra', 'omegaconf', 'mlflow', 'pydantic', 'tinyprop.sparse'} & sys.modules.keys()))"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ended.stdout == "[]\n"
