import io
import re

import pytest

from tinyprop.report.console import console
from tinyprop.report.summary import against_dense, percent, run_summary
from tinyprop.report.sweep import counted, sweep_table

RESULT = {
    "status": "FINISHED",
    "seed": 0,
    "dataset": "mnist",
    "synthetic": False,
    "model": "mlp_mnist",
    "policy": "adaptive",
    "epochs": 15,
    "metrics": {"test_accuracy": 0.9312, "test_loss": 0.2432, "initial_test_accuracy": 0.1},
    "layers": [
        {"name": "hidden1", "ratio": 0.2021, "kept_fraction": 0.1999, "local_error": 0.1, "n": 32},
        {"name": "output", "ratio": 1.0, "kept_fraction": 1.0, "local_error": 0.1, "n": 10},
    ],
    "kept_fraction": {"hidden1": 0.1999, "output": 1.0},
    "macs": {
        "forward": {"kept": 1000, "dense": 1000},
        "weight_gradient": {"kept": 200, "dense": 1000},
        "input_gradient": {"kept": 50, "dense": 250},
        "update": {"kept": 20, "dense": 100},
        "backward_ratio": 0.2,
        "step_ratio": 0.5556,
    },
    "wall_seconds": 3.21,
    "run_id": "0123456789abcdef",
    "run_dir": "runs/mnist/adaptive-0",
    "notes": ["The labels of this split and the machine ids coincide."],
}


def printed(renderable) -> str:
    """What a pipe gets."""
    stream = io.StringIO()
    console(stream).print(renderable)
    return stream.getvalue()


def assert_plain(text: str) -> None:
    assert "\x1b" not in text
    assert max(len(line) for line in text.splitlines()) <= 80


def test_the_summary_says_accuracy_kept_fractions_and_work_on_80_columns():
    text = printed(run_summary(RESULT))
    assert_plain(text)
    assert text.startswith("mnist · mlp_mnist · adaptive · seed 0\n")
    for line in (
        r"test accuracy +93\.1 %",
        r"kept in hidden1 +20\.0 % of 32 gradients, ratio 0\.202",
        r"kept in output +100\.0 % of 10 gradients, ratio 1\.000",
        r"backward work +20\.0 % of dense, 5\.00× fewer",
        r"whole-step work +55\.6 % of dense, 1\.80× fewer",
        r"weight gradient +200 of 1.00 k",
    ):
        assert re.search(line, text), line
    assert "ounts of multiply-accumulates, not wall time" in text
    assert "runs/mnist/adaptive-0" in text
    assert "tinyprop ui" in text
    assert "Note: The labels of this split" in text
    assert "SYNTHETIC" not in text


def test_synthetic_data_and_a_failed_status_are_in_the_first_line():
    text = printed(run_summary({**RESULT, "synthetic": True, "status": "FAILED"}))
    assert text.startswith("mnist (SYNTHETIC data) · mlp_mnist · adaptive · seed 0 · FAILED\n")


def test_the_summary_of_an_auc_run_without_layers_or_tracking_has_no_empty_promises():
    result = {
        "dataset": "dcase_ae",
        "model": "autoencoder",
        "policy": "dense",
        "seed": 1,
        "metrics": {"test_auc": 0.8499, "test_pauc": 0.6693},
        "kept_fraction": {"encoder.0": 1.0},
        "run_id": None,
    }
    text = printed(run_summary(result))
    assert re.search(r"test AUC +0\.8499", text)
    assert re.search(r"test pAUC +0\.6693", text)
    assert re.search(r"kept in encoder\.0 +100\.0 %", text)
    assert "multiply" not in text
    assert "tinyprop ui" not in text


def test_brackets_in_names_are_printed_as_they_are():
    assert "kept in blocks[0]" in printed(run_summary({"kept_fraction": {"blocks[0]": 0.5}}))


@pytest.mark.parametrize(
    ("share", "text"), [(0.0, "0.0 %"), (0.0004, "0.04 %"), (0.9996, "99.96 %"), (1.0, "100.0 %"), (1.25, "125.0 %")]
)
def test_a_share_is_never_rounded_to_none_or_all(share, text):
    assert percent(share) == text


