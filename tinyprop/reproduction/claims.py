"""The published claims, as data: who claims what, how its words are read, and what must hold of which configurations.

Classes say what kind of claim it is; `tinyprop.reproduction.scoring` knows how each kind is scored.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

_TINYPROP = "TinyProp, Rüb et al. 2023, arXiv 2308.09201, abstract"
_TINYPROP_V2 = "TinyPropv2, Rüb et al. 2024, arXiv 2409.07109, abstract"
_DCASE_RUNS = "TinyProp, Rüb et al. 2023: their measured runs on DCASE2020"
_MEPROP = "meProp, Sun et al., ICML 2017, arXiv 1706.06197"
_SCRATCH = ("mnist", "lenet", "dcase", "cifar10")


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One claim.

    Attributes:
        name: for tables of all claims.
        title: what is claimed, in a line.
        source: where.
        figures: the numbers that it gives.
        reading: how its words are read here, where they leave a choice.
        studies: names of the studies that it is scored with.
    """

    key: str
    name: str
    title: str
    source: str
    figures: str
    reading: str = ""
    studies: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class CheaperThanDense(Claim):
    """So many times less work than dense training, at a loss of so many points of accuracy.

    Attributes:
        choose: ``authors`` takes the configurations with the authors' own ratios, else a selector. Of several that
            counts which is most favourable to the claim.
        averaged: whether the claim is of the average over the authors' data sets.
    """

    times: float
    points: float
    choose: str
    averaged: bool = False


@dataclass(frozen=True, kw_only=True)
class CheaperThanStatic(Claim):
    """So many times less work than a fixed ratio, and so many points more accurate.

    Attributes:
        ratio: the fixed ratio.
        output: ``sparse`` is the authors' baseline; ``stronger`` whichever state of the output layer is more accurate.
    """

    times: float
    points: float
    ratio: float
    choose: str
    output: Literal["sparse", "stronger"]


@dataclass(frozen=True, kw_only=True)
class AccuracyWithin(Claim):
    """Accuracy in per cent in a published range: the least and the most of what was reported."""

    selectors: tuple[str, ...]
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class LessBackwardWork(Claim):
    """So many times fewer backward multiply-accumulates than dense training, whatever the accuracy."""

    selectors: tuple[str, ...]
    times: float


@dataclass(frozen=True, kw_only=True)
class StepBound(Claim):
    """A whole step, without its update, never gains more, whatever is kept."""

    times: float


@dataclass(frozen=True, kw_only=True)
class NotTestable(Claim):
    """A claim that nothing here can test.

    Attributes:
        reason: why.
    """

    reason: str


_FIVE_TIMES = {
    "source": _TINYPROP,
    "figures": "5× faster than dense training at 1 % accuracy loss, on average over MNIST, DCASE2020 and CIFAR-10",
    "studies": (*_SCRATCH, "finetune"),
    "times": 5.0,
    "points": 1.0,
    "averaged": True,
}
_TWO_POINT_NINE = {
    "source": _TINYPROP,
    "figures": "2.9× faster than static sparse backpropagation, accuracy loss reduced by 6 % against a typical ratio",
    "studies": (*_SCRATCH, "finetune"),
    "times": 2.9,
    "points": 6.0,
    "ratio": 0.33,
}
_TYPICAL = "Typical is .33, the smaller of the two ratios that they measured. Reduced by 6 %: 6 points more accurate."

