"""``tinyprop train`` of one run."""

import json
import logging
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from tinyprop.config.composition import Composer
from tinyprop.config.schema import RunConfig

from .conftest import SMALL, finished, mlflow_rows, start

FIELDS = {
    *("status", "seed", "dataset", "model", "policy", "epochs", "metrics", "kept_fraction", "macs", "wall_seconds"),
    *("run_id", "config_hash", "name", "run_dir", "synthetic", "dataset_fingerprint"),
}
PHASES = ("forward", "weight_gradient", "input_gradient", "update")


@pytest.mark.slow
def test_a_first_run_in_an_empty_directory(tinyprop, tmp_path, monkeypatch):
    """A process of its own, with everything on: what it prints, writes and records, also the second time."""
    status, out, err = finished(start("train", *SMALL, "policy=static", "seed=0", cwd=tmp_path))
    assert (status, "\x1b" in out + err) == (0, False)
    assert max(map(len, out.splitlines())) <= 80
    assert out.startswith("digits · mlp · static · seed 0\n")
    assert "Counts of multiply-accumulates, not wall time." in out
    assert "test accuracy" in out
    assert "backward work" in out

    status, out, _ = tinyprop("train", "--json", *SMALL, "policy=static", "seed=0")
    assert status == 0
    result = json.loads(out)
    assert result["reused"]
    assert result.keys() >= FIELDS
    assert (result["status"], result["seed"], result["epochs"]) == ("finished", 0, 2)
    assert 0 < result["metrics"]["test_accuracy"] < 1
    assert set(result["kept_fraction"]) == {"fc1", "fc2", "fc3"}
    assert all(set(result["macs"][phase]) == {"kept", "dense"} for phase in PHASES)
    assert 0 < result["macs"]["backward_ratio"] < result["macs"]["step_ratio"] < 1

    directory = Path(result["run_dir"])
    assert directory.parent == tmp_path / "runs"
    assert {path.name for path in directory.iterdir()} >= {
        *("config.yaml", "metrics.csv", "result.json", "checkpoint.pt", "environment.json", "command.txt"),
        *("curves.png", "ratio_per_layer.png", "cost_by_layer.png", "cost_by_ratio.png"),
    }
    stored = json.loads((directory / "result.json").read_text())
    assert {**stored, "reused": True} == result
    config = RunConfig.model_validate(yaml.safe_load((directory / "config.yaml").read_text()))
    assert config.hash == result["config_hash"]

    (row,) = mlflow_rows(tmp_path / "runs" / "mlflow.db")
    shown = "digits · mlp · static 0.1, output dense · seed 0"
    assert (row["id"], row["name"], row["status"]) == (result["run_id"], shown, "FINISHED")
    assert row["metrics"]["test_accuracy"] == pytest.approx(result["metrics"]["test_accuracy"])
    assert {"train_loss", "validation_accuracy", "ratio.fc1", "accuracy", "step_ratio"} <= row["metrics"].keys()
    assert (
        row["tags"].items()
        >= {
            "tinyprop.policy": "static",
            "tinyprop.config_hash": result["config_hash"],
            "tinyprop.dataset_fingerprint": result["dataset_fingerprint"],
            "tinyprop.synthetic": "false",
        }.items()
    )
    assert "tinyprop.machine" in row["tags"]
    look_with_mlflow(tmp_path, result, monkeypatch)


def look_with_mlflow(tmp_path, result, monkeypatch):
    """Through MLflow's own client: parameters, history, artifacts, dataset and a model that predicts the same."""
    import mlflow

    client = mlflow.MlflowClient(f"sqlite:///{tmp_path}/runs/mlflow.db")
    run = client.get_run(result["run_id"])
    assert run.data.params["policy.name"] == "static"
    assert run.data.params["dataset.subset.train"] == "100"
    assert [metric.step for metric in client.get_metric_history(result["run_id"], "train_loss")] == [1, 2]
    artifacts = {file.path for file in client.list_artifacts(result["run_id"])}
    assert artifacts >= {"config.yaml", "result.json", "metrics.csv", "curves.png", "ratio_per_layer.png"}
    kept = client.download_artifacts(result["run_id"], "result.json", str(tmp_path))
    assert json.loads(Path(kept).read_text())["metrics"] == result["metrics"]
    assert run.inputs.dataset_inputs[0].dataset.name == "digits"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/runs/mlflow.db")
    model = mlflow.pytorch.load_model(f"runs:/{result['run_id']}/model")
    weights = torch.load(Path(result["run_dir"]) / "checkpoint.pt", weights_only=True)["weights"]
    assert all(torch.equal(model.state_dict()[name], value) for name, value in weights.items())


