"""Two hundred short runs over eight processes, one of which is killed every few seconds: what is lost?

    python benchmarks/killed_workers.py [--runs 200] [--processes 8] [--every 3]

Afterwards every run must be finished, once, and MLflow must know it as FINISHED; a run that was killed and begun anew
leaves a KILLED one behind. Counted: runs by how they ended, kills, and lines that speak of a locked database.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import closing
from pathlib import Path


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--processes", type=int, default=8)
    parser.add_argument("--every", type=float, default=3.0, help="seconds between two kills")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        runs_dir = Path(place, "runs")
        command = [
            *(sys.executable, "-m", "tinyprop", "train", "-m", "--json", "trainer.epochs=2", f"runs_dir={runs_dir}"),
            *("tracking.log_model=false", "tracking.plots=false", f"hydra.launcher.n_jobs={arguments.processes}"),
            *("backend=native", f"seed={','.join(map(str, range(arguments.runs)))}", "hydra.sweeper.losses=50"),
        ]
        out, err = (
            Path(place, "out"),
            Path(place, "err"),
        )  # pipes that nobody reads meanwhile fill up, and stop the sweep
        killed, began = 0, time.perf_counter()
        with out.open("w") as out_file, err.open("w") as err_file:
            process = subprocess.Popen(command, stdout=out_file, stderr=err_file)
            while process.poll() is None:
                time.sleep(arguments.every)
                killed += kill_one(runs_dir)
        seconds = time.perf_counter() - began
        ended = Counter(run["status"] for run in json.loads(out.read_text())["runs"])
        statuses, parent = known_to_mlflow(runs_dir / "mlflow.db")
        locked = sum("database is locked" in line for line in err.read_text().splitlines())
    print(f"{seconds:.0f} s; {killed} processes killed; exit status {process.returncode}")
    print(f"{locked} lines of a locked database")
    print(f"runs: {dict(ended)}")
    print(f"in MLflow: parent {parent}, children {dict(statuses)}")
    # One that was killed after its run had ended, and before it said so, has its result found again.
    whole = ended["done"] + ended["reused"] == statuses["FINISHED"] == arguments.runs and parent == "FINISHED"
    right = whole and not locked and set(statuses) <= {"FINISHED", "KILLED"}
    print("nothing is lost" if right else "SOMETHING IS WRONG")
    return 0 if right else 1


def kill_one(runs_dir: Path) -> int:
    """Kill one of the processes that train a run, found by the locks that they hold."""
    holders = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            held = [os.readlink(link) for link in (process / "fd").iterdir()]
        except OSError:
            continue
        if any(Path(name).name == ".lock" and Path(name).parent.parent == runs_dir for name in held):
            holders.append(int(process.name))
    if holders:
        os.kill(random.choice(holders), signal.SIGKILL)
    return bool(holders)


def known_to_mlflow(database: Path) -> tuple[Counter[str], str]:
    """Statuses of the children, and that of the parent, by an eye that is not MLflow's."""
    with closing(sqlite3.connect(database)) as connection:
        rows = connection.execute(
            "SELECT runs.status, tags.value FROM runs LEFT JOIN tags"
            " ON tags.run_uuid = runs.run_uuid AND tags.key = 'mlflow.parentRunId'"
        ).fetchall()
    (parent,) = [status for status, of in rows if of is None]
    return Counter(status for status, of in rows if of is not None), parent


if __name__ == "__main__":
    raise SystemExit(main())
