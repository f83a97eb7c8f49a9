"""What a comparison is asked, and what it answers: plain values that tables, figures and files are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tinyprop.compare.families import Family, Group
from tinyprop.compare.quantities import Quantity
from tinyprop.compare.reach import CurvePoint
from tinyprop.compare.run import Excluded
from tinyprop.compare.statistics import Difference, Mean, Ratio


@dataclass(frozen=True)
class Question:
    """What to compare, and with what.

    Attributes:
        metric: the score, by its name in ``result.json``; None is accuracy where there is one, else AUC, else loss.
        baseline: selector of the configuration that all others are compared with.
        against: selector of a second one, such as ``policy=static,policy.ratio=0.1``.
        at_equal: cost at which fixed ratios are held against the others: a key of `tinyprop.compare.quantities.costs`.
        target: microcontroller whose modelled cycles and energy are compared; None is the one that most runs have.
        presets: names of targets by the names of their presets, which ``target`` may be too.
        to_reach: a score; None is the baseline's mean less one point.
        command: what the comparison was asked for by, for its reader.
    """

    metric: str | None = None
    baseline: str = "policy=dense"
    against: str | None = None
    at_equal: str = "backward_ratio"
    target: str | None = None
    presets: Mapping[str, str] | None = None
    to_reach: float | None = None
    command: str | None = None


@dataclass(frozen=True, eq=False)
class GroupSummary:
    """One configuration.

    Attributes:
        means: of the score, the costs and the seconds, by key of the quantity; those that no run has are left out.
        on_front: keys of the costs on whose Pareto front it is.
    """

    group: Group
    means: Mapping[str, Mean]
    on_front: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Paired:
    """One configuration against a reference, seed by seed.

    Attributes:
        label: of the configuration.
        reference: label of what it is compared with.
        parts: labels of the configurations that the reference is made of, and the share of each.
        difference: of scores.
        cost_ratio: its cost over the reference's, mean over mean; None where a cost is not known.
        costs_more: whether the reference costs more, because no fixed ratio with that output layer is as cheap.
        credited: whether being better counts: not while one of the two static baselines is missing.
        dropped: seeds that could have been a pair, and why they are none.
    """

    label: str
    reference: str
    parts: tuple[tuple[str, float], ...]
    difference: Difference
    cost_ratio: float | None
    costs_more: bool = False
    credited: bool = True
    dropped: Mapping[int, str] | None = None


@dataclass(frozen=True, eq=False)
class PairedTable:
    """Pairs that are corrected together (Holm).

    Attributes:
        kind: ``baseline``, ``against`` or ``strongest``.
        note: what the reader must know of it, or why it is empty.
    """

    kind: str
    title: str
    rows: Sequence[Paired]
    note: str | None = None


@dataclass(frozen=True, eq=False)
class ReachRow:
    """The work of one configuration until the score was reached.

    Attributes:
        runs: how many have their epochs' scores.
        epochs, backward_macs, step_macs: means over the runs that reached it; None where none did.
        saved: the baseline's backward work over this one's, over seeds where both reached it.
        saved_step: the same of the whole steps.
        lacking: runs without their epochs' scores.
    """

    label: str
    runs: int
    reached: int
    epochs: Mean | None
    backward_macs: Mean | None
    step_macs: Mean | None
    saved: Ratio | None
    saved_step: Ratio | None
    lacking: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class ReachTable:
    """Work to reach a score.

    Attributes:
        split: ``test`` or ``validation``, which the scores of epochs are of; None where no epoch was evaluated.
        threshold: None where there is none; ``note`` says why.
        curves: by configuration, the scores of epochs, of each run.
    """

    split: str | None
    threshold: float | None
    origin: str
    rows: Sequence[ReachRow]
    curves: Mapping[str, Mapping[int, Sequence[CurvePoint]]]
    note: str | None = None


@dataclass(frozen=True, eq=False)
class FamilyComparison:
    """Everything about configurations that may be compared with each other.

    Attributes:
        costs: what there is of backward and step work, cycles and energy.
        target_name: the microcontroller that is modelled; None where no run is.
        baseline: label of the baseline; None where the family has none.
    """

    family: Family
    score: Quantity
    costs: tuple[Quantity, ...]
    target_name: str | None
    baseline: str | None
    groups: Sequence[GroupSummary]
    tables: Sequence[PairedTable]
    reach: ReachTable


@dataclass(frozen=True, eq=False)
class Comparison:
    """What was asked, and the answer, family by family; ``excluded`` are the runs that take no part, and why.

    Attributes:
        remarks: what a reader must know of how runs were read.
    """

    question: Question
    families: Sequence[FamilyComparison]
    excluded: Sequence[Excluded]
    remarks: Sequence[str] = ()

    @property
    def run_count(self) -> int:
        """How many runs take part."""
        return sum(len(summary.group.runs) for each in self.families for summary in each.groups)
