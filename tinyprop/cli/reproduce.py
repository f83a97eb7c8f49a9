"""`tinyprop reproduce`: the studies behind the published claims, and a verdict for each claim."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinyprop.cli import INTERRUPTED
from tinyprop.errors import RequestError

if TYPE_CHECKING:
    from tinyprop.cli.account import Account
    from tinyprop.config.composition import Composer
    from tinyprop.config.request import Request
    from tinyprop.progress import Progress
    from tinyprop.reproduction import Evidence, Study

SUMMARY = "test the published claims: run their studies, score each claim"

_EPILOG = """\
studies: mnist, lenet, dcase, cifar10, skip, finetune, meprop; all is every one.
Overrides are those of tinyprop train; STUDY:KEY=VALUE is for one study alone.

examples:
  tinyprop reproduce mnist                      minutes; downloads MNIST
  tinyprop reproduce mnist finetune --dry-run   which runs, and how long
  tinyprop reproduce cifar10 dataset.root=/data study.seeds=10
  tinyprop reproduce all dcase:trainer.batch_size=12
  tinyprop reproduce all --score                score what has finished so far
  tinyprop reproduce all --out page.md          write or renew a page
  tinyprop reproduce mnist --json | jq '.scores[].verdict'

Finished runs are found again and interrupted ones gone on with, as by
tinyprop train -m. What is written by hand in a page is kept.

exit status: 0 everything done, whatever the verdicts; 1 a run failed; 2 the
request was wrong; 130 interrupted."""


@dataclass(frozen=True)
class _Planned:
    """A study with its overrides and its runs."""

    study: Study
    overrides: list[str]
    request: Request


def run(argv: list[str]) -> int:
    """Run `tinyprop reproduce` with the arguments after ``reproduce``.

    Raises:
        RequestError: a name, an override or the page is not what can be used; all problems of all studies at once.
        DataError: a file of a run is damaged.
    """
    arguments = _parser().parse_intermixed_args(argv)
    names, overrides = _words(arguments)
    trains = not (arguments.score or arguments.dry_run)
    if trains and not any("hydra/launcher=" in line for line in arguments.words):
        from tinyprop.sweeps import workers

        workers.start_early()
    from tinyprop.config.composition import Composer

    composer = Composer([arguments.config_dir] if arguments.config_dir else [])
    planned = _plan(names, overrides, composer)
    if arguments.dry_run:
        return _dry_run(planned, as_json=arguments.json)
    if arguments.out is not None:
        from tinyprop.report import reproduction_page  # before hours of training, not after

        reproduction_page.require_writable(Path(arguments.out))
    from tinyprop.report.progress import console_progress

    statuses = [0]
    with console_progress() as progress:
        for each in planned if trains else ():
            account = _train(each, composer, arguments.config_dir, progress)
            statuses.append(account.exit_status)
            if account.exit_status == INTERRUPTED:
                break
        if INTERRUPTED not in statuses:
            evidence = _evidence(planned, progress)
    if INTERRUPTED in statuses:
        print("error: interrupted; the same command goes on where training stopped", file=sys.stderr)
        return INTERRUPTED
    if arguments.score and not any(each.finished for each in evidence.values()):
        where = ", ".join(sorted({each.request.base.runs_dir for each in planned}))
        raise RequestError(f"{', '.join(evidence)}: no finished run in {where}; without --score they are trained")
    _report(evidence, arguments, ["tinyprop", "reproduce", *argv])
    return max(statuses)


def candidates(words: list[str]) -> list[str]:
    """What the last of the words after ``reproduce`` can become: a study or an option."""
    from tinyprop.reproduction.studies import STUDIES

    options = [option for action in _parser()._actions for option in action.option_strings if option[1] == "-"]
    return [name for name in (*STUDIES, "all", *sorted(options)) if name.startswith(words[-1])]


def _words(arguments: argparse.Namespace) -> tuple[list[str], list[tuple[str | None, str]]]:
    """The studies that were named, and each override with the study that it is for."""
    from tinyprop.config.problems import nearest, raise_all
    from tinyprop.reproduction.studies import STUDIES

    named: list[str] = []
    overrides: list[tuple[str | None, str]] = []
    problems = []
    for word in arguments.words:
        head, colon, rest = word.partition(":")
        if "=" not in word:
            known = word == "all" or word in STUDIES
            named += list(STUDIES) if word == "all" else [word] if known else []
            problems += [] if known else [f"{word}: no such study; {nearest(word, [*STUDIES, 'all'])}"]
        elif colon and "=" not in head:
            known = head in STUDIES
            overrides.append((head, rest))
            problems += [] if known else [f"{word}: no such study as {head}; {nearest(head, STUDIES)}"]
        else:
            overrides.append((None, word))
    chosen = [name for name in STUDIES if name in named]
    problems += [] if named or problems else [f"name a study to reproduce: {', '.join(STUDIES)}, or all"]
    problems += [
        f"{name}:{line}: {name} is not among the studies that were named"
        for name, line in overrides
        if name in STUDIES and chosen and name not in chosen
    ]
    problems += [
        f"{line}: a claim's study decides that; leave it out"
        for _, line in overrides
        if line.partition("=")[0] in ("experiment", "policy")
    ]
    raise_all(problems)
    added = ["trainer.force=true"] * arguments.force + ["hydra.sweeper.retry_failed=true"] * arguments.retry_failed
    return chosen, [*overrides, *((None, line) for line in added)]


def _plan(names: list[str], overrides: list[tuple[str | None, str]], composer: Composer) -> list[_Planned]:
    """Every study's runs, checked before any of them begins."""
    from tinyprop.config.problems import listed, raise_all
    from tinyprop.reproduction.studies import STUDIES

    planned, problems = [], []
    for name in names:
        study = STUDIES[name]
        own = [line for where, line in overrides if where in (None, name)]
        lines = [f"experiment={study.experiment}", *own]
        try:
            request = composer.request(lines, multirun=True)
            for pretrain in dict.fromkeys(job.config.pretrain for job in request.jobs if job.config.pretrain):
                composer.request(pretrain, multirun=False)
        except RequestError as error:
            problems += [f"{name}: {problem}" for problem in listed(error)]
            continue
        if not request.jobs or not request.in_runs_dir:
            problems.append(
                f"{name}: a claim needs runs that lie in runs_dir and are known beforehand; set no hydra.* of them"
            )
            continue
        problems += [f"{name}: {line}" for line in _several_settings(request)]
        planned.append(_Planned(study, lines, request))
    raise_all(problems)
    return planned


