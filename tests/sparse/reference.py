"""TinyProp's training step in plain float64 loops over samples and entries, to judge the vectorised layers by.

Written from the method's description (Rüb et al. 2023, arXiv 2308.09201) and from nothing else: this file shares no
code with the package and imports only numpy. It is meant to be read beside the paper, not to be fast.

Notation: B samples, n output entries of a layer, G[B, ...] the gradient of each sample's own loss with respect to the
layer's output (so a mean loss has been multiplied by B), x the layer's input, W its weights, d its depth.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Settings:
    """A policy in the reference's own words; ``kind`` is dense, static, meprop, adaptive, skip or budget."""

    kind: str
    ratio: float = 1.0
    k: int = 1
    s_min: float = 0.0
    s_max: float = 1.0
    zeta: float = 1.0
    skip_threshold: float = 0.0
    granularity: str = "element"
    rounding: str = "nearest"
    sparse_bias: bool = True
    sparsify_output: bool = True
    budget: float = 0.1
    horizon: int = 100
    max_factor: float = 5.0


@dataclass
class Selection:
    """What was decided for one layer in one step."""

    local_error: list[float]
    local_error_max: float
    ratio: list[float]
    mask: np.ndarray
    skipped: list[bool]
    doubtful: bool
    """Some n·r lies so close to a rounding step that float arithmetic in another order may fall to the other side."""


def select(
    settings: Settings,
    G: np.ndarray,
    local_error_max: float,
    depth: int = 0,
    skipped: list[bool] | None = None,
    unit_axis: int = -1,
) -> Selection:
    """Steps 1 to 3: which entries of G are kept. ``unit_axis`` is -1 for a linear layer, -3 for a convolution."""
    B = G.shape[0]
    skipped = [False] * B if skipped is None else list(skipped)

    local_error = [math.fsum(abs(float(g)) for g in G[b].ravel()) for b in range(B)]
    for b in range(B):
        if not skipped[b]:
            local_error_max = max(local_error_max, local_error[b])

    mask = np.zeros(G.shape, dtype=bool)
    ratios = []
    doubtful = False
    for b in range(B):
        ratio = _ratio(settings, local_error[b], local_error_max, depth)
        ratios.append(ratio)
        if settings.kind == "skip" and depth == 0 and ratio < settings.skip_threshold:
            skipped[b] = True
        if settings.kind == "skip" and depth == 0 and abs(ratio - settings.skip_threshold) < 1e-6:
            doubtful = True
        if skipped[b]:
            continue
        if settings.kind == "dense" or (depth == 0 and not settings.sparsify_output):
            mask[b] = True
            continue
        if local_error[b] == 0.0:
            continue
        magnitudes = _magnitudes(settings, np.moveaxis(G[b], unit_axis, 0), G[b])
        n = len(magnitudes)
        if settings.kind == "meprop":
            k = min(settings.k, n)
        else:
            k = count(n, ratio, settings.rounding)
            step = n * ratio + (0.5 if settings.rounding == "nearest" else 0.0)
            computed = settings.kind in ("adaptive", "skip") and 0.0 < ratio < 1.0
            doubtful = doubtful or (computed and abs(step - round(step)) < 1e-6)
        for j in largest(magnitudes, k):
            if settings.granularity == "element":
                mask[b].ravel()[j] = True
            else:
                np.moveaxis(mask[b], unit_axis, 0)[j] = True
    return Selection(local_error, local_error_max, ratios, mask, skipped, doubtful)


def count(n: int, ratio: float, rounding: str = "nearest") -> int:
    """k = clamp(round(n·r), 1, n); a half is rounded up."""
    k = math.floor(n * ratio + 0.5) if rounding == "nearest" else math.floor(n * ratio)
    return min(max(k, 1), n)


def largest(magnitudes: list[float], k: int) -> list[int]:
    """Indices of the k largest values, one after the other; the lowest index wins a tie."""
    kept: list[int] = []
    for _ in range(k):
        best = -1
        for j, magnitude in enumerate(magnitudes):
            if j not in kept and (best < 0 or magnitude > magnitudes[best]):
                best = j
        kept.append(best)
    return kept


