"""What whole epochs of the C engine cost on this machine, beside dense training in PyTorch.

    python benchmarks/engine_host.py                    # a Markdown table, about two minutes
    python benchmarks/engine_host.py --rounds 15        # steadier medians
    python benchmarks/engine_host.py --json             # the same numbers for scripts

Both sides train on the same samples in the same order from the same weights: plain SGD, one process, one thread, data
in memory already. PyTorch's side is the loop that costs it least: a shuffled tensor that is indexed, no data loader.
Counted is wall time of an epoch, statistics of the selections included. The variants take turns in every round; the
ratio is the median of the rounds' own ratios to dense PyTorch. The dense C loop stands beside the sparse ones: what it
gains is overhead removed, and only the rest is sparsity's.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np
import torch
from machine import machine
from torch import nn

from tinyprop.engine.description import describe
from tinyprop.engine.host import HostNetwork
from tinyprop.engine.weights import WeightLayout
from tinyprop.models import LeNet, Mlp, SequentialModel
from tinyprop.models.modules import build
from tinyprop.models.specification import Loss, Shape
from tinyprop.sparse import Adaptive, Dense, Policy, Static
from tinyprop.training.optimizer import Sgd

RATE = 1e-3
DENSE_TORCH = "dense torch"
VARIANTS: dict[str, Policy] = {
    "dense": Dense(),
    "static .10": Static(ratio=0.1, sparsify_output=False),
    "adaptive .05–1": Adaptive(s_min=0.05, s_max=1.0, sparsify_output=False),
}


@dataclass(frozen=True)
class Case:
    """One network and batch size, on random data without zeros."""

    name: str
    model: SequentialModel
    shape: Shape
    outputs: int
    batch: int
    samples: int


_DCASE = Mlp(hidden=(256, 128, 64, 32), activation="sigmoid")
CASES = (
    Case("784-32-16-10", Mlp(), (784,), 10, 1, 2000),
    Case("784-32-16-10", Mlp(), (784,), 10, 20, 8000),
    Case("2607-256-128-64-32-1", _DCASE, (2607,), 1, 1, 300),
    Case("2607-256-128-64-32-1", _DCASE, (2607,), 1, 20, 2000),
    Case("784-1024-1024-10", Mlp(hidden=(1024, 1024)), (784,), 10, 20, 2000),
    Case("lenet", LeNet(), (1, 28, 28), 10, 1, 300),
    Case("lenet", LeNet(), (1, 28, 28), 10, 20, 1000),
)


@dataclass(frozen=True)
class Result:
    """One row of the table; the spread is the middle half of the rounds' ratios."""

    network: str
    batch: int
    variant: str
    microseconds: float
    ratio: float
    ratio_low: float
    ratio_high: float
    kept_fraction: float


def main(arguments: list[str]) -> int:
    options = _options(arguments)
    torch.set_num_threads(1)
    results = []
    for case in CASES:
        if sys.stderr.isatty():
            print(f"{case.name}, batch {case.batch} …", file=sys.stderr)
        results += measure(case, options.rounds)
    if options.json:
        print(json.dumps({"machine": machine(), "rounds": options.rounds, "results": [asdict(r) for r in results]}))
    else:
        print(_table(results, options.rounds))
    return 0


def measure(case: Case, rounds: int) -> list[Result]:
    """Time every variant of one case, interleaved."""
    loss: Loss = "binary_cross_entropy" if case.outputs == 1 else "softmax_cross_entropy"
    rng = np.random.default_rng(0)
    x = rng.random((case.samples, *case.shape), dtype=np.float32)
    y = rng.integers(0, max(2, case.outputs), case.samples)
    orders = [rng.permutation(case.samples) for _ in range(rounds + 1)]
    epochs = {DENSE_TORCH: _torch_epoch(case, loss, x, y)}
    networks: dict[str, HostNetwork] = {}
    for variant, policy in VARIANTS.items():
        epochs[f"C {variant}"], networks[f"C {variant}"] = _engine_epoch(case, loss, policy, x, y)
    names = list(epochs)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for number, order in enumerate(orders):
        for position in range(len(names)):
            name = names[(number + position) % len(names)]
            begin = time.perf_counter()
            epochs[name](order)
            if number > 0:  # the first round warms caches and allocators
                seconds[name].append(time.perf_counter() - begin)
    return [_result(case, name, seconds, networks.get(name)) for name in names]


