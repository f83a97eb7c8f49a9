"""The command ``tinyprop``. Nothing heavy is imported before the verb is known, so that help answers at once."""

from __future__ import annotations

import importlib
import os
import signal
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from types import FrameType

VERBS = {
    "train": "train one network, or a sweep of them",
    "compare": "runs side by side: accuracy against cost, with intervals",
    "reproduce": "test the published claims, and score each",
    "cost": "what a step costs on microcontrollers, without training",
    "export": "take a trained network to a microcontroller, as a C project",
    "data": "list, download and verify datasets",
    "presets": "list what can be configured, and show it",
    "ui": "look at the runs in MLflow, in the browser",
    "doctor": "check this installation and say what is missing",
    "completion": "print the shell's completion script",
}

INTERRUPTED = 130
"""What shells expect of a process that ended by Ctrl-C."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status: 0 all done, 1 a run failed, 2 a wrong request."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(_help())
        return 0
    if arguments[0] in ("-V", "--version"):
        from importlib.metadata import version

        print(f"tinyprop {version('tinyprop')}")
        return 0
    verb, *rest = arguments
    if verb not in VERBS:
        return _fail(f"{verb!r} is no verb of tinyprop; {_nearest(verb)}", 2)
    # A service manager or scheduler ends a run as cleanly as Ctrl-C does.
    signal.signal(signal.SIGTERM, _terminate)
    return _run(verb, rest)


def _run(verb: str, arguments: list[str]) -> int:
    from tinyprop.errors import TinypropError

    try:
        status: int = importlib.import_module(f"tinyprop.cli.{verb}").run(arguments)
    except TinypropError as error:
        return _fail(str(error), error.exit_status)
    except KeyboardInterrupt:
        return _fail("interrupted", INTERRUPTED)
    except BrokenPipeError:
        # The reader of our output has gone (``| head``): nothing is wrong, and nothing can be said any more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return status


def _terminate(signum: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _fail(message: str, status: int) -> int:
    print(f"error: {message}", file=sys.stderr)
    return status


def _nearest(verb: str) -> str:
    similar = get_close_matches(verb, VERBS, n=1)
    return f"did you mean {similar[0]}?" if similar else f"known: {', '.join(VERBS)}"


def _help() -> str:
    verbs = "\n".join(f"  {verb:<12}{summary}" for verb, summary in VERBS.items())
    return f"""\
usage: tinyprop VERB …

Adaptive sparse backpropagation for microcontroller-sized networks:
what does it cost in accuracy, and what does it save?

verbs:
{verbs}

tinyprop VERB --help says more. Examples:
  tinyprop train                                     real data, no download
  tinyprop train policy=static policy.ratio=0.1      one experiment
  tinyprop train -m policy=dense,adaptive seed=0,1   a sweep
  tinyprop cost target=stm32f407,rp2040              time, energy and memory
  tinyprop compare                                   runs side by side
  tinyprop ui                                        look at the runs"""
