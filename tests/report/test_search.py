"""The closing table of a search."""

import io

from rich.console import Console

from tinyprop.report.search import search_table


def shown(trials, objectives=("validation_accuracy", "macs.backward_ratio"), n_trials=None) -> str:
    search = {
        "study": "s",
        "storage": "sqlite:///search.db",
        "space": ["policy.s_min: log 0.01 to 0.5"],
        "seeds": [0, 1],
        "objectives": [{"name": name, "maximised": False} for name in objectives],
        "n_trials": n_trials or len(trials),
        "trials": trials,
    }
    stream = io.StringIO()
    Console(file=stream, width=80).print(search_table(search), crop=False)
    return stream.getvalue()


def trial(number, scores, *, status="complete", best=False, reason=None) -> dict:
    values = {"policy.s_min": 0.01234567, "policy.s_max": 1.0}
    command = "tinyprop train " + " ".join(f"some.very.long.key_{n}=0.123456" for n in range(8))
    return {
        "number": number,
        "status": status,
        "values": values,
        "scores": scores,
        "best": best,
        "reason": reason,
        "runs": [],
        "command": f"{command} number={number}",
    }


def test_the_front_is_marked_and_its_commands_are_whole_lines():
    text = shown([trial(0, [0.9, 0.4], best=True), trial(1, [0.8, 0.5]), trial(2, [0.7, 0.1], best=True)])
    rows = [line for line in text.splitlines() if line[:1].isdigit() and "complete" in line and "trials" not in line]
    assert [line.rstrip().endswith("*") for line in rows] == [True, False, True]
    commands = [line for line in text.splitlines() if "tinyprop train" in line]
    assert [line.rpartition("number=")[2] for line in commands] == ["2", "0"], "the cheapest first, each on one line"
    assert all(len(line) <= 80 for line in text.splitlines() if line not in commands)
    assert "90.0 %" in text
    assert "Scores are means over seeds 0, 1." in text


def test_a_single_objective_has_one_best_trial():
    text = shown([trial(0, [0.31], best=True), trial(1, [0.5])], objectives=("validation_loss",))
    assert "Best: trial 0, validation loss 0.3100" in text
    assert "Pareto" not in text


def test_failures_are_explained_and_what_is_missing_is_counted():
    text = shown([trial(0, None, status="failed", reason="it diverged"), trial(1, None, status="open")], n_trials=9)
    assert "0 failed: it diverged" in text
    assert "2 of 9 trials: 1 failed, 1 open" in text
    assert "No trial has ended, so none is best." in text


def test_of_a_long_front_some_commands_are_shown_from_end_to_end():
    text = shown([trial(n, [0.5 + n / 100, 0.01 * n], best=True) for n in range(20)])
    numbers = [int(line.rpartition("number=")[2]) for line in text.splitlines() if "tinyprop train" in line]
    assert (len(numbers), numbers[0], numbers[-1]) == (5, 0, 19)
