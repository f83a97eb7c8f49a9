"""``tinyprop train backend=native``."""

import json
from pathlib import Path

import pytest
import torch

from tinyprop import datasets
from tinyprop.backends.native import NativeTraining
from tinyprop.engine import library
from tinyprop.errors import RequestError
from tinyprop.training import fit

from .conftest import SMALL, mlflow_rows

NATIVE = ("backend=native", "policy=adaptive", "optimizer=sgd", "optimizer.momentum=0.9", "optimizer.lr=0.02")


def weights_in(directory) -> dict[str, torch.Tensor]:
    return torch.load(Path(directory) / "checkpoint.pt", weights_only=True)["weights"]


@pytest.mark.usefixtures("c_engine")
def test_a_run_is_recorded_like_any_other_and_agrees_with_pytorch(tinyprop, train, empty_database):
    status, out, err = tinyprop("train", "--json", *SMALL, *NATIVE)
    assert (status, err.count("Traceback")) == (0, 0)
    result = json.loads(out)
    (row,) = mlflow_rows(empty_database)
    assert (row["id"], row["status"]) == (result["run_id"], "FINISHED")
    assert row["metrics"]["test_accuracy"] == pytest.approx(result["metrics"]["test_accuracy"])

    in_torch = train("backend=torch", *NATIVE[1:])[1]
    assert (result["backend"], in_torch["backend"]) == ("native", "torch")
    assert result["name"] != in_torch["name"]
    assert result["metrics"] == pytest.approx(in_torch["metrics"], rel=1e-4)
    assert result["kept_fraction"] == pytest.approx(in_torch["kept_fraction"], rel=1e-3)
    assert result["macs"]["step_ratio"] == pytest.approx(in_torch["macs"]["step_ratio"], rel=1e-3)
    ours, theirs = weights_in(result["run_dir"]), weights_in(in_torch["run_dir"])
    assert list(ours) == list(theirs)
    assert all(torch.allclose(ours[name], theirs[name], rtol=1e-4, atol=1e-5) for name in theirs)


@pytest.mark.usefixtures("c_engine")
def test_a_run_interrupted_in_an_epoch_ends_like_one_that_never_was(train, monkeypatch):
    long = (*NATIVE, "trainer.epochs=6")
    whole = train(*long, "hydra.run.dir=whole")[1]

    monkeypatch.setattr(fit, "_CHECKPOINT_INTERVAL", 0.0)
    epochs, train_on = [], NativeTraining.train

    def interrupted(self, *arguments):
        trained = train_on(self, *arguments)
        epochs.append(trained)
        if len(epochs) == 4:
            raise KeyboardInterrupt
        return trained

    monkeypatch.setattr(NativeTraining, "train", interrupted)
    status, _, err = train(*long)
    assert status == 130
    assert "the same command goes on" in err
    status, resumed, _ = train(*long)
    assert (status, resumed["epochs"], len(epochs)) == (0, 6, 4 + 3), "the fourth epoch again, and two more"
    assert resumed["metrics"] == whole["metrics"]
    assert resumed["macs"] == whole["macs"]
    one, other = weights_in(resumed["run_dir"]), weights_in("whole")
    assert all(torch.equal(one[name], other[name]) for name in other)


@pytest.mark.usefixtures("c_engine")
def test_weights_to_begin_with_come_from_any_backend(train):
    first = train("backend=torch", "hydra.run.dir=first")[1]
    tuned = train(*NATIVE, "trainer.init_from=first", "dataset.rotate=20", "trainer.select=best")[1]
    assert tuned["initial_weights"] is not None
    assert tuned["metrics"]["initial_test_accuracy"] < first["metrics"]["test_accuracy"]
    back = train("backend=torch", f"trainer.init_from={tuned['name']}")[1]
    assert back["status"] == "finished"


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (
            ["policy=random"],
            "backend: native cannot run policy=random (its lots are drawn by PyTorch); backend=torch can",
        ),
        (["policy=scheduled"], "backend: native cannot run policy=scheduled"),
        (
            ["optimizer=sgd", "optimizer.momentum=0.9", "optimizer.nesterov=true"],
            "backend: native cannot run optimizer.nesterov=true (it has plain momentum); backend=torch can",
        ),
        (["model=resnet8"], "backend: native cannot run model=resnet8 (its layers are no sequence)"),
        (["trainer.device=cuda"], "backend: native does not use trainer.device=cuda; set trainer.device=auto"),
        (["backend.micro_batch=21"], "backend.micro_batch: 21 is over trainer.batch_size (20)"),
        (["backend.micro_batch=0"], "backend.micro_batch: 0 is under 1"),
        (["backend.skip_zeros=perhaps"], "backend.skip_zeros='perhaps': input should be a valid boolean"),
        (["backend.threads=2"], "backend.threads=2: no such key"),
    ],
)
def test_what_the_engine_cannot_do_is_refused_before_anything_is_made(tinyprop, workplace, overrides, said):
    status, out, err = tinyprop("train", *SMALL, "backend=native", *overrides)
    assert (status, out) == (2, "")
    assert err.startswith(f"error: {said}")
    assert list(workplace.iterdir()) == []


def test_what_the_engine_cannot_do_comes_with_every_other_problem(tinyprop, workplace):
    status, _, err = tinyprop("train", "backend=native", "policy=random", "trainer.epochs=0", "optimizer.lr=0")
    assert status == 2
    assert err.startswith("error: 3 problems with this request:\n")
    assert "backend: native cannot run policy=random" in err


@pytest.mark.usefixtures("c_engine")
def test_a_layer_that_the_engine_cannot_run_is_refused_before_training(train):
    status, result, err = train("backend=native", "model=autoencoder")
    assert (status, result["status"]) == (2, "failed")
    assert err == "error: backend=native cannot run layer norm1 (batch norm) of model=autoencoder; backend=torch can\n"


def test_without_a_built_engine_nothing_is_loaded(train, monkeypatch):
    def nothing():
        raise RequestError("the C engine is not built here; run: something")

    def refuse(*_):
        raise AssertionError("data was read")

    monkeypatch.setattr(library, "load", nothing)
    monkeypatch.setattr(datasets, "load", refuse)
    status, result, err = train("backend=native")
    assert (status, result["status"]) == (2, "failed")
    assert err == "error: the C engine is not built here; run: something\n"
