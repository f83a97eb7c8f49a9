"""Modelled cycles against sums worked out by hand from the published tables. The code was assembled by GNU as."""

import pytest

from tinyprop.cost.cycles import TIMINGS, Instruction, Kind, block_cycles
from tinyprop.cost.instructions import decode
from tinyprop.engine.images import CORES

LOOP = bytes.fromhex("6808 684A 1880 6008 3B01 D1F9".replace(" ", ""))
LOOP = b"".join(LOOP[i : i + 2][::-1] for i in range(0, len(LOOP), 2))
"""ldr r0,[r1]; ldr r2,[r1,#4]; adds r0,r0,r2; str r0,[r1]; subs r3,#1; bne"""


def words(text: str) -> bytes:
    """Halfwords in hexadecimal, as listings show them, in memory's order."""
    return b"".join(bytes.fromhex(word)[::-1] for word in text.split())


def cycles(core: str, code: str | bytes, *, jumps: bool = False) -> float:
    block = decode(code if isinstance(code, bytes) else words(code), 0)
    return block_cycles(TIMINGS[core], block, jumps=jumps)


@pytest.mark.parametrize(
    ("core", "passes", "jumps"),
    [
        # 2 loads of 2, store 2, two ALU of 1, branch 1 and when taken 2
        ("cortex-m0plus", 2 + 2 + 1 + 2 + 1 + 1, 1),
        # the second load overlaps the first; a store at a constant offset takes 1; a refill of 1 to 3 counts as 1.5
        ("cortex-m3", 2 + 1 + 1 + 1 + 1 + 1, 1.5),
        ("cortex-m4", 2 + 1 + 1 + 1 + 1 + 1, 1.5),
        ("cortex-m33", 2 + 1 + 1 + 1 + 1 + 1, 1.5),
        # two loads, alone since both need memory (the second with what follows, were it not for r2);
        # adds alone, since the store needs its result; str with subs; bne
        ("cortex-m7", 1 + 1 + 1 + 1 + 1, 0),
    ],
)
def test_a_loop_of_loads_and_a_store(core, passes, jumps):
    assert cycles(core, LOOP) == passes
    assert cycles(core, LOOP, jumps=True) == passes + jumps


def test_floating_point_on_the_m4_and_a_result_that_is_needed_at_once():
    """vldr s0 2; vmul s1,s0,s0 1; vadd s2,s1,s1 1 + 1 for s1; vstr s2 2 + 1 for s2."""
    assert cycles("cortex-m4", "ED91 0A00 EE60 0A00 EE30 1AA0 ED81 1A00") == 2 + 1 + 2 + 3


@pytest.mark.parametrize(
    ("what", "code", "expected"),
    [
        ("vldmia r1!, {s0-s3}", "ECB1 0A04", 1 + 4),
        ("vstmia r2!, {s4-s11}", "ECA2 2A08", 1 + 8),
        ("vldr d0, [r1]", "ED91 0B00", 1 + 2),
        ("vdiv.f32", "EE80 0A81", 14),
        ("vfma.f32", "EEA0 0A81", 3),
        ("vmov s0, s1, r2, r3", "EC43 2A10", 2),
        ("strd", "E9C2 0100", 1 + 2),
        ("push {r4, r5, lr}", "B530", 1 + 3),
        ("umull", "FBA2 0103", 1),
        ("mla", "FB01 3002", 1),
        ("str r0, [r1, r2]", "5088", 2),
        ("ldr r0,[r1,r2]; ldr r0,[r0]: the address comes from the load before", "5888 6800", 2 + 2),
        ("vadd s4,s0,s1; vstmia r2!,{s4-s5}: the result is stored at once", "EE30 2A20 ECA2 2A02", 1 + 3 + 1),
    ],
)
def test_single_instructions_of_the_m4(what, code, expected):
    assert cycles("cortex-m4", code) == expected, what


@pytest.mark.parametrize(
    ("what", "code", "expected"),
    [
        ("bl", "F7FF FFE5", 3),
        ("bx lr", "4770", 2),
        ("pop {r4, r5, pc}", "BD30", 3 + 3),
        ("push {r4, r5, lr}", "B530", 1 + 3),
        ("muls r0, r1, r0", "4348", 1),
    ],
)
def test_single_instructions_of_the_m0plus(what, code, expected):
    assert cycles("cortex-m0plus", code, jumps=what.split()[0] in ("bl", "bx", "pop")) == expected, what


def test_long_multiplications_of_the_m3_take_what_is_published_on_average():
    assert cycles("cortex-m3", "FBA2 0103") == (3 + 5) / 2
    assert cycles("cortex-m3", "FBE2 0103") == (4 + 7) / 2
    assert cycles("cortex-m3", "FB01 3002") == 2


def test_two_neighbours_go_together_on_the_m7_unless_one_needs_the_other():
    load = Instruction(Kind.LOAD, reads=frozenset({"r1"}), writes=frozenset({"r0"}))
    free = Instruction(Kind.SIMPLE, reads=frozenset({"r2"}), writes=frozenset({"r2"}))
    needs = Instruction(Kind.SIMPLE, reads=frozenset({"r0"}), writes=frozenset({"r3"}))
    m7 = TIMINGS["cortex-m7"]
    assert block_cycles(m7, [load, free], jumps=False) == 1
    assert block_cycles(m7, [load, needs], jumps=False) == 2
    assert block_cycles(m7, [load, load], jumps=False) == 2
    assert block_cycles(m7, [free, load, free, load], jumps=False) == 2


def test_code_and_its_transfers_are_read_whole():
    kinds = [instruction.kind for instruction in decode(LOOP, 0x40)]
    assert kinds == [Kind.LOAD, Kind.LOAD, Kind.SIMPLE, Kind.STORE, Kind.SIMPLE, Kind.BRANCH]
    with pytest.raises(ValueError, match="no Thumb instruction at 0x42"):
        decode(words("6808 F7FF"), 0x40)


def test_every_core_with_an_image_has_timings_that_say_where_they_are_from():
    assert TIMINGS.keys() == CORES.keys()
    published = {core for core, timing in TIMINGS.items() if timing.published}
    assert published == {"cortex-m0plus", "cortex-m3", "cortex-m4"}
    for core, timing in TIMINGS.items():
        assert ("assumed" in timing.source) != (core in published)
