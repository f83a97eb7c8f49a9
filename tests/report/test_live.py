"""Where runs stand while a multirun lasts: who is at work, who ended last, how many there are of each."""

from rich.console import Console

from tinyprop.report.live import SweepView
from tinyprop.sweeps.ledger import Word

TITLES = {
    f"r{index}": f"policy=static policy.ratio=0.{index} policy.sparsify_output=True seed={index}" for index in range(9)
}


def drawn(words: list[Word]) -> list[str]:
    view = SweepView(TITLES)
    view.update({word.name: word for word in words})
    console = Console(width=80, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(view)
    return [line.rstrip() for line in console.export_text().splitlines()]


def test_running_runs_the_latest_results_and_counts_are_shown():
    words = [
        Word("r0", "reused", "/r0", since=1.0),
        Word("r1", "done", "/r1", metrics={"test_accuracy": 0.915}, since=2.0),
        Word("r2", "failed", "/r2", reason="training diverged: the loss is inf", since=3.0),
        Word("r3", "running", "/r3", since=4.0),
    ]
    *rows, counts = drawn(words)
    assert [row.split()[0] for row in rows] == ["done", "failed", "running"]
    assert rows[0].endswith("91.5 %")
    assert "training diverged" in rows[1]
    assert rows[2].endswith(" s")
    assert counts == "1 done, 1 reused, 1 running, 1 failed, 5 waiting"


def test_a_title_that_is_too_long_gives_way_and_the_figures_stay():
    (row, _) = drawn([Word("r1", "done", "/r1", metrics={"test_accuracy": 0.5}, since=1.0)])
    assert len(row) <= 80
    assert "…" in row
    assert row.endswith("50.0 %")


def test_an_auc_is_shown_where_there_is_no_accuracy():
    (row, _) = drawn([Word("r1", "done", "/r1", metrics={"test_auc": 0.75, "test_loss": 1.0}, since=1.0)])
    assert row.split()[-1].startswith("0.75")


def test_only_the_latest_results_are_listed_but_all_are_counted():
    words = [Word(f"r{index}", "done", f"/r{index}", since=float(index)) for index in range(8)]
    *rows, counts = drawn(words)
    assert ["ratio=0.4" in row for row in rows] == [True, False, False, False]
    assert len(rows) == 4
    assert counts == "8 done, 1 waiting"