@pytest.mark.parametrize(
    ("ratio", "text"),
    [
        (0.05, "5.0 % of dense, 20.0× fewer"),
        (0.5, "50.0 % of dense, 2.00× fewer"),
        (1.0, "100.0 % of dense"),
        (1.2, "120.0 % of dense, 1.20× as much"),
        (0.0, "0.0 % of dense"),
    ],
)
def test_work_is_said_both_ways(ratio, text):
    assert against_dense(ratio) == text


def sweep_rows(count: int) -> list[dict]:
    return [
        {
            "overrides": ["dataset=digits", f"policy={policy}", "policy.ratio=0.33", f"seed={seed}"],
            "status": "done",
            "accuracy": 0.9312,
            "backward_ratio": 0.33,
            "step_ratio": 0.5556,
            "seconds": 12.34,
        }
        for policy in ("static", "adaptive_skip")
        for seed in range(count // 2)
    ]


def test_the_closing_table_names_every_run_and_the_reason_of_each_failure():
    rows = sweep_rows(60)
    rows[7] |= {
        "status": "failed",
        "reason": "epoch 2, step 17: the loss is nan;\nlower optimizer.lr",
        "accuracy": None,
        "backward_ratio": None,
    }
    rows[9] = {"overrides": "dataset=digits policy.ratio=0.33 seed=9", "status": "missing"}
    rows[11]["status"] = "reused"
    text = printed(sweep_table(rows))
    assert_plain(text)
    assert text.startswith("In every run: dataset=digits policy.ratio=0.33\n")
    assert re.search(r"^ 1 +policy=static seed=0 +done +93\.1 % +33\.0 % +55\.6 % +12\.3 *$", text, re.MULTILINE)
    assert re.search(r"^ 8 +policy=static seed=7 +failed +– +– ", text, re.MULTILINE)
    assert "\n8 failed: epoch 2, step 17: the loss is nan; lower optimizer.lr\n" in text
    assert "\n10 missing: no reason was recorded\n" in text
    assert "\n60 runs: 57 done, 1 reused, 1 failed, 1 missing\n" in text
    assert "multiply-accumulates, not wall" in text
    assert len(text.splitlines()) < 75  # a row a line


def test_one_run_keeps_its_overrides_in_its_row_and_auc_is_a_number():
    rows = [{"overrides": "policy=dense", "status": "done", "accuracy": 0.85, "seconds": 1.0}]
    text = printed(sweep_table(rows, metric="test_auc"))
    assert "policy=dense" in text
    assert "auc" in text
    assert "0.8500" in text
    assert counted(rows) == "1 run: 1 done"


def test_no_runs_at_all_is_a_table_too():
    assert "0 runs" in printed(sweep_table([]))


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_no_color_is_respected_on_a_terminal(monkeypatch):
    """The failed run is red there otherwise; bold is no colour and stays."""
    monkeypatch.setenv("TERM", "xterm-256color")
    colours = re.compile(r"\x1b\[[0-9;]*3[0-7]")
    shown = {}
    for wish in ("", "1"):
        monkeypatch.setenv("NO_COLOR", wish)
        terminal = _Terminal()
        console(terminal).print(sweep_table([{"overrides": "seed=0", "status": "failed", "reason": "no data"}]))
        shown[wish] = terminal.getvalue()
    assert colours.search(shown[""])
    assert not colours.search(shown["1"])


def test_runs_on_simulated_boards_show_what_a_step_takes_and_whether_it_fits():
    rows = [
        {"overrides": ["policy=dense"], "status": "done", "instructions": 126_631.0, "fits": True},
        {"overrides": ["policy=static"], "status": "done", "instructions": 69_939.0, "fits": False},
        {"overrides": ["policy=adaptive"], "status": "failed", "reason": "no board"},
    ]
    shown = printed(sweep_table(rows))
    assert "instr." in shown
    assert [line.split()[-2:] for line in shown.splitlines() if "policy=" in line][:2] == [["k", "yes"], ["k", "NO"]]
    assert "127 k" in shown
    assert "69.9 k" in shown
    assert max(map(len, shown.splitlines())) <= 80
