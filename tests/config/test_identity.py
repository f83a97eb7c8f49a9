"""Who a run is: its hash, its name, and the config.yaml that reproduces both."""

import re

import pytest
import yaml

from tinyprop.config.composition import Composer
from tinyprop.config.hydra_job import as_yaml
from tinyprop.config.schema import RunConfig


@pytest.fixture(scope="module")
def composer():
    return Composer()


BASE = ["dataset=mnist", "policy=static", "policy.sparsify_output=true", "optimizer=sgd"]


@pytest.mark.parametrize(
    "override",
    [
        *("dataset.root=/elsewhere", "runs_dir=/elsewhere", "trainer.resume=false", "trainer.force=true"),
        *("tracking.enabled=false", "tracking.experiment=other", "sweep.id=x", "sweep.parent_run_id=y"),
        "cost.targets=[rp2040]",
    ],
)
def test_where_and_how_do_not_change_the_hash(composer, override):
    assert composer.run_config([*BASE, override]).hash == composer.run_config(BASE).hash


def test_everything_else_changes_the_hash(composer):
    changes = [
        *("seed=1", "dataset=digits", "dataset.source=synthetic", "dataset.subset.train=5", "dataset.rotate=1"),
        *("model=lenet", "model.hidden=[32]", "model.activation=tanh", "policy=dense", "policy.ratio=0.25"),
        *("policy.granularity=channel", "policy.rounding=floor", "policy.sparse_bias=false"),
        *("policy.sparsify_output=false", "optimizer=adam", "optimizer.lr=0.5", "optimizer.momentum=0.5"),
        *("optimizer.weight_decay=0.5", "optimizer.schedule=cosine", "trainer.epochs=99", "trainer.batch_size=99"),
        *("trainer.validation_fraction=0.3", "trainer.select=best", "trainer.patience=9", "trainer.init_from=x"),
        *("trainer.threads=2", "trainer.device=cpu", "target=rp2040", "pretrain=['seed=1']"),
        "trainer.test_every_epoch=true",
    ]
    hashes = {change: composer.run_config([*BASE, change]).hash for change in changes}
    hashes["nothing"] = composer.run_config(BASE).hash
    assert len(set(hashes.values())) == len(hashes)


def test_the_hash_is_the_same_however_a_value_is_written(composer):
    written = [["optimizer.lr=0.01"], ["optimizer.lr=1e-2"], []]
    assert len({composer.run_config([*BASE, *overrides]).hash for overrides in written}) == 1
    assert re.fullmatch(r"[0-9a-f]{64}", composer.run_config(BASE).hash)


def test_seed_zero_is_a_seed(composer):
    config = composer.run_config(["seed=0"])
    assert config.seed == 0
    assert "-s0-" in config.run_name
    assert config.hash != composer.run_config(["seed=1"]).hash
    assert composer.run_config(["policy=random", "seed=0"]).policy.seed == 0


def test_the_name_says_dataset_model_policy_and_seed(composer):
    config = composer.run_config([*BASE, "seed=7"])
    assert config.run_name == f"mnist-mlp-static-s7-{config.hash[:10]}"


@pytest.mark.parametrize(
    "overrides",
    [
        [],
        ["dataset=dcase_ae"],
        ["dataset=folder", "dataset.path=clips", "policy=adaptive_skip"],
        ["experiment=finetune_mnist", "policy=random", "backend=torch", "seed=11"],
        ["model=resnet8", "dataset=cifar10", "policy=scheduled", "optimizer.lr=1e-8", "trainer.patience=3"],
    ],
)
def test_a_run_directorys_config_reproduces_the_hash(composer, overrides):
    config = composer.run_config(overrides)
    again = RunConfig.model_validate(yaml.safe_load(as_yaml(config)))
    assert again == config
    assert again.hash == config.hash
