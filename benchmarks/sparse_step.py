"""What a training step of the vectorised sparse layers costs, beside plain PyTorch.

    python benchmarks/sparse_step.py                    # a Markdown table, about a minute
    python benchmarks/sparse_step.py --rounds 200       # steadier medians
    python benchmarks/sparse_step.py --json             # the same numbers for scripts

A step is zero_grad, forward, loss, backward and the update of plain SGD, on one batch that is in memory already:
wall time of one process with one thread, loading and evaluation left out. The variants take turns in every round, in an
order that rotates, so that whatever else the machine does falls on all of them; the ratio is the median of the rounds'
own ratios to plain PyTorch. The vectorised layers find out what a sparse engine would keep; they multiply the zeros as
before, so they are expected to cost more than plain PyTorch, not less. Time that is really saved is the engine's.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from itertools import pairwise

import torch
from machine import machine
from torch import nn

from tinyprop.sparse import Adaptive, Dense, Policy, Sparsity, Static, sparsify

NETWORKS = {"784-32-16-10": (784, 32, 16, 10), "784-1024-1024-10": (784, 1024, 1024, 10)}
BATCHES = (1, 20, 200)
VARIANTS: dict[str, Policy | None] = {
    "plain torch": None,
    "dense": Dense(),
    "static .1": Static(ratio=0.1),
    "adaptive": Adaptive(s_min=0.1, s_max=0.9, zeta=0.5),  # the authors' values for MNIST
}
ROUND_SECONDS = 0.02  # of plain PyTorch: long against the clock's resolution, short against the machine's moods


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
    for network, widths in NETWORKS.items():
        for batch in BATCHES:
            if sys.stderr.isatty():
                print(f"{network}, batch {batch} …", file=sys.stderr)
            results += measure(network, widths, batch, options.rounds)
    if options.json:
        print(json.dumps({"machine": machine(), "rounds": options.rounds, "results": [asdict(r) for r in results]}))
    else:
        print(_table(results, options.rounds))
    return 0


def measure(network: str, widths: tuple[int, ...], batch: int, rounds: int) -> list[Result]:
    """Time every variant of one network and batch size, interleaved."""
    prepared = {variant: _prepare(widths, batch, policy) for variant, policy in VARIANTS.items()}
    steps = {variant: step for variant, (step, _) in prepared.items()}
    for step in steps.values():
        _seconds(step, 3)
    repeat = max(1, round(ROUND_SECONDS / _seconds(steps["plain torch"], 10)))

    names = list(steps)
    seconds: dict[str, list[float]] = {variant: [] for variant in names}
    for number in range(rounds):
        for position in range(len(names)):
            variant = names[(number + position) % len(names)]
            seconds[variant].append(_seconds(steps[variant], repeat))

    results = []
    for variant, times in seconds.items():
        ratios = [ours / plain for ours, plain in zip(times, seconds["plain torch"], strict=True)]
        low, middle, high = statistics.quantiles(ratios, n=4, method="inclusive")
        kept = _kept_fraction(prepared[variant][1])
        results.append(Result(network, batch, variant, statistics.median(times) * 1e6, middle, low, high, kept))
    return results


def _prepare(widths: tuple[int, ...], batch: int, policy: Policy | None) -> tuple[Callable[[], None], Sparsity | None]:
    """One training step as a function, the same weights and data for every variant."""
    torch.manual_seed(0)
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(widths):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
    model = nn.Sequential(*layers[:-1])
    images, labels = torch.rand(batch, widths[0]), torch.randint(0, widths[-1], (batch,))
    sparsity = None if policy is None else sparsify(model, policy)
    # So small a rate that the gradients of the last step are like those of the first, in every variant.
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-6)
    loss = nn.CrossEntropyLoss()

    def step() -> None:
        optimizer.zero_grad()
        loss(model(images), labels).backward()
        optimizer.step()

    return step, sparsity


def _seconds(step: Callable[[], None], repeat: int) -> float:
    """Wall time of one step, the mean over ``repeat`` of them."""
    begin = time.perf_counter()
    for _ in range(repeat):
        step()
    return (time.perf_counter() - begin) / repeat


def _kept_fraction(sparsity: Sparsity | None) -> float:
    """Of the output gradients' entries, all layers together; 1 for plain PyTorch."""
    if sparsity is None:
        return 1.0
    layers = sparsity.collect().values()
    return sum(layer.kept for layer in layers) / sum(layer.entries * layer.samples for layer in layers)


def _table(results: list[Result], rounds: int) -> str:
    lines = [
        "| network | batch | variant | entries kept | µs a step | × plain torch | middle half |",
        "|---|---:|---|---:|---:|---:|---:|",
    ]
    for r in results:
        spread = f"{r.ratio_low:.2f}–{r.ratio_high:.2f}"
        cells = (
            r.network,
            r.batch,
            r.variant,
            f"{r.kept_fraction:.1%}",
            f"{r.microseconds:.0f}",
            f"{r.ratio:.2f}",
            spread,
        )
        lines.append("| " + " | ".join(str(cell) for cell in cells) + " |")
    lines += [
        "",
        "Counted: zero_grad, forward, loss, backward and SGD update of one batch in memory; wall time, medians of",
        f"{rounds} interleaved rounds. The sparse layers also select and keep their statistics, and multiply by the",
        f"zeros: no time is saved here. {machine()}.",
    ]
    return "\n".join(lines)


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").split("\n")[0],
        epilog="example: python benchmarks/sparse_step.py --rounds 200 --json > sparse_step.json",
    )
    parser.add_argument("--rounds", type=int, default=60, help="how often the variants take turns (default 60)")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of the table")
    options = parser.parse_args(arguments)
    if options.rounds < 2:
        parser.error(f"--rounds {options.rounds}: a median and its spread need at least 2")
    return options


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
