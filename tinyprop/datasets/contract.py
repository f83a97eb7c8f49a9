"""What every dataset loader returns: arrays, with the facts about them that the rest of the program needs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Task = Literal["classification", "binary", "reconstruction"]


@dataclass(frozen=True, eq=False)
class Split:
    """Samples of one split.

    Attributes:
        x: inputs, float32, shape (samples, *input_shape).
        y: labels, int64, shape (samples,). For ``reconstruction`` the label is 1 for an anomaly, 0 for normal, and
            the target of training is ``x`` itself.
        group: the recording that a sample was cut from, int64, shape (samples,), or None where a sample stands alone.
            Samples of one group are scored together (mean) and never torn apart by a split.
        domain: a name for each group's origin that metrics are reported by (a machine id), shape (groups,), or None.
            Group g is ``domain[g]``.
    """

    x: NDArray[np.float32]
    y: NDArray[np.int64]
    group: NDArray[np.int64] | None = None
    domain: tuple[str, ...] | None = None

    def __len__(self) -> int:
        return len(self.x)


@dataclass(frozen=True, eq=False)
class Dataset:
    """A loaded dataset.

    Attributes:
        name: the configuration name, such as ``mnist``.
        task: what the labels ask for; decides loss and metrics.
        train, test: the splits. Validation data is cut from ``train`` by the trainer.
        classes: class names by label; for ``binary`` the name of label 1 comes second.
        positive: the label that detection scores (AUC, pAUC) count as a hit.
        synthetic: whether the samples are generated rather than recorded; shown in every output.
        fingerprint: hexadecimal digest of everything in ``train`` and ``test``; two datasets with equal fingerprints
            train identically.
        notes: facts that a reader of the results must know, one sentence each.
    """

    name: str
    task: Task
    train: Split
    test: Split
    classes: tuple[str, ...]
    positive: int = 1
    synthetic: bool = False
    fingerprint: str = ""
    notes: tuple[str, ...] = field(default=())

    @property
    def input_shape(self) -> tuple[int, ...]:
        return self.train.x.shape[1:]
