"""Tasks for worker processes, which import them by name."""

import os
import signal
import time
from pathlib import Path


def note(shared: str, task: object) -> None:
    """Leave a file that says which process did a task."""
    Path(shared, str(task)).write_text(str(os.getpid()))


def note_or_die(shared: str, task: int) -> None:
    """As `note`; every third task kills its own process without a word."""
    if task % 3 == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    note(shared, task)


def note_or_raise(shared: str, task: int) -> None:
    """As `note`; the first task raises."""
    if task == 0:
        raise ZeroDivisionError("of this task only")
    note(shared, task)


def wait_to_be_interrupted(shared: str, task: int) -> None:
    """Say that the task is under way, wait for an interruption, and say that it came."""
    Path(shared, f"begun{task}").touch()
    try:
        time.sleep(60)
    except KeyboardInterrupt:
        time.sleep(0.2)  # a second one must not break this off
        Path(shared, f"interrupted{task}").touch()
        raise


def meet(shared: str, task: int) -> None:
    """Wait until another process is at it too."""
    Path(shared, str(task)).touch()
    until = time.monotonic() + 20
    while len(list(Path(shared).iterdir())) < 2:
        assert time.monotonic() < until, "nobody came"
        time.sleep(0.01)
