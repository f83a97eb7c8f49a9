"""What Renode is told, by itself: the platform's text, the hook's choice of what it logs, the slices of time."""

import re
from types import SimpleNamespace

import pytest

from tinyprop.backends.board import JOB_LOOP
from tinyprop.backends.renode_script import Load, Logged, Region, mark_hook, platform, script, slices

STEPS, FORWARD, UPDATE = 9, 0x001, 0x205
TRAINING = [JOB_LOOP, *([0, FORWARD, UPDATE] * STEPS), 0, JOB_LOOP]
"""What tp_mark is called with while nine batches are trained, a call each 10 instructions."""


class Core:
    """A core whose register 0 the hook reads by one of the two names that versions of Renode have for it."""

    def __init__(self, name):
        self.lines = []
        self.ExecutedInstructions = 0
        self.InfoLog = self.lines.append
        self.register = 0
        setattr(self, name, lambda number: {0: SimpleNamespace(RawValue=self.register)}[number])


def logged_by(hook: str, name: str = "GetRegister") -> list[tuple[int, ...]]:
    core = Core(name)
    variables = {"self": core}
    for core.register in TRAINING:
        core.ExecutedInstructions += 10
        exec(hook, variables)
    lines = [re.fullmatch(r"TP mark ((?:\d+ ?)+)", line) for line in core.lines]
    return [tuple(map(int, line[1].split())) for line in lines]


@pytest.mark.parametrize("name", ["GetRegister", "GetRegisterUnsafe"])
def test_every_mark_is_logged_with_what_was_executed_before_it(name):
    marks = logged_by(mark_hook(None), name)
    assert marks == [(where, 10 * (index + 1)) for index, where in enumerate(TRAINING)]


@pytest.mark.parametrize("name", ["GetRegister", "GetRegisterUnsafe"])
def test_of_sampled_steps_every_mark_from_their_begin_to_their_end_is_logged(name):
    marks = logged_by(mark_hook(Logged(steps=[4], every=100)), name)
    #        job       step 4       forward           update           its end      job
    assert marks == [
        (JOB_LOOP, 10, 0),
        (0, 140, 5),
        (FORWARD, 150, 5),
        (UPDATE, 160, 5),
        (0, 170, 6),
        (JOB_LOOP, 300, 10),
    ]


def test_of_other_steps_ends_are_logged_that_tell_how_far_it_is():
    marks = logged_by(mark_hook(Logged(steps=[0, 1], every=4)))
    assert [begun for where, _, begun in marks if where == 0] == [1, 2, 3, 4, 8]
    assert {begun for where, _, begun in marks if where in (FORWARD, UPDATE)} == {1, 2}


def test_memories_are_there_in_whole_pages_and_the_core_has_the_name_that_renode_knows():
    text = platform("cortex-m0plus", [Region("pool", 0xA0000000, 0x10001), Region("none", 0x60000000, 0)])
    assert "pool: Memory.MappedMemory @ sysbus 0xa0000000\n    size: 0x20000\n" in text
    assert "none: Memory.MappedMemory @ sysbus 0x60000000\n    size: 0x10000\n" in text
    assert 'cpuType: "cortex-m0+"\n' in text


def test_the_hook_is_one_quoted_argument_and_loads_come_between_image_and_start():
    for hook in (mark_hook(None), mark_hook(Logged(steps=[3], every=2))):
        lines = script(loads=[Load("a.bin", 0x20)], stack=8, entry=5, mark=6, hook=hook, budget=1).splitlines()
        (line,) = (line for line in lines if "AddHook" in line)
        assert re.fullmatch(r'cpu AddHook 0x6 "[^"\n]+"', line)
        order = ["LoadPlatformDescription", "LoadELF", "LoadBinary @a.bin 0x20", "cpu PC 0x5", "AddHook", "RunFor"]
        places = [next(i for i, line in enumerate(lines) if part in line) for part in order]
        assert places == sorted(places)


def test_slices_make_up_the_budget_and_none_is_long_for_what_was_before():
    instructions = list(slices(10**12))
    assert 10**12 <= sum(instructions) < 1.06e12
    assert all(instructions[i] <= max(4e6, 0.0501 * sum(instructions[:i]) + 4e6) for i in range(len(instructions)))
    assert len(instructions) < 300
