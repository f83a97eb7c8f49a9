import io
import os
import pty
import subprocess
import sys

import pytest

from tinyprop.report.progress import PlainLines, console_progress, count, duration


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def test_a_stage_under_two_seconds_writes_nothing_when_piped():
    stream, clock = io.StringIO(), Clock()
    with PlainLines(stream, clock).task("Extracting", 10, "clips") as advance:
        for _ in range(10):
            clock.now += 0.19
            advance(1)
    assert stream.getvalue() == ""


def test_a_long_stage_writes_one_line_every_ten_seconds_and_a_last_one():
    stream, clock = io.StringIO(), Clock()
    with PlainLines(stream, clock).task("Extracting", 200, "clips") as advance:
        for _ in range(200):
            clock.now += 0.125
            advance(1)
    assert stream.getvalue().splitlines() == [
        "Extracting: 16/200 clips after 2 s, 23 s left",
        "Extracting: 96/200 clips after 12 s, 13 s left",
        "Extracting: 176/200 clips after 22 s, 3 s left",
        "Extracting: 200 clips after 25 s",
    ]


def test_an_interrupted_stage_says_where_it_stopped():
    stream, clock = io.StringIO(), Clock()

    def interrupted():
        with PlainLines(stream, clock).task("Downloading", 9e6, "B") as advance:
            clock.now += 1
            advance(3e6)
            clock.now += 4
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert stream.getvalue().splitlines() == ["Downloading: stopped at 3 MB of 9 MB after 5 s"]


def test_a_pipe_gets_plain_lines_and_a_stage_of_unknown_length_is_reported():
    stream = io.StringIO()
    with console_progress(stream) as progress:
        assert isinstance(progress, PlainLines)
        with progress.task("Waiting", None) as advance:
            advance(1)
    assert stream.getvalue() == ""


STAGE = """
import sys, time
from tinyprop.report.progress import console_progress
with console_progress() as progress, progress.task("Training [x]", 20, "epochs") as advance:
    for _ in range(20):
        time.sleep({pause})
        advance(1)
print("result")
"""


def on_terminal(code: str) -> tuple[str, str]:
    """Standard error (a pseudo-terminal) and standard output (a pipe) of ``code``."""
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", code], stderr=slave, stdout=subprocess.PIPE, env={**os.environ, "TERM": "xterm"}
    )
    os.close(slave)
    shown = b""
    while True:
        try:
            piece = os.read(master, 4096)
        except OSError:
            break
        if not piece:
            break
        shown += piece
    os.close(master)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    return shown.decode(), output.decode()


def test_a_terminal_gets_a_bar_with_counts_and_the_piped_result_stays_clean():
    shown, output = on_terminal(STAGE.format(pause=0.08))
    assert "Training [x]" in shown
    assert "/20 epochs" in shown
    assert "left" in shown
    assert output == "result\n"


def test_a_quick_stage_shows_no_bar_on_a_terminal():
    shown, _ = on_terminal(STAGE.format(pause=0.01))
    assert "Training" not in shown


@pytest.mark.parametrize(
    ("done", "total", "unit", "text"),
    [
        (3, 10, "clips", "3/10 clips"),
        (3, None, "", "3"),
        (1500, None, "B", "1.5 kB"),
        (12_345_678, 170_498_071, "B", "12.35 MB of 170.5 MB"),
        (2.5e9, None, "B", "2.50 GB"),
    ],
)
def test_counts_carry_their_unit(done, total, unit, text):
    assert count(done, total, unit) == text


@pytest.mark.parametrize(("seconds", "text"), [(0.4, "0 s"), (59.6, "1 min 00 s"), (7500, "2 h 05 min")])
def test_durations_read_as_words(seconds, text):
    assert duration(seconds) == text
