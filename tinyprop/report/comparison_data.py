"""A comparison as plain values: the JSON object, and the rows of its CSV files."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from tinyprop.compare.answer import Comparison, FamilyComparison, GroupSummary, Paired
from tinyprop.compare.quantities import SECONDS, Quantity
from tinyprop.compare.statistics import LEVEL
from tinyprop.report.comparison_sheets import verdict

FORMAT = "tinyprop-comparison-1"
"""What ``comparison.json`` is known by."""


def as_dict(comparison: Comparison) -> dict[str, Any]:
    """Everything that was found, as JSON values; shares and ratios are of 1, differences ours minus theirs."""
    question = asdict(comparison.question)
    question.pop("presets")
    return {
        "format": FORMAT,
        "question": question,
        "interval": {"level": LEVEL, "kind": "Student's t over seeds"},
        "families": [_family(each) for each in comparison.families],
        "excluded": [asdict(run) for run in comparison.excluded],
        "remarks": list(comparison.remarks),
    }


def configurations_csv(comparison: Comparison) -> str:
    """One row a configuration: means with intervals, Pareto fronts, and what it is against each reference."""
    rows = []
    for each in comparison.families:
        for summary in each.groups:
            row: dict[str, Any] = {
                "family": each.family.label,
                "configuration": summary.group.label,
                "policy": summary.group.name,
                "output_layer": summary.group.output,
                "n": len(summary.group.runs),
                "seeds": " ".join(map(str, sorted(summary.group.runs))),
                "missing_seeds": " ".join(map(str, sorted(summary.group.missing))),
                "score": each.score.key,
                "target": each.target_name,
            }
            for quantity in _quantities(each):
                mean = summary.means.get(quantity.key)
                name = "score" if quantity is each.score else quantity.key
                row |= {f"{name}.mean": mean and mean.mean, f"{name}.low": mean and mean.low}
                row |= {f"{name}.high": mean and mean.high}
            row |= {f"on_front.{cost.key}": cost.key in summary.on_front for cost in each.costs}
            for table in each.tables:
                found = [paired for paired in table.rows if paired.label == summary.group.label]
                row |= {
                    f"{table.kind}.{key}": value
                    for paired in found
                    for key, value in paired_values(each, paired).items()
                }
            rows.append(row)
    return _csv(rows)


def runs_csv(comparison: Comparison) -> str:
    """One row a run, with its part in the comparison or the reason why it has none."""
    rows: list[dict[str, Any]] = []
    for each in comparison.families:
        for summary in each.groups:
            for seed, run in sorted(summary.group.runs.items()):
                values = {
                    "score" if quantity is each.score else quantity.key: quantity.of(run)
                    for quantity in _quantities(each)
                }
                rows.append(
                    {
                        "family": each.family.label,
                        "configuration": summary.group.label,
                        "seed": seed,
                        "run": run.name,
                        "place": run.place,
                        "status": "compared",
                        "reason": None,
                        **values,
                    }
                )
    rows += [
        {"run": other.what, "place": other.place, "status": other.status, "reason": other.reason}
        for other in comparison.excluded
    ]
    return _csv(rows)


def _family(each: FamilyComparison) -> dict[str, Any]:
    reach = each.reach
    return {
        "label": each.family.label,
        "setting": dict(each.family.setting),
        "dataset_fingerprint": each.family.fingerprint,
        "synthetic": each.family.synthetic,
        "seeds": each.family.seeds,
        "score": each.score.key,
        "higher_is_better": each.score.higher_is_better,
        "target": each.target_name,
        "baseline": each.baseline,
        "configurations": [_group(each, summary) for summary in each.groups],
        "paired": [
            {
                "kind": table.kind,
                "title": table.title,
                "note": table.note,
                "rows": [{"configuration": row.label, **paired_values(each, row)} for row in table.rows],
            }
            for table in each.tables
        ],
        "work_to_reach": {
            "split": reach.split,
            "threshold": reach.threshold,
            "origin": reach.origin,
            "note": reach.note,
            "rows": [asdict(row) for row in reach.rows],
        },
    }


def _group(each: FamilyComparison, summary: GroupSummary) -> dict[str, Any]:
    group = summary.group
    return {
        "label": group.label,
        "policy": dict(group.policy),
        "n": len(group.runs),
        "runs": {str(seed): run.place for seed, run in sorted(group.runs.items())},
        "missing": {str(seed): why for seed, why in sorted(group.missing.items())},
        "means": {key: asdict(mean) for key, mean in summary.means.items()},
        "values": {
            quantity.key: {str(seed): value for seed, value in group.values(quantity).items()}
            for quantity in _quantities(each)
        },
        "on_front": list(summary.on_front),
    }


def paired_values(each: FamilyComparison, row: Paired) -> dict[str, Any]:
    """A pair's difference, tests and costs as plain values."""
    found = asdict(row.difference)
    seeds = found.pop("seeds")
    return {
        "reference": row.reference,
        "reference_costs_more": row.costs_more,
        "n": len(seeds),
        "seeds": " ".join(map(str, seeds)),
        **found,
        "cost_ratio": row.cost_ratio,
        "verdict": verdict(each.score, row),
    }


def _quantities(each: FamilyComparison) -> tuple[Quantity, ...]:
    return (each.score, *each.costs, SECONDS)


def _csv(rows: Sequence[Mapping[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(dict.fromkeys(key for row in rows for key in row)), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
