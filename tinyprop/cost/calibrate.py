"""Fitting the factors of every core to simulations: ``python -m tinyprop.cost.calibrate``.

Each core simulates a few hundred small networks, step by step, which takes minutes; cores that are done are kept when
the command is interrupted.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from importlib.metadata import version

from tinyprop.cost.coefficients import Coefficients
from tinyprop.cost.cycles import TIMINGS
from tinyprop.cost.design import trainings
from tinyprop.cost.fitting import fit
from tinyprop.cost.simulation import Board, Counted
from tinyprop.cost.step import TrainingStep
from tinyprop.cost.validation import errors_of, kept_of, measured_of
from tinyprop.engine.images import CORES, Core, core_of, load
from tinyprop.errors import TinypropError

NETWORKS = {True: 480, False: 240}
"""Networks that factors are fitted to, with an FPU and without: there each takes many times as long."""
HELD_OUT = 120
"""Others, which the factors are validated with."""
FIT_SEED, HELD_OUT_SEEDS = 1, (3, 4)
_INTERRUPTED = 130

Advance = Callable[[str, int, int], None]
"""Told the core, how many networks were simulated, and how many there will be."""


def main(arguments: list[str]) -> int:
    """Calibrate some cores, or all; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tinyprop.cost.calibrate", description=__doc__)
    parser.add_argument("cores", nargs="*", metavar="core", help=f"one or more of {', '.join(CORES)}; all by default")
    asked = parser.parse_args(arguments).cores
    try:
        for core in [core_of(name) for name in asked] or CORES.values():
            started = time.monotonic()
            known = calibrate(core, advance=_show)
            path = known.save()
            print(f"\r{core.name}: {_errors(known)}; {time.monotonic() - started:.0f} s; {path.name}", flush=True)
    except KeyboardInterrupt:
        print("\ninterrupted: cores that were done are stored, the others are as before", file=sys.stderr)
        return _INTERRUPTED
    except TinypropError as error:
        print(f"\nerror: {error}", file=sys.stderr)
        return error.exit_status
    return 0


def calibrate(
    core: Core, *, networks: int | None = None, held_out: int = HELD_OUT, advance: Advance = lambda *_: None
) -> Coefficients:
    """Simulate, fit and validate one core. Nothing is stored.

    Args:
        networks: that factors are fitted to; `NETWORKS` by default.
        held_out: others, as many of each seed.

    Raises:
        RequestError: the core's firmware image is not that of the sources.
    """
    image = load(core)
    networks = networks or NETWORKS[core.fpu]
    done = 0

    def observed(seed: int, count: int, *, before: int, counted: int) -> Iterator[tuple[TrainingStep, Counted]]:
        nonlocal done
        for training in trainings(seed, count, fpu=core.fpu):
            board = Board(training.step, core.name)
            yield training.step, board.train(training.data, training.learning_rate, before=before, counted=counted)
            done += 1
            advance(core.name, done, networks + held_out)

    fitted = list(observed(FIT_SEED, networks, before=3, counted=2))
    known = Coefficients(
        core=core.name,
        code=image.code,
        constants=image.constants,
        static=image.static,
        stack=max(counted.stack for _, counted in fitted),
        cycle_model=TIMINGS[core.name].source,
        kernels=fit(fitted),
        provenance={
            "fitted_to": f"{networks} networks of tinyprop.cost.design, seed {FIT_SEED}",
            "validated_with": f"{held_out} others, seeds {' and '.join(map(str, HELD_OUT_SEEDS))}",
            "image_sha256": hashlib.sha256(core.path.read_bytes()).hexdigest(),
            "unicorn": version("unicorn"),
            "date": date.today().isoformat(),
        },
        errors={},
        errors_unmeasured={},
    )
    each = held_out // len(HELD_OUT_SEEDS)
    others = [one for seed in HELD_OUT_SEEDS for one in observed(seed, each, before=24, counted=4)]
    return replace(
        known,
        errors=errors_of(known, others, measured_of),
        errors_unmeasured=errors_of(known, others, kept_of),
    )


def _show(core: str, done: int, of: int) -> None:
    if sys.stdout.isatty() or done % 50 == 0:
        print(f"\r{core}: {done} of {of} networks", end="" if sys.stdout.isatty() else "\n", flush=True)


def _errors(known: Coefficients) -> str:
    step = known.errors["instructions"]["step"]
    return (
        f"a step's instructions off by {100 * step['median']:.1f} % at the median, {100 * step['worst']:.1f} % at worst"
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