def _result(case: Case, name: str, seconds: dict[str, list[float]], network: HostNetwork | None) -> Result:
    ratios = [ours / plain for ours, plain in zip(seconds[name], seconds[DENSE_TORCH], strict=True)]
    low, middle, high = statistics.quantiles(ratios, n=4, method="inclusive")
    kept = 1.0
    if network is not None:
        entries = [layer.entries for layer in network.description.layers]
        sums = network.statistics()
        kept = sum(s.kept for s in sums) / sum(s.samples * n for s, n in zip(sums, entries, strict=True))
    steps = -(-case.samples // case.batch)
    return Result(case.name, case.batch, name, statistics.median(seconds[name]) / steps * 1e6, middle, low, high, kept)


def _torch_epoch(case: Case, loss: Loss, x: np.ndarray, y: np.ndarray) -> Callable[[np.ndarray], None]:
    model = build(case.model, case.shape, case.outputs, loss, seed=0)
    optimizer = torch.optim.SGD(model.parameters(), lr=RATE)
    inputs = torch.from_numpy(x)
    binary = loss == "binary_cross_entropy"
    targets = torch.from_numpy(y).float().unsqueeze(1) if binary else torch.from_numpy(y)
    criterion = nn.BCEWithLogitsLoss() if binary else nn.CrossEntropyLoss()

    def epoch(order: np.ndarray) -> None:
        for batch in torch.split(torch.from_numpy(order), case.batch):
            optimizer.zero_grad()
            criterion(model(inputs[batch]), targets[batch]).backward()
            optimizer.step()

    return epoch


def _engine_epoch(
    case: Case, loss: Loss, policy: Policy, x: np.ndarray, y: np.ndarray
) -> tuple[Callable[[np.ndarray], None], HostNetwork]:
    model = build(case.model, case.shape, case.outputs, loss, seed=0)
    specification = case.model.specification(case.shape, case.outputs, loss)
    layout = WeightLayout(specification)
    weights = layout.pack({name: value.detach().numpy() for name, value in model.state_dict().items()})
    network = HostNetwork(describe(specification, policy, Sgd(lr=RATE), batch_size=case.batch), weights)
    rows, labels = layout.rows(x), y.astype(np.uint32)

    def epoch(order: np.ndarray) -> None:
        network.train(rows, labels, order.astype(np.uint32), RATE)

    return epoch, network


def _table(results: list[Result], rounds: int) -> str:
    lines = [
        "| network | batch | variant | entries kept | µs a step | time / dense torch | middle half |",
        "|---|---:|---|---:|---:|---:|---:|",
    ]
    for r in results:
        spread = f"{r.ratio_low:.3f}–{r.ratio_high:.3f}"
        cells = (
            r.network,
            r.batch,
            r.variant,
            f"{r.kept_fraction:.1%}",
            f"{r.microseconds:.1f}",
            f"{r.ratio:.3f}",
            spread,
        )
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    lines += [
        "",
        "Counted: whole epochs on random data without zeros, plain SGD, output layer dense; wall time, medians of",
        f"{rounds} interleaved rounds. {machine()}.",
    ]
    return "\n".join(lines)


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").split("\n")[0],
        epilog="example: python benchmarks/engine_host.py --rounds 15 --json > engine_host.json",
    )
    parser.add_argument("--rounds", type=int, default=7, help="how often the variants take turns (default 7)")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of the table")
    options = parser.parse_args(arguments)
    if options.rounds < 2:
        parser.error(f"--rounds {options.rounds}: a median and its spread need at least 2")
    return options


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
