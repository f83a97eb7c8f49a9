"""What a training step of the C engine executes on a simulated Cortex-M, phase by phase.

    python benchmarks/engine_board.py                       # Markdown tables, about a minute; needs tinyprop[unicorn]
    python benchmarks/engine_board.py --target cortex_m0plus
    python benchmarks/engine_board.py --mnist DIR           # three baselines on real MNIST in DIR, as dataset.root
    python benchmarks/engine_board.py --brief               # without phases
    python benchmarks/engine_board.py --json                # the same numbers for scripts

Counted are instructions executed in the simulator, every one, means over the steps; cycles are modelled from the
classes of these instructions and the timings published for the core. A step is forward pass, loss, selection, backward
pass and update of one batch by SGD; the calls that mark its phases are in it. Random inputs have no zeros.

Two columns judge sparsity itself. *over proportional*: how far the step is above what it would be if all of the dense
step but its forward pass shrank exactly as the kept multiply-accumulates did. *selection*: its share of all that is not
forward pass.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch

from tinyprop.backends.engine_training import Task
from tinyprop.backends.unicorn_backend import UnicornTraining
from tinyprop.backends.unicorn_settings import UnicornBackend
from tinyprop.config.composition import Composer
from tinyprop.datasets import MnistSettings, load
from tinyprop.models import LeNet, Mlp, SequentialModel
from tinyprop.models.modules import build
from tinyprop.models.specification import Loss, Shape
from tinyprop.progress import SILENT
from tinyprop.sparse import Adaptive, Dense, Policy, Static
from tinyprop.training.optimizer import Sgd

RATE = 1e-4  # so small that the last steps are like the first


@dataclass(frozen=True)
class Network:
    """A network, its data's shape, and how many steps are counted."""

    name: str
    model: SequentialModel
    shape: Shape
    outputs: int
    batch: int
    steps: int

    @property
    def loss(self) -> Loss:
        return "binary_cross_entropy" if self.outputs == 1 else "softmax_cross_entropy"


MNIST_MLP = Network("784-32-16-10", Mlp(), (784,), 10, 1, 10)
_DCASE_MLP = Mlp(hidden=(256, 128, 64, 32), activation="sigmoid")
NETWORKS = (
    MNIST_MLP,
    replace(MNIST_MLP, batch=20, steps=2),
    Network("2607-256-128-64-32-1", _DCASE_MLP, (2607,), 1, 1, 3),
    Network("lenet", LeNet(), (1, 28, 28), 10, 1, 3),
)
POLICIES: dict[str, Policy] = {
    "dense": Dense(),
    "static .33": Static(ratio=0.33),
    "static .10": Static(ratio=0.1),
    "adaptive at .05": Adaptive(s_min=0.05, s_max=0.05),
    "static .10, output dense": Static(ratio=0.1, sparsify_output=False),
}


@dataclass(frozen=True)
class Result:
    """One row: means over the counted steps; ``mcu`` as in ``result.json``."""

    network: str
    batch: int
    variant: str
    kept_macs: float
    """Backward multiply-accumulates over dense ones."""
    proportional: float | None
    mcu: dict[str, float]


def main(arguments: list[str]) -> int:
    options = _options(arguments)
    torch.set_num_threads(1)
    tables = {}
    if options.mnist is None:
        for network in NETWORKS:
            tables[f"{network.name}, batch {network.batch}"] = _measured(network, options.target, random_data(network))
    else:
        tables |= _mnist(options.mnist, options.target)
    speed = _speed(options.target)
    if options.json:
        rows = {title: [asdict(result) for result in results] for title, results in tables.items()}
        print(json.dumps({"target": options.target, "mips": speed, "tables": rows}))
        return 0
    for title, results in tables.items():
        print(f"{title}, target {options.target}, a step:\n")
        print(_brief(results) if options.brief else _table(results), end="\n\n")
    print(f"Emulation without counting: {speed:.0f} million instructions a second of CPU time.")
    return 0


def random_data(network: Network) -> tuple[np.ndarray, np.ndarray]:
    """Samples without a zero, and labels."""
    rng = np.random.default_rng(0)
    samples = network.batch * network.steps
    x = rng.uniform(0.01, 1.0, (samples, *network.shape)).astype(np.float32)
    return x, rng.integers(0, max(2, network.outputs), samples)


