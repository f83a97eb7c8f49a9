"""What the backward steps of one layer kept, summed since it was last asked."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class LayerStatistics:
    """One layer's selections over some backward steps. Every count is exact.

    Attributes:
        steps: backward passes.
        samples: samples that went through them.
        units: output units of a linear layer, output channels of a convolution: rows of the weight matrix.
        entries: n, what one sample's selection chooses among.
        kept: entries kept, all samples together.
        kept_rows: over the steps, units with at least one kept entry in the batch: weight rows that an update touches.
        ratio, local_error: means over the samples.
        fan_in: multiply-accumulates that one output position of one unit costs, m (C_in/groups·kh·kw).
        positions: output positions that one selectable entry stands for (1, or height·width of a channel).
        bias: whether the layer has one.
        input_gradient: whether the layer computes dX; the first layer of a network does not.
        patches: of one sample, output positions of a convolution, of each group for itself; 0 in a linear layer.
        kept_patches: over the samples, those with a kept entry, each a patch of the image to work on. None: not known,
            as of steps that a version before this count has trained.
    """

    steps: int
    samples: int
    units: int
    entries: int
    kept: int
    kept_rows: int
    ratio: float
    local_error: float
    fan_in: int
    positions: int
    bias: bool
    input_gradient: bool
    patches: int = 0
    kept_patches: int | None = None

    @property
    def kept_fraction(self) -> float:
        """Kept entries over all entries."""
        return self.kept / (self.samples * self.entries)

    @property
    def kept_patches_fraction(self) -> float | None:
        """Patches with a kept entry over all patches; None in a linear layer, and where they were not counted."""
        if self.patches == 0 or self.kept_patches is None:
            return None
        return self.kept_patches / (self.samples * self.patches)

    def __add__(self, other: LayerStatistics) -> LayerStatistics:
        """The same layer over the steps of both."""
        samples = self.samples + other.samples
        patches = None
        if self.kept_patches is not None and other.kept_patches is not None:
            patches = self.kept_patches + other.kept_patches

        def mean(mine: float, theirs: float) -> float:
            return (mine * self.samples + theirs * other.samples) / samples

        return replace(
            self,
            steps=self.steps + other.steps,
            samples=samples,
            kept=self.kept + other.kept,
            kept_rows=self.kept_rows + other.kept_rows,
            kept_patches=patches,
            ratio=mean(self.ratio, other.ratio),
            local_error=mean(self.local_error, other.local_error),
        )


class Tally:
    """Running sums of one layer's steps."""

    def __init__(self) -> None:
        self.entries = 0
        self.positions = 1
        self.patches = 0
        self.input_gradient = False
        self._steps = self._samples = self._kept = self._kept_rows = self._kept_patches = 0
        self._ratio = self._local_error = 0.0

    def add(self, samples: int, ratio: float, local_error: float, kept: int, kept_rows: int, kept_patches: int) -> None:
        """Add one step: sums over its samples."""
        self._steps += 1
        self._samples += samples
        self._ratio += ratio
        self._local_error += local_error
        self._kept += kept
        self._kept_rows += kept_rows
        self._kept_patches += kept_patches

    def read(self, *, units: int, fan_in: int, bias: bool) -> LayerStatistics | None:
        """The statistics so far; None before the first step."""
        if self._steps == 0:
            return None
        return LayerStatistics(
            steps=self._steps,
            samples=self._samples,
            units=units,
            entries=self.entries,
            kept=self._kept,
            kept_rows=self._kept_rows,
            ratio=self._ratio / self._samples,
            local_error=self._local_error / self._samples,
            fan_in=fan_in,
            positions=self.positions,
            bias=bias,
            input_gradient=self.input_gradient,
            patches=self.patches,
            kept_patches=self._kept_patches,
        )