def _ratio(settings: Settings, Y: float, Y_max: float, depth: int) -> float:
    if settings.kind in ("adaptive", "skip"):
        if Y_max == 0.0:
            return 0.0
        raw = (settings.s_min + Y * (settings.s_max - settings.s_min) / Y_max) * settings.zeta**depth
        return min(max(raw, 0.0), 1.0)
    return settings.ratio


def _magnitudes(settings: Settings, channels: np.ndarray, G: np.ndarray) -> list[float]:
    """Of one sample: |G| of each entry, or the L1 norm of each output channel."""
    if settings.granularity == "element":
        return [abs(float(g)) for g in G.ravel()]
    return [math.fsum(abs(float(g)) for g in channel.ravel()) for channel in channels]


@dataclass
class Gradients:
    """Sums over the samples; dX is per sample."""

    dW: np.ndarray  # noqa: N815
    db: np.ndarray
    dX: np.ndarray  # noqa: N815


@dataclass
class Linear:
    """y = x·Wᵀ + b over the last axis of x[B, ..., m]; W[n, m]."""

    W: np.ndarray
    b: np.ndarray
    unit_axis = -1

    def forward(self, x: np.ndarray) -> np.ndarray:
        y = np.zeros((*x.shape[:-1], len(self.b)))
        for index in np.ndindex(*y.shape):
            y[index] = self.b[index[-1]] + sum(
                self.W[index[-1], i] * x[(*index[:-1], i)] for i in range(self.W.shape[1])
            )
        return y

    def backward(self, x: np.ndarray, G: np.ndarray, chosen: Selection, sparse_bias: bool = True) -> Gradients:
        """Step 4, one entry of G after the other."""
        dW, db, dX = np.zeros(self.W.shape), np.zeros(len(self.b)), np.zeros(x.shape)
        for index in np.ndindex(*G.shape):
            g, j = G[index], index[-1]
            if chosen.mask[index] or not (sparse_bias or chosen.skipped[index[0]]):
                db[j] += g
            if chosen.mask[index]:
                for i in range(self.W.shape[1]):
                    dW[j, i] += g * x[(*index[:-1], i)]
                    dX[(*index[:-1], i)] += g * self.W[j, i]
        return Gradients(dW, db, dX)


@dataclass
class Conv:
    """Cross-correlation of x[B, m, H, W] with W[n, m / groups, kh, kw]; ``pads`` = top, bottom, left, right."""

    W: np.ndarray
    b: np.ndarray
    stride: tuple[int, int] = (1, 1)
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1
    padding_mode: str = "zeros"
    unit_axis = -3

    def forward(self, x: np.ndarray) -> np.ndarray:
        (kh, kw), (H, W) = self.W.shape[2:], x.shape[2:]
        out_h = (H + self.pads[0] + self.pads[1] - self.dilation[0] * (kh - 1) - 1) // self.stride[0] + 1
        out_w = (W + self.pads[2] + self.pads[3] - self.dilation[1] * (kw - 1) - 1) // self.stride[1] + 1
        y = np.zeros((x.shape[0], len(self.b), out_h, out_w))
        for index in np.ndindex(*y.shape):
            y[index] = self.b[index[1]] + sum(self.W[w] * x[i] for w, i in self._taps(index, x.shape))
        return y

    def backward(self, x: np.ndarray, G: np.ndarray, chosen: Selection, sparse_bias: bool = True) -> Gradients:
        """Step 4, one entry of G after the other."""
        dW, db, dX = np.zeros(self.W.shape), np.zeros(len(self.b)), np.zeros(x.shape)
        for index in np.ndindex(*G.shape):
            g = G[index]
            if chosen.mask[index] or not (sparse_bias or chosen.skipped[index[0]]):
                db[index[1]] += g
            if chosen.mask[index]:
                for w, i in self._taps(index, x.shape):
                    dW[w] += g * x[i]
                    dX[i] += g * self.W[w]
        return Gradients(dW, db, dX)

    def _taps(self, output: tuple[int, ...], shape: tuple[int, ...]) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
        """The (weight index, input index) pairs that one output entry is the sum over."""
        b, c, oy, ox = output
        per_group = self.W.shape[1]
        first = c // (self.W.shape[0] // self.groups) * per_group
        taps = []
        for m, ky, kx in np.ndindex(*self.W.shape[1:]):
            iy = self._source(oy * self.stride[0] + ky * self.dilation[0] - self.pads[0], shape[2])
            ix = self._source(ox * self.stride[1] + kx * self.dilation[1] - self.pads[2], shape[3])
            if iy is not None and ix is not None:
                taps.append(((c, m, ky, kx), (b, first + m, iy, ix)))
        return taps

    def _source(self, i: int, size: int) -> int | None:
        """Where the padded border takes its value from; None is a zero."""
        if 0 <= i < size:
            return i
        if self.padding_mode == "zeros":
            return None
        if self.padding_mode == "reflect":
            return -i if i < 0 else 2 * (size - 1) - i
        if self.padding_mode == "replicate":
            return 0 if i < 0 else size - 1
        return i % size


