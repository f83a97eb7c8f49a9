"""`tinyprop compare`: runs side by side, seed by seed, with what they cost."""

from __future__ import annotations

import argparse
import json
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from tinyprop.errors import RequestError

if TYPE_CHECKING:
    from tinyprop.compare import Run
    from tinyprop.progress import Progress

SUMMARY = "compare runs: accuracy against cost, paired seeds, intervals"

_EPILOG = """\
Without RUN it is every run in --runs-dir. Runs that differ in data, network or
training are never paired: they are reported apart.

examples:
  tinyprop compare                              every run in runs/
  tinyprop compare --study last --out report    the last sweep, as files
  tinyprop compare 'runs/mnist-*' --where optimizer=sgd
  tinyprop compare --against policy=static,policy.ratio=0.1
  tinyprop compare --metric test_auc --target rp2040 --at-equal cycles
  tinyprop compare --to-reach 0.9               work until 90 % accuracy
  tinyprop compare --mlflow                     the same from runs/mlflow.db
  tinyprop compare --tracking-uri http://host:5000 --study NAME
  tinyprop compare --json | jq '.families[].configurations[].means'

exit status: 0 compared, also where runs are left out and listed; 1 a file is
damaged or MLflow cannot be reached; 2 the request was wrong; 130 interrupted."""

_RUN_ID = re.compile(r"[0-9a-f]{32}")


def run(argv: list[str]) -> int:
    """Run `tinyprop compare` with the arguments after ``compare``.

    Raises:
        RequestError: there are no such runs, or the request names something that they do not have.
        DataError: a file of a run that was named is damaged.
        TinypropError: MLflow cannot be reached.
    """
    arguments = _parser().parse_args(argv)
    from tinyprop.compare import Question, compare, selection
    from tinyprop.compare.targets import preset_names
    from tinyprop.report.comparison_data import as_dict
    from tinyprop.report.comparison_tables import comparison_tables
    from tinyprop.report.console import console
    from tinyprop.report.progress import console_progress

    question = Question(
        metric=arguments.metric,
        baseline=arguments.baseline,
        against=arguments.against,
        at_equal=arguments.at_equal,
        target=arguments.target,
        presets=preset_names(),
        to_reach=arguments.to_reach,
        command=shlex.join(["tinyprop", "compare", *argv]),
    )
    wanted = [selection.parse(text, "--where") for text in arguments.where]
    out = None if arguments.out is None else Path(arguments.out)
    if out is not None:
        from tinyprop.report import comparison as report  # matplotlib, which the tables do without

        report.require_free(out)
    with console_progress() as progress:
        found = _runs(arguments, progress)
        chosen = selection.where(found, wanted)
        if not chosen:
            raise RequestError(f"--where {' '.join(arguments.where)}: none of {len(found)} runs is like that")
        comparison = compare(chosen, question)
        if out is not None:
            report.write(comparison, out, progress)
    if arguments.json:
        print(json.dumps(as_dict(comparison), indent=2, ensure_ascii=False))
        return 0
    screen = console()
    screen.print(comparison_tables(comparison, screen.width))
    if out is not None:
        print(f"Written: {out}; open {out / report.REPORT}")
    return 0


