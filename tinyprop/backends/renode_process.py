"""Renode as a process: found, started on a script, watched, and ended with everything that it started.

Whether a run succeeded is told by what it leaves, never by the exit status: Renode ends with 0 when a command is wrong,
and does not end at all when the simulated program goes astray.
"""

from __future__ import annotations

import contextlib
import os
import queue
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from tinyprop.backends.renode_script import ANSWER, SCRIPT
from tinyprop.backends.renode_watch import Mark, Watch
from tinyprop.errors import RequestError

VARIABLE = "TINYPROP_RENODE"
HOW_TO_GET = (
    "download the portable package from renode.io and put its `renode` on PATH, or name that program by "
    f"backend.path or the environment variable {VARIABLE}"
)

_GRACE_S = 1.0


def find(path: str | None) -> Path:
    """The program: ``path``, or what the environment variable names, or `renode` on PATH.

    Raises:
        RequestError: there is none.
    """
    named, by = (path, "backend.path") if path is not None else (os.environ.get(VARIABLE), VARIABLE)
    found = shutil.which(named or "renode")
    if found is not None:
        return Path(found).absolute()
    if named:
        raise RequestError(f"{by}={named} is no program that can be started; {HOW_TO_GET}")
    raise RequestError(f"backend=renode needs Renode, which is not installed: {HOW_TO_GET}")


def run(
    renode: Path,
    directory: Path,
    *,
    answer_bytes: int,
    loops: int,
    slices: list[int],
    time_limit_s: float,
    on_mark: Callable[[Mark], None],
) -> bytes:
    """Run the script in a directory until the simulated program has answered, end Renode, and return the answer.

    Args:
        answer_bytes: how many are awaited on the serial line.
        loops: calls of tp_mark with `JOB_LOOP` to await, so that none before them is missed: the log lags behind.
        slices: instructions that the script executes before each line that says how many those were.
        time_limit_s: seconds for all of it.
        on_mark: told of each logged call of tp_mark.

    Raises:
        RenodeError: no answer came. No process is left behind, nor when anything else is raised.
    """
    with _started(renode, directory) as lines:
        return Watch(lines, directory / ANSWER, answer_bytes, loops, slices, time_limit_s, on_mark).answer()


@contextlib.contextmanager
def _started(renode: Path, directory: Path) -> Iterator[queue.Queue[str | None]]:
    """Renode at work on the script in a directory, by the lines that it prints; None stands for their end."""
    try:
        process = subprocess.Popen(
            [renode, "--disable-xwt", "--plain", "--console", "-e", f"i @{SCRIPT}"],
            cwd=directory,
            env={**os.environ, "TMPDIR": os.fspath(directory)},  # what a killed Renode leaves goes with the directory
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,  # a group of its own: its children end with it, and Ctrl-C reaches us alone
        )
    except OSError as error:
        raise RequestError(f"{renode} cannot be started ({error.strerror}); {HOW_TO_GET}") from None
    lines: queue.Queue[str | None] = queue.Queue()
    reader = threading.Thread(target=_read, args=(process, lines), daemon=True)
    reader.start()
    try:
        yield lines
    finally:
        _end(process)
        reader.join(_GRACE_S)


def _read(process: subprocess.Popen[str], lines: queue.Queue[str | None]) -> None:
    assert process.stdout is not None
    with process.stdout as output:
        for line in output:
            lines.put(line.strip())
    lines.put(None)


def _end(process: subprocess.Popen[str]) -> None:
    """End a process and all that it has started."""
    if os.name != "posix":
        process.kill()
        process.wait()
        return
    gone = contextlib.suppress(ProcessLookupError, PermissionError)  # the latter of zombies, on macOS
    try:
        with gone:
            os.killpg(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE_S)
    finally:  # even if Ctrl-C comes again
        with gone:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
