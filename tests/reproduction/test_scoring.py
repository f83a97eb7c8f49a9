"""Claims held against runs whose figures are known."""

from dataclasses import replace

import pytest

from tests.reproduction.evidence import DENSE, OURS, PUBLISHED, evidence, failed, runs, spread, static
from tinyprop.errors import RequestError
from tinyprop.reproduction import CLAIMS, STUDIES, gather, score
from tinyprop.reproduction.claims import AccuracyWithin


def of(scores, key, where="mnist"):
    return {row.counted: row for row in scores if (row.claim.key, row.where) == (key, where)}


def scored(found, **options):
    return score(CLAIMS, evidence(found, **options))


def base(place, published=0.895, backward=0.1):
    """Dense at 90 %, the authors' ratios where they are told to be, at a tenth of the backward work."""
    return [
        *runs(place, DENSE, spread(0.9), 1.0),
        *runs(place, PUBLISHED, [published] * 5, backward),
        *runs(place, static(0.33, sparse=True), [0.2] * 5, 0.33),
        *runs(place, static(0.33, sparse=False), [0.89] * 5, 0.35),
    ]


def test_less_work_at_a_small_loss_is_reproduced_by_the_count_that_shows_it(tmp_path):
    rows = of(scored(base(tmp_path)), "dense-authors")
    backward, step = rows["backward MACs"], rows["whole-step MACs"]
    work, loss = (condition.figure for condition in backward.conditions)
    assert (work.value, work.low, work.high, work.n) == (pytest.approx(10), pytest.approx(10), pytest.approx(10), 5)
    # Dense differs by 0.1 points from seed to seed, ours does not: 0.5 ± 2.7764 · 0.0707.
    assert (loss.value, loss.high) == (pytest.approx(0.5), pytest.approx(0.5 + 2.7764 * 0.070711, abs=1e-4))
    assert backward.verdict == "reproduced"
    assert step.conditions[0].figure.value == pytest.approx(2 / 1.1)
    assert step.verdict == "not reproduced"
    assert rows["modelled cycles"].conditions[0].figure.value == pytest.approx(2 / 1.1)


@pytest.mark.parametrize(
    ("accuracy", "verdict"), [(0.895, "reproduced"), (0.89, "undecided"), (0.88, "not reproduced")]
)
def test_the_loss_decides_where_work_does_not(tmp_path, accuracy, verdict):
    assert of(scored(base(tmp_path, accuracy)), "dense-authors")["backward MACs"].verdict == verdict


def test_adapting_is_credited_only_against_the_stronger_static_baseline(tmp_path):
    scores = scored(base(tmp_path))
    theirs, stronger = (of(scores, f"static-{name}")["backward MACs"] for name in ("sparse", "stronger"))
    assert theirs.conditions[0].figure.value == pytest.approx(3.3)
    assert theirs.conditions[1].figure.value == pytest.approx(69.5)
    assert theirs.verdict == "reproduced"
    assert "output dense" in stronger.configuration.split("against")[1]
    assert stronger.conditions[0].figure.value == pytest.approx(3.5)
    assert stronger.conditions[1].figure.value == pytest.approx(0.5)
    assert stronger.verdict == "not reproduced"


def test_the_best_ratios_are_those_that_favour_the_claim_most(tmp_path):
    cheap_but_bad = {**OURS, "s_min": 0.0}
    good = [
        *base(tmp_path, 0.85),
        *runs(tmp_path, OURS, [0.896] * 5, 0.15),
        *runs(tmp_path, cheap_but_bad, [0.8] * 5, 0.02),
    ]
    row = of(scored(good), "dense-best")["backward MACs"]
    assert row.conditions[0].figure.value == pytest.approx(1 / 0.15)
    assert row.verdict == "reproduced"
    assert of(scored(good), "dense-authors")["backward MACs"].verdict == "not reproduced"


def test_few_seeds_are_undecided(tmp_path):
    found = [*runs(tmp_path, DENSE, [0.9] * 4, 1.0), *runs(tmp_path, PUBLISHED, [0.5] * 4, 0.1)]
    row = of(scored(found), "dense-authors")["backward MACs"]
    assert (row.verdict, row.reason) == ("undecided", "4 seeds of at least 5")


def test_missing_configurations_and_missing_runs_are_not_testable_with_the_reason(tmp_path):
    lone = of(scored(runs(tmp_path, DENSE, [0.9] * 5, 1.0)), "dense-authors")[None]
    assert lone.verdict == "not testable here"
    assert lone.reason.startswith("no finished run with policy=adaptive,policy.s_min=0.1")
    nothing = scored([], expected=60)
    row = of(nothing, "dense-best")[None]
    assert (row.verdict, row.reason) == ("not testable here", "no finished run of study_mnist")


