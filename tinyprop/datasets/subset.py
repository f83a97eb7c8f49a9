"""Taking only the first samples of a dataset."""

from __future__ import annotations

from dataclasses import dataclass

from tinyprop.errors import RequestError, require


@dataclass(frozen=True)
class Subset:
    """The first ``train`` and ``test`` samples in the order of the files; None takes all of them."""

    train: int | None = None
    test: int | None = None

    def __post_init__(self) -> None:
        accepted = "give 1 or more, or null for all samples"
        require(
            (self.train is None or self.train >= 1, "train", f"{self.train} training samples; {accepted}"),
            (self.test is None or self.test >= 1, "test", f"{self.test} test samples; {accepted}"),
        )

    def count(self, split: str, available: int) -> int:
        """How many of ``available`` samples of ``split`` (``train`` or ``test``) to take.

        Raises:
            RequestError: more samples are asked for than there are.
        """
        asked = self.train if split == "train" else self.test
        if asked is None:
            return available
        if asked > available:
            raise RequestError(
                f"dataset.subset.{split}={asked}, but the {split} split has {available} samples; "
                f"give {available} or less, or null for all"
            )
        return asked
