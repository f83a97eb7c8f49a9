"""What a run says of its cost on microcontrollers: the library's prediction from what the run kept."""

import json
from pathlib import Path

import numpy as np
import pytest

from tinyprop.config.composition import Composer
from tinyprop.config.hydra_job import as_yaml
from tinyprop.cost import Activity, TrainingStep, footprint, predict, speed_up
from tinyprop.estimate.trained import NUMBERS, key_of
from tinyprop.models.presets import Autoencoder, Mlp
from tinyprop.progress import SILENT
from tinyprop.training import record
from tinyprop.training.run import execute


@pytest.fixture(autouse=True)
def _without_plots(request, monkeypatch):
    if "plots" not in request.fixturenames:
        monkeypatch.setattr(record, "write_plots", lambda *_: None)


@pytest.fixture
def plots():
    """For the test that looks at the figures."""


@pytest.fixture(scope="module")
def targets():
    return Composer().targets(["stm32f407", "cortex_m0plus"])


def run(config, targets=()):
    return execute(
        config,
        Path(config.runs_dir) / config.run_name,
        init_from=None,
        config_yaml=as_yaml(config),
        command="tinyprop train …",
        progress=SILENT,
        targets=targets,
    )


@pytest.mark.parametrize("backend", ["torch", "native"])
def test_the_cost_is_the_prediction_from_what_the_run_kept(configured, targets, digits, backend, request):
    if backend == "native":
        request.getfixturevalue("c_engine")
    config = configured(f"backend={backend}", "policy=adaptive", "target=stm32f407")
    outcome = run(config, targets.values())
    assert list(outcome["cost"]) == ["STM32F407VG", "STM32L072CZ"]  # its own once
    first = outcome["layers"][0]
    assert first["zero_inputs"] == pytest.approx(np.mean(digits.train.x == 0), abs=0.02)
    activity = {
        layer["name"]: Activity(
            kept=layer["kept_fraction"],
            kept_rows=layer["kept_rows_fraction"],
            reached=layer.get("kept_patches_fraction"),
            **{name: layer[name] for name in NUMBERS if name in layer},
        )
        for layer in outcome["layers"]
    }
    step = TrainingStep(
        specification=Mlp(hidden=(8,)).specification((1, 8, 8), 10, "softmax_cross_entropy"),
        policy=config.policy,
        optimizer=config.optimizer,
        batch_size=10,
        activity=activity,
    )
    for target in targets.values():
        found = outcome["cost"][key_of(target)]
        assert found["cycles.step"] == predict(step, target).cycles
        assert found["ram.total"] == sum(footprint(step, target).ram.values())
        assert found["speed_up.dense.backward"] == speed_up(step, target).backward
        assert found["errors"]["instructions"]["step"]["count"] > 0
    stored = json.loads((Path(outcome["run_dir"]) / "result.json").read_text())
    assert stored["cost"] == outcome["cost"]


def test_other_targets_are_modelled_of_a_finished_run_without_training_it_again(configured, targets):
    first = run(configured("policy=static"))
    again = run(configured("policy=static", "cost.targets=[cortex_m0plus]"), [targets["cortex_m0plus"]])
    assert again["reused"]
    assert (list(first["cost"]), list(again["cost"])) == (["STM32F407VG"], ["STM32F407VG", "STM32L072CZ"])
    assert again["cost"]["STM32F407VG"] == first["cost"]["STM32F407VG"]


def test_what_the_engine_cannot_run_has_a_note_instead(configured):
    by_lot = configured("policy=random", "trainer.epochs=1")
    normed = configured("trainer.epochs=1").model_copy(update={"model": Autoencoder(width=4, bottleneck=2)})
    for config, why in (
        (by_lot, "policy=random (its lots are drawn by PyTorch)"),
        (normed, "layer norm1 (batch norm)"),
    ):
        outcome = run(config)
        assert outcome["cost"] == {}
        (note,) = outcome["cost_notes"]
        assert note.startswith(f"Cost on a microcontroller: no cost is known for {why}")


def test_a_target_that_nothing_is_known_of_has_a_note_and_the_others_a_cost(configured, targets):
    outcome = run(configured("target.core=cortex-m55", "target.name=new", "trainer.epochs=1"), targets.values())
    assert list(outcome["cost"]) == ["STM32F407VG", "STM32L072CZ"]
    assert "target.core=cortex-m55: no costs are known for this core" in outcome["cost_notes"][0]


def test_figures_and_numbers_are_tracked(configured, mlflow_runs, plots):
    from mlflow import MlflowClient

    config = configured("tracking.enabled=true", "tracking.log_model=false", "policy=static", "trainer.epochs=1")
    outcome = run(config)
    cost = outcome["cost"]["STM32F407VG"]
    client = MlflowClient(f"sqlite:///{Path(config.runs_dir).absolute()}/mlflow.db")
    metrics = client.get_run(outcome["run_id"]).data.metrics
    for key in ("cycles.step", "milliseconds.step", "instructions.step", "ram.total"):
        assert metrics[f"cost.STM32F407VG.{key}"] == pytest.approx(cost[key])
    assert len(mlflow_runs(config)) == 1
    names = {"cost_by_layer.png", "cost_by_ratio.png"}
    assert names <= {path.path for path in client.list_artifacts(outcome["run_id"])}
    assert names <= {path.name for path in Path(outcome["run_dir"]).iterdir()}
