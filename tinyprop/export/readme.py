"""Tables of an exported project's README, in Markdown."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence

from tinyprop.cost.target import Target
from tinyprop.engine.phases import PHASES
from tinyprop.export.measurement import Measurement
from tinyprop.export.memory import Budget
from tinyprop.export.memory_map import MemoryMap
from tinyprop.export.network import ExportedNetwork

_WIDTH = 112
_ADAPTIVE = " The very first step keeps the most, since the running maximum of the local error begins at 0."


def fit(budgets: Sequence[Budget], part: str) -> str:
    """One sentence on whether a part has enough memory, and if not, how much is missing."""
    lacking = [f"{budget.missing:,} bytes of {budget.name}" for budget in budgets if budget.missing]
    if not lacking:
        return f"It fits {part}."
    return f"It does not fit {part}: {' and '.join(lacking)} are missing."


def duration(cycles: float, target: Target) -> str:
    """The time that so many cycles take at the highest clock."""
    seconds = cycles / (1e6 * target.clock_mhz)
    return f"{seconds:.3g} s" if seconds >= 1 else f"{1e3 * seconds:.3g} ms"


def memory_section(budgets: Sequence[Budget], measured: Measurement, target: Target, place: MemoryMap) -> str:
    """What the demonstration takes, use by use."""
    if measured.stack is None:
        origin = "The engine's memory is computed as the engine does it on a 32-bit core; the stack is an assumption."
    else:
        origin = (
            f"The engine's memory is what it asked for on a {target.core} in Unicorn. Training used "
            f"{measured.stack:,} bytes of the stack there."
        )
    code = (
        "Code is as large as in the firmware image that tinyprop simulates, made by Zig's clang; the linker says how "
        "large yours is."
    )
    return "\n\n".join([_wrapped(origin), *map(_budget_table, budgets), _wrapped(f"{code} {place.remark}".strip())])


def instructions_section(measured: Measurement, network: ExportedNetwork, target: Target) -> str:
    """Instructions and modelled cycles of a training step."""
    counts = measured.counts
    if counts is None:
        return _wrapped(f"Not counted: {measured.uncounted}.")
    batch, policy = network.description.batch_size, network.run.config.policy.name
    instructions, cycles = sum(counts.instructions.values()), sum(counts.cycles.values())
    samples = "one sample" if counts.samples == 1 else f"{counts.samples} samples"
    if counts.samples < batch:
        samples += f", fewer than the {batch} of a batch, which would take long to count,"
    how = "counted" if counts.steps == 1 else f"the mean of {counts.steps} counted"
    return "\n\n".join(
        [
            _wrapped(
                f"A training step of {samples} on a {target.core}, forward pass included: "
                f"**{instructions:,.0f} instructions**, {how} in Unicorn. These are the first steps from here on "
                "`samples.c`, by the code that Zig's clang makes for tinyprop's firmware image; code of other "
                "compilers executes other numbers."
            ),
            _table("instructions", counts.layers, counts.instructions),
            _wrapped(
                f"**{cycles:,.0f} cycles**, modelled and not measured: {counts.cycle_source}. Wait states of the flash "
                f"are not in them. At {target.clock_mhz:g} MHz that is {duration(cycles, target)}."
            ),
            _table("modelled cycles", counts.layers, counts.cycles),
            _wrapped(
                "Where the update is made together with the weight gradient, it is counted there. `other` is what goes "
                "on around batches." + (_ADAPTIVE if policy.startswith("adaptive") else "")
            ),
        ]
    )


def _budget_table(budget: Budget) -> str:
    rows = [(use, f"{size:,}") for use, size in budget.uses if size]
    rows += [("**all**", f"**{budget.used:,}**"), ("of", f"{budget.available:,}")]
    return _markdown((budget.name, "bytes"), rows)


def _table(quantity: str, layers: Iterable[str], counts: dict[str, float]) -> str:
    """One row a layer, one column a phase, as far as anything was counted there."""
    phases = [phase for phase in PHASES if any(key.endswith(f".{phase}") for key in counts)]
    rows = []
    for layer in layers:
        cells = [counts.get(f"{layer}.{phase}", 0.0) for phase in phases]
        if any(cells):
            rows.append((layer, *map(_number, cells), _number(sum(cells))))
    if counts.get("other"):
        rows.append(("other", *[""] * len(phases), _number(counts["other"])))
    sums = [sum(count for key, count in counts.items() if key.endswith(f".{phase}")) for phase in phases]
    rows.append(("**all**", *map(_number, sums), f"**{_number(sum(counts.values()))}**"))
    return _markdown((quantity, *(phase.replace("_", " ") for phase in phases), "all"), rows)


def _wrapped(text: str) -> str:
    return textwrap.fill(text, _WIDTH, break_long_words=False, break_on_hyphens=False)


def _number(count: float) -> str:
    return f"{count:,.0f}" if count else ""


def _markdown(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(row) + " |" for row in (headings, *rows)]
    return "\n".join([lines[0], "|---|" + "---:|" * (len(headings) - 1), *lines[1:]])
