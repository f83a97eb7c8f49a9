"""Speed-ups, what bounds them, and what a budget allows."""

from dataclasses import replace

import pytest

from tinyprop.cost import BASELINES, Activity, Budget, bound, footprint, largest_ratio, predict, speed_up
from tinyprop.errors import RequestError
from tinyprop.models.presets import Mlp
from tinyprop.sparse.policies import Adaptive, Dense, Static
from tinyprop.training.optimizer import Adam, Sgd

from .networks import part, step

WIDE = Mlp(hidden=(128, 64)).specification((256,), 10, "softmax_cross_entropy")


def test_a_dense_step_gains_nothing_over_itself():
    gains = speed_up(step(WIDE, policy=Dense()), part())
    assert (gains.backward, gains.step_without_update, gains.step) == (1, 1, 1)


def test_gains_are_ratios_of_cycles_over_the_named_phases():
    sparse = step(WIDE, policy=Static(ratio=0.05), optimizer=Sgd(momentum=0.9))
    target = part("cortex-m3", flash_wait_states=2, flash_accelerator=False, sources=SOURCES)
    one, other = predict(sparse.dense(), target), predict(sparse, target)
    gains = speed_up(sparse, target)
    backward = ("select", "input_gradient", "weight_gradient")
    assert gains.baseline == "dense"
    assert gains.backward == pytest.approx(one.cycles_of(one.over(backward)) / other.cycles_of(other.over(backward)))
    assert gains.step == pytest.approx(one.cycles / other.cycles)
    assert gains.backward > gains.step_without_update > gains.step > 1


SOURCES = {"flash_wait_states": "this test", "flash_accelerator": "this test"}


def test_a_baseline_that_skips_zeros_is_harder_to_beat():
    zeros = {"fc1": Activity(zero_inputs=0.8, zero_blocks=0.7, zero_gradients=0.6)}
    sparse = step(WIDE, policy=Static(ratio=0.05), activity=zeros)
    plain, skipping = (speed_up(sparse, part(), baseline=baseline) for baseline in BASELINES)
    assert skipping.step < plain.step
    assert skipping.backward < plain.backward


def test_the_bound_in_multiply_accumulates_by_hand():
    forward, inputs = 256 * 128 + 128 * 64 + 64 * 10, 128 * 64 + 64 * 10
    found = bound(step(WIDE), part())
    assert found.by_macs == pytest.approx((2 * forward + inputs) / forward)
    assert 1 < found.by_cycles < 3.5


@pytest.mark.parametrize("optimizer", [Sgd(), Sgd(momentum=0.9), Adam()])
@pytest.mark.parametrize("core", ["cortex-m0plus", "cortex-m4", "cortex-m7"])
def test_no_ratio_gains_more_than_the_bound(core, optimizer):
    asked = step(WIDE, optimizer=optimizer)
    found = bound(asked, part(core))
    for ratio in (0.001, 0.01, 0.1, 0.5):
        gains = speed_up(asked.keeping(ratio), part(core))
        assert gains.step_without_update <= found.by_cycles * 1.001
        assert gains.step <= found.by_cycles_with_update * 1.001


def test_the_largest_ratio_within_a_time_is_the_last_that_is():
    asked, target = step(WIDE, policy=Static(ratio=0.5, sparsify_output=False)), part()
    limit = predict(asked.keeping(0.2), target).milliseconds
    allowed = largest_ratio(asked, target, Budget(milliseconds=limit))
    assert allowed.bounded_by == "milliseconds"
    assert predict(asked.keeping(allowed.ratio), target).milliseconds <= limit
    assert predict(asked.keeping(allowed.ratio + 0.02), target).milliseconds > limit


def test_memory_bounds_a_ratio_too():
    asked, target = step(WIDE, policy=Static(ratio=0.5), batch_size=32), part()
    limit = sum(footprint(asked.keeping(0.3), target).ram.values())
    allowed = largest_ratio(asked, target, Budget(ram_bytes=limit, milliseconds=1e6))
    assert allowed.bounded_by == "ram_bytes"
    assert allowed.ratio == pytest.approx(0.3, abs=0.01)


def test_energy_bounds_a_ratio_where_the_part_tells_its_current():
    known = part(
        run_current_ma=20.0, supply_volts=3.0, sources={"run_current_ma": "this test", "supply_volts": "this test"}
    )
    asked = step(WIDE, policy=Adaptive(), kept=0.5)
    limit = predict(asked.keeping(0.1), known).microjoules
    allowed = largest_ratio(asked, known, Budget(microjoules=limit))
    assert allowed.bounded_by == "microjoules"
    assert allowed.ratio == pytest.approx(0.1, abs=0.02)
    with pytest.raises(RequestError, match="energy is not known for a part"):
        largest_ratio(asked, part(), Budget(microjoules=limit))


def test_a_budget_that_holds_everything_or_nothing():
    asked = step(WIDE)
    assert largest_ratio(asked, part(), Budget(milliseconds=1e9)).ratio == 1.0
    nothing = largest_ratio(asked, part(), Budget(milliseconds=1e-9))
    assert (nothing.ratio, nothing.bounded_by) == (None, "milliseconds")


def test_a_budget_needs_a_bound_and_a_policy_that_selects():
    with pytest.raises(RequestError, match="names milliseconds, microjoules or ram_bytes"):
        Budget()
    with pytest.raises(RequestError, match="0 milliseconds is not above 0"):
        Budget(milliseconds=0)
    with pytest.raises(RequestError, match="policy=dense keeps everything"):
        largest_ratio(replace(step(), policy=Dense()), part(), Budget(milliseconds=1))
