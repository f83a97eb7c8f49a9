"""What may be compared with what, and what is a seed of the same."""

import pytest

from tests.compare.made import DENSE, adaptive, configured, result_of, runs_of, static
from tinyprop.compare.families import sort_runs
from tinyprop.compare.run import Run
from tinyprop.tracking.configuration import policy_of
from tinyprop.tracking.labels import policy_labels


def run(config, place="a", status="finished", accuracy=0.9, **changes):
    result = result_of(config, accuracy, 0.5, **changes)
    return Run(result["name"], place, status, None if status == "finished" else "it broke", config, result)


def families_of(*configs):
    return sort_runs([run(config, place=str(index)) for index, config in enumerate(configs)])[0]


def test_seeds_of_a_policy_are_one_configuration():
    (family,) = families_of(*(configured(policy, seed) for policy in (DENSE, static(0.1)) for seed in (0, 1, 2)))
    assert [(group.label, sorted(group.runs)) for group in family.groups] == [
        ("dense", [0, 1, 2]),
        ("static 0.1", [0, 1, 2]),
    ]
    assert family.label == "digits · mlp 32-16 · adam · 3 epochs · batch 20"


@pytest.mark.parametrize(
    "change",
    [
        {"dataset": {"name": "mnist"}},
        {"model": {"hidden": [64]}},
        {"optimizer": {"lr": 0.1}},
        {"trainer": {"epochs": 5}},
        {"trainer": {"init_from": "runs/other"}},
        {"pretrain": ["dataset=digits", "policy=dense"]},
        {"backend": {"name": "torch"}},
        {"backend": {"name": "native", "skip_zeros": True}},
    ],
    ids=str,
)
def test_runs_that_differ_in_more_than_the_policy_are_apart(change):
    one, other = families_of(configured(DENSE, 0), configured(static(0.1), 0, **change))
    assert one.label != other.label
    assert [len(family.groups) for family in (one, other)] == [1, 1]


@pytest.mark.parametrize(
    "change",
    [
        {"dataset": {"root": "/elsewhere"}},
        {"runs_dir": "other"},
        {"trainer": {"test_every_epoch": True}},
        {"target": {"name": "RP2040"}},
        {"tracking": {"enabled": False}, "sweep": {"id": "x"}},
    ],
    ids=str,
)
def test_where_and_how_runs_were_made_keeps_nothing_apart(change):
    config = configured(DENSE, 0)
    (family,) = families_of(config, configured(static(0.1), 0, **change))
    assert [group.label for group in family.groups] == ["dense", "static 0.1"]


def test_a_simulated_board_is_part_of_what_is_run():
    boards = [{"backend": {"name": "unicorn"}, "target": {"name": name}} for name in ("RP2040", "STM32F407VG")]
    assert len(families_of(*(configured(DENSE, 0, **board) for board in boards))) == 2


def test_data_with_another_fingerprint_is_other_data():
    others = run(configured(static(0.1), 0), "b", dataset_fingerprint="e" * 64)
    one, other = sort_runs([run(configured(DENSE, 0), "a"), others])[0]
    assert {one.label.rsplit("data ")[-1], other.label.rsplit("data ")[-1]} == {"f" * 8, "e" * 8}


def test_what_a_stage_before_has_of_its_seed_is_not_a_difference():
    staged = [configured(DENSE, seed, pretrain=["policy=dense", f"seed={seed}"]) for seed in (0, 1)]
    named = [
        configured(DENSE, seed, trainer={"init_from": f"runs/digits-mlp-dense-s{seed}-{seed:010x}"}) for seed in (0, 1)
    ]
    assert [len(group.runs) for family in families_of(*staged, *named) for group in family.groups] == [2, 2]
    assert all("fine-tuning" in family.label for family in families_of(*staged, *named))


def test_lots_that_follow_the_seed_and_settings_without_effect_make_no_configuration():
    lots = [configured({"name": "random", "ratio": 0.1, "seed": seed}, seed) for seed in (0, 1)]
    dense = [configured({**DENSE, "sparsify_output": seed == 0}, seed) for seed in (0, 1)]
    (family,) = families_of(*lots, *dense)
    assert [(group.label, len(group.runs)) for group in family.groups] == [("dense", 2), ("random 0.1", 2)]


def test_the_same_run_twice_counts_once_and_is_told_of():
    config = configured(DENSE, 0)
    tested = configured(DENSE, 0, trainer={"test_every_epoch": True})
    families, excluded = sort_runs([run(config, "a"), run(tested, "b"), run(config, "c")])
    assert families[0].groups[0].runs[0].place == "b"  # it has the scores of its epochs
    assert sorted((each.place, each.status, each.reason) for each in excluded) == [
        ("a", "repeated", "the same run as b, seed 0"),
        ("c", "repeated", "the same run as b, seed 0"),
    ]


def test_a_directory_and_its_record_in_mlflow_are_one_run():
    config = configured(DENSE, 0)
    families, excluded = sort_runs(
        [run(config, "a", run_id="1" * 32), run(config, "mlflow:" + "1" * 32, run_id="1" * 32)]
    )
    assert (len(families[0].groups[0].runs), excluded) == (1, [])


def test_seeds_that_others_have_are_missed_with_the_reason(tmp_path):
    runs = runs_of(tmp_path, DENSE, {0: 0.9, 1: 0.9, 2: 0.9}, 1.0) + runs_of(tmp_path, static(0.1), {0: 0.8}, 0.1)
    broken = run(configured(static(0.1), 1), "broken", status="failed")
    never = run(configured(adaptive(), 0), "never", status="killed")
    families, excluded = sort_runs([*runs, broken, never])
    groups = {group.label: group for group in families[0].groups}
    assert groups["static 0.1"].missing == {1: "failed", 2: "no run"}
    assert groups["adaptive"].missing == {0: "killed", 1: "no run", 2: "no run"}
    assert [(each.what, each.status, each.reason) for each in excluded] == [
        ("static 0.1, seed 1", "failed", "it broke"),
        ("adaptive, seed 0", "killed", "it broke"),
    ]


def test_a_failed_attempt_is_told_apart_from_the_one_that_finished():
    config = configured(DENSE, 0)
    families, excluded = sort_runs([run(config, "good"), run(config, "bad", status="killed")])
    assert families[0].groups[0].missing == {}
    assert excluded[0].reason == "it broke; another attempt at it finished and is compared"


def test_a_run_whose_data_is_not_known_is_not_compared():
    families, excluded = sort_runs([run(configured(DENSE, 0), dataset_fingerprint=None)])
    assert (families, excluded[0].status) == ([], "incomparable")
    assert "fingerprint" in excluded[0].reason


def test_labels_say_what_differs_and_no_more():
    alone = [DENSE, static(0.1), adaptive()]
    assert labels(alone) == ["dense", "static 0.1", "adaptive"]
    both = [DENSE, static(0.1), static(0.1, "sparse"), adaptive(), adaptive(s_min=0.1, s_max=0.9, zeta=0.5)]
    assert labels(both) == [
        "dense",
        "static 0.1, output dense",
        "static 0.1, output sparse",
        "adaptive 0.05–1, ζ absent, output dense",
        "adaptive 0.1–0.9, ζ 0.5, output dense",
    ]
    ours = [{"name": "ours", "budget": 0.1, "ema": 0.9}, {"name": "ours", "budget": 0.2, "ema": 0.9}]
    assert labels(ours) == ["ours, budget=0.1", "ours, budget=0.2"]
    assert labels([{"name": "meprop", "k": 30}]) == ["meprop k=30"]


def labels(policies):
    return policy_labels([policy_of({"policy": policy}) for policy in policies])
