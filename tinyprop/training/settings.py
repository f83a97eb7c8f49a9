"""How a run trains, apart from the optimizer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tinyprop.errors import require


@dataclass(frozen=True, kw_only=True)
class Trainer:
    """Epochs, batches, selection and the machine.

    Attributes:
        epochs: passes over the training samples.
        batch_size: samples a step; the last batch of an epoch may be shorter.
        validation_fraction: share of the training data that is held out to watch, and to select by.
        test_every_epoch: evaluate the test set after each epoch too. It is never used to select anything.
        select: which weights the run ends with: those of the ``last`` epoch, or of the ``best`` on validation data.
        patience: end after so many epochs without a better validation loss; null trains all epochs.
        init_from: a run directory or checkpoint whose weights to begin with; null begins from the seed.
        resume: go on from the checkpoint of an interrupted run of the same configuration.
        force: train again although a finished run of this configuration is there.
        device: ``auto`` takes CUDA where there is one.
        threads: of one process. Two processes of two threads each on two cores are many times slower than one-threaded.
    """

    epochs: int = 30
    batch_size: int = 20
    validation_fraction: float = 0.1
    test_every_epoch: bool = False
    select: Literal["last", "best"] = "last"
    patience: int | None = None
    init_from: str | None = None
    resume: bool = True
    force: bool = False
    device: Literal["auto", "cpu", "cuda"] = "auto"
    threads: int = 1

    def __post_init__(self) -> None:
        watches = self.validation_fraction > 0
        require(
            (self.epochs >= 1, "epochs", f"{self.epochs} is under 1"),
            (self.batch_size >= 1, "batch_size", f"{self.batch_size} is under 1"),
            (
                0 <= self.validation_fraction < 1,
                "validation_fraction",
                f"{self.validation_fraction} is outside [0, 1)",
            ),
            (
                watches or self.select == "last",
                "select",
                "'best' needs validation data: set trainer.validation_fraction above 0 (the test set is never used)",
            ),
            (
                watches or self.patience is None,
                "patience",
                "needs validation data: set trainer.validation_fraction above 0 (the test set is never used)",
            ),
            (self.patience is None or self.patience >= 1, "patience", f"{self.patience} is under 1"),
            (self.threads >= 1, "threads", f"{self.threads} is under 1"),
        )
