"""Comparing runs: configurations over seeds, paired differences, Pareto fronts, work to reach a score.

`read_directories` and `tinyprop.compare.tracked` get runs from where they were recorded, `compare` does the rest.
Statistics are functions of plain numbers, for use elsewhere. Nothing here prints or draws: `tinyprop.report.comparison`
does.
"""

from tinyprop.compare.answer import Comparison, Question
from tinyprop.compare.comparison import compare
from tinyprop.compare.directories import read_directories
from tinyprop.compare.run import Excluded, Run
from tinyprop.compare.statistics import (
    Difference,
    Mean,
    Ratio,
    holm,
    mean_with_interval,
    paired_difference,
    ratio_of_means,
    reciprocal,
)

__all__ = [
    "Comparison",
    "Difference",
    "Excluded",
    "Mean",
    "Question",
    "Ratio",
    "Run",
    "compare",
    "holm",
    "mean_with_interval",
    "paired_difference",
    "ratio_of_means",
    "read_directories",
    "reciprocal",
]
