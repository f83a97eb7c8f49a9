"""Predictions against fresh simulations of networks that nothing was fitted to, and their general properties."""

import time
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinyprop.cost import PHASES, Activity, coefficients_of, predict
from tinyprop.cost.load import loads_of
from tinyprop.engine.images import CORES
from tinyprop.errors import RequestError
from tinyprop.models.presets import CnnSmall, LeNet, Mlp
from tinyprop.models.specification import Conv2d, Flatten, Linear, NetworkSpecification
from tinyprop.sparse.policies import Adaptive, Budget, Dense, MeProp, Static
from tinyprop.training.optimizer import Adam, Sgd

from .networks import CNN, MLP, part, step

BOUND = 0.08
"""Error of a whole step that no network is to exceed."""


@pytest.mark.parametrize(("core", "count"), [("cortex-m0plus", 3), ("cortex-m4", 10)])
def test_instructions_are_those_of_fresh_simulations(core, count):
    pytest.importorskip("unicorn")
    from tinyprop.cost.design import trainings
    from tinyprop.cost.simulation import Board
    from tinyprop.cost.validation import measured_of

    for training in trainings(seed=99, count=count, fpu=CORES[core].fpu):
        counted = Board(training.step, core).train(training.data, training.learning_rate)
        prediction = predict(replace(training.step, activity=measured_of(counted.activity)), part(core))
        assert set(prediction.parts) >= set(counted.parts)
        simulated = sum(cost.instructions for cost in counted.parts.values())
        assert prediction.instructions == pytest.approx(simulated, rel=BOUND), training.step


@pytest.mark.parametrize("core", CORES)
def test_stored_errors_of_held_out_networks_are_small(core):
    errors = coefficients_of(core).errors["instructions"]
    assert errors["step"]["count"] >= 40
    assert errors["step"]["median"] < 0.03
    assert errors["step"]["worst"] < BOUND
    for phase in ("forward", "input_gradient", "weight_gradient", "update"):
        assert errors[phase]["nine_in_ten"] < 0.15, phase


@pytest.mark.parametrize("core", CORES)
def test_to_know_less_is_to_be_further_off(core):
    known = coefficients_of(core)
    measured, kept_alone = (each["instructions"]["step"] for each in (known.errors, known.errors_unmeasured))
    assert measured["nine_in_ten"] < kept_alone["nine_in_ten"]
    assert kept_alone["median"] < 0.05


def test_a_prediction_adds_up():
    prediction = predict(step(CNN, batch_size=2, optimizer=Adam()), part())
    phases, layers = prediction.by_phase(), prediction.by_layer()
    assert list(phases) == list(PHASES)
    assert sum(cost.instructions for cost in phases.values()) == pytest.approx(prediction.instructions)
    by_layer = sum(cost.instructions for each in layers.values() for cost in each.values())
    assert by_layer + phases["other"].instructions == pytest.approx(prediction.instructions)
    assert "input_gradient" not in layers["conv1"]
    assert set(layers["fc1"]) == {"forward", "select", "input_gradient", "weight_gradient", "update"}


def test_it_reads_like_what_is_measured():
    found = predict(step(), part()).as_dict()
    assert found["modelled"] is True
    assert found["instructions.step"] == pytest.approx(sum(found[f"instructions.{phase}"] for phase in PHASES))
    assert found["instructions.fc1.forward"] < found["instructions.forward"]
    assert found["milliseconds.step"] == pytest.approx(found["cycles.step"] / 1e5)  # at 100 MHz
    assert "microjoules.step" not in found


networks = st.sampled_from([MLP, CNN, LeNet().specification((1, 28, 28), 10, "softmax_cross_entropy")])
cores = st.sampled_from(list(CORES))
phases_of_kept = ("input_gradient", "weight_gradient")


@settings(deadline=None, max_examples=60)
@given(networks, cores, st.floats(0, 1), st.floats(0, 1), st.integers(1, 8), st.sampled_from(["element", "channel"]))
def test_to_keep_more_never_costs_less_behind_the_selection(network, core, one, other, batch_size, granularity):
    policy = Static(ratio=0.5, granularity=granularity)
    low, high = (
        predict(step(network, policy=policy, batch_size=batch_size).keeping(kept), part(core)).over(phases_of_kept)
        for kept in sorted((one, other))
    )
    assert low.instructions <= high.instructions * (1 + 1e-9)
    assert low.cycles <= high.cycles * (1 + 1e-9)


@settings(deadline=None, max_examples=40)
@given(networks, cores, st.integers(1, 30), st.sampled_from([Dense(), Static(ratio=0.1), MeProp(k=5)]))
def test_a_larger_batch_costs_more_a_step_and_no_more_a_sample(network, core, batch_size, policy):
    small, large = (
        predict(step(network, policy=policy, batch_size=size), part(core)).total
        for size in (batch_size, batch_size + 1)
    )
    assert small.instructions < large.instructions
    assert large.instructions / (batch_size + 1) < small.instructions / batch_size * 1.05


def test_zeros_cost_less_where_they_are_skipped():
    zeros = {"fc1": Activity(zero_inputs=0.8, zero_blocks=0.7), "fc2": Activity(zero_inputs=0.5)}
    wide = Mlp(hidden=(64,)).specification((512,), 10, "softmax_cross_entropy")
    plain = step(wide, policy=Dense(), activity=zeros)
    skipping = replace(plain, skip_zeros=True)
    one, other = (predict(each, part()).by_phase() for each in (plain, skipping))
    assert other["forward"].instructions < 0.5 * one["forward"].instructions
    assert other["weight_gradient"].instructions < 0.5 * one["weight_gradient"].instructions


