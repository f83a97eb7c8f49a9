"""How much work each configuration of a family took until a score was reached."""

from __future__ import annotations

from collections.abc import Mapping

from tinyprop.compare.answer import ReachRow, ReachTable
from tinyprop.compare.families import Family, Group
from tinyprop.compare.quantities import Quantity
from tinyprop.compare.reach import CurvePoint, Reached, curve, first_reached, split_of
from tinyprop.compare.statistics import Mean, mean_with_interval, ratio_of_means
from tinyprop.errors import RequestError

MARGIN = 0.01
"""How far under the baseline's mean a score may be to count as reached, where no threshold is given: the 1 % that the
TinyProp paper allows."""
_Curves = Mapping[int, list[CurvePoint]]


def reach_table(family: Family, score: Quantity, baseline: Group | None, asked: float | None) -> ReachTable:
    """Work until ``asked``, or until the baseline's mean less one point, at the resolution of epochs.

    Raises:
        RequestError: ``asked`` is no such score.
    """
    if asked is not None and score.kind == "share" and not 0 <= asked <= 1:
        raise RequestError(f"--to-reach {asked:g}: {score.title} lies from 0 to 1; 0.92 is 92 %")
    runs = [run for group in family.groups for run in group.runs.values()]
    split = split_of(runs, score)
    if split is None:
        note = "No run has the scores of its epochs; trainer.test_every_epoch=true records them."
        return ReachTable(None, None, "", [], {}, note)
    curves: dict[str, _Curves] = {
        group.label: {seed: points for seed, run in sorted(group.runs.items()) if (points := curve(run, score, split))}
        for group in family.groups
    }
    threshold, origin = asked, "as asked"
    if threshold is None and score.kind == "share" and baseline is not None:
        threshold = mean_with_interval(list(baseline.values(score).values())).mean - MARGIN
        origin = f"the mean of {baseline.label} less one point"
    if threshold is None:
        why = "there is no baseline" if score.kind == "share" else "only shares have a margin of one point"
        return ReachTable(split, None, "", [], curves, f"No score to reach: {why}; --to-reach names one.")
    reached = {
        label: {
            seed: found
            for seed, points in of_group.items()
            if (found := first_reached(points, threshold, higher_is_better=score.higher_is_better))
        }
        for label, of_group in curves.items()
    }
    reference = {} if baseline is None else reached[baseline.label]
    rows = [_row(group, curves[group.label], reached[group.label], reference) for group in family.groups]
    return ReachTable(split, threshold, origin, rows, curves, _lacking(rows, split))


def _row(group: Group, curves: _Curves, reached: Mapping[int, Reached], reference: Mapping[int, Reached]) -> ReachRow:
    lacking = tuple(f"seed {seed}" for seed in sorted(group.runs.keys() - curves.keys()))
    backward, step = _backward(reached), _step(reached)
    return ReachRow(
        group.label,
        len(curves),
        len(reached),
        _mean({seed: float(found.epoch) for seed, found in reached.items()}),
        _mean(backward),
        _mean(step),
        ratio_of_means(_backward(reference), backward),
        ratio_of_means(_step(reference), step),
        lacking,
    )


def _lacking(rows: list[ReachRow], split: str) -> str | None:
    without = [f"{row.label} ({', '.join(row.lacking)})" for row in rows if row.lacking]
    if not without:
        return None
    remedy = "trainer.test_every_epoch=true" if split == "test" else "trainer.validation_fraction above 0"
    return f"Without {split} scores of their epochs, which {remedy} records: {'; '.join(without)}."


def _backward(reached: Mapping[int, Reached]) -> dict[int, float]:
    return {seed: found.backward_macs for seed, found in reached.items()}


def _step(reached: Mapping[int, Reached]) -> dict[int, float]:
    return {seed: found.step_macs for seed, found in reached.items()}


def _mean(values: Mapping[int, float]) -> Mean | None:
    return mean_with_interval(list(values.values())) if values else None
