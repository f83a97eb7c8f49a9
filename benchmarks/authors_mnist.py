"""MNIST in the authors' C setting (784-32-16-10, 6000/1000 samples, 15 epochs, batch 200, Adam), as one table.

    python benchmarks/authors_mnist.py [--root data] [--seeds 5] [--runs-dir runs] [--jobs 2]

Every policy is trained with a sparse and with a dense output layer, on the same seeds. Runs that are finished already
are not trained again. Counted: multiply-accumulates, not wall time.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

POLICIES = {
    "dense": ["policy=dense"],
    "static .33": ["policy=static", "policy.ratio=0.33"],
    "static .10": ["policy=static", "policy.ratio=0.1"],
    "adaptive .1–.9, ζ .5": ["policy=adaptive_damped"],
    "adaptive .05–1, ζ 1": ["policy=adaptive"],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", default="data", help="where mnist/ is, or is downloaded to")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--runs-dir", default="runs")
    parser.add_argument("--jobs", type=int, default=2, help="processes at once; more than 1 needs the joblib extra")
    arguments = parser.parse_args()
    rows = []
    for name, overrides in POLICIES.items():
        outputs = ["true"] if name == "dense" else ["true", "false"]
        results = trained(arguments, [*overrides, f"policy.sparsify_output={','.join(outputs)}"])
        by_output: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for result in results:
            sparse = "policy.sparsify_output=false" not in map(str.lower, result["overrides"])
            by_output["–" if name == "dense" else "sparse" if sparse else "dense"].append(result)
        rows += [(name, output, found) for output, found in by_output.items()]
    print(table(rows, arguments.seeds))


def trained(arguments: argparse.Namespace, overrides: list[str]) -> list[dict[str, Any]]:
    """The results of one policy, for every seed."""
    launcher = ["hydra/launcher=joblib", f"hydra.launcher.n_jobs={arguments.jobs}"] if arguments.jobs > 1 else []
    command = [
        *(sys.executable, "-m", "tinyprop", "train", "-m", "--json", "experiment=authors_mnist"),
        *(f"dataset.root={arguments.root}", f"runs_dir={arguments.runs_dir}", *overrides, *launcher),
        f"seed={','.join(map(str, range(arguments.seeds)))}",
    ]
    answer = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(answer.stdout)["runs"]  # type: ignore[no-any-return]


def table(rows: Iterable[tuple[str, str, list[dict[str, Any]]]], seeds: int) -> str:
    lines = [
        "| policy | output layer | test accuracy % | backward work % | whole step % |",
        "|---|---|---:|---:|---:|",
    ]
    for name, output, results in rows:
        accuracy = [100 * result["metrics"]["test_accuracy"] for result in results]
        backward = statistics.mean(100 * result["macs"]["backward_ratio"] for result in results)
        step = statistics.mean(100 * result["macs"]["step_ratio"] for result in results)
        spread = statistics.stdev(accuracy) if len(accuracy) > 1 else float("nan")
        lines.append(
            f"| {name} | {output} | {statistics.mean(accuracy):.2f} ± {spread:.2f} | {backward:.1f} | {step:.1f} |"
        )
    lines.append(
        f"\nMean ± standard deviation of {seeds} seeds. Work: multiply-accumulates against dense, not wall time."
    )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
