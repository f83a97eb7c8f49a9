"""From blocks that were executed to instructions and modelled cycles of each layer and phase."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from tinyprop.backends.board import JOB_LOOP, part_of
from tinyprop.backends.measurements import Executed
from tinyprop.backends.unicorn_emulator import Passage
from tinyprop.cost.cycles import Timing, block_cycles
from tinyprop.cost.instructions import decode
from tinyprop.cost.predict import Cost


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
        parts = self.parts(passages)
        instructions = {name: int(cost.instructions) for name, cost in parts.items()}
        return Executed(steps, samples, instructions, {name: cost.cycles for name, cost in parts.items()})

    def parts(self, passages: Mapping[int, Sequence[Passage]]) -> dict[str, Cost]:
        """The same by layer and phase, with the branches that went on elsewhere."""
        return {
            part_of(mark, self._layer_names): sum(map(self._cost, found), Cost())
            for mark, found in passages.items()
            if mark != JOB_LOOP
        }

    def _cost(self, passage: Passage) -> Cost:
        block = (passage.start, passage.size)
        if block not in self._known:
            code = decode(self._read(*block), passage.start)
            straight, jumping = (block_cycles(self._timing, code, jumps=jumps) for jumps in (False, True))
            self._known[block] = (len(code), straight, jumping)
        length, straight, jumping = self._known[block]
        jumps = passage.following not in (None, passage.start + passage.size)
        times = passage.times
        return Cost(times * length, times * (jumping if jumps else straight), float(times * jumps))
