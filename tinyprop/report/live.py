"""Where the runs of a multirun stand, for as long as it lasts."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from tinyprop.report.summary import metric_text
from tinyprop.sweeps.ledger import Word

_UNDER_WAY = 8
"""Running runs that are shown."""
_LATEST = 4
"""Ended runs that are shown."""
_STYLES = {"failed": "bold red", "killed": "yellow", "running": "cyan"}
_ORDER = ("done", "reused", "pruned", "running", "failed", "killed")


class SweepView:
    """A table of the runs under way and those that have ended last, with counts of all; a `tinyprop.progress.View`.

    Args:
        titles: what each run is called, by its name; runs that are not known beforehand have their names.
    """

    def __init__(self, titles: Mapping[str, str]):
        self._titles = titles
        self._words: dict[str, Word] = {}

    def update(self, words: dict[str, Word]) -> None:
        """Take in where the runs stand now."""
        self._words = words

    def __rich__(self) -> RenderableType:
        words = sorted(self._words.values(), key=lambda word: word.since)
        running = [word for word in words if word.status == "running"]
        ended = [word for word in words if word.status not in ("running", "reused")]
        table = Table.grid(padding=(0, 2, 0, 0), expand=True)
        table.add_column(no_wrap=True, width=max(map(len, _ORDER)))
        table.add_column(overflow="ellipsis", no_wrap=True, ratio=2)
        table.add_column(justify="right", no_wrap=True, overflow="ellipsis", ratio=1, max_width=40)
        for word in [*ended[-_LATEST:], *running[:_UNDER_WAY]]:
            title = self._titles.get(word.name) or word.name
            table.add_row(Text(word.status, style=_STYLES.get(word.status, "")), Text(title), _said(word))
        waiting = len(self._titles) - len(words)
        counts = Counter(str(word.status) for word in words)
        counted = [f"{counts[status]} {status}" for status in _ORDER if counts[status]]
        return Group(table, Text(", ".join([*counted, *([f"{waiting} waiting"] if waiting > 0 else [])]), style="bold"))


def _said(word: Word) -> Text:
    if word.status == "running":
        return Text(f"{max(0.0, time.time() - word.since):.0f} s")
    for name in ("test_accuracy", "test_auc"):
        if name in word.metrics:
            return Text(metric_text(name, word.metrics[name]))
    return Text((word.reason or "").splitlines()[0][:40] if word.reason else "")
