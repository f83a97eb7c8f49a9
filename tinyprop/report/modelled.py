"""What a run is modelled to take on microcontrollers, as rows of its closing table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tinyprop.estimate.estimate import SCOPES
from tinyprop.report.quantities import energy, kilobytes, scaled, time, times

BASELINES = {"dense": "dense", "dense_skipping_zeros": "dense that skips zeros"}


def modelled_rows(costs: Mapping[str, Mapping[str, Any]] | None) -> Iterator[tuple[str, str]]:
    """Time, energy and memory of a step, how many times faster than dense it is, and how sure that is.

    Args:
        costs: the ``cost`` of ``result.json``; see `tinyprop.estimate.estimate.Estimate.as_dict`.
    """
    for cost in (costs or {}).values():
        joules = cost.get("microjoules.step")
        spent = time(cost["milliseconds.step"]) + ("" if joules is None else f", {energy(joules)}")
        yield f"modelled: {cost['target'].split()[0]}", f"{spent} a step  ({scaled(cost['cycles.step'])} cycles)"
        yield "  RAM, flash", f"{kilobytes(cost['ram.total'])}, {kilobytes(cost['flash.total'])}: {fits(cost)}"
        for baseline, name in BASELINES.items():
            backward, without, step = (times(cost[f"speed_up.{baseline}.{scope}"]) for scope in SCOPES)
            yield f"  to {name}", f"backward {backward}, step {without}, with optimizer {step}"
        if said := stated_error(cost["errors"]):
            yield "  error", said
    if costs:
        yield "", "Modelled at the highest clock, not measured."


def fits(cost: Mapping[str, Any]) -> str:
    """Whether both memories suffice, and what they have to spare, or by how much one does not."""
    lacking = [
        f"{kilobytes(-cost[f'{kind}.spare'])} of {name} too much"
        for kind, name in (("ram", "RAM"), ("flash", "flash"))
        if cost[f"{kind}.spare"] < 0
    ]
    if lacking:
        return f"DOES NOT FIT, {', '.join(lacking)}"
    ram, flash = (f"{cost[f'{kind}.spare'] // 1024:,.0f}" for kind in ("ram", "flash"))
    return f"fits, {ram} and {flash} KB left"


def stated_error(errors: Mapping[str, Any]) -> str:
    """How far predicted cycles of a step were from simulated ones; empty where nobody has looked."""
    step = errors.get("cycles", {}).get("step")
    if not step:
        return ""
    median, worst = (f"{100 * step[name]:.1f} %" for name in ("median", "worst"))
    return f"cycles off by {median} (median), {worst} (worst)"
