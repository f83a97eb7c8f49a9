"""``tinyprop train``: one run, or a multirun."""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import sys
from pathlib import Path
from typing import Any

from tinyprop.cli import INTERRUPTED
from tinyprop.errors import RequestError

SUMMARY = "train one network, or a sweep of them"

_EPILOG = """\
overrides are GROUP=OPTION or key=value; tinyprop presets lists them.

examples:
  tinyprop train                                the default: real digits
  tinyprop train policy=static policy.ratio=0.1 trainer.epochs=30
  tinyprop train dataset=dcase policy=adaptive  machine sounds
  tinyprop train experiment=finetune_digits     fine-tuning, sample by sample
  tinyprop train -m policy=dense,adaptive seed=0,1,2
  tinyprop train -m experiment=study_digits     policies, ratios, seeds
  tinyprop train -m --dry-run experiment=study_mnist
  tinyprop train -m hydra/sweeper=search policy=adaptive
                                                settings by Optuna, not by grid
  tinyprop train trainer.init_from=runs/NAME    begin with the weights of a run
  tinyprop train --cfg job policy=meprop        show what would be run
  tinyprop train --json | jq .metrics           for scripts

The same command again shows finished runs instead of repeating them, and goes
on with interrupted ones; --force repeats them.

exit status: 0 everything done, 1 a run failed, 2 the request was wrong,
130 interrupted."""


_INFO = ("all", "config", "defaults", "defaults-tree", "plugins", "searchpath")


def run(argv: list[str]) -> int:
    arguments, hydra_flags = _parse(argv)
    overrides = arguments.overrides
    trains = not (arguments.cfg or arguments.info or arguments.dry_run)
    if arguments.multirun and trains and not any(line.startswith("hydra/launcher=") for line in overrides):
        from tinyprop.sweeps import workers

        workers.start_early()
    from tinyprop.cli.jobs import hydra_job
    from tinyprop.config.composition import Composer
    from tinyprop.config.hydra_job import hand_over

    directories = [arguments.config_dir] if arguments.config_dir else []
    composer = Composer(directories)
    request = composer.request(overrides, multirun=arguments.multirun)
    configs = [job.config for job in request.jobs] or [request.base]
    for pretrain in dict.fromkeys(config.pretrain for config in configs if config.pretrain):
        composer.request(pretrain, multirun=False)
    if arguments.cfg or arguments.info is not None:
        # Of a sweep its first run: Hydra shows one configuration at a time. It does so through a logger, which would
        # complain of every line that a reader (``| head``) does not want.
        shown = io.StringIO()
        with contextlib.redirect_stdout(shown):
            hand_over([*hydra_flags, *composer.first(overrides)], hydra_job)
        print(shown.getvalue(), end="")
        return 0
    if arguments.dry_run:
        return _dry_run(request, arguments.json)
    for note in request.notes:
        print(f"note: {note}", file=sys.stderr)
    _make_directory(request.base.runs_dir)
    if request.search is not None:
        return _search(request, [*hydra_flags, *overrides], composer, arguments.json)
    if request.multirun:
        return _multirun(request, [*hydra_flags, *overrides], composer, arguments.json)
    return _single([*hydra_flags, *overrides], arguments.json)


def _dry_run(request: Any, as_json: bool) -> int:
    from tinyprop.cli import dry_run
    from tinyprop.report.progress import console_progress

    with console_progress() as progress:
        planned = dry_run.dry_run(request, progress)
    if as_json:
        _print_json(dry_run.as_json(request, planned))
    else:
        dry_run.show(request, planned)
    return 0


def _make_directory(runs_dir: str) -> None:
    try:
        Path(runs_dir).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RequestError(
            f"runs_dir={runs_dir}: not a directory that can be written ({error.strerror}); choose another"
        ) from error


def _single(hydra_arguments: list[str], as_json: bool) -> int:
    from tinyprop.cli import jobs
    from tinyprop.config.hydra_job import hand_over
    from tinyprop.report.console import console
    from tinyprop.report.progress import console_progress
    from tinyprop.report.summary import run_summary

    try:
        with console_progress() as progress, jobs.reporting_to(progress):
            hand_over(hydra_arguments, jobs.hydra_job)
    except KeyboardInterrupt:
        print("error: interrupted; the same command goes on where training stopped", file=sys.stderr)
        return INTERRUPTED
    ended = jobs.last_ended()
    word = ended.word
    if as_json:
        failure = {} if word.succeeded else {"status": word.status, "error": word.reason}
        _print_json({**ended.result, **failure})
    elif word.succeeded:
        console().print(run_summary(ended.result))
    if not word.succeeded:
        print(f"error: {word.reason}", file=sys.stderr)
    return word.exit_status


