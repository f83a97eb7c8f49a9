"""Training on a board in Renode through the command line, with a stand-in where Renode would be."""

import sys
from pathlib import Path

import pytest

STAND_IN = Path(__file__).parents[1] / "backends" / "renode_stand_in.py"


def test_a_run_measures_instructions_and_memory_and_models_no_cycles(train, workplace):
    pytest.importorskip("unicorn")
    program = workplace / "renode"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{STAND_IN}" "$@"\n')
    program.chmod(0o755)
    status, result, _ = train("backend=renode", f"backend.path={program}", "model.hidden=[8]", "trainer.epochs=1")
    assert (status, result["status"], result["mcu"]["simulator"]) == (0, "finished", "renode")
    assert result["mcu"]["counted_steps"] == 1
    assert result["mcu"]["instructions.fc1.forward"] > 0
    assert result["mcu"]["ram.total"] > result["mcu"]["ram.weights"] > 0
    assert result["mcu"]["cycle_model"] is None
    assert "cycles.step" not in result["mcu"]


def test_without_renode_a_run_is_a_wrong_request(train, workplace, monkeypatch):
    monkeypatch.setenv("PATH", str(workplace))
    monkeypatch.delenv("TINYPROP_RENODE", raising=False)
    status, result, error = train("backend=renode")
    assert (status, result["status"]) == (2, "failed")
    assert "metrics" not in result
    assert error.startswith("error: backend=renode needs Renode, which is not installed: ")
    assert "renode.io" in error
    assert "Traceback" not in error
