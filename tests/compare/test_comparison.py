"""Whole comparisons of runs whose answer is known."""

import json
from dataclasses import replace

import pytest

from tests.compare.made import DENSE, adaptive, configured, result_of, runs_of, static, write
from tinyprop.compare import Question, compare, read_directories
from tinyprop.compare.directories import read_directory, read_study, runs_in
from tinyprop.errors import RequestError

DENSE_SCORES = {0: 0.90, 1: 0.92, 2: 0.94}
LOW = {0: 0.80, 1: 0.84, 2: 0.82}
HIGH = {0: 0.88, 1: 0.90, 2: 0.92}
OURS = {0: 0.87, 1: 0.90, 2: 0.93}


@pytest.fixture
def study(tmp_path):
    """Dense, two fixed ratios with the output layer in both states, and an adaptive policy halfway between them."""
    return [
        *runs_of(tmp_path, DENSE, DENSE_SCORES, 1.0),
        *runs_of(tmp_path, static(0.1), LOW, 0.1),
        *runs_of(tmp_path, static(0.3), HIGH, 0.3),
        *runs_of(tmp_path, static(0.1, "sparse"), {0: 0.5, 1: 0.6, 2: 0.7}, 0.08),
        *runs_of(tmp_path, adaptive(), OURS, 0.2),
    ]


def rows(comparison, kind):
    (table,) = [table for table in comparison.families[0].tables if table.kind == kind]
    return {row.label: row for row in table.rows}, table


def test_means_and_costs_are_those_of_the_runs(study):
    each = compare(study).families[0]
    means = {summary.group.label: summary.means for summary in each.groups}
    assert means["dense"]["test_accuracy"].mean == pytest.approx(0.92)
    assert means["dense"]["test_accuracy"].half_width == pytest.approx(0.049683, abs=1e-5)
    assert means["adaptive, output dense"]["backward_ratio"].mean == pytest.approx(0.2)
    assert means["adaptive, output dense"]["step_ratio"].mean == pytest.approx(0.6)
    assert means["static 0.3, output dense"]["cycles"].mean == pytest.approx(1.3e6)
    assert means["static 0.3, output dense"]["microjoules"].mean == pytest.approx(1040)
    assert means["static 0.3, output dense"]["wall_seconds"].mean == pytest.approx(0.1)


def test_every_configuration_is_paired_with_dense(study):
    found, table = rows(compare(study), "baseline")
    assert table.title == "against dense"
    assert set(found) == {
        "static 0.1, output dense", "static 0.1, output sparse", "static 0.3, output dense", "adaptive, output dense",
    }  # fmt: skip
    ours = found["adaptive, output dense"]
    assert (ours.difference.mean, ours.difference.n) == (pytest.approx(-0.02), 3)
    assert ours.cost_ratio == pytest.approx(0.2)
    assert ours.difference.p_holm >= ours.difference.p_t


def test_adaptive_stands_against_the_line_between_the_fixed_ratios_around_its_cost(study):
    found, table = rows(compare(study), "strongest")
    (ours,) = found.values()
    # halfway between 0.1 and 0.3: 0.84, 0.87, 0.87 by seed; ours less that: 0.03, 0.03, 0.06
    assert ours.difference.mean == pytest.approx(0.04)
    assert ours.reference == "50 % static 0.1, output dense + 50 % static 0.3, output dense"
    assert (ours.cost_ratio, ours.costs_more, table.note) == (pytest.approx(1.0), False, None)


def test_the_stronger_state_of_the_output_layer_is_the_one_to_beat(tmp_path):
    runs = [
        *runs_of(tmp_path, static(0.1), LOW, 0.1),
        *runs_of(tmp_path, static(0.1, "sparse"), HIGH, 0.1),
        *runs_of(tmp_path, adaptive(), OURS, 0.1),
    ]
    found, _ = rows(compare(runs), "strongest")
    assert [row.reference for row in found.values()] == ["static 0.1, output sparse"]
    assert [row.difference.mean for row in found.values()] == [pytest.approx(0.0)]


def test_a_state_of_the_output_layer_that_costs_more_is_still_the_one_to_beat_where_it_is_stronger(tmp_path):
    """A cheap straw man with a sparse output layer earns nobody credit."""
    runs = [
        *runs_of(tmp_path, static(0.1, "sparse"), LOW, 0.1),
        *runs_of(tmp_path, static(0.1), HIGH, 0.4),
        *runs_of(tmp_path, adaptive(), OURS, 0.2),
    ]
    (ours,) = rows(compare(runs), "strongest")[0].values()
    assert (ours.reference, ours.costs_more) == ("static 0.1, output dense", True)
    assert ours.cost_ratio == pytest.approx(0.5)