def test_an_unknown_share_does_not_matter_where_none_is_asked_for():
    known = step(policy=Adaptive(), kept=0.25)
    assert predict(known, part()).total == predict(replace(known, micro_batch=1), part()).total


def test_a_thousand_configurations_a_second():
    specification = CnnSmall().specification((3, 32, 32), 10, "softmax_cross_entropy")
    target, optimizer = part(), Sgd()
    steps = [step(specification, policy=Static(ratio=0.01 + index / 300), optimizer=optimizer) for index in range(200)]
    predict(steps[0], target)
    fastest = float("inf")
    for _ in range(3):
        started = time.process_time()
        for each in steps:
            predict(each, target)
        fastest = min(fastest, (time.process_time() - started) / len(steps))
    assert fastest < 3e-3  # a millisecond, and three on a slow machine


def test_zeros_of_a_gradient_follow_those_of_the_numbers_that_a_relu_let_through():
    behind = step(policy=Dense(), activity={"fc2": Activity(zero_inputs=0.75)})
    stated = step(policy=Dense(), activity={"fc1": Activity(zero_gradients=0.75), "fc2": Activity(zero_inputs=0.75)})
    board = part("cortex-m0plus")  # where zeros are cheaper
    assert predict(behind, board).total == predict(stated, board).total
    assert predict(behind, board).instructions < predict(step(policy=Dense()), board).instructions


def test_blocks_of_a_patch_are_put_together_of_stretches_of_the_image():
    """Where every stretch of the input is all zero or has no zero, stretches of a patch are so independently."""
    image = NetworkSpecification((1, 12, 12), (Conv2d(1, 4, 4), Flatten(), Linear(324, 3)), "softmax_cross_entropy")
    half = {"conv1": Activity(zero_inputs=0.5, zero_blocks=0.5)}
    known = loads_of(step(image, skip_zeros=True, activity=half))["conv1"]
    assert known.blocks == pytest.approx(2 * (1 - 0.5**2))  # of two blocks, each of two rows of four taps


def test_what_is_zero_behind_a_tanh_was_zero_before_and_takes_software_less():
    tanh = Mlp(hidden=(64,), activation="tanh").specification((32,), 10, "softmax_cross_entropy")
    relu = Mlp(hidden=(64,)).specification((32,), 10, "softmax_cross_entropy")
    zeros = {"fc2": Activity(zero_inputs=0.5)}
    for network, cheaper in ((tanh, True), (relu, False)):
        without, with_zeros = (
            predict(step(network, policy=Dense(), activity=known), part("cortex-m0plus")).by_layer()
            for known in ({"fc2": Activity(zero_inputs=0.0)}, zeros)
        )
        name = "tanh1" if cheaper else "relu1"
        one, other = (each[name]["forward"].instructions for each in (without, with_zeros))
        assert (other < one) == cheaper


def test_samples_without_a_gradient_keep_nothing_and_the_others_the_more():
    """Under an adaptive policy: nobody who keeps anything keeps less than one entry."""
    known = {"fc2": Activity(kept=0.125), "fc1": Activity(kept=0.25)}
    loads = loads_of(step(policy=Adaptive(), batch_size=8, activity=known))  # of 4 and of 8 outputs
    assert (loads["fc2"].keeping, loads["fc2"].sought) == (0.5, 1)
    assert (loads["fc1"].keeping, loads["fc1"].sought) == (0.5, 4)
    budget = loads_of(step(policy=Budget(budget=0.3), batch_size=8, activity=known))
    assert 0 < budget["fc1"].keeping < budget["fc2"].keeping < 0.5


@pytest.mark.parametrize("policy", [Adaptive(), Budget(budget=0.3), Static(ratio=0.3), MeProp(k=3)])
@pytest.mark.parametrize("skip_zeros", [False, True])
@pytest.mark.parametrize(
    "told",
    [
        {"fc1": Activity(kept=0.0)},
        {"fc1": Activity(kept=0.2, zero_gradients=1.0), "conv1": Activity(kept=0.5, reached=0.0)},
        {"fc1": Activity(kept=0.0, kept_rows=0.0, zero_inputs=1.0), "conv1": Activity(kept=0.0, reached=0.0)},
        {"fc1": Activity(kept=1.0, zero_gradients=1.0), "conv1": Activity(kept=0.0, zero_gradients=1.0)},
    ],
)
def test_shares_of_nothing_have_a_cost_too(policy, skip_zeros, told):
    """Even where they contradict each other, as means over a whole run can."""
    settings = {"policy": policy, "skip_zeros": skip_zeros, "batch_size": 3, "kept": 0.1}
    assert 0 < predict(step(CNN, activity=told, **settings), part()).instructions < 1e6


def test_nothing_comes_back_from_a_layer_whose_gradients_are_all_zero():
    dead = loads_of(step(CNN, policy=Dense(), activity={"fc1": Activity(zero_gradients=1.0)}))
    assert (dead["fc1"].returned, dead["conv1"].nonzero_entries) == (0, 0)


@pytest.mark.parametrize(("core", "fpu"), [("cortex-m4", False), ("cortex-m0plus", True)])
def test_the_cost_of_one_fpu_is_not_told_of_another(core, fpu):
    with pytest.raises(RequestError, match=f"a part: no cost is known for a {core} with.* a floating-point unit, only"):
        predict(step(), part(core, fpu=fpu))