def _multirun(request: Any, hydra_arguments: list[str], composer: Any, as_json: bool) -> int:
    from tinyprop.cli.multirun import run_multirun
    from tinyprop.report.comparison_tables import headline
    from tinyprop.report.console import console
    from tinyprop.report.progress import console_progress
    from tinyprop.report.sweep import ending, sweep_table

    with console_progress() as progress:
        account = run_multirun(request, hydra_arguments, composer, progress)
    if as_json:
        _print_json({"status": account.status, "run_id": account.parent_run_id, "runs": account.results})
    elif account.comparison is None:
        console().print(sweep_table(account.rows, metric=account.metric))
    else:
        screen = console()
        screen.print(headline(account.comparison, screen.width))
        screen.print(ending(account.rows))
        print(f"More: tinyprop compare --study {account.sweep}")
        print(f"Report: {account.report}")
    _say_interrupted(account.exit_status, request)
    return account.exit_status


def _search(request: Any, hydra_arguments: list[str], composer: Any, as_json: bool) -> int:
    from tinyprop.cli.search import is_complete, run_search
    from tinyprop.report.console import console
    from tinyprop.report.progress import console_progress
    from tinyprop.report.search import search_table

    with console_progress() as progress:
        account, search = run_search(request, hydra_arguments, composer, progress)
    if as_json:
        known = {"status": account.status, "run_id": account.parent_run_id, "runs": account.results}
        _print_json({**known, "search": search})
    else:
        console().print(search_table(search), crop=False)
    _say_interrupted(account.exit_status, request)
    return account.exit_status or (0 if is_complete(search) else 1)


def _say_interrupted(exit_status: int, request: Any) -> None:
    if exit_status == INTERRUPTED:
        again = "the same command without --force" if request.base.trainer.force else "the same command"
        print(f"error: interrupted; {again} goes on with what is left", file=sys.stderr)


def _print_json(content: dict[str, Any]) -> None:
    print(json.dumps(content, indent=2, ensure_ascii=False))


def _parse(argv: list[str]) -> tuple[argparse.Namespace, list[str]]:
    """Our flags and the overrides, in any order, and the flags that Hydra is to see, which must come before them."""
    parser = argparse.ArgumentParser(
        prog="tinyprop train",
        description="Train a network under a policy and say what it cost.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("overrides", nargs="*", metavar="OVERRIDE", help="GROUP=OPTION or key=value")
    parser.add_argument(
        "-m", "--multirun", action="store_true", help="train every combination of comma-separated values"
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="list the runs, where each stands, and how long it takes"
    )
    parser.add_argument("--force", action="store_true", help="train anew what is finished (trainer.force=true)")
    parser.add_argument("--retry-failed", action="store_true", help="with -m: launch failed runs once more")
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object")
    parser.add_argument("--cfg", choices=("job", "hydra", "all"), help="show the composed configuration and end")
    parser.add_argument("--resolve", action="store_true", help="with --cfg: with interpolations resolved")
    parser.add_argument("-p", "--package", help="with --cfg: only this part of it")
    parser.add_argument(
        "--info",
        nargs="?",
        const="all",
        choices=_INFO,
        metavar="PART",
        help=f"show how Hydra arrives at the configuration and end; PART is one of {', '.join(_INFO)}",
    )
    parser.add_argument("-cd", "--config-dir", type=Path, metavar="DIR", help="a directory with more configuration")
    arguments = parser.parse_intermixed_args(argv)
    if arguments.cfg is None and (arguments.resolve or arguments.package):
        parser.error("--resolve and --package go with --cfg")
    if arguments.retry_failed and not arguments.multirun:
        parser.error("--retry-failed goes with -m")
    arguments.overrides += ["trainer.force=true"] if arguments.force else []
    arguments.overrides += ["hydra.sweeper.retry_failed=true"] if arguments.retry_failed else []
    flags: list[str] = []
    if arguments.config_dir:
        flags += ["--config-dir", str(arguments.config_dir.absolute())]
    if arguments.cfg:
        flags += ["--cfg", arguments.cfg]
    if arguments.resolve:
        flags.append("--resolve")
    if arguments.package:
        flags += ["--package", arguments.package]
    if arguments.info:
        flags += ["--info", arguments.info]
    if arguments.multirun and not (arguments.cfg or arguments.info):
        flags.append("--multirun")
    return arguments, flags