def test_a_cheaper_fixed_ratio_that_scores_better_is_the_one_to_beat(tmp_path):
    runs = [
        *runs_of(tmp_path, static(0.1), HIGH, 0.1),
        *runs_of(tmp_path, static(0.3), LOW, 0.3),
        *runs_of(tmp_path, adaptive(), OURS, 0.2),
    ]
    found, _ = rows(compare(runs), "strongest")
    assert [row.reference for row in found.values()] == ["static 0.1"]


def test_between_the_largest_ratio_and_dense_the_line_goes_on(tmp_path):
    runs = [
        *runs_of(tmp_path, DENSE, DENSE_SCORES, 1.0),
        *runs_of(tmp_path, static(0.2), LOW, 0.2),
        *runs_of(tmp_path, adaptive(), OURS, 0.4),
    ]
    found, _ = rows(compare(runs), "strongest")
    (ours,) = found.values()
    assert ours.reference == "75 % static 0.2 + 25 % dense"
    assert ours.difference.mean == pytest.approx(0.90 - (0.75 * 0.82 + 0.25 * 0.92))


def test_a_policy_cheaper_than_every_fixed_ratio_stands_against_the_cheapest_and_it_is_said(tmp_path):
    runs = [*runs_of(tmp_path, static(0.1), LOW, 0.1), *runs_of(tmp_path, adaptive(), OURS, 0.05)]
    found, _ = rows(compare(runs), "strongest")
    (ours,) = found.values()
    assert (ours.reference, ours.costs_more, ours.cost_ratio) == ("static 0.1", True, pytest.approx(0.5))


def test_a_baseline_that_is_missing_is_asked_for(tmp_path):
    runs = [*runs_of(tmp_path, static(0.1), LOW, 0.1), *runs_of(tmp_path, adaptive(), OURS, 0.2)]
    comparison = compare(runs)
    assert "There is no finished run with policy=dense here." in rows(comparison, "baseline")[1].note
    assert "policy=static policy.sparsify_output=true adds it" in rows(comparison, "strongest")[1].note
    only = compare(runs_of(tmp_path / "b", adaptive(), OURS, 0.2))
    assert "No static runs here: no static baseline." in rows(only, "strongest")[1].note


@pytest.mark.parametrize(("units", "credited"), [(1, True), (2, False)])
def test_an_output_layer_of_one_unit_is_sparse_and_dense_at_once(tmp_path, units, credited):
    """Nothing can be left out of it, so that there is no second static baseline to wait for."""
    runs = [*runs_of(tmp_path, static(0.1), LOW, 0.1), *runs_of(tmp_path, adaptive(), OURS, 0.2)]
    layers = [{"name": "fc1", "n": 32}, {"name": "fc2", "n": units}]
    runs = [replace(run, result={**run.result, "layers": layers}) for run in runs]
    found, table = rows(compare(runs), "strongest")
    (ours,) = found.values()
    assert ours.credited is credited
    assert (table.note is None) is credited


def test_equal_cost_can_be_that_of_other_things(study):
    question = Question(at_equal="cycles")
    found, table = rows(compare(study, question), "strongest")
    assert table.title == "against the strongest fixed ratio at equal cycles a step"
    assert next(iter(found.values())).difference.mean == pytest.approx(0.04)  # cycles are linear in work here


def test_a_chosen_ratio_is_compared_with_too(study):
    found, table = rows(compare(study, Question(against="policy=static,policy.ratio=0.10")), "against")
    assert table.title == "against static 0.1, output dense"
    assert "policy=static,policy.ratio=0.10 means 2 configurations" in table.note
    assert found["adaptive, output dense"].difference.mean == pytest.approx(0.08)


def test_the_front_is_told_for_each_cost(study):
    fronts = {summary.group.label: summary.on_front for summary in compare(study).families[0].groups}
    everything = ("backward_ratio", "step_ratio", "cycles", "microjoules")
    assert fronts == {
        "dense": everything,
        "static 0.1, output dense": everything,
        "static 0.1, output sparse": everything,
        "static 0.3, output dense": (),  # adaptive costs less, and scores as well
        "adaptive, output dense": everything,
    }


def test_a_missing_seed_makes_fewer_pairs_and_is_named(study):
    lost = [run for run in study if not (run.config["policy"]["name"] == "adaptive" and run.seed == 1)]
    comparison = compare(lost)
    found, _ = rows(comparison, "baseline")
    ours = found["adaptive, output dense"]
    assert (ours.difference.seeds, ours.dropped) == ((0, 2), {1: "not in adaptive, output dense"})
    groups = {summary.group.label: summary.group for summary in comparison.families[0].groups}
    assert groups["adaptive, output dense"].missing == {1: "no run"}