class Relu:
    def forward(self, x: np.ndarray) -> np.ndarray:
        self.x = x
        return np.where(x > 0, x, 0.0)

    def backward(self, G: np.ndarray) -> np.ndarray:
        return np.where(self.x > 0, G, 0.0)


class Flatten:
    def forward(self, x: np.ndarray) -> np.ndarray:
        self.shape = x.shape
        return x.reshape(x.shape[0], -1)

    def backward(self, G: np.ndarray) -> np.ndarray:
        return G.reshape(self.shape)


class MaxPool:
    """Windows of 2×2 that do not overlap; the first of equal maxima passes the gradient on."""

    def forward(self, x: np.ndarray) -> np.ndarray:
        self.shape = x.shape
        B, C, H, W = x.shape
        y = np.zeros((B, C, H // 2, W // 2))
        self.winner = {}
        for b, c, i, j in np.ndindex(*y.shape):
            window = [(b, c, 2 * i + p, 2 * j + q) for p in (0, 1) for q in (0, 1)]
            best = window[0]
            for place in window[1:]:
                if x[place] > x[best]:
                    best = place
            y[b, c, i, j] = x[best]
            self.winner[b, c, i, j] = best
        return y

    def backward(self, G: np.ndarray) -> np.ndarray:
        dX = np.zeros(self.shape)
        for place, winner in self.winner.items():
            dX[winner] += G[place]
        return dX


@dataclass
class Network:
    """A chain of layers under softmax cross-entropy, averaged over the batch, that trains by plain gradient descent."""

    layers: list[Linear | Conv | Relu | Flatten | MaxPool]
    settings: Settings
    local_error_max: dict[int, float] = field(default_factory=dict)
    selections: dict[int, Selection] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.threshold = Threshold(self.settings)
        self.first = next(place for place, layer in enumerate(self.layers) if isinstance(layer, Linear | Conv))

    def gradients(self, x: np.ndarray, labels: np.ndarray) -> dict[int, Gradients]:
        """Gradients of the mean loss for each weight layer, by its place in the chain; moves Y_max on."""
        B = x.shape[0]
        inputs = []
        for layer in self.layers:
            inputs.append(x)
            x = layer.forward(x)
        G = np.zeros(x.shape)
        for b in range(B):
            shifted = [math.exp(v - max(x[b])) for v in x[b]]
            for j, e in enumerate(shifted):
                G[b, j] = e / sum(shifted) - (1.0 if j == labels[b] else 0.0)

        depth, skipped, result = 0, None, {}
        for place in reversed(range(len(self.layers))):
            layer = self.layers[place]
            if not isinstance(layer, Linear | Conv):
                G = layer.backward(G)
                continue
            if self.settings.kind == "budget":
                fan_in = layer.W[0].size
                cost = fan_in * (1 if place == self.first else 2)
                chosen, G = self.threshold.select(G, inputs[place], depth, fan_in, cost)
                chosen.local_error_max = max(self.local_error_max.get(place, 0.0), *chosen.local_error)
            else:
                chosen = select(self.settings, G, self.local_error_max.get(place, 0.0), depth, skipped, layer.unit_axis)
            self.local_error_max[place] = chosen.local_error_max
            self.selections[place] = chosen
            sums = layer.backward(inputs[place], G, chosen, self.settings.sparse_bias)
            result[place] = Gradients(sums.dW / B, sums.db / B, sums.dX)
            G, skipped, depth = sums.dX, chosen.skipped, depth + 1
        if self.settings.kind == "budget":
            self.threshold.end_batch(B)
        return result

    def train_step(self, x: np.ndarray, labels: np.ndarray, lr: float) -> None:
        for place, sums in self.gradients(x, labels).items():
            self.layers[place].W -= lr * sums.dW
            self.layers[place].b -= lr * sums.db


@dataclass
class Threshold:
    """The network's threshold under ``budget``, in loops: written from docs/method.md."""

    settings: Settings
    value: float = 0.0
    debt: float = 0.0
    samples: int = 0
    spent: float = 0.0
    total: float = 0.0
    scores: float = 0.0
    selected: bool = False
    dropped: bool = False

    def select(self, G: np.ndarray, x: np.ndarray, depth: int, fan_in: int, cost: int) -> tuple[Selection, np.ndarray]:
        """The selection from one layer's G, and G as it flows on; ``cost`` is what a kept entry takes."""
        B, n = G.shape[0], G[0].size
        mask, sparse, doubtful, errors = np.zeros(G.shape, dtype=bool), np.zeros(G.shape), False, []
        for b in range(B):
            magnitudes = [abs(float(g)) for g in G[b].ravel()]
            errors.append(math.fsum(magnitudes))
            self.total += n * cost
            if depth == 0 and not self.settings.sparsify_output:
                mask[b], sparse[b] = True, G[b]
                self.spent += n * cost
                continue
            mean_square = math.fsum(float(v) ** 2 for v in x[b].ravel()) / x[b].size
            norm = math.sqrt((fan_in * mean_square + 1) / (fan_in + 1))
            certain = self.value / norm
            if self.value == 0:
                certain = errors[b] / n * math.log(1 / self.settings.budget)
            self.scores += errors[b] * norm * cost
            bar = certain * hashed(self.samples + b, depth)
            for j, magnitude in enumerate(magnitudes):
                doubtful = doubtful or (magnitude > 0 and abs(magnitude - bar) < 1e-9 * bar)
                if magnitude > bar:
                    mask[b].ravel()[j] = self.selected = True
                    self.spent += cost
                    raised = min(max(magnitude, certain), magnitude * self.settings.max_factor)
                    sparse[b].ravel()[j] = math.copysign(raised, G[b].ravel()[j])
                elif magnitude > 0:
                    self.dropped = True
        return Selection(errors, 0.0, [float(kept.mean()) for kept in mask], mask, [False] * B, doubtful), sparse

    def end_batch(self, B: int) -> None:
        self.samples = (self.samples + B) % 2**24
        excess = self.spent / (self.settings.budget * self.total) - 1
        began = self.value > 0
        if not began:
            self.value = self.scores / self.total * math.log(1 / self.settings.budget)
        if not (excess > 0 and not self.selected) and not (excess < 0 and not self.dropped):
            rate = B / (B + self.settings.horizon)
            self.debt += rate * excess
            if began:
                self.value *= math.exp(min(max(rate * (excess + self.debt / 4), -2), 2))
        self.spent = self.total = self.scores = 0.0
        self.selected = self.dropped = False


def hashed(sample: int, depth: int) -> float:
    """In [0, 1); integers of 32 bits throughout."""
    h = (sample % 2**24 * 0x9E3779B9 + (depth + 1) * 0x85EBCA6B) % 2**32
    h = (h ^ h >> 16) * 0x7FEB352D % 2**32
    h = (h ^ h >> 15) * 0x846CA68B % 2**32
    return ((h ^ h >> 16) >> 8) / 2**24


def scheduled_mask(G: np.ndarray, ratio: float, rounding: str = "nearest") -> np.ndarray:
    """A sparse epoch of ssProp (arXiv 2408.12561): the batch together keeps the output channels of largest mean |G|."""
    channels = np.moveaxis(G, 1 if G.ndim == 4 else -1, 0)
    means = [math.fsum(abs(float(g)) for g in channel.ravel()) / channel.size for channel in channels]
    mask = np.zeros(G.shape, dtype=bool)
    for c in largest(means, count(len(means), ratio, rounding)):
        np.moveaxis(mask, 1 if G.ndim == 4 else -1, 0)[c] = True
    return mask