def candidates(words: list[str]) -> list[str]:
    """What the last of the words after ``compare`` can become: a run, a sweep, a target, an option."""
    before, last = words[-2] if len(words) > 1 else "", words[-1]
    if before == "--target":
        from tinyprop.compare.targets import preset_names

        found = sorted(preset_names())
    elif before == "--study":
        found = ["last", *sorted(path.name for path in Path("runs/sweeps").glob("*"))]
    elif last.startswith("-"):
        found = sorted(option for action in _parser()._actions for option in action.option_strings if option[1] == "-")
    else:
        found = sorted(f"runs/{path.parent.name}" for path in Path("runs").glob("*/result.json"))
    return [name for name in found if name.startswith(last)]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tinyprop compare",
        description="Group runs by configuration over seeds, pair them seed by seed with dense\n"
        "training and with the strongest fixed ratio at equal cost, and say what each\n"
        "costs: accuracy, work, modelled cycles and energy, with 95 % intervals.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "runs",
        nargs="*",
        metavar="RUN",
        help="a run directory, one that holds some, a glob, or the id of an MLflow run",
    )
    parser.add_argument(
        "--runs-dir", default="runs", metavar="DIR", help="directory of the runs (default: %(default)s)"
    )
    parser.add_argument("--study", metavar="NAME", help="the runs of one sweep: its id, or last")
    parser.add_argument(
        "--where",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="only runs like this, as dataset=mnist; repeatable",
    )
    parser.add_argument("--mlflow", action="store_true", help="read MLflow instead of run directories")
    parser.add_argument(
        "--tracking-uri", metavar="URI", help="read this MLflow store (default: mlflow.db in --runs-dir)"
    )
    parser.add_argument("--experiment", default="tinyprop", metavar="NAME", help="in MLflow (default: %(default)s)")
    parser.add_argument("--metric", metavar="NAME", help="the score (default: test_accuracy, else test_auc, test_loss)")
    parser.add_argument(
        "--baseline", default="policy=dense", metavar="CONFIG", help="what all are compared with (default: %(default)s)"
    )
    parser.add_argument("--against", metavar="CONFIG", help="and with this too: policy=static,policy.ratio=0.1")
    parser.add_argument(
        "--at-equal",
        default="backward_ratio",
        choices=("backward_ratio", "step_ratio", "cycles", "microjoules"),
        metavar="COST",
        help="cost at which others meet fixed ratios: backward_ratio (default), step_ratio, cycles or microjoules",
    )
    parser.add_argument("--target", metavar="NAME", help="microcontroller of the modelled cycles (default: the runs')")
    parser.add_argument(
        "--to-reach", type=float, metavar="SCORE", help="work until then (default: the baseline's mean less a point)"
    )
    parser.add_argument("--out", metavar="DIR", help="write tables, figures and report.html into this directory")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser


def _runs(arguments: argparse.Namespace, progress: Progress) -> list[Run]:
    ids = [text for text in arguments.runs if _RUN_ID.fullmatch(text) and not Path(text).exists()]
    places = [text for text in arguments.runs if text not in ids]
    if arguments.study is not None and arguments.runs:
        raise RequestError("--study and runs that are named both say what to compare; give one of them")
    tracked = arguments.mlflow or arguments.tracking_uri is not None
    if tracked and places:
        raise RequestError(f"{places[0]}: is no id of an MLflow run; leave out --mlflow to compare directories")
    found: list[Run] = []
    if tracked or ids:
        found += _from_mlflow(arguments, ids, progress)
    if places or not (tracked or ids):
        found += _from_directories(arguments, places, progress)
    return found


def _from_directories(arguments: argparse.Namespace, places: list[str], progress: Progress) -> list[Run]:
    from tinyprop.compare.directories import find_directories, read_directories, read_directory, read_study

    runs_dir = Path(arguments.runs_dir)
    if arguments.study is not None:
        return read_study(arguments.study, runs_dir, progress)
    named, others = find_directories(places or [str(runs_dir)], runs_dir)
    return [*map(read_directory, named), *read_directories(others, progress)]


def _from_mlflow(arguments: argparse.Namespace, ids: list[str], progress: Progress) -> list[Run]:
    from tinyprop.compare.tracked import read_tracked
    from tinyprop.errors import InvalidSettings
    from tinyprop.tracking.reading import open_records
    from tinyprop.tracking.settings import TrackingSettings

    try:
        settings = TrackingSettings(uri=arguments.tracking_uri, experiment=arguments.experiment)
    except InvalidSettings as error:
        raise RequestError(f"--tracking-{error}") from error
    records = open_records(settings, Path(arguments.runs_dir))
    if ids:
        recorded = [run for each in ids for run in records.by_id(each)]
    elif arguments.study is not None:
        recorded = records.study(arguments.study, arguments.experiment)
    else:
        recorded = records.experiment(arguments.experiment)
    if not recorded:
        raise RequestError(f"--experiment {arguments.experiment}: has no runs in {records.uri}")
    return read_tracked(records, recorded, progress)