def test_runs_that_began_with_different_weights_are_no_pair(tmp_path):
    runs = []
    for policy, backward, digests in ((DENSE, 1.0, "aa"), (static(0.1), 0.1, "ab")):
        for seed, digest in enumerate(digests):
            config = configured(policy, seed)
            result = result_of(config, 0.9, backward, initial_weights=digest)
            runs.append(read_directory(write(tmp_path, config, result)))
    found, _ = rows(compare(runs), "baseline")
    assert found["static 0.1"].difference.seeds == (0,)
    assert found["static 0.1"].dropped == {1: "the two runs began with different weights"}


def test_families_are_never_mixed(tmp_path):
    runs = runs_of(tmp_path, DENSE, DENSE_SCORES, 1.0)
    runs += runs_of(tmp_path, adaptive(), OURS, 0.2, optimizer={"lr": 0.1})
    comparison = compare(runs)
    assert [len(each.groups) for each in comparison.families] == [1, 1]
    assert all(not table.rows for each in comparison.families for table in each.tables)
    assert {each.family.label.rsplit(" · ")[-1] for each in comparison.families} == {
        "optimizer.lr=0.001", "optimizer.lr=0.1",
    }  # fmt: skip


def test_losses_are_better_when_lower(study):
    comparison = compare(study, Question(metric="test_loss"))
    found, _ = rows(comparison, "strongest")
    assert next(iter(found.values())).difference.mean == pytest.approx(-0.04)


def test_a_run_without_the_metric_is_told_of(study, tmp_path):
    config = configured(static(0.3), 9)
    odd = read_directory(write(tmp_path, config, result_of(config, None, 0.3)))
    nan = configured(static(0.3), 8)
    broken = read_directory(write(tmp_path, nan, result_of(nan, float("nan"), 0.3)))
    comparison = compare([*study, odd, broken])
    assert {each.what: each.reason for each in comparison.excluded} == {
        "static 0.3, output dense, seed 9": "it has no test_accuracy",
        "static 0.3, output dense, seed 8": "its test_accuracy is nan",
    }
    groups = {summary.group.label: summary.group for summary in comparison.families[0].groups}
    assert sorted(groups["static 0.3, output dense"].runs) == [0, 1, 2]


@pytest.mark.parametrize(
    ("question", "message"),
    [
        (Question(metric="test_acuracy"), "--metric test_acuracy: no run has it; did you mean test_accuracy?"),
        (Question(target="rp2040"), "--target rp2040: runs are modelled on STM32F407VG"),
        (Question(against="policy=static,policy.ratio=0.7"), "There are: dense; static 0.1, output dense;"),
        (Question(baseline="policy=sparse"), "--baseline policy=sparse: no configuration is like that"),
        (Question(against="static"), "'static' is no key=value"),
        (Question(against="optimizer.lr=0.1"), "optimizer.lr is no key of policies"),
        (Question(to_reach=92.0), "--to-reach 92: accuracy lies from 0 to 1"),
        (Question(at_equal="joules"), "--at-equal joules: runs have no such cost"),
    ],
)
def test_what_runs_do_not_have_is_refused_by_name(study, question, message):
    with pytest.raises(RequestError) as refused:
        compare(study, question)
    assert message in str(refused.value)


def test_nothing_finished_is_nothing_to_compare(tmp_path):
    config = configured(DENSE, 0)
    header = {"status": "killed", "name": "x", "config_hash": "0", "run_id": None, "error": "interrupted"}
    with pytest.raises(RequestError, match=r"none of 1 runs has finished \(killed\)"):
        compare([read_directory(write(tmp_path, config, header))])


def test_a_target_is_known_by_its_preset_and_by_its_name(study):
    for asked in ("stm32f407", "STM32F407VG", "stm32f4"):
        comparison = compare(study, Question(target=asked, presets={"stm32f407": "STM32F407VG"}))
        assert comparison.families[0].target_name == "STM32F407VG"


