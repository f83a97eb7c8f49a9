"""What a command line asks for: checked whole before anything is read or trained, every problem named at once."""

import pytest

from tinyprop import datasets
from tinyprop.config.composition import Composer
from tinyprop.config.overrides import parse
from tinyprop.errors import RequestError


@pytest.fixture(scope="module")
def composer():
    return Composer()


@pytest.fixture(autouse=True)
def no_data(monkeypatch):
    """Checking a request reads no data."""

    def refuse(*_):
        raise AssertionError("data was read")

    monkeypatch.setattr(datasets, "load", refuse)


def problems(composer, *overrides, multirun=False) -> list[str]:
    with pytest.raises(RequestError) as refused:
        composer.request(list(overrides), multirun=multirun)
    assert refused.value.exit_status == 2
    first, *others = str(refused.value).split("\n")
    if others:
        assert first == f"{len(others)} problems with this request:"
    return [line.strip() for line in others] or [first]


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("optimizer=admw", "optimizer=admw: no such option; did you mean adamw or adam?"),
        ("experiment=finetune_digit", "did you mean finetune_digits"),
        ("target=esp32", "target=esp32: no such option; known: cortex_m0plus, cortex_m3, cortex_m33, rp2040, "),
        ("plicy=static", "plicy=static: no such key; did you mean policy"),
        ("datset.subset.train=3", "no such key; did you mean dataset.subset.train"),
        ("trainer.epoch=3", "trainer.epoch=3: no such key; did you mean trainer.epochs"),
        ("dataset.download=false", "dataset.download=false: no such key; dataset has "),
        ("batch_size=3", "batch_size=3: no such key; did you mean trainer.batch_size?"),
        ("lr=3", "did you mean optimizer.lr?"),
        ("policy.ratio=0.1", "no such key; it exists with policy=random or policy=scheduled or policy=static"),
        ("optimizer.momentum=0.1", "it exists with optimizer=sgd"),
        ("trainer.epochs=0", "trainer.epochs: 0 is under 1"),
        ("trainer.epochs=many", "trainer.epochs='many': input should be a valid integer"),
        ("trainer.select=bset", "trainer.select='bset': input should be 'last' or 'best'"),
        ("policy.granularity=chanel", "policy.granularity='chanel': input should be 'element' or 'channel'"),
        ("policy.zeta=2", "policy.zeta: "),
        ("dataset.subset.train=0", "dataset.subset.train: 0 training samples; give 1 or more"),
        ("model.hidden=[8,a]", "model.hidden.1='a': input should be a valid integer"),
        ("seed=-1", "seed=-1: input should be greater than or equal to 0"),
        ("seed=4294967296", "seed=4294967296: input should be less than 4294967296"),
        ("+new=1", "new: no such key"),
        ("++policy.new=1", "policy.new: no such key"),
        ("~seed", "~seed: every key of a run is needed"),
        ("~policy", "~policy: every run needs a policy; choose one with policy=…"),
        ("policy=null", "policy=null: every run needs a policy; choose one with policy=…"),
        ("hydra.sweeper.params={seed:1}", ""),
        ("seed", "seed: not an override; overrides look like key=value"),
        ("model.hidden=[", "not an override"),
        ("seed=0,1", "seed=0,1: several values make a multirun; add -m"),
        ("dataset=arrays", "dataset.path: no file given"),
        ("hydra/launcher=jobli", "Could not find 'hydra/launcher/jobli'; did you mean joblib?"),
        ("tracking.uri=mlruns", "tracking.uri"),
    ],
)
def test_a_wrong_override_is_named_with_what_would_be_right(composer, override, said):
    (problem,) = problems(composer, override)
    assert said in problem


def test_all_problems_come_at_once(composer):
    found = problems(
        composer,
        *("plicy=static", "optimizer=admw", "policy.ratoi=1", "trainer.epochs=0", "trainer.batch_size=0", "seed=-1"),
        *("seed=[", "~model", "+new=1"),
    )
    starts = (
        *("seed=[", "optimizer=admw", "~model", "plicy=static", "policy.ratoi=1"),
        *("trainer.epochs:", "trainer.batch_size:", "seed=-1", "new:"),
    )
    assert len(found) == len(starts)
    assert all(any(problem.startswith(start) for problem in found) for start in starts), found


def test_select_best_and_patience_need_validation_data(composer):
    found = problems(composer, "trainer.validation_fraction=0", "trainer.select=best", "trainer.patience=2")
    assert [line.split(":")[0] for line in found] == ["trainer.select", "trainer.patience"]
    assert all("trainer.validation_fraction" in line for line in found)


def test_two_ways_to_begin_are_refused(composer):
    (problem,) = problems(composer, "experiment=finetune_digits", "trainer.init_from=runs/x")
    assert "pretrain and trainer.init_from both say what to begin with" in problem