def _several_settings(request: Request) -> list[str]:
    """What a sweep of anything but seeds would come to, refused before hours of training."""
    from tinyprop.tracking.configuration import differing, setting_of

    keys = differing([setting_of(job.config.plain()) for job in request.jobs])
    return [f"{', '.join(keys)} with several values: a claim is scored in one setting; give one"] if keys else []


def _dry_run(planned: list[_Planned], *, as_json: bool) -> int:
    from tinyprop.cli import dry_run
    from tinyprop.report.progress import console_progress

    told = []
    for each in planned:
        with console_progress() as progress:
            runs = dry_run.dry_run(each.request, progress)
        if as_json:
            told.append({"study": each.study.name, **dry_run.as_json(each.request, runs)})
        else:
            dry_run.show(each.request, runs)
    if as_json:
        print(json.dumps({"studies": told}, indent=2, ensure_ascii=False))
    return 0


def _train(each: _Planned, composer: Composer, config_dir: Path | None, progress: Progress) -> Account:
    from tinyprop.cli.multirun import run_multirun

    runs_dir = each.request.base.runs_dir
    try:
        Path(runs_dir).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RequestError(f"runs_dir={runs_dir}: cannot be written ({error.strerror}); choose another") from error
    flags = ["--config-dir", str(config_dir.absolute())] if config_dir else []
    return run_multirun(each.request, [*flags, "--multirun", *each.overrides], composer, progress)


def _evidence(planned: list[_Planned], progress: Progress) -> dict[str, Evidence]:
    from tinyprop.compare.directories import is_run, read_directories
    from tinyprop.reproduction import gather

    found = {}
    for each in planned:
        names = [job.config.run_name for job in each.request.jobs]
        places = [Path(each.request.base.runs_dir) / name for name in names]
        runs = read_directories([place for place in places if is_run(place)], progress)
        found[each.study.name] = gather(each.study, runs, len(names))
    return found


def _report(evidence: dict[str, Evidence], arguments: argparse.Namespace, command: list[str]) -> None:
    from tinyprop.report import reproduction
    from tinyprop.report.console import console
    from tinyprop.reproduction import CLAIMS, score
    from tinyprop.reproduction.ideas import ideas

    scores, own = score(CLAIMS, evidence), ideas(evidence)
    written: list[Path] = []
    if arguments.out is not None:
        from tinyprop.report import reproduction_page

        written = reproduction_page.write(Path(arguments.out), evidence, scores, own, _shown(command))
    if arguments.json:
        content: dict[str, Any] = reproduction.as_dict(evidence, scores, own)
        print(json.dumps(content, indent=2, ensure_ascii=False))
        return
    console().print(reproduction.reproduction_tables(evidence, scores, own))
    if written:
        print(f"Written: {', '.join(map(str, written))}")


def _shown(command: list[str]) -> str:
    """The command as a page tells it: what names a place on this machine alone is replaced by a word for it."""
    words = []
    for word in command:
        key, _, _ = word.partition("=")
        place = _PLACES.get(key.rpartition(":")[2])
        words.append(word if place is None else f"{key}={place}")
    return shlex.join(words)


_PLACES = {
    "dataset.root": "DATA",
    "dataset.feature_rows": "ROWS.npz",
    "runs_dir": "RUNS",
    "tracking.uri": "sqlite:///URI.db",
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tinyprop reproduce",
        description="Train the studies behind the published claims of TinyProp and its kin, and say\n"
        "of each claim whether it is reproduced, by a rule that is stated first.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("words", nargs="*", metavar="STUDY|OVERRIDE", help="a study, all, or key=value")
    parser.add_argument(
        "--dry-run", action="store_true", help="list the runs, where each stands, and how long it takes"
    )
    parser.add_argument("--score", action="store_true", help="train nothing; score the runs that have finished")
    parser.add_argument("--force", action="store_true", help="train anew what is finished")
    parser.add_argument("--retry-failed", action="store_true", help="launch failed runs once more")
    parser.add_argument("--out", metavar="FILE", help="write the outcome into this Markdown page, or renew it there")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("-cd", "--config-dir", type=Path, metavar="DIR", help="a directory with more configuration")
    return parser
