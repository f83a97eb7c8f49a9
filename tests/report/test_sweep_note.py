"""The description of a sweep in MLflow."""

from tinyprop.report.sweep_note import sweep_note
from tinyprop.tracking.values import TAG_LIMIT


def row(overrides: str, **given):
    return {
        "overrides": overrides,
        "status": "done",
        "accuracy": 0.9,
        "backward_ratio": 0.25,
        "step_ratio": 0.5,
    } | given


def test_it_has_the_command_the_runs_and_the_meaning_of_the_metrics():
    failed = row("policy=static", status="failed", accuracy=None, backward_ratio=None, step_ratio=None)
    note = sweep_note("tinyprop train -m policy=dense,static", [row("policy=dense"), failed], "test_auc")
    assert note.startswith("`tinyprop train -m policy=dense,static`\n\n2 runs: 1 done, 1 failed.")
    assert "| run | status | test auc | backward | step |" in note
    assert "| `policy=dense` | done | 0.9000 | 25.0 % | 50.0 % |" in note
    assert "| `policy=static` | failed | – | – | – |" in note
    assert "`backward_ratio` | work of the backward passes" in note
    assert "report.html" not in note


def test_hundreds_of_runs_leave_it_short_enough_to_be_kept_whole():
    rows = [row(f"policy=static policy.ratio=0.1 optimizer.lr=0.00{number} seed={number}") for number in range(500)]
    note = sweep_note("tinyprop train -m …", rows, "test_accuracy")
    assert len(note) < TAG_LIMIT
    assert "460 more are in `summary.csv`" in note