def test_a_key_that_some_options_of_a_sweep_lack_is_named_with_them(composer):
    (problem,) = problems(composer, "policy=static,adaptive,dense", "policy.ratio=0.1", multirun=True)
    assert problem.startswith("policy.ratio=0.1: there is no policy.ratio with policy=adaptive, policy=dense; give")


def test_a_key_that_some_options_lack_is_not_said_to_lack_a_value_too(composer):
    (problem,) = problems(composer, "dataset=digits,folder", "dataset.path=clips", multirun=True)
    assert problem.startswith("dataset.path=clips: there is no dataset.path with dataset=digits")


def test_a_run_that_is_asked_for_twice_is_named(composer):
    (problem,) = problems(composer, "seed=1,1", multirun=True)
    assert problem == "seed=1: the same run as an earlier one; a sweep has each run once"


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("hydra.launcher.n_jobs=two", "hydra.launcher.n_jobs=two: runs at once; a whole number from 1 on, or null"),
        ("hydra.launcher.n_jobs=0", "hydra.launcher.n_jobs=0: runs at once"),
        ("hydra.launcher.n_jobs=1.5", "hydra.launcher.n_jobs=1.5: runs at once"),
        ("hydra.sweeper.losses=0", "hydra.sweeper.losses=0: a whole number from 1 on"),
        ("hydra.sweeper.retry_failed=perhaps", "hydra.sweeper.retry_failed=perhaps: true or false"),
        ("seed=range(1,3,0)", "seed=range(1,3,0): range() arg 3 must not be zero"),
    ],
)
def test_what_hydra_would_hand_on_unread_is_checked(composer, override, said):
    (problem,) = problems(composer, override, "policy=dense,static", multirun=True)
    assert problem.startswith(said)


def test_every_run_of_a_sweep_is_checked(composer):
    found = problems(composer, "trainer.epochs=1,0,2", "trainer.batch_size=1,-1", multirun=True)
    assert set(found) == {"trainer.epochs: 0 is under 1", "trainer.batch_size: -1 is under 1"}
    (problem,) = problems(composer, "policy=dense,sttic", "seed=0,1", multirun=True)
    assert problem == "policy=sttic: no such option; did you mean static?"


def test_a_multirun_has_no_single_directory(composer):
    (problem,) = problems(composer, "hydra.run.dir=here", "seed=0,1", multirun=True)
    assert problem.startswith("hydra.run.dir: a multirun has a directory for each run")


def test_a_sweep_is_every_combination_in_hydras_order_without_what_is_common(composer):
    request = composer.request(["trainer.epochs=3", "policy=dense,static", "seed=range(0,2)"], multirun=True)
    assert [job.overrides for job in request.jobs] == [
        ("policy=dense", "seed=0"),
        ("policy=dense", "seed=1"),
        ("policy=static", "seed=0"),
        ("policy=static", "seed=1"),
    ]
    assert [(job.config.policy.name, job.config.seed) for job in request.jobs] == [
        *(("dense", 0), ("dense", 1), ("static", 0), ("static", 1))
    ]
    assert {job.config.trainer.epochs for job in request.jobs} == {3}
    assert request.base == request.jobs[0].config
    assert composer.first(["policy=dense,static", "seed=range(0,2)"]) == ["policy=dense", "seed=0"]


def test_a_multirun_of_one_says_what_it_is(composer):
    request = composer.request(["policy=dense", "seed=3"], multirun=True)
    assert request.multirun
    assert [job.overrides for job in request.jobs] == [("policy=dense", "seed=3")]


def test_a_pattern_sweeps_over_the_options_that_it_matches(composer):
    request = composer.request(["optimizer=glob(adam*)"], multirun=True)
    assert [job.config.optimizer.name for job in request.jobs] == ["adam", "adamw"]


def test_sweeps_in_the_configuration_make_a_multirun(tmp_path):
    (tmp_path / "experiment").mkdir()
    swept = "# @package _global_\nhydra:\n  mode: MULTIRUN\n  sweeper:\n    params:\n      seed: 1,2\n"
    (tmp_path / "experiment" / "seeds.yaml").write_text(swept)
    request = Composer([tmp_path]).request(["experiment=seeds"], multirun=False)
    assert request.multirun
    assert [job.config.seed for job in request.jobs] == [1, 2]


def test_quoted_values_stay_whole(composer):
    config = composer.run_config(["dataset=arrays", "dataset.path='a, b (1).npz'"])
    assert config.dataset.path == "a, b (1).npz"


def test_overrides_that_cannot_be_parsed_do_not_hide_the_others(composer):
    parsed, found = parse(composer._loader, ["seed=1", "seed=[", "trainer.epochs=2"])
    assert [override.key_or_group for override in parsed] == ["seed", "trainer.epochs"]
    assert len(found) == 1
