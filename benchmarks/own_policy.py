"""The budget policy against the adaptive one at equal backward work, on paired seeds.

    python benchmarks/own_policy.py mnist|cifar10|finetune|dcase [--root data] [--seeds 10] [--runs-dir runs]

Adaptive is trained first, in several configurations. Then budget is told to spend the mean backward work of each, and
static with a dense output layer keeps the fraction that comes to the same. Differences of test accuracy are of runs
that share initial weights and sample order: their mean, its 95 % interval and the p-value of a difference, both by
Student's t. Work is counted in multiply-accumulates. Runs that are finished already are not trained again.

``dcase`` needs ``--rows``, an .npz of features (x) and labels (y); each seed tests on a third of its own, so that few
clips go further.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

SETTINGS = {
    "mnist": ["experiment=authors_mnist"],
    "cifar10": ["experiment=authors_lenet", "dataset=cifar10", "dataset.subset.train=10000"],
    "finetune": ["experiment=finetune_mnist"],
    # 120 clips for training: by batches of 15, an epoch has the eight steps that it has in the authors' setting
    "dcase": ["experiment=authors_dcase", "dataset.test_fraction=0.3333", "trainer.batch_size=15"],
}
PRESET = {"adaptive .05–1, output dense": ["policy=adaptive"]}
DAMPED = {"adaptive .1–.9, ζ .5, output sparse": ["policy=adaptive_damped"]}
SMALL = {"adaptive .02–.2, output dense": ["policy=adaptive", "policy.s_min=0.02", "policy.s_max=0.2"]}
WIDE = {"adaptive 0–1, output sparse": ["policy=adaptive", "policy.s_min=0", "policy.sparsify_output=true"]}
ADAPTIVE = {
    "mnist": PRESET | SMALL | DAMPED,
    "cifar10": SMALL | PRESET | WIDE,
    "finetune": PRESET | SMALL | DAMPED,
    "dcase": PRESET | SMALL | DAMPED,
}
"""Our defaults, a small ratio, and what the authors used for the network."""
Run = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("setting", choices=SETTINGS)
    parser.add_argument("--root", default="data", help="where the datasets are, or are downloaded to")
    parser.add_argument("--rows", help="of dcase: features and labels")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--runs-dir", default="runs")
    arguments = parser.parse_args()
    if (arguments.setting == "dcase") != (arguments.rows is not None):
        parser.error("--rows goes with dcase, and only with it")
    print("| policy | backward work % | test accuracy % | difference | p |\n|---|---:|---:|---:|---:|", flush=True)
    dense = trained(arguments, ["policy=dense"])
    print(row("dense", dense), flush=True)
    for name, overrides in ADAPTIVE[arguments.setting].items():
        adaptive = trained(arguments, overrides)
        work = float(np.mean([run["macs"]["backward_ratio"] for run in adaptive]))
        print(row(name, adaptive), flush=True)
        budget = trained(arguments, ["policy=budget", f"policy.budget={work:.4f}"])
        print(row("– budget", budget, adaptive), flush=True)
        share = output_share(dense[0])
        ratio = (work - share) / (1 - share)
        if ratio > 0:
            static = trained(arguments, ["policy=static", f"policy.ratio={ratio:.4f}"])
            print(row("– static, output dense", static, adaptive), flush=True)
    print(f"\n{arguments.seeds} seeds; mean ± standard deviation, and differences from adaptive with 95 % intervals.")


def trained(arguments: argparse.Namespace, overrides: list[str]) -> list[Run]:
    """The results of one policy, by seed."""
    seeds = range(arguments.first_seed, arguments.first_seed + arguments.seeds)
    common = [*SETTINGS[arguments.setting], *overrides, "backend=native", "tracking.enabled=false"]
    common += [f"dataset.root={arguments.root}", f"runs_dir={arguments.runs_dir}"]
    if arguments.rows is not None:
        directory = Path(arguments.runs_dir).absolute()
        directory.mkdir(parents=True, exist_ok=True)
        with np.load(arguments.rows) as rows:
            for seed in seeds:
                order = np.random.default_rng(seed).permutation(len(rows["y"]))
                np.savez(directory / f"rows_{seed}.npz", x=rows["x"][order], y=rows["y"][order])
        common.append(f"dataset.feature_rows='{directory}/rows_${{seed}}.npz'")
    command = [sys.executable, "-m", "tinyprop", "train", "-m", "--json", *common, f"seed={','.join(map(str, seeds))}"]
    answer = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return sorted(json.loads(answer.stdout)["runs"], key=lambda run: run["seed"])


def output_share(dense: Run) -> float:
    """The output layer's share of dense backward work."""
    layers = json.loads((Path(dense["run_dir"]) / "result.json").read_text(encoding="utf-8"))["layers"]
    work = [layer["n"] * layer["fan_in"] * (2 if index else 1) for index, layer in enumerate(layers)]
    return float(work[-1] / sum(work))


def row(name: str, runs: list[Run], paired: list[Run] | None = None) -> str:
    accuracy = 100 * np.array([run["metrics"]["test_accuracy"] for run in runs])
    work = 100 * np.mean([run["macs"]["backward_ratio"] for run in runs])
    line = f"| {name} | {work:.2f} | {accuracy.mean():.2f} ± {accuracy.std(ddof=1):.2f} |"
    if paired is None:
        return line + "  |  |"
    difference = accuracy - 100 * np.array([run["metrics"]["test_accuracy"] for run in paired])
    half = stats.t.ppf(0.975, len(difference) - 1) * difference.std(ddof=1) / math.sqrt(len(difference))
    p = stats.ttest_1samp(difference, 0).pvalue
    return line + f" {difference.mean():+.2f} ± {half:.2f} | {'< 0.001' if p < 1e-3 else f'{p:.3f}'} |"


if __name__ == "__main__":
    main()
