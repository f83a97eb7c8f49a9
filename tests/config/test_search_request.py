"""What is refused of a search, and what its plan comes to, before anything is trained."""

from functools import cache

import pytest

from tinyprop.config.composition import Composer
from tinyprop.errors import RequestError
from tinyprop.search.plan import SearchPlan

pytest.importorskip("optuna")


@cache
def composer() -> Composer:
    return Composer()


def plan(*overrides: str) -> SearchPlan:
    found = composer().request(["hydra/sweeper=search", *overrides], multirun=True).search
    assert found is not None
    return found


def refusal(*overrides: str) -> str:
    with pytest.raises(RequestError) as refused:
        plan(*overrides)
    return str(refused.value)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("policy.s_mxx=interval(0,1)", "no such key; did you mean policy.s_max"),
        ("policy.s_max=interval(0.9,0.3)", "policy.s_max: the range from 0.9 to 0.3 is empty"),
        ("policy.zeta=interval(0,1)", "policy.zeta: 0.0 is outside (0, 1]"),
        ("policy.s_max=tag(log,interval(0,1))", "policy.s_max: a logarithmic range begins above 0, not at 0"),
        ("policy.s_max=interval(0.2,0.4)", "policy.s_max is at least policy.s_min, so its range must reach 0.5"),
        ("policy=static", "policy.zeta=interval(0.5, 1.0): no such key"),
        ("seed=interval(0,9)", "seeds are not searched"),
        ("hydra.sweeper.objectives=[test_accuracy]", "is of the test set, which selects nothing"),
        ("hydra.sweeper.objectives=[speed]", "speed is nothing to search by; known: validation_accuracy"),
        ("hydra.sweeper.objectives=[cost.rp2040.cycles.step]", "these runs have no cost on rp2040, only on"),
        (
            "hydra.sweeper.objectives=[cost.stm32f746.microjoules.step]",
            "no energy is known for STM32F746NG; its file lacks run_current_ma and supply_volts",
        ),
        ("hydra.sweeper.pruner=median", "compares trials by one number, and there are 2 objectives"),
        ("trainer.validation_fraction=0", "validation_accuracy needs validation data"),
        ("hydra.sweeper.n_trials=0", "hydra.sweeper.n_trials: 0 is under 1"),
    ],
)
def test_a_wrong_search_is_refused_with_what_would_be_right(override, message):
    assert message in refusal(override)


def test_all_that_is_wrong_is_said_at_once():
    said = refusal("trainer.validation_fraction=0", "policy.s_max=interval(0.2,0.4)", "hydra/launcher=joblib")
    assert "needs validation data" in said
    assert "its range must reach 0.5" in said


def test_a_range_without_a_search_is_refused():
    with pytest.raises(RequestError, match=r"policy.s_max=interval\(0.2,1\): a range is searched; add -m"):
        composer().request(["policy.s_max=interval(0.2,1)"], multirun=True)


def test_optuna_that_is_not_installed_is_named_with_its_extra(monkeypatch):
    monkeypatch.setattr("tinyprop.config.search_request.find_spec", lambda name: None)
    assert refusal() == "hydra/sweeper=search: Optuna is not installed; pip install 'tinyprop[search]'"


def test_a_launcher_that_is_not_installed_is_named_with_its_extra(monkeypatch):
    monkeypatch.setattr("tinyprop.config.launchers.find_spec", lambda name: None)
    with pytest.raises(RequestError, match=r"hydra-ray-launcher is not installed; pip install 'tinyprop\[ray\]'"):
        composer().request(["hydra/launcher=ray"], multirun=True)


def test_several_machines_that_would_write_to_one_sqlite_file_are_warned_of(every_launcher):
    slurm = ["hydra/launcher=submitit_slurm"]
    (note,) = composer().request(slurm, multirun=True).notes
    assert "tracking.uri=http://HOST:5000" in note
    assert not composer().request([*slurm, "tracking.uri=http://host:5000"], multirun=True).notes
    assert not composer().request(["hydra/launcher=submitit_local"], multirun=True).notes


def test_fixing_one_of_two_keys_that_bound_each_other_narrows_the_other():
    space = {dimension.key: dimension for dimension in plan("policy.s_max=0.4").space}
    assert set(space) == {"policy.s_min", "policy.zeta"}
    assert space["policy.s_min"].high == 0.4
    space = {dimension.key: dimension for dimension in plan("policy.s_min=0.3").space}
    assert (space["policy.s_max"].low, space["policy.s_max"].at_least) == (0.3, None)


def test_whole_numbers_are_drawn_where_a_key_holds_them_and_fractions_where_it_does_not():
    found = plan("hydra.sweeper.params=null", "policy.s_max=interval(1,2)", "trainer.batch_size=interval(1,40)").space
    whole = {dimension.key: dimension.integer for dimension in found}
    assert whole == {"policy.s_max": False, "trainer.batch_size": True}


def test_the_identity_is_of_what_makes_trials_comparable():
    names = [
        plan().study_name,
        plan("hydra.sweeper.n_trials=99", "hydra.sweeper.batch_size=4", "runs_dir=other").study_name,
        plan("trainer.epochs=7").study_name,
        plan("policy.zeta=interval(0.6,1)").study_name,
        plan("seed=0,1").study_name,
        plan("hydra.sweeper.seed=1").study_name,
    ]
    assert names[0] == names[1]
    assert len(set(names)) == 5
    assert names[0].startswith("digits-mlp-adaptive-search-")


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (("hydra/launcher=basic",), 1),
        (("hydra.launcher.n_jobs=5",), 5),
        (("hydra/launcher=joblib", "hydra.launcher.n_jobs=3"), 3),
        (("hydra/launcher=joblib", "hydra.launcher.n_jobs=3", "hydra.sweeper.batch_size=6"), 6),
    ],
)
def test_as_many_trials_are_trained_at_once_as_the_launcher_runs(overrides, expected):
    assert plan(*overrides).batch_size == expected


def test_a_search_without_multirun_is_refused():
    with pytest.raises(RequestError, match="hydra/sweeper=search: a search is a multirun; add -m"):
        composer().request(["hydra/sweeper=search"], multirun=False)
