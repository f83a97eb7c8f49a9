"""The Markdown page of a reproduction: generated parts between marks, and a discussion that is left alone."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tinyprop.errors import RequestError
from tinyprop.report import reproduction_sheets
from tinyprop.report.comparison_text import escaped, sheet_markdown
from tinyprop.reproduction import RULE, Evidence, Score
from tinyprop.reproduction.ideas import IdeaTable

_PARTS = {
    "command": None,
    "overview": "Outcome",
    "figure": None,
    "rule": "The rule of the verdicts",
    "claims": "Claim by claim",
    "ideas": "Ideas of our own",
    "studies": "Studies and data",
}
"""Generated parts in the order of a new page, with the heading that a new page has above each."""
_BLOCK = re.compile(r"(<!-- begin (\w+)[^>]*-->\n).*?(<!-- end \2 -->)", re.DOTALL)


def require_writable(page: Path) -> None:
    """Refuse a page that could not be written, before anything is trained.

    Raises:
        RequestError: it is there and has no marks of ours, or its directory is missing.
    """
    _existing(page)
    if not page.parent.is_dir():
        raise RequestError(f"--out {page}: there is no directory {page.parent}; make it first")


def write(
    page: Path,
    evidence: Mapping[str, Evidence],
    scores: Sequence[Score],
    ideas: Sequence[IdeaTable],
    command: str,
) -> list[Path]:
    """Write the page, or renew its generated parts, and its figure beside it.

    Args:
        command: what it was made by, as the page is to tell it.

    Returns:
        The files.

    Raises:
        RequestError: see `require_writable`.
    """
    from tinyprop.report import plots, reproduction_plots

    require_writable(page)
    text = _existing(page) or _new()
    figures: list[Path] = []
    if any(map(reproduction_plots.has_points, evidence.values())):
        figure = reproduction_plots.losses_against_work(list(evidence.values()))
        figures = [page.with_suffix(f".{kind}") for kind in ("svg", "png")]
        for path in figures:
            plots.save(figure, path)
    parts = {
        "command": f"Written by `{command}`; it renews everything between its marks.\n",
        "overview": _lines(sheet_markdown(reproduction_sheets.overview(scores, evidence), level=3), skip_title=True),
        "figure": f"![points of accuracy lost against backward work]({figures[0].name})\n" if figures else "",
        "rule": "".join(f"- {line}\n" for line in (*RULE, *reproduction_sheets.COUNTED)),
        "claims": _claims(scores),
        "ideas": _ideas(ideas, evidence),
        "studies": "".join(_lines(_study(each)) for each in evidence.values()),
    }
    renewed = _BLOCK.sub(lambda found: f"{found[1]}\n{parts[found[2]].strip()}\n\n{found[3]}", text)
    unfinished = page.with_name(f".{page.name}.{os.getpid()}")
    try:
        unfinished.write_text(renewed, encoding="utf-8")
        os.replace(unfinished, page)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        raise RequestError(f"--out {page}: cannot be written ({error.strerror}); choose another") from error
    return [page, *figures]


def _existing(page: Path) -> str | None:
    try:
        text = page.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise RequestError(f"--out {page}: cannot be read ({error}); choose another") from error
    if not any(found[2] in _PARTS for found in _BLOCK.finditer(text)):
        raise RequestError(f"--out {page}: is no page that tinyprop reproduce has written; choose another")
    unknown = [found[2] for found in _BLOCK.finditer(text) if found[2] not in _PARTS]
    if unknown:
        raise RequestError(f"--out {page}: has marks of unknown parts ({', '.join(unknown)}); remove them")
    return text


def _new() -> str:
    lines = ["# The published claims, put to the test", ""]
    for part, heading in _PARTS.items():
        lines += [f"## {heading}", ""] if heading else []
        lines += [f"<!-- begin {part}: written by tinyprop reproduce -->", f"<!-- end {part} -->", ""]
    return "\n".join(lines)


def _claims(scores: Sequence[Score]) -> str:
    sheets = list(reproduction_sheets.claim_sheets(scores, brief=False))
    return "".join(_lines(sheet_markdown(sheet)) for sheet in sheets)


def _ideas(ideas: Sequence[IdeaTable], evidence: Mapping[str, Evidence]) -> str:
    if not ideas:
        return "No study here has runs of a policy of ours yet.\n"
    return "".join(_lines(sheet_markdown(sheet)) for sheet in reproduction_sheets.idea_sheets(ideas, evidence))


def _study(each: Evidence) -> Iterator[str]:
    yield f"### {reproduction_sheets.heading(each)}"
    yield ""
    yield f"{escaped(reproduction_sheets.subheading(each))}."
    yield ""
    told = [*reproduction_sheets.excluded(each), *(each.data.notes if each.data else ())]
    yield from (f"- {escaped(line)}" for line in told)
    yield ""
    for sheet in reproduction_sheets.study_sheets(each, brief=False):
        yield from sheet_markdown(sheet, level=4)


def _lines(lines: Iterator[str], *, skip_title: bool = False) -> str:
    found = list(lines)
    text = "\n".join(found[2:] if skip_title else found)
    return re.sub(r"\n{3,}", "\n\n", text).rstrip() + "\n\n"
