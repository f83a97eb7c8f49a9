"""The runs of a study: arms that are no product of one another, seeds that are."""

import pytest

from tinyprop.config.composition import Composer
from tinyprop.errors import RequestError

ARMS = 'study.arms=["policy=dense","policy=static policy.ratio=0.1,0.2"]'


@pytest.fixture(scope="module")
def composer():
    return Composer()


def runs(composer, *overrides) -> list[tuple[str, float | None, int]]:
    """Policy, ratio and seed of each run, in the order of training."""
    request = composer.request(list(overrides), multirun=True)
    return [(j.config.policy.name, getattr(j.config.policy, "ratio", None), j.config.seed) for j in request.jobs]


def test_a_study_is_every_arm_with_every_seed_one_seed_after_the_other(composer):
    assert runs(composer, ARMS, "study.seeds=2") == [
        ("dense", None, 0),
        ("static", 0.1, 0),
        ("static", 0.2, 0),
        ("dense", None, 1),
        ("static", 0.1, 1),
        ("static", 0.2, 1),
    ]


def test_seeds_on_the_command_line_replace_those_of_the_study(composer):
    assert {seed for _, _, seed in runs(composer, ARMS, "study.seeds=2", "seed=7,9")} == {7, 9}


def test_other_values_on_the_command_line_hold_for_every_arm(composer):
    request = composer.request([ARMS, "trainer.epochs=3", "policy.sparsify_output=true"], multirun=True)
    assert {job.config.trainer.epochs for job in request.jobs} == {3}
    assert {job.config.policy.sparsify_output for job in request.jobs} == {True}
    assert len(request.jobs) == 3


def test_a_policy_on_the_command_line_replaces_the_study_and_says_so(composer):
    request = composer.request(["experiment=study_digits", "policy=dense,static", "seed=3"], multirun=True)
    assert [(job.config.policy.name, job.config.seed) for job in request.jobs] == [("dense", 3), ("static", 3)]
    assert request.notes == ("policy=… on the command line replaces the 5 arms of the study",)


def test_a_value_that_arms_set_themselves_is_refused(composer):
    with pytest.raises(RequestError, match=r"policy\.s_min: the study's arms set it themselves; give policy=… too"):
        runs(composer, "experiment=study_digits", "policy.s_min=0.2")


def test_what_is_wrong_with_arms_is_told_all_at_once_by_their_place(composer):
    with pytest.raises(RequestError) as refused:
        runs(composer, 'study.arms=["policy=sttic","policy=static policy.ratoi=0.1","trainer.epochs=0"]')
    told = str(refused.value)
    assert "study.arms[0]: policy=sttic: no such option; did you mean static" in told
    assert "study.arms[1]: policy.ratoi=0.1: no such key; did you mean policy.ratio" in told
    assert "trainer.epochs: 0 is under 1" in told


@pytest.mark.parametrize("value", ["study.seeds=0", "study.arms=3", 'study.arms="policy=dense"'])
def test_a_study_that_is_none_is_refused(composer, value):
    with pytest.raises(RequestError, match=r"study\."):
        runs(composer, value)


def test_two_arms_that_are_the_same_run_are_refused(composer):
    with pytest.raises(RequestError, match="the same run as"):
        runs(composer, 'study.arms=["policy=static policy.ratio=0.1","policy=static"]')


def test_one_run_of_a_study_says_that_it_is_one(composer):
    request = composer.request(["experiment=study_digits"], multirun=False)
    assert (len(request.jobs), request.jobs[0].config.policy.name) == (1, "adaptive")
    assert "this is one run of a study of 5 arms; -m trains them all" in request.notes[0]
    assert composer.request(["experiment=study_digits", "policy=dense"], multirun=False).notes == ()


def test_what_a_study_is_part_of_does_not_change_who_a_run_is(composer):
    job = composer.request(["experiment=study_mnist", "seed=3"], multirun=True).jobs[0]
    assert composer.run_config([*job.arguments, "study.arms=[]"]).hash == job.config.hash


@pytest.mark.parametrize(
    ("study", "size"), [("digits", 60), ("mnist", 70), ("lenet", 60), ("cifar10", 45), ("dcase", 70)]
)
def test_every_study_carries_dense_and_static_with_both_output_layers(composer, study, size):
    request = composer.request([f"experiment=study_{study}"], multirun=True)
    policies = [job.config.policy for job in request.jobs]
    assert len(policies) == size
    assert len({job.config.run_name for job in request.jobs}) == size
    assert [policy.name for policy in policies].count("dense") == 5
    outputs = {policy.sparsify_output for policy in policies if policy.name == "static"}
    assert outputs == ({False} if study == "dcase" else {True, False})  # a single output is never left out


def test_a_study_trains_in_c_where_that_is_built(composer, c_engine):
    backends = {job.config.backend.name for job in composer.request(["experiment=study_digits"], multirun=True).jobs}
    assert backends == {"native"}


def test_a_study_without_the_engine_says_that_it_takes_longer(monkeypatch):
    from tinyprop.engine import library

    def missing():
        raise RequestError("not built")

    monkeypatch.setattr(library, "find", missing)
    request = Composer().request(["experiment=study_digits"], multirun=True)
    assert {job.config.backend.name for job in request.jobs} == {"torch"}
    assert any("the C engine is not built here" in note for note in request.notes)