class TestWorkToReach:
    """Epochs of 1000 forward, 1000 update and twice 1000 · ratio backward multiply-accumulates."""

    def study(self, tmp_path, ours=(0.5, 0.85, 0.91)):
        for seed in (0, 1):
            for policy, backward, scores in ((DENSE, 1.0, (0.6, 0.7, 0.9)), (adaptive(), 0.25, ours)):
                config = configured(policy, seed, trainer={"test_every_epoch": True})
                write(tmp_path, config, result_of(config, scores[-1], backward), scores)
        return read_directories(runs_in(tmp_path))

    def test_work_adds_up_to_the_first_epoch_that_reaches_the_score(self, tmp_path):
        reach = compare(self.study(tmp_path), Question(to_reach=0.85)).families[0].reach
        dense, ours = reach.rows
        assert (reach.split, dense.reached, ours.reached) == ("test", 2, 2)
        assert (dense.epochs.mean, ours.epochs.mean) == (3, 2)
        assert (dense.backward_macs.mean, ours.backward_macs.mean) == (6000, 1000)
        assert (dense.step_macs.mean, ours.step_macs.mean) == (12000, 5000)
        assert (ours.saved.ratio, ours.saved_step.ratio) == (6.0, 2.4)

    def test_without_a_score_it_is_the_baseline_less_a_point(self, tmp_path):
        reach = compare(self.study(tmp_path)).families[0].reach
        assert (reach.threshold, reach.origin) == (pytest.approx(0.89), "the mean of dense less one point")

    def test_who_does_not_reach_it_is_counted_as_that(self, tmp_path):
        ours = compare(self.study(tmp_path, ours=(0.5, 0.6, 0.7))).families[0].reach.rows[1]
        assert (ours.reached, ours.runs, ours.backward_macs, ours.saved) == (0, 2, None, None)

    def test_runs_without_the_scores_of_their_epochs_are_named(self, tmp_path):
        self.study(tmp_path)
        config = configured(static(0.1), 0)
        write(tmp_path, config, result_of(config, 0.8, 0.1))
        reach = compare(read_directories(runs_in(tmp_path))).families[0].reach
        assert "trainer.test_every_epoch=true records: static 0.1 (seed 0)" in reach.note

    def test_validation_stands_in_where_epochs_were_not_tested(self, tmp_path):
        for run in self.study(tmp_path):
            path = tmp_path / run.name / "metrics.csv"
            path.write_text(path.read_text().replace("test_accuracy", "validation_accuracy"))
        reach = compare(read_directories(runs_in(tmp_path)), Question(to_reach=0.85)).families[0].reach
        assert (reach.split, [row.reached for row in reach.rows]) == ("validation", [2, 2])

    def test_where_no_epoch_was_evaluated_it_is_said(self, tmp_path):
        comparison = compare(runs_of(tmp_path, DENSE, DENSE_SCORES, 1.0))
        assert comparison.families[0].reach.note == (
            "No run has the scores of its epochs; trainer.test_every_epoch=true records them."
        )


def test_a_damaged_run_among_others_is_listed(study, tmp_path):
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "result.json").write_text("{")
    header = {"status": "running", "name": "gone", "config_hash": "0", "run_id": None}
    config = configured(static(0.3), 7)
    write(tmp_path, config, header)
    begun = configured(static(0.3), 6)
    write(tmp_path, begun, None)
    comparison = compare(read_directories(runs_in(tmp_path)))
    found = {each.status: each.reason for each in comparison.excluded}
    assert found["running"] == "is running still, or its process ended without a word"
    assert sorted(each.status for each in comparison.excluded) == ["running", "unreadable", "unreadable"]
    assert any("broken/result.json: cannot be read" in each.reason for each in comparison.excluded)


def test_metrics_with_gaps_are_read(tmp_path):
    config = configured(DENSE, 0)
    place = write(tmp_path, config, result_of(config, 0.9, 1.0))
    (place / "metrics.csv").write_text("epoch,test_accuracy,lr\n1,,0.1\n2,0.5,0.1\n")
    assert read_directory(place).epochs == [{"epoch": 1, "lr": 0.1}, {"epoch": 2, "test_accuracy": 0.5, "lr": 0.1}]
    assert json.loads((place / "result.json").read_text())["status"] == "finished"


def test_a_sweeps_run_that_ended_before_it_had_a_directory_is_listed(tmp_path):
    config = configured(DENSE, 0)
    place = write(tmp_path, config, result_of(config, 0.9, 1.0))
    sweep = tmp_path / "sweeps" / "one"
    sweep.mkdir(parents=True)
    for name, status, reason in ((place.name, "done", None), ("gone", "failed", "no such data")):
        word = {"name": name, "status": status, "run_dir": str(tmp_path / name), "reason": reason}
        (sweep / f"{name}.json").write_text(json.dumps(word))
    comparison = compare(read_study("one", tmp_path))
    assert comparison.run_count == 1
    assert [(run.what, run.status, run.reason) for run in comparison.excluded] == [("gone", "failed", "no such data")]


def test_a_sweeps_run_whose_directory_is_gone_is_missing_and_one_that_lies_elsewhere_is_read_there(tmp_path):
    copied = tmp_path / "copied"
    sweep = copied / "sweeps" / "one"
    sweep.mkdir(parents=True)
    config = configured(DENSE, 0)
    place = write(tmp_path, config, result_of(config, 0.9, 1.0))
    for name in (place.name, "gone"):
        word = {"name": name, "status": "reused", "run_dir": str(tmp_path / name), "reason": None}
        (sweep / f"{name}.json").write_text(json.dumps(word))
    comparison = compare(read_study("one", copied))
    assert comparison.run_count == 1
    assert any("Read where it was trained" in remark for remark in comparison.remarks)
    (gone,) = comparison.excluded
    assert (gone.status, gone.reason) == ("missing", "its directory is gone; its study trains it again")
