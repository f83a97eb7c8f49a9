"""Tasks in processes: each is done once, and one that dies takes nothing with it but its own task."""

import os
import signal
import threading
import time

import pytest

from tinyprop.sweeps.workers import run_all

from . import tasks


def done(directory) -> set[int]:
    return {int(path.name) for path in directory.iterdir()}


def test_every_task_is_done_once_by_as_few_processes_as_asked_for(tmp_path):
    run_all(tasks.note, str(tmp_path), range(10), processes=2)
    assert done(tmp_path) == set(range(10))
    workers = {path.read_text() for path in tmp_path.iterdir()}
    assert 1 <= len(workers) <= 2
    assert str(os.getpid()) not in workers


def test_tasks_are_done_at_the_same_time(tmp_path):
    run_all(tasks.meet, str(tmp_path), [0, 1], processes=2)
    assert done(tmp_path) == {0, 1}


def test_a_process_that_is_killed_takes_its_own_task_with_it_only(tmp_path):
    run_all(tasks.note_or_die, str(tmp_path), range(9), processes=2)
    assert done(tmp_path) == {0, 1, 3, 4, 6, 7}


def test_a_task_that_raises_is_over_like_the_others(tmp_path):
    run_all(tasks.note_or_raise, str(tmp_path), range(4), processes=1)
    assert done(tmp_path) == {1, 2, 3}


def test_nothing_to_do_is_done_at_once(tmp_path):
    run_all(tasks.note, str(tmp_path), [], processes=2)
    assert done(tmp_path) == set()


def test_an_interruption_reaches_every_worker_once_and_is_waited_for(tmp_path):
    def interrupt() -> None:
        until = time.monotonic() + 30
        while len(list(tmp_path.glob("begun*"))) < 2 and time.monotonic() < until:
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        run_all(tasks.wait_to_be_interrupted, str(tmp_path), [0, 1, 2], processes=2)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["begun0", "begun1", "interrupted0", "interrupted1"]
