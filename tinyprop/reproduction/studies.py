"""The studies that claims are tested with, each an experiment of the configuration tree with arms."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Study:
    """One study.

    Attributes:
        name: what the command line calls it.
        experiment: option of the group ``experiment``.
        dataset: what the claims are about; runs on another score nothing.
        title: for headings.
        samples: training and test samples of the published setting; fewer are told with every verdict.
        authors: selectors of the configurations with the authors' own ratios, as far as they are published.
    """

    name: str
    experiment: str
    dataset: str
    title: str
    samples: tuple[int, int]
    authors: tuple[str, ...] = ()


_DAMPED = "policy=adaptive,policy.s_min=0.1,policy.s_max=0.9,policy.zeta=0.5,policy.sparsify_output=true"
_LENET = "policy=adaptive,policy.s_min=0,policy.s_max=1,policy.zeta=1,policy.sparsify_output=true"

STUDIES = {
    study.name: study
    for study in (
        Study(
            "mnist", "study_mnist", "mnist", "MNIST, from scratch, the authors' network in C", (6000, 1000), (_DAMPED,)
        ),
        Study("lenet", "study_lenet", "mnist", "MNIST, from scratch, the authors' LeNet", (60000, 10000), (_LENET,)),
        Study(
            "dcase",
            "study_dcase",
            "dcase",
            "DCASE2020 slider, from scratch, the authors' network",
            (1600, 180),
            # Any of these is as published; the output layer has one unit, so that it is dense in any case.
            tuple(
                f"policy=adaptive,policy.zeta=0.5,policy.s_min={low},policy.s_max={high}"
                for low in (0, 0.2)
                for high in (0.7, 1.2)
            ),
        ),
        Study("cifar10", "study_cifar10", "cifar10", "CIFAR-10, from scratch, LeNet", (50000, 10000), (_LENET,)),
        Study("skip", "study_skip", "cifar10", "CIFAR-10 with skipped samples, from scratch, LeNet", (50000, 10000)),
        Study(
            "finetune",
            "finetune_mnist",
            "mnist",
            "MNIST turned by 45°, fine-tuned sample by sample",
            (500, 2000),
            (_DAMPED,),
        ),
        Study("meprop", "study_meprop", "mnist", "MNIST, from scratch, 784-500-500-10", (60000, 10000)),
    )
}
"""By name, in the order of training."""

DATA_SETS = {"MNIST": ("mnist", "lenet"), "DCASE2020": ("dcase",), "CIFAR-10": ("cifar10",)}
"""What the authors' averages are over. A data set counts once, whatever number of studies it has."""
