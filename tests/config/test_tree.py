"""The configuration tree as it is shipped: every file composes, says what it is, opens with a command that works."""

import re
import shlex
from itertools import combinations

import pytest
import yaml

from tinyprop.config.composition import Composer
from tinyprop.config.location import config_directory
from tinyprop.errors import RequestError

FILES = sorted(config_directory().glob("**/*.yaml"))
GROUPS = {"dataset", "model", "policy", "optimizer", "trainer", "backend", "target", "experiment"}
YOURS = {"arrays": ["dataset.path=samples.npz"], "folder": ["dataset.path=clips"]}


@pytest.fixture(scope="module")
def composer():
    return Composer()


def comments(path) -> list[str]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line.startswith("#") and line != "# @package _global_"]


def command_of(path) -> list[str]:
    """The arguments of the command in a file's first comment."""
    words = shlex.split(comments(path)[0].removeprefix("# "))
    assert words[:2] == ["tinyprop", "train"]
    return words[2:]


def test_the_tree_has_every_group_and_nothing_else(composer):
    assert set(composer.groups) == GROUPS
    assert {path.parent.name for path in FILES} == GROUPS | {"launcher", "sweeper", config_directory().name}


def test_the_tree_is_found_without_an_installed_copy():
    assert (config_directory() / "config.yaml").is_file()


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_file_opens_with_a_command_that_is_accepted_and_says_what_it_is(path, composer, every_launcher):
    arguments = command_of(path)
    overrides = [word for word in arguments if not word.startswith("-")]
    request = composer.request(overrides, multirun="-m" in arguments)
    group = path.parent.name
    if group in GROUPS and not path.stem.startswith("for_"):
        chosen = any(word == f"{group}={path.stem}" for word in overrides)
        assert chosen or composer.run_config([f"{group}={path.stem}"]).hash == composer.run_config([]).hash
    assert request.base.run_name
    description = comments(path)[1].removeprefix("# ")
    assert len(description) > 20
    assert description[-1] in ".…"
    assert description.split()[0] != "tinyprop"


@pytest.mark.parametrize("path", [path for path in FILES if path.parent.name in GROUPS], ids=lambda path: path.stem)
def test_every_default_carries_a_reason(path):
    """Each line that sets a value has a comment, apart from names, which the file's own name explains."""
    exempt = re.compile(r"^\s*(#.*|name: .*|defaults:|[\w]+:|- override .*|source: .*|core: .*|)$")
    silent = [line for line in path.read_text().splitlines() if "#" not in line and not exempt.match(line)]
    told = {"pretrain", "subset"}
    content = yaml.safe_load(path.read_text())
    if "pretrain" in content:
        silent = [line for line in silent if not line.startswith("  - ")]
    if "sources" in content:  # which are the reasons
        silent = [line for line in silent if line.strip().split(":")[0] not in content["sources"]]
    assert not [line for line in silent if line.strip().split(":")[0] not in {*told, "flash_bytes"}]


def test_options_of_different_groups_go_together(composer):
    """A dataset may need its path, nothing else needs anything of its neighbours."""
    axes = {group: composer.groups[group] for group in ("dataset", "policy", "optimizer", "trainer", "target")}
    for index in range(max(map(len, axes.values()))):
        chosen = {group: options[index % len(options)] for group, options in axes.items()}
        config = composer.run_config([*(f"{g}={o}" for g, o in chosen.items()), *YOURS.get(chosen["dataset"], [])])
        assert (config.dataset.name, config.optimizer.name) == (chosen["dataset"], chosen["optimizer"])


def test_every_dataset_has_the_model_that_its_default_names(composer):
    expected = {
        "digits": "mlp",
        "mnist": "mlp",
        "cifar10": "cnn_small",
        "dcase": "mlp",
        "dcase_ae": "autoencoder",
        "arrays": "mlp",
        "folder": "mlp",
    }
    for dataset, model in expected.items():
        config = composer.run_config([f"dataset={dataset}", *YOURS.get(dataset, [])])
        assert config.model.name == model
    assert composer.run_config(["dataset=dcase"]).model.hidden == (256, 128, 64, 32)
    assert composer.run_config(["dataset=mnist", "model=lenet"]).model.name == "lenet"


def test_the_promised_names_are_there(composer):
    config = composer.run_config(
        [
            *("dataset=mnist", "dataset.root=/elsewhere", "dataset.source=synthetic"),
            *("dataset.subset.train=60", "dataset.subset.test=10", "model=mlp_mnist", "policy=adaptive"),
            *("policy.s_min=.2", "policy.s_max=.8", "policy.zeta=.7", "policy.granularity=channel"),
            *("optimizer=adamw", "optimizer.lr=.02", "trainer.epochs=3", "trainer.batch_size=7", "seed=5"),
            *("backend=torch", "target=rp2040"),
        ]
    )
    assert (config.dataset.root, config.dataset.source, config.dataset.subset.train) == ("/elsewhere", "synthetic", 60)
    assert (config.policy.s_min, config.policy.s_max, config.policy.zeta) == (0.2, 0.8, 0.7)
    assert (config.optimizer.name, config.optimizer.lr, config.trainer.batch_size, config.seed) == ("adamw", 0.02, 7, 5)
    assert composer.run_config(["policy=static", "policy.ratio=.25"]).policy.ratio == 0.25
    for model in ("mlp_mnist", "mlp_dcase", "lenet", "cnn_small", "resnet8", "autoencoder"):
        assert composer.run_config([f"model={model}"])


def test_experiments_set_what_they_say_and_can_be_overridden(composer):
    config = composer.run_config(["experiment=authors_mnist", "policy=static", "optimizer.lr=.5"])
    assert (config.dataset.subset.train, config.trainer.epochs, config.trainer.batch_size) == (6000, 15, 200)
    assert (config.policy.name, config.optimizer.lr) == ("static", 0.5)
    tuned = composer.run_config(["experiment=finetune_digits", "seed=3"])
    assert tuned.trainer.batch_size == 1
    assert "seed=3" in tuned.pretrain


def test_what_a_pretraining_asks_for_is_a_request_of_its_own(composer):
    for name in ("finetune_digits", "finetune_mnist"):
        pretrain = composer.run_config([f"experiment={name}", "seed=4"]).pretrain
        first = composer.run_config(pretrain)
        assert (first.policy.name, first.seed, first.dataset.rotate, first.pretrain) == ("dense", 4, 0, ())


def test_two_experiments_differ(composer):
    hashes = {name: composer.run_config([f"experiment={name}"]).hash for name in composer.groups["experiment"]}
    assert all(hashes[one] != hashes[other] for one, other in combinations(hashes, 2))


def test_an_additional_directory_adds_options(tmp_path):
    (tmp_path / "policy").mkdir()
    (tmp_path / "policy" / "mine.yaml").write_text("# tinyprop train policy=mine\n# Mine.\nname: static\nratio: 0.3\n")
    config = Composer([tmp_path]).run_config(["policy=mine"])
    assert (config.policy.name, config.policy.ratio) == ("static", 0.3)
    with pytest.raises(RequestError, match="policy=mine: no such option"):
        Composer().run_config(["policy=mine"])


def test_an_additional_directory_that_is_not_there_is_named(tmp_path):
    with pytest.raises(RequestError, match=re.escape(f"--config-dir {tmp_path / 'absent'}: no such directory")):
        Composer([tmp_path / "absent"])