def test_json_is_one_object_and_nothing_else(tinyprop, train):
    status, out, _ = tinyprop("train", "--json", *SMALL, "tracking.enabled=false")
    assert status == 0
    result, end = json.JSONDecoder().raw_decode(out)
    assert out[end:].strip() == ""
    assert result["run_id"] is None


def test_the_same_command_again_trains_nothing(train, tinyprop):
    first = train("seed=4")[1]
    stamp = Path(first["run_dir"], "checkpoint.pt").stat().st_mtime_ns
    status, again, _ = train("seed=4")
    assert (status, again["reused"]) == (0, True)
    assert Path(first["run_dir"], "checkpoint.pt").stat().st_mtime_ns == stamp
    shown = tinyprop("train", *SMALL, "tracking.enabled=false", "seed=4")[1]
    assert "Trained earlier with this configuration and data" in shown
    assert "reused" not in train("seed=4", "trainer.force=true")[1]


def test_the_kept_command_finds_the_run_again(train, tinyprop, workplace):
    first = train("seed=4", "runs_dir='my runs'", "model.hidden=[8,4]", "hydra.run.dir=else/where")[1]
    assert first["run_dir"] == str(workplace / "else" / "where")
    command = shlex.split(Path(first["run_dir"], "command.txt").read_text())
    assert command[:2] == ["tinyprop", "train"]
    status, out, _ = tinyprop(*command[1:], "--json")
    assert (status, json.loads(out)["reused"]) == (0, True)


def test_changed_data_is_an_error(train, workplace):
    def samples(seed):
        rng = np.random.default_rng(seed)
        np.savez("mine.npz", x=rng.normal(size=(60, 5)), y=np.arange(60) % 3)

    mine = ("dataset=arrays", "dataset.path=mine.npz", "dataset.subset.train=40")
    samples(0)
    assert train(*mine)[0] == 0
    samples(1)
    status, _, err = train(*mine)
    assert status == 2
    assert "was trained there on other data" in err
    assert "trainer.force=true" in err
    assert train(*mine, "trainer.force=true")[0] == 0


def test_the_directory_of_another_run_is_refused(train, workplace):
    assert train("hydra.run.dir=mine", "seed=1")[0] == 0
    kept = Path("mine/result.json").read_bytes()
    status, result, err = train("hydra.run.dir=mine", "seed=2")
    assert (status, result["status"]) == (2, "failed")
    assert "metrics" not in result  # nothing of the other run
    assert "holds another run" in result["error"]
    assert "holds another run" in err
    assert Path("mine/result.json").read_bytes() == kept


@pytest.mark.parametrize("override", ["runs_dir=", "runs_dir=a_file", "runs_dir=a_file/below"])
def test_a_place_for_runs_that_cannot_be_is_a_wrong_request(tinyprop, workplace, override):
    Path("a_file").write_text("")
    status, out, err = tinyprop("train", override)
    assert (status, out) == (2, "")
    assert err.startswith("error: runs_dir")
    assert "Traceback" not in err


def test_a_pretraining_run_has_no_pretraining_of_its_own(train, workplace):
    status, result, _ = train("pretrain=['experiment=finetune_digits']")
    assert (status, result["status"]) == (2, "failed")
    assert "has a pretrain of its own" in result["error"]


def test_every_problem_with_a_request_comes_before_anything_is_made(tinyprop, workplace):
    status, out, err = tinyprop("train", "plicy=static", "optimizer=admw", "trainer.epochs=0")
    assert (status, out) == (2, "")
    assert err.startswith("error: 3 problems with this request:\n")
    assert list(workplace.iterdir()) == []


@pytest.mark.parametrize("arguments", [["--cfg", "jb"], ["--nonsense"], ["--config-dir", "absent"], ["seed=0,1"]])
def test_wrong_flags_are_wrong_requests(tinyprop, workplace, arguments):
    status, out, err = tinyprop("train", *arguments)
    assert (status, out) == (2, "")
    assert "Traceback" not in err
    assert list(workplace.iterdir()) == []


def test_cfg_shows_what_would_be_run_and_runs_nothing(tinyprop, workplace):
    status, out, _ = tinyprop("train", "--cfg", "job", "--resolve", "policy=random", "seed=7")
    assert status == 0
    assert yaml.safe_load(out)["policy"]["seed"] == 7
    status, out, _ = tinyprop("train", "policy=static,dense", "seed=1,2", "-m", "--cfg", "job", "-p", "policy")
    assert status == 0
    assert yaml.safe_load(out)["name"] == "static", "of a sweep the first run"
    assert list(workplace.iterdir()) == []


def test_info_shows_how_the_configuration_comes_about(tinyprop, workplace, monkeypatch):
    """Hydra shows it through a logger, which runs of other tests in this process have switched off."""
    monkeypatch.setattr(logging.getLogger("hydra._internal.hydra"), "disabled", False)
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    status, out, err = tinyprop("train", "--info", "defaults", "policy=meprop")
    logging.getLogger().setLevel(logging.WARNING)
    assert (status, err) == (0, "")
    assert "policy/meprop" in out
    assert list(workplace.iterdir()) == []