def test_a_failed_run_leaves_a_claim_undecided(tmp_path):
    found = [
        *runs(tmp_path, DENSE, [*spread(0.9), 0.9], 1.0),
        *runs(tmp_path, PUBLISHED, [0.899] * 5, 0.1),
        failed(tmp_path, PUBLISHED, seed=5),
    ]
    row = of(scored(found), "dense-authors")["backward MACs"]
    assert row.verdict == "undecided"
    assert "failed" in row.reason
    assert "seed 5" in row.reason


def test_a_seed_that_was_not_run_does_not_count_as_failed(tmp_path):
    found = [*runs(tmp_path, DENSE, [*spread(0.9), 0.9], 1.0), *runs(tmp_path, PUBLISHED, [0.899] * 5, 0.1)]
    assert of(scored(found), "dense-authors")["backward MACs"].verdict == "reproduced"


def test_generated_data_and_other_data_score_nothing(tmp_path):
    made = [*runs(tmp_path / "made", DENSE, [0.9] * 5, 1.0, synthetic=True)]
    assert "generated data" in of(scored(made), "dense-authors")[None].reason
    other = [*runs(tmp_path / "other", DENSE, [0.9] * 5, 1.0, dataset="digits")]
    assert of(scored(other), "dense-authors")[None].reason == "its runs are on digits, and the claim is about mnist"


def test_a_published_range_holds_a_whole_interval_or_not(tmp_path):
    claim = AccuracyWithin(
        key="k", name="n", title="t", source="s", figures="f", studies=("mnist",), selectors=("policy=dense",),
        low=89.5, high=90.5,
    )  # fmt: skip
    held = evidence(runs(tmp_path, DENSE, spread(0.9), 1.0))
    verdicts = [score([replace(claim, **ends)], held)[0].verdict for ends in ({}, {"low": 90.1}, {"low": 90.3})]
    assert verdicts == ["reproduced", "undecided", "not reproduced"]


def test_the_bound_of_a_whole_step_is_arithmetic(tmp_path):
    (row,) = of(scored(runs(tmp_path, DENSE, [0.9], 1.0)), "bound-mlp").values()
    assert row.conditions[0].figure.value == pytest.approx(2.03)  # (100 + 100 + 3) / 100
    assert (row.verdict, row.conditions[0].figure.n) == ("reproduced", None)


def test_the_average_counts_each_data_set_once(tmp_path):
    losses = {"mnist": 0.897, "lenet": 0.899, "dcase": 0.9, "cifar10": 0.896}
    held = {}
    for name, accuracy in losses.items():
        policy = dict(PUBLISHED)
        if name in ("lenet", "cifar10"):
            policy |= {"s_min": 0.0, "s_max": 1.0, "zeta": 1.0}
        if name == "dcase":
            policy |= {"s_min": 0.0, "s_max": 0.7}
        dataset = STUDIES[name].dataset
        found = runs(tmp_path / name, DENSE, spread(0.9), 1.0, dataset=dataset)
        found += runs(tmp_path / name, policy, [accuracy] * 5, 0.1 if name == "dcase" else 0.2, dataset=dataset)
        held |= evidence(found, study=name)
    rows = of(score(CLAIMS, held), "dense-authors", where="average")
    work, loss = (condition.figure.value for condition in rows["backward MACs"].conditions)
    assert work == pytest.approx((5 + 10 + 5) / 3)
    assert loss == pytest.approx(((0.3 + 0.1) / 2 + 0.0 + 0.4) / 3)
    assert rows["backward MACs"].verdict == "reproduced"
    held["cifar10"] = gather(STUDIES["cifar10"], [], 35)
    row = of(score(CLAIMS, held), "dense-authors", where="average")["backward MACs"]
    assert (row.verdict, "cifar10 could not be scored" in row.reason) == ("not testable here", True)
    del held["cifar10"]
    assert not of(score(CLAIMS, held), "dense-authors", where="average")


def test_cycles_of_another_board_are_not_taken_for_the_cortex_m4s(tmp_path):
    cost = {"RP2040": {"target": "RP2040", "cycles.step": 1e6}}
    found = [*runs(tmp_path, DENSE, [0.9] * 5, 1.0, cost=cost), *runs(tmp_path, PUBLISHED, [0.9] * 5, 0.1, cost=cost)]
    row = of(scored(found), "dense-authors")["modelled cycles"]
    assert (row.verdict, row.reason) == ("not testable here", "no run has this count")


def test_runs_of_several_settings_are_refused(tmp_path):
    found = [*runs(tmp_path, DENSE, [0.9], 1.0), *runs(tmp_path / "other", DENSE, [0.9], 1.0, dataset="digits")]
    with pytest.raises(RequestError, match="mnist: its runs are of several settings"):
        evidence(found)
