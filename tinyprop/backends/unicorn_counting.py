"""From blocks that were executed to instructions and modelled cycles of each layer and phase."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence

from tinyprop.backends.board import JOB_LOOP, part_of
from tinyprop.backends.measurements import Executed
from tinyprop.backends.unicorn_emulator import Passage
from tinyprop.cost.cycles import Timing, block_cycles
from tinyprop.cost.instructions import decode


class BlockCosts:
    """What the blocks of one image cost; each is looked at once.

    Args:
        read: bytes of code by address and size.
        layer_names: of all layers, in order.
    """

    def __init__(self, read: Callable[[int, int], bytes], timing: Timing, layer_names: Sequence[str]):
        self._read = read
        self._timing = timing
        self._layer_names = layer_names
        self._known: dict[tuple[int, int], tuple[int, float, float]] = {}

    def executed(self, passages: Mapping[int, Sequence[Passage]], *, steps: int, samples: int) -> Executed:
        """What so many steps of so many samples executed, apart from the job loop's own work."""
        instructions: Counter[str] = Counter()
        cycles: defaultdict[str, float] = defaultdict(float)
        for mark, found in passages.items():
            if mark == JOB_LOOP:
                continue
            key = part_of(mark, self._layer_names)
            for passage in found:
                length, straight, jumping = self._costs(passage.start, passage.size)
                falls_through = passage.following in (None, passage.start + passage.size)
                instructions[key] += passage.times * length
                cycles[key] += passage.times * (straight if falls_through else jumping)
        return Executed(steps, samples, instructions, cycles)

    def _costs(self, start: int, size: int) -> tuple[int, float, float]:
        """Instructions of a block, and its cycles when execution goes on behind it and elsewhere."""
        if (start, size) not in self._known:
            block = decode(self._read(start, size), start)
            straight, jumping = (block_cycles(self._timing, block, jumps=jumps) for jumps in (False, True))
            self._known[start, size] = (len(block), straight, jumping)
        return self._known[start, size]
