"""Sixteen configurations of 784-32-16-10 as a study, against as many dense trainings with PyTorch, one after another.

    python benchmarks/study_throughput.py [--root data] [--source auto] [--samples 60000] [--epochs 10]

Both sides train on the same MNIST samples in batches of 20 and record every run in MLflow and in its directory; both
are whole commands, from start to end. Counted: seconds of wall time, and samples trained a second.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass

from machine import machine

ARMS = [
    "policy=dense",
    "policy=static policy.ratio=0.05,0.1,0.2,0.33 policy.sparsify_output=true,false",
    "policy=adaptive policy.s_min=0,0.05,0.1 policy.sparsify_output=true,false",
    "policy=adaptive_damped",
]


@dataclass(frozen=True)
class Side:
    """One command: its wall time, how many runs it finished, and the seconds of training in them."""

    seconds: float
    runs: int
    training: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", default="data", help="where mnist/ is, or is downloaded to")
    parser.add_argument("--source", default="auto", help="synthetic needs neither files nor network")
    parser.add_argument("--samples", type=int, default=60000)
    parser.add_argument("--epochs", type=int, default=10)
    arguments = parser.parse_args()
    common = [
        *("dataset=mnist", f"dataset.root={os.path.abspath(arguments.root)}", f"dataset.source={arguments.source}"),
        *(f"dataset.subset.train={arguments.samples}", f"trainer.epochs={arguments.epochs}", "model=mlp_mnist"),
        *("trainer.batch_size=20", "trainer.validation_fraction=0", "tracking.log_model=false", "tracking.plots=false"),
    ]
    torch = side(
        [*common, "backend=torch", "policy=dense", f"seed={','.join(map(str, range(16)))}", "hydra/launcher=basic"]
    )
    study = side([*common, "backend=native", f"study.arms={json.dumps(ARMS)}"])
    print(table(torch, study, arguments.samples * arguments.epochs))
    print(f"\n{machine()}")


def side(overrides: list[str]) -> Side:
    with tempfile.TemporaryDirectory() as place:
        command = [sys.executable, "-m", "tinyprop", "train", "-m", "--json", *overrides, f"runs_dir={place}/runs"]
        begin = time.monotonic()
        answer = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        seconds = time.monotonic() - begin
    runs = json.loads(answer.stdout)["runs"]
    assert len(runs) == 16
    assert all(run["status"] == "done" for run in runs)
    return Side(seconds, len(runs), sum(run["wall_seconds"] for run in runs))


def table(torch: Side, study: Side, samples: int) -> str:
    lines = ["| 16 runs of 784-32-16-10, batch 20 | seconds | in training | samples a second |", "|---|---:|---:|---:|"]
    for name, each in (
        ("dense in PyTorch, one after another", torch),
        ("a study: the C engine, a process a core", study),
    ):
        rate = each.runs * samples / each.seconds
        lines.append(f"| {name} | {each.seconds:.1f} | {each.training:.1f} | {rate:,.0f} |")
    return "\n".join([*lines, f"\nThe study has {torch.seconds / study.seconds:.1f} times the throughput."])


if __name__ == "__main__":
    main()
