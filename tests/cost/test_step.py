"""What no cost is known for is refused with one message that says what is wrong and what is known."""

import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import pytest

from tinyprop.cost import Activity, engine_memory, measured, operations, predict
from tinyprop.errors import RequestError
from tinyprop.models.specification import Activation, BatchNorm, Flatten, Linear, NetworkSpecification
from tinyprop.sparse.policies import Adaptive, Random, Scheduled
from tinyprop.training.optimizer import Sgd

from .networks import CNN, part, step


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"kept": 1.5}, r"kept=1\.5 is outside \[0, 1\]"),
        ({"activity": {"fc1": Activity(kept=-0.1)}}, r"activity of fc1: kept=-0\.1 is outside \[0, 1\]"),
        ({"activity": {"conv9": Activity()}}, "'conv9': no trainable layer; there are fc1, fc2"),
        ({"batch_size": 0}, "batch_size=0 is under 1"),
        ({"batch_size": 4, "micro_batch": 5}, "micro_batch=5 is outside 1 to batch_size"),
        ({"policy": Random()}, "policy=random"),
        ({"policy": Scheduled()}, "policy=scheduled"),
        ({"optimizer": Sgd(momentum=0.9, nesterov=True)}, "nesterov"),
    ],
)
def test_a_wrong_step_is_refused(settings, said):
    with pytest.raises(RequestError, match=said):
        step(**settings)


@pytest.mark.parametrize(
    ("layers", "said"),
    [
        ((Linear(12, 8), BatchNorm(8), Linear(8, 4)), r"layer norm1 \(batch norm\)"),
        ((Linear(12, 70000), Linear(70000, 4)), "70000 outputs, over 65536"),
        ((Activation("relu"), Flatten()), "no layer with weights"),
    ],
)
def test_a_network_that_the_engine_cannot_run_is_refused(layers, said):
    with pytest.raises(RequestError, match=said):
        step(NetworkSpecification((12,), layers, "mean_squared_error"))


def test_a_network_that_the_engine_cannot_count_is_refused():
    wide = NetworkSpecification((600_000,), (Linear(600_000, 2),), "softmax_cross_entropy")
    with pytest.raises(RequestError, match=r"layer fc1: .* more than the engine can count"):
        engine_memory(step(wide))
    many = step(NetworkSpecification((1,), (Linear(1, 65536),), "softmax_cross_entropy"), batch_size=5000)
    with pytest.raises(RequestError, match="more than the engine can count"):
        engine_memory(many)


@pytest.mark.parametrize("ask", [operations, lambda step: predict(step, part())])
def test_an_adaptive_policy_needs_to_be_told_what_it_keeps(ask):
    with pytest.raises(RequestError, match="policy=adaptive: what it keeps in fc2 depends on the data"):
        ask(step(policy=Adaptive()))
    assert ask(step(policy=Adaptive(), kept=0.2))
    assert ask(step(policy=Adaptive(), activity={"fc1": Activity(kept=0.1), "fc2": Activity(kept=1.0)}))


def test_what_a_run_counted_becomes_activity():
    layer = SimpleNamespace(steps=10, units=8, kept_rows=20, kept_fraction=0.125, kept_patches_fraction=None)
    convolution = SimpleNamespace(steps=10, units=8, kept_rows=20, kept_fraction=0.125, kept_patches_fraction=0.5)
    assert measured({"fc1": layer, "conv1": convolution}) == {
        "fc1": Activity(kept=0.125, kept_rows=0.25),
        "conv1": Activity(kept=0.125, kept_rows=0.25, reached=0.5),
    }


def test_the_library_loads_neither_pytorch_nor_hydra_nor_mlflow():
    code = "import sys, tinyprop.cost; print([m for m in ('torch', 'hydra', 'mlflow', 'unicorn') if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_measured_is_what_says_how_many_patches_of_a_convolution_were_kept():
    known = Activity(kept=0.25, kept_rows=0.5, zero_inputs=0.0)
    assert not step(CNN, activity={"conv1": known, "fc1": known}).is_measured
    assert step(CNN, activity={"conv1": replace(known, reached=0.5), "fc1": known}).is_measured
