"""Where runs stand: written by one process, read by another, never by halves."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from tinyprop.sweeps.ledger import Ledger, Word


@pytest.fixture
def ledger(tmp_path):
    made = Ledger(tmp_path, "study-1")
    made.directory.mkdir(parents=True)
    return made


def test_a_word_is_read_back_by_another_process_as_it_was_left(ledger, tmp_path):
    word = Word("run", "failed", "/somewhere", reason="diverged", exit_status=1, since=12.5)
    ledger.leave(word)
    assert Ledger(tmp_path, "study-1").words() == {"run": word}
    assert Ledger(tmp_path, "study-2").words() == {}


def test_a_later_word_takes_the_place_of_the_one_before(ledger):
    running = Word("run", "running", "/somewhere", since=1.0)
    ledger.leave(running)
    assert ledger.words()["run"].status == "running"
    done = replace(running, status="done", metrics={"test_accuracy": 0.5})
    ledger.leave(done)
    assert ledger.words() == {"run": done}
    assert [path.name for path in ledger.directory.iterdir()] == ["run.json"]


def test_what_is_half_written_is_not_read(ledger):
    (ledger.directory / f".run.{os.getpid()}").write_text('{"name": "ru')
    assert ledger.words() == {}


def test_a_forgotten_run_was_not_begun(ledger):
    ledger.leave(Word("run", "failed", "/somewhere"))
    ledger.forget("run")
    ledger.forget("run")
    assert ledger.words() == {}


def test_a_run_that_is_forgotten_while_words_are_read_is_not_among_them(ledger, monkeypatch):
    """Whoever shows the sweep reads all the time, whoever launches lost runs again forgets them."""
    for name in ("first", "second"):
        ledger.leave(Word(name, "running", "/somewhere"))
    listed = Path.glob

    def forgetting(directory, pattern):
        found = list(listed(directory, pattern))
        ledger.forget("second")
        return found

    monkeypatch.setattr(Path, "glob", forgetting)
    assert list(ledger.words()) == ["first"]
