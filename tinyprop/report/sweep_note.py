"""What a multirun says of itself in MLflow: the description of its run there, in Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tinyprop.compare import Comparison
from tinyprop.report.comparison_text import in_short
from tinyprop.report.summary import MACS_NOTE, metric_text, percent
from tinyprop.report.sweep import counted

_ROWS = 40
"""Runs that are listed: a description is no place for hundreds, and MLflow keeps 8000 characters."""
_COLUMNS = f"""\
**Metrics of the runs**

| | |
|---|---|
| `accuracy`, `auc` | on the test set, of the weights that the run ended with |
| `backward_ratio` | work of the backward passes, of dense |
| `step_ratio` | work of whole training steps, forward and update included, of dense |
| `cost.PART.cycles.step` | cycles of a training step there, modelled; also milliseconds, microjoules, memory |
| `kept_fraction.LAYER` | entries of the layer's gradient that were kept |

{MACS_NOTE}
"""


def sweep_note(
    command: str, rows: Sequence[Mapping[str, Any]], metric: str, comparison: Comparison | None = None
) -> str:
    """The command, how its runs ended, what they gave, and what the metrics of the runs mean.

    Args:
        rows: as `tinyprop.report.sweep.sweep_table` takes them.
        metric: the name of what ``accuracy`` holds.
        comparison: of the runs, where they were compared.
    """
    where = "" if comparison is None else " Artifacts → `report.html` compares them."
    parts = [f"`{command}`", f"{counted(rows)}.{where}"]
    parts.append(_table(rows, metric) if comparison is None else in_short(comparison))
    return "\n\n".join([*parts, _COLUMNS])


def _table(rows: Sequence[Mapping[str, Any]], metric: str) -> str:
    lines = [f"| run | status | {metric.replace('_', ' ')} | backward | step |", "|---|---|---:|---:|---:|"]
    for row in rows[:_ROWS]:
        score, backward, step = (row.get(key) for key in ("accuracy", "backward_ratio", "step_ratio"))
        cells = [
            f"`{row['overrides'] or 'defaults'}`",
            str(row["status"]),
            "–" if score is None else metric_text(metric, score),
            "–" if backward is None else percent(backward),
            "–" if step is None else percent(step),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    more = [f"\n{len(rows) - _ROWS} more are in `summary.csv`."] if len(rows) > _ROWS else []
    return "\n".join([*lines, *more])