CLAIMS: tuple[Claim, ...] = (
    CheaperThanDense(
        key="dense-authors",
        name="5× to dense, authors' ratios",
        title="5× less work than dense training at 1 point of accuracy, with the authors' ratios",
        reading="1 % loss is one point of test accuracy. Faster is scored by three counts; none is wall time.",
        choose="authors",
        **_FIVE_TIMES,  # type: ignore[arg-type]
    ),
    CheaperThanDense(
        key="dense-best",
        name="5× to dense, best ratios",
        title="5× less work than dense training at 1 point of accuracy, with the best ratios of the study",
        reading="Best is the adaptive configuration that favours the claim most, chosen on the same runs.",
        choose="policy=adaptive",
        **_FIVE_TIMES,  # type: ignore[arg-type]
    ),
    CheaperThanStatic(
        key="static-sparse",
        name="2.9× to static, their baseline",
        title="2.9× less work than static .33 and 6 points more accurate: the authors' ratios and baseline",
        reading=f"{_TYPICAL} Their static baseline has a sparse output layer.",
        choose="authors",
        output="sparse",
        **_TWO_POINT_NINE,  # type: ignore[arg-type]
    ),
    CheaperThanStatic(
        key="static-stronger",
        name="2.9× to static, stronger baseline",
        title="2.9× less work than static .33 and 6 points more accurate: against the stronger baseline",
        reading="Stronger: the output layer sparse or dense, whichever is more accurate. Only this credits adapting.",
        choose="authors",
        output="stronger",
        **_TWO_POINT_NINE,  # type: ignore[arg-type]
    ),
    CheaperThanStatic(
        key="static-best",
        name="2.9× to static, best ratios",
        title="2.9× less work than static .33 and 6 points more accurate: the best ratios, the stronger baseline",
        reading="Best and stronger as above.",
        choose="policy=adaptive",
        output="stronger",
        **_TWO_POINT_NINE,  # type: ignore[arg-type]
    ),
    AccuracyWithin(
        key="dcase-dense",
        name="DCASE2020 runs, dense",
        title="DCASE2020: dense training reaches 81 to 99 %",
        source=_DCASE_RUNS,
        figures="99, 81, 86 %",
        studies=("dcase",),
        selectors=("policy=dense",),
        low=81.0,
        high=99.0,
    ),
    AccuracyWithin(
        key="dcase-static-33",
        name="DCASE2020 runs, static .33",
        title="DCASE2020: static .33 reaches 89 to 96 %",
        source=_DCASE_RUNS,
        figures="96, 96, 89 %",
        studies=("dcase",),
        selectors=("policy=static,policy.ratio=0.33",),
        low=89.0,
        high=96.0,
    ),
    AccuracyWithin(
        key="dcase-static-66",
        name="DCASE2020 runs, static .66",
        title="DCASE2020: static .66 reaches 87 to 96 %",
        source=_DCASE_RUNS,
        figures="96, 96, 87 %",
        studies=("dcase",),
        selectors=("policy=static,policy.ratio=0.66",),
        low=87.0,
        high=96.0,
    ),
    AccuracyWithin(
        key="dcase-adaptive",
        name="DCASE2020 runs, adaptive",
        title="DCASE2020: adaptive reaches 82 to 86 %",
        source=_DCASE_RUNS,
        figures="82 to 86 % over s_max .7 to 1.2, s_min 0 to .2, ζ .5",
        reading="Each corner of the published settings is scored.",
        studies=("dcase",),
        selectors=("authors",),
        low=82.0,
        high=86.0,
    ),
    NotTestable(
        key="dcase-seconds",
        name="DCASE2020 runs, seconds",
        title="DCASE2020: an epoch takes 34.3 s dense, 22.2 s static .33, 16.0 to 20.8 s adaptive",
        source=_DCASE_RUNS,
        figures="1.6 to 2.1× faster than dense, 1.1 to 1.4× faster than static .33",
        studies=("dcase",),
        reason="wall time of their program on their PC. It is far from 5 and 2.9, and near what a whole step can gain.",
    ),
    CheaperThanDense(
        key="skip-effort",
        name="TinyPropv2, a tenth of the effort",
        title="TinyPropv2: a tenth of the dense effort at .82 points on CIFAR-10",
        source=_TINYPROP_V2,
        figures="as little as 10 % of the dense effort; accuracy drops by .82 (CIFAR-10) and 1.07 (CIFAR-100)",
        reading="Their networks and thresholds are not known here; fine-tuning is scored beside it.",
        studies=("skip", "finetune"),
        times=10.0,
        points=0.82,
        choose="policy=adaptive_skip",
    ),
    NotTestable(
        key="skip-cifar100",
        name="TinyPropv2, CIFAR-100",
        title="TinyPropv2: 1.07 points on CIFAR-100",
        source=_TINYPROP_V2,
        figures="accuracy drops by 1.07",
        studies=("skip",),
        reason="CIFAR-100 is none of the datasets here.",
    ),
    AccuracyWithin(
        key="meprop-dense",
        name="meProp, dense",
        title="meProp: dense training of 784-500-500-10 reaches 98.0 to 98.2 %",
        source=_MEPROP,
        figures="98.0 to 98.2 %",
        reading="Length and batch size of their training are ours: ten epochs, batches of 20.",
        studies=("meprop",),
        selectors=("policy=dense",),
        low=98.0,
        high=98.2,
    ),
    AccuracyWithin(
        key="meprop-k",
        name="meProp, k 30 to 80",
        title="meProp: k = 30 to 80 of 500 reach 98.2 to 98.3 %",
        source=_MEPROP,
        figures="98.2 to 98.3 %",
        reading="As above.",
        studies=("meprop",),
        selectors=("policy=meprop",),
        low=98.2,
        high=98.3,
    ),
    LessBackwardWork(
        key="meprop-backward",
        name="meProp, 5.9×",
        title="meProp: 5.9× faster at k = 80",
        source=_MEPROP,
        figures="5.9× faster at top-80",
        reading="Theirs is wall time of the backward pass, which is not testable here; backward work is.",
        studies=("meprop",),
        selectors=("policy=meprop,policy.k=80",),
        times=5.9,
    ),
    StepBound(
        key="bound-mlp",
        name="bound of a step, fully connected",
        title="A whole step of a fully connected network gains at most about 2.3×",
        source="arithmetic: forward F, weight gradients F, input gradients under F",
        figures="2.3×, without the update",
        reading="Exact counts of the study's network. Deep ones of even width come nearer to 3× (docs/method.md).",
        studies=("mnist", "dcase", "finetune", "meprop"),
        times=2.3,
    ),
    StepBound(
        key="bound-cnn",
        name="bound of a step, convolutional",
        title="A whole step of a convolutional network gains at most about 3×",
        source="arithmetic, as above",
        figures="3×, without the update",
        reading="Exact counts of the study's network.",
        studies=("lenet", "cifar10"),
        times=3.0,
    ),
    NotTestable(
        key="partial-updates",
        name="partial updates, 8.7×",
        title="Dynamic partial gradient updates are up to 8.7× faster than full ones",
        source="Deutel et al. 2024, arXiv 2407.10734",
        figures="8.7× on Cortex-M0+, M4 and M7",
        studies=("mnist", "finetune"),
        reason="another method, which tinyprop does not have.",
    ),
)
"""Every claim, in the order in which they are told."""
