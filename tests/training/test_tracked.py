"""What runs are called in MLflow, and the tags by which its pages group them."""

from pathlib import Path

import pytest

from tinyprop.config.composition import Composer
from tinyprop.tracking.values import TAG_LIMIT
from tinyprop.training.tracked import _tags, shown_name

IN_A_SWEEP = "sweep.id=study"


@pytest.fixture(scope="module")
def configured():
    composer = Composer()
    return lambda *overrides: composer.run_config(["dataset=digits", *overrides])


def tags(config):
    return _tags(config, Path("runs"), {"git": {"package": None, "working_directory": None}})


@pytest.mark.parametrize(
    ("overrides", "name"),
    [
        (["policy=dense"], "digits · mlp · dense · seed 0"),
        (["policy=static", "seed=3", IN_A_SWEEP], "static 0.1, output dense · seed 3"),
        (["policy=meprop", "policy.k=8", IN_A_SWEEP], "meprop k=8, output dense · seed 0"),
        (
            ["policy=adaptive_damped", "policy.rounding=floor", IN_A_SWEEP],
            "adaptive 0.1–0.9, ζ 0.5, rounding=floor, output sparse · seed 0",
        ),
        (
            ["policy=random", "policy.sparsify_output=true", IN_A_SWEEP, "sweep.apart='optimizer.lr=0.1'"],
            "random 0.1, output sparse · seed 0 · optimizer.lr=0.1",
        ),
    ],
)
def test_runs_are_called_by_what_tells_them_apart(configured, overrides, name):
    assert shown_name(configured(*overrides)) == name


def test_runs_that_differ_in_their_seeds_only_are_one_group(configured):
    first, second = (tags(configured("policy=random", f"seed={seed}")) for seed in (0, 1))
    assert first["tinyprop.arm"] == second["tinyprop.arm"] == "random 0.1, output dense"
    assert first["tinyprop.setting"] == second["tinyprop.setting"]
    assert (first["tinyprop.seed"], second["tinyprop.seed"]) == ("0", "1")


@pytest.mark.parametrize(
    "other", ["optimizer.lr=0.5", "trainer.epochs=4", "model.hidden=[8]", "dataset.subset.train=9"]
)
def test_runs_that_differ_in_anything_else_are_not(configured, other):
    assert tags(configured())["tinyprop.setting"] != tags(configured(other))["tinyprop.setting"]
    assert tags(configured())["tinyprop.arm"] == tags(configured(other))["tinyprop.arm"]


def test_a_run_is_the_same_whatever_its_sweep_calls_it(configured):
    assert configured().hash == configured(IN_A_SWEEP, "sweep.apart='x=1'").hash


def test_every_tag_is_short_enough_to_be_kept_whole(configured):
    assert max(map(len, tags(configured("policy=adaptive_skip")).values())) < TAG_LIMIT