def run(
    network: Network, policy: Policy, target: str, data: tuple[np.ndarray, np.ndarray], *, skip_zeros: bool, count: str
) -> tuple[UnicornTraining, float]:
    """Train one epoch on the simulated part; the training, and the share of backward work that was kept."""
    task = Task(
        module=build(network.model, network.shape, network.outputs, network.loss, seed=0),
        specification=network.model.specification(network.shape, network.outputs, network.loss),
        policy=policy,
        optimizer=Sgd(lr=RATE),
        batch_size=network.batch,
    )
    settings = UnicornBackend(skip_zeros=skip_zeros, count=count)
    training = UnicornTraining(task, settings, Composer().run_config([f"target={target}"]).target)
    x, y = data
    layers = training.train_epoch(0, RATE, x, y, np.arange(len(x)), lambda amount: None).layers.values()
    work = [(layer.kept, layer.samples * layer.entries, layer.fan_in * (1 + layer.input_gradient)) for layer in layers]
    return training, sum(kept * macs for kept, _, macs in work) / sum(dense * macs for _, dense, macs in work)


def _measured(
    network: Network, target: str, data: tuple[np.ndarray, np.ndarray], *, both: bool = False, count: str = "all"
) -> list[Result]:
    """Every policy; with ``both`` also with exact zeros skipped."""
    results: list[Result] = []
    for skip_zeros in (False, True) if both else (False,):
        dense: dict[str, float] | None = None
        for name, policy in POLICIES.items():
            training, kept = run(network, policy, target, data, skip_zeros=skip_zeros, count=count)
            found = training.measurements()
            mcu = found.numbers()
            dense = dense or mcu
            ideal = dense["instructions.forward"] + kept * (dense["instructions.step"] - dense["instructions.forward"])
            variant = f"{name}, zeros skipped" if skip_zeros else name
            proportional = mcu["instructions.step"] / ideal
            results.append(Result(network.name, network.batch, variant, kept, proportional, mcu))
    return results


def _mnist(root: str, target: str) -> dict[str, list[Result]]:
    """The baselines on real digits: blank pixels and dead ReLU outputs are exact zeros there."""
    network = replace(MNIST_MLP, steps=40)
    split = load(MnistSettings(root=root), SILENT).train
    data = split.x[: network.steps].reshape(network.steps, -1), split.y[: network.steps]
    blank = float((data[0] == 0).mean())
    return {f"{network.name} on real MNIST ({blank:.0%} zeros), batch 1": _measured(network, target, data, both=True)}


def _speed(target: str) -> float:
    """Millions of instructions that the simulator executes in a second of CPU time when it does not count."""
    network = replace(MNIST_MLP, steps=4000)
    counted, _ = run(MNIST_MLP, Dense(), target, random_data(MNIST_MLP), skip_zeros=False, count="all")
    instructions = counted.measurements().numbers()["instructions.step"] * network.steps
    if not Composer().run_config([f"target={target}"]).target.fpu:
        network, instructions = replace(network, steps=200), instructions / 20
    data = random_data(network)
    begin = time.process_time()
    run(network, Dense(), target, data, skip_zeros=False, count="sampled")
    return instructions / (time.process_time() - begin) / 1e6


_COLUMNS = ("forward", "select", "input_gradient", "weight_gradient", "update", "other")


def _table(results: list[Result]) -> str:
    phases = " | ".join(phase.replace("_", " ") for phase in _COLUMNS)
    lines = [
        f"| policy | backward MACs | instructions | modelled cycles | {phases} | over proportional | selection |",
        "|---|" + "---:|" * (len(_COLUMNS) + 5),
    ]
    for result in results:
        mcu = result.mcu
        step, forward = mcu["instructions.step"], mcu["instructions.forward"]
        cells = [
            result.variant,
            f"{result.kept_macs:.1%}",
            f"{step:,.0f}",
            f"{mcu['cycles.step']:,.0f}",
            *(f"{mcu[f'instructions.{phase}']:,.0f}" for phase in _COLUMNS),
            f"{result.proportional - 1:+.1%}",
            f"{mcu['instructions.select'] / (step - forward):.1%}",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _brief(results: list[Result]) -> str:
    lines = ["| policy | backward MACs | instructions | of dense | modelled cycles | of dense |", "|---|" + "---:|" * 5]
    for result in results:
        instructions, cycles = (result.mcu[f"{kind}.step"] for kind in ("instructions", "cycles"))
        first = results[0].mcu
        cells = [
            result.variant,
            f"{result.kept_macs:.1%}",
            f"{instructions:,.0f}",
            f"{instructions / first['instructions.step']:.1%}",
            f"{cycles:,.0f}",
            f"{cycles / first['cycles.step']:.1%}",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").split("\n")[0],
        epilog="example: python benchmarks/engine_board.py --mnist data --json > engine_board.json",
    )
    known = Composer().groups["target"]
    parser.add_argument("--target", default="stm32f407", choices=known, help="simulated part (default %(default)s)")
    parser.add_argument(
        "--mnist", metavar="DIR", type=Path, help="where MNIST is: the baselines on real digits instead"
    )
    parser.add_argument("--brief", action="store_true", help="totals only")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of the tables")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
