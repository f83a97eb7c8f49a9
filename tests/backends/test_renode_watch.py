"""What is made of Renode's lines, however the log and the monitor's own come between each other."""

import queue

import pytest

from tinyprop.backends.board import JOB_LOOP
from tinyprop.backends.renode_script import SENTINEL
from tinyprop.backends.renode_watch import Mark, RenodeError, Watch

INFO = "04:00:50.0743 [INFO] cpu: "
LAST = f"{INFO}TP mark {JOB_LOOP} 90"


def watched(tmp_path, lines, answered=True, loops=1):
    """The marks and the answer of a run that prints these lines and then ends."""
    file = tmp_path / "answer.bin"
    if answered:
        file.write_bytes(b"done")
    printed = queue.Queue()
    for line in (*lines, None):
        printed.put(line)
    marks = []
    return marks, Watch(printed, file, 4, loops, [1000], 5, marks.append).answer()


def test_marks_are_read_with_or_without_a_count_of_batches_and_a_count_of_repeated_lines(tmp_path):
    lines = [f"{INFO}TP mark 0 11", f"{INFO}TP mark 257 22 (2)", f"{INFO}TP mark 0 33", LAST]
    marks, answer = watched(tmp_path, lines)
    assert marks == [Mark(0, 11, 1), Mark(257, 22, 1), Mark(0, 33, 2), Mark(JOB_LOOP, 90, 2)]
    assert answer == b"done"
    marks, _ = watched(tmp_path, [f"{INFO}TP mark 513 44 7", f"{LAST} 9"])
    assert marks == [Mark(513, 44, 7), Mark(JOB_LOOP, 90, 9)]


def test_a_log_that_comes_after_the_end_of_the_script_is_awaited(tmp_path):
    lines = ["(board) 0x0000000000000050", "0x000000000000005A", "0x000000000000005A", SENTINEL, LAST]
    marks, answer = watched(tmp_path, lines)
    assert (len(marks), answer) == (1, b"done")


def test_a_log_that_never_comes_is_told(tmp_path):
    with pytest.raises(RenodeError, match="stopped before all was logged"):
        watched(tmp_path, [LAST, SENTINEL], loops=2)


def test_two_equal_counts_before_the_answer_are_a_program_that_has_stopped(tmp_path):
    with pytest.raises(RenodeError, match="has stopped after 90 instructions without an answer"):
        watched(tmp_path, ["0x0000000000000050", "0x5A", LAST, "(board) 0x5A"], answered=False)


def test_a_number_at_the_end_of_a_message_is_no_count(tmp_path):
    lines = ["0x5A", f"{INFO}Setting PC value to 0x5A", "an error at 0x5A"]
    with pytest.raises(
        RenodeError, match=r"stopped before the end of its script\. Its last lines:\n.*\n  an error at 0x5A$"
    ):
        watched(tmp_path, lines, answered=False)


def test_a_script_that_ends_without_an_answer_has_taken_too_long(tmp_path):
    with pytest.raises(RenodeError, match="simulated 90 instructions, which should have been more than enough"):
        watched(tmp_path, ["0x5A", LAST, SENTINEL], answered=False)


def test_the_message_ends_in_the_last_lines_without_marks_and_counts(tmp_path):
    lines = [*(f"line {number}" for number in range(20)), LAST, "0x5A", f"{INFO}CPU abort [PC=0x1]: here."]
    with pytest.raises(RenodeError) as told:
        watched(tmp_path, lines, answered=False)
    shown = str(told.value).split("Its last lines:\n")[1].splitlines()
    assert shown == [*(f"  line {number}" for number in range(9, 20)), f"  {INFO}CPU abort [PC=0x1]: here."]