def test_flags_and_overrides_come_in_any_order(tinyprop, workplace):
    for arguments in (["seed=3", "--cfg", "job"], ["--cfg", "job", "seed=3"], ["--cfg=job", "seed=3"]):
        status, out, _ = tinyprop("train", *arguments)
        assert (status, yaml.safe_load(out)["seed"]) == (0, 3)


def test_a_directory_of_ones_own_adds_options(train, tinyprop, workplace):
    Path("conf/policy").mkdir(parents=True)
    Path("conf/policy/mine.yaml").write_text("# tinyprop train policy=mine\n# Mine.\nname: static\nratio: 0.5\n")
    Path("conf/experiment").mkdir()
    Path("conf/experiment/tuned.yaml").write_text(
        "# @package _global_\npretrain: [policy=mine, dataset=digits, dataset.subset.train=40, trainer.epochs=1]\n"
    )
    status, result, _ = train("policy=mine", "experiment=tuned", "--config-dir", "conf")
    assert (status, result["policy"]) == (0, "static")
    assert "initial_test_accuracy" in result["metrics"], "the run to begin with sees the directory too"
    command = shlex.split(Path(result["run_dir"], "command.txt").read_text())[1:]
    assert json.loads(tinyprop(*command, "--json")[1])["reused"]
    status, _, err = train("policy=mine")
    assert status == 2
    assert "policy=mine: no such option" in err


def test_weights_to_begin_with_are_named_by_a_path_from_here(train, workplace):
    first = train("trainer.epochs=5", "hydra.run.dir=first")[1]
    status, tuned, _ = train("trainer.init_from=first", "dataset.rotate=20")
    assert status == 0
    assert "initial_test_accuracy" in tuned["metrics"]
    assert tuned["name"] != first["name"]
    status, _, err = train("trainer.init_from=absent")
    assert status == 2
    assert "trainer.init_from=absent: no checkpoint is there" in err


def test_missing_data_is_a_failed_run_also_in_mlflow(tinyprop, workplace, empty_database):
    status, out, err = tinyprop("train", "--json", "dataset=mnist", "dataset.source=local", "dataset.root=absent")
    assert status == 1
    result = json.loads(out)
    assert result["status"] == "failed"
    assert "absent" in result["error"]
    assert f"error: {result['error']}\n" == err
    assert "Traceback" not in err
    (row,) = mlflow_rows(empty_database)
    assert (row["id"], row["status"]) == (result["run_id"], "FAILED")


def test_a_defect_is_one_line_with_its_details_in_a_file(train, workplace, monkeypatch):
    from tinyprop.training import run

    def defect(*_):
        raise ZeroDivisionError("nobody's fault")

    monkeypatch.setattr(run, "hold_out", defect)
    status, result, err = train()
    assert (status, result["status"]) == (1, "failed")
    assert err.startswith("error: unexpected ZeroDivisionError: nobody's fault (details in ")
    details = Path(re.search(r"details in (.*)\)", err).group(1))
    assert "Traceback" in details.read_text()


def test_a_failed_run_to_begin_with_is_named(train, workplace):
    status, result, err = train("pretrain=['dataset=arrays','dataset.path=absent.npz']")
    assert (status, result["status"]) == (1, "failed")
    assert "the run to begin with failed (tinyprop train dataset=arrays dataset.path=absent.npz" in err
    assert "absent.npz: no such file" in err


def test_a_wrong_run_to_begin_with_is_refused_before_anything_is_trained(train, workplace):
    status, _, err = train("pretrain=['policy=sttic']")
    assert status == 2
    assert "policy=sttic: no such option" in err
    assert list(workplace.iterdir()) == []


def test_fine_tuning_trains_its_beginning_once_for_all_policies(train, workplace):
    """A shortened ``experiment=finetune_digits``: what is common is found by the second policy."""
    common = Composer().run_config(["experiment=finetune_digits"]).pretrain
    short = ("experiment=finetune_digits", "dataset.subset.train=30", "trainer.epochs=1")
    results = {policy: train(*short, f"policy={policy}")[1] for policy in ("dense", "adaptive")}
    name = Composer().run_config(common).run_name
    assert sorted(p.name for p in Path("runs").iterdir()) == sorted([name, *(r["name"] for r in results.values())])
    before = {result["metrics"]["initial_test_accuracy"] for result in results.values()}
    assert len(before) == 1
    first = json.loads(Path("runs", name, "result.json").read_text())
    assert before.pop() < first["metrics"]["test_accuracy"] - 0.1, "turned digits are not what it has learnt"
    assert {result["initial_weights"] for result in results.values()} != {None}
