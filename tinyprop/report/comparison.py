"""A comparison as a directory of files: whole or not at all, and over nothing but an earlier comparison."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Callable
from pathlib import Path

from tinyprop.compare.answer import Comparison
from tinyprop.errors import RequestError
from tinyprop.progress import SILENT, Progress
from tinyprop.replacement import put_in_place
from tinyprop.report import comparison_data, comparison_page, comparison_plots, comparison_text, plots

REPORT = "report.html"
"""The page to open first."""
_MARK = "comparison.json"
_OWN = re.compile(
    r"comparison\.(json|csv|md|tex)|runs\.csv|report\.html"
    r"|(accuracy_against_cost|paired_differences|learning_curves|work_to_reach)(_\d+)?\.(png|svg)"
)
"""Every name that a comparison writes."""


def write(comparison: Comparison, directory: Path, progress: Progress = SILENT) -> list[Path]:
    """Write report.html, comparison.json, .csv, .md and .tex, runs.csv, and every figure as PNG and SVG.

    Returns:
        The files, the page first.

    Raises:
        RequestError: the directory holds anything but an earlier comparison, or cannot be written.
    """
    require_free(directory)
    directory = directory.resolve()
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{directory.name}.", dir=directory.parent) as workplace:
            new, old = Path(workplace, "new"), Path(workplace, "old")
            new.mkdir()
            _fill(comparison, new, progress)
            put_in_place(directory, new, old)
    except OSError as error:
        raise RequestError(f"--out {directory}: cannot be written ({error.strerror}); choose another") from error
    return sorted(directory.iterdir(), key=lambda path: (path.name != REPORT, path.name))


def require_free(directory: Path) -> None:
    """Refuse a directory that a comparison must not replace.

    Raises:
        RequestError: says what is in the way.
    """
    if directory.resolve() == Path.cwd():
        raise RequestError(f"--out {directory}: the working directory itself; name a directory in it")
    try:
        found = sorted(path.name for path in directory.iterdir())
    except FileNotFoundError:
        return
    except OSError as error:
        raise RequestError(f"--out {directory}: not a directory ({error.strerror}); choose another") from error
    others = [name for name in found if not _OWN.fullmatch(name)]
    if others or (found and not _is_comparison(directory / _MARK)):
        some = ", ".join((others or found)[:3]) + (f" and {len(others) - 3} more" if len(others) > 3 else "")
        raise RequestError(
            f"--out {directory}: holds what no comparison has written ({some}); choose another directory"
        )


def _fill(comparison: Comparison, place: Path, progress: Progress) -> None:
    names: dict[str, list[str]] = {}
    texts: dict[str, Callable[[], str]] = {
        _MARK: lambda: json.dumps(comparison_data.as_dict(comparison), indent=2, ensure_ascii=False) + "\n",
        "comparison.csv": lambda: comparison_data.configurations_csv(comparison),
        "runs.csv": lambda: comparison_data.runs_csv(comparison),
        "comparison.tex": lambda: comparison_text.as_latex(comparison),
        REPORT: lambda: comparison_page.as_html(comparison),
        "comparison.md": lambda: comparison_text.as_markdown(comparison, names),
    }
    with progress.task("Writing the comparison", len(comparison.families) + len(texts), "parts") as advance:
        for number, each in enumerate(comparison.families, start=1):
            suffix = "" if len(comparison.families) == 1 else f"_{number}"
            for name, figure in comparison_plots.figures(each).items():
                for kind in ("png", "svg"):
                    plots.save(figure, place / f"{name}{suffix}.{kind}")
                names.setdefault(each.family.label, []).append(f"{name}{suffix}.png")
            advance(1)
        for name, text in texts.items():
            (place / name).write_text(text(), encoding="utf-8")
            advance(1)


def _is_comparison(mark: Path) -> bool:
    try:
        content = json.loads(mark.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and str(content.get("format", "")).startswith("tinyprop-comparison")
