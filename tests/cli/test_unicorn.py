"""``tinyprop train backend=unicorn``."""

import csv
import json
import re
from pathlib import Path

import pytest

from tinyprop.cli import doctor
from tinyprop.training import prepare

from .conftest import SMALL, mlflow_rows

pytest.importorskip("unicorn")
pytest.importorskip("capstone")

BOARD = ("backend=unicorn", "policy=static", "optimizer=sgd", "optimizer.lr=0.05")
PHASES = ("forward", "select", "input_gradient", "weight_gradient", "update", "other")


def test_a_run_on_a_board_says_what_a_step_takes(tinyprop, workplace, empty_database):
    """In the table, in result.json, for each epoch, and in MLflow."""
    status, out, err = tinyprop("train", *SMALL, *BOARD, "target=stm32f746", "tracking.log_model=false")
    assert (status, err.count("Traceback")) == (0, 0)
    assert max(map(len, out.splitlines())) <= 80
    assert re.search(r"microcontroller +STM32F746NG \(cortex-m7\), simulated by Unicorn", out)
    assert re.search(r"instructions a step +[\d,]+  \(20 samples; 2 steps counted\)", out)
    assert re.search(r"modelled cycles a step +[\d,]+  \([\d.]+ ms\)", out)
    assert re.search(r"RAM needed +\d+\.\d KB, fits with \d+\.\d KB to spare", out)

    (directory,) = (workplace / "runs").glob("digits-*")
    mcu = json.loads((directory / "result.json").read_text())["mcu"]
    assert (mcu["simulator"], mcu["core"], mcu["counted_steps"]) == ("unicorn", "cortex-m7", 2)
    assert mcu["cycle_model"].startswith("assumed")
    assert sum(mcu[f"instructions.{phase}"] for phase in PHASES) == pytest.approx(mcu["instructions.step"])
    assert mcu["ram.fits"] is True

    rows = list(csv.DictReader((directory / "metrics.csv").open()))
    assert [float(row["mcu.instructions.forward"]) > 10_000 for row in rows] == [True, True]
    assert {f"mcu.{quantity}.{phase}" for quantity in ("instructions", "cycles") for phase in PHASES} <= rows[0].keys()
    mean = sum(float(row["mcu.instructions.step"]) for row in rows) / 2
    assert mean == pytest.approx(mcu["instructions.step"])

    (recorded,) = mlflow_rows(empty_database)
    assert recorded["metrics"]["mcu.instructions.step"] == pytest.approx(mcu["instructions.step"])
    assert recorded["metrics"]["mcu.ram.total"] == mcu["ram.total"]
    assert recorded["metrics"]["mcu.flash.fits"] == 1


def test_the_outcome_is_that_of_the_engine_on_this_machine(train, c_engine):
    board, native = train(*BOARD)[1], train("backend=native", *BOARD[1:])[1]
    assert board["kept_fraction"] == native["kept_fraction"]
    assert board["macs"] == native["macs"]
    assert board["metrics"]["test_accuracy"] == native["metrics"]["test_accuracy"]
    assert board["metrics"]["test_loss"] == pytest.approx(native["metrics"]["test_loss"], rel=1e-5)
    assert "mcu" not in native


@pytest.mark.parametrize("core", ["cortex_m0plus", "cortex_m3", "cortex_m33"])
def test_each_core_has_a_target(train, core):
    status, result, _ = train(*BOARD, f"target={core}", "dataset.subset.train=40", "trainer.epochs=1")
    assert status == 0
    assert result["mcu"]["core"] == core.replace("_", "-")


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (
            ["target.core=cortex-m55"],
            "target.core=cortex-m55: there is no firmware image for this core; there are corte",
        ),
        (["target.fpu=false"], "target.fpu=false: the firmware image for cortex-m4 computes with the core's FPU"),
        (["backend.require_fit=true", "target.sram_bytes=9000"], "bytes of SRAM more than the 9000 of STM32F407VG"),
        (["policy=random"], "backend: unicorn cannot run policy=random"),
        (["backend.count=most"], "backend.count='most': input should be 'sampled' or 'all'"),
        (["model=resnet8"], "unicorn cannot run model=resnet8"),
    ],
)
def test_what_a_board_cannot_do_is_said_before_training(train, overrides, said):
    status, _, err = train(*BOARD, *overrides)
    assert status == 2
    assert said in err
    assert "Traceback" not in err
    assert not list(Path().glob("runs/*/checkpoint.pt"))


@pytest.mark.parametrize("package", ["unicorn", "capstone"])
def test_a_missing_package_is_said_before_anything_is_trained(train, monkeypatch, package):
    """Not even the run to begin with, which another backend would do."""
    present = prepare.find_spec
    monkeypatch.setattr(prepare, "find_spec", lambda name: None if name == package else present(name))
    first = "pretrain=['dataset=digits','dataset.subset.train=40','trainer.epochs=1','backend=torch']"
    status, _, err = train(*BOARD, first)
    assert status == 2
    assert f"needs the package {package}, which is not installed: pip install 'tinyprop[unicorn]'" in err
    assert not list(Path().glob("runs/*/checkpoint.pt"))


def test_the_doctor_knows_whether_boards_can_be_simulated(monkeypatch):
    assert doctor._unicorn().state == "ok"
    assert "cortex-m0plus" in doctor._unicorn().found
    present = doctor._version
    monkeypatch.setattr(doctor, "_version", lambda name: None if name == "capstone" else present(name))
    check = doctor._unicorn()
    assert (check.state, check.required) == ("missing", False)
    assert "pip install 'tinyprop[unicorn]'" in check.advice
