"""Modelled costs in a run's table and in figures."""

import re

import pytest

from tests.report.test_tables import RESULT, assert_plain, printed
from tinyprop.cost import PHASES, Target, TrainingStep, predict
from tinyprop.estimate.estimate import estimate
from tinyprop.models.presets import LeNet
from tinyprop.report.cost_plots import cost_by_layer, cost_by_ratio
from tinyprop.report.quantities import energy, scaled, significant, time, times
from tinyprop.report.summary import run_summary
from tinyprop.sparse.policies import Dense, Static
from tinyprop.training.optimizer import Adam

TARGET = Target(
    name="Part (of a board)",
    core="cortex-m4",
    fpu=True,
    clock_mhz=100,
    sram_bytes=300_000,
    flash_bytes=1024,
    source="a datasheet",
    run_current_ma=10,
    supply_volts=3,
    sources={"run_current_ma": "table 1", "supply_volts": "table 1"},
)


def lenet(policy=None):
    specification = LeNet().specification((1, 28, 28), 10, "softmax_cross_entropy")
    policy = policy or Static(ratio=0.1, sparsify_output=False)
    return TrainingStep(specification=specification, policy=policy, optimizer=Adam())


@pytest.fixture(scope="module")
def cost():
    return estimate(lenet(), TARGET)


@pytest.mark.parametrize(
    ("shown", "text"),
    [
        (significant(0), "0"),
        (significant(0.0123456), "0.0123"),
        (significant(5.9), "5.90"),
        (significant(99.96), "100"),
        (significant(12345.6), "12,346"),
        (scaled(999), "999"),
        (scaled(43_960_000), "44.0 M"),
        (times(2.312), "2.31×"),
        (times(19.23), "19.2×"),
        (time(0.0123), "12.3 µs"),
        (time(2500), "2.50 s"),
        (energy(480), "480 µJ"),
        (energy(2640), "2.64 mJ"),
    ],
)
def test_numbers_are_short_and_never_in_exponents(shown, text):
    assert shown == text


def test_a_run_s_table_says_what_is_modelled_and_how_sure_it_is(cost):
    found = cost.as_dict()
    text = printed(run_summary({**RESULT, "cost": {"Part": found}, "cost_notes": ["Cost: no other core."]}))
    assert_plain(text)
    assert re.search(rf"modelled: Part +{re.escape(time(found['milliseconds.step']))}, .+J a step ", text)
    assert "DOES NOT FIT" in text
    assert re.search(rf"flash.* {(found['flash.total'] - 1024) / 1024:.1f} KB of flash", " ".join(text.split()))
    gains = [times(found[f"speed_up.dense.{scope}"]) for scope in ("backward", "step_without_update", "step")]
    assert re.search(r"to dense +backward {}, step {}, with optimizer {}".format(*gains), text)
    assert "to dense that skips zeros" in text
    assert f"{100 * found['errors']['cycles']['step']['median']:.1f} % (median)" in text
    assert "Note: Cost: no other core." in text


def test_bars_add_up_to_the_step_dense_and_sparse(cost):
    (axis,) = cost_by_layer(cost).axes
    bars = [sum(bar.get_width() for bar in container) for container in axis.containers]
    dense, sparse = bars[: len(PHASES)], bars[len(PHASES) :]
    assert sum(dense) == pytest.approx(cost.baselines["dense"][0].cycles)
    assert sum(sparse) == pytest.approx(cost.prediction.cycles)
    assert dense[0] == pytest.approx(sparse[0])  # the forward pass is the same
    labels = [text.get_text() for text in axis.get_yticklabels()]
    assert {"conv1", "conv2", "fc1", "others"} <= set(labels)
    hatches = [container[0].get_hatch() for container in axis.containers[: len(PHASES)]]
    assert (
        len({(hatch, container[0].get_facecolor()) for hatch, container in zip(hatches, axis.containers, strict=False)})
        == 6
    )


def test_the_curve_over_the_ratio_lies_between_bound_and_everything_kept(cost):
    (axis,) = cost_by_ratio(cost).axes
    lines = {line.get_label(): line for line in axis.lines}
    sparse = lines["sparse"].get_ydata()
    at_all = predict(lenet(Static(ratio=1.0, sparsify_output=False)), TARGET).cycles
    assert sparse[-1] == pytest.approx(at_all)
    bound = next(line for label, line in lines.items() if label.startswith("bound"))
    assert bound.get_ydata()[0] < min(sparse)
    assert lines["dense"].get_ydata()[0] == pytest.approx(cost.baselines["dense"][0].cycles)
    assert len({(line.get_linestyle(), line.get_marker()) for line in axis.lines}) == len(axis.lines)


def test_a_dense_run_has_no_curve():
    (axis,) = cost_by_ratio(estimate(lenet(Dense()), TARGET)).axes
    assert [line.get_label().split(":")[0] for line in axis.lines] == ["dense", "dense, skipping zeros", "bound"]
