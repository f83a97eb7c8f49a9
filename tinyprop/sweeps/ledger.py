"""Where each run of a multirun stands: one small file a run, which the process that trains it writes.

The process that started the multirun reads them; nothing else passes between the two, so that it does not matter which
launcher started what on which machine, as long as both see ``runs_dir``.
"""

from __future__ import annotations

import json
import os
import platform
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

from tinyprop.errors import TinypropError

Status = Literal["running", "done", "reused", "pruned", "failed", "killed"]


@dataclass(frozen=True)
class Word:
    """How one run stands.

    Attributes:
        name: the run's name.
        status: ``reused`` is a run that was finished before, ``pruned`` one that a search has ended early.
        reason: why it did not succeed.
        exit_status: what the command line ends with, if it was for this run alone.
        metrics: of a run that succeeded, by full name, such as ``test_accuracy``.
        since: seconds since the epoch.
    """

    name: str
    status: Status
    run_dir: str
    reason: str | None = None
    exit_status: int = 0
    metrics: dict[str, float] = field(default_factory=dict)
    since: float = field(default_factory=time.time)

    @property
    def succeeded(self) -> bool:
        return self.status in ("done", "reused")


class Ledger:
    """The words of one multirun's runs."""

    def __init__(self, runs_dir: str | Path, sweep_id: str):
        self.directory = Path(runs_dir).absolute() / "sweeps" / sweep_id
        self._known: dict[str, tuple[int, Word]] = {}

    def leave(self, word: Word) -> None:
        """Write a run's word, whole or not at all.

        Raises:
            TinypropError: this machine does not see the multirun's directory.
        """
        unfinished = self.directory / f".{word.name}.{os.getpid()}"
        try:
            unfinished.write_text(json.dumps(asdict(word)), encoding="utf-8")
        except FileNotFoundError:
            raise TinypropError(
                f"{self.directory}: there is no such directory on {platform.node()}, where a run was to be trained; "
                "runs_dir must be one that all machines share, under the same path"
            ) from None
        os.replace(unfinished, self._path(word.name))

    def forget(self, name: str) -> None:
        """Take a run for one that was not begun."""
        self._path(name).unlink(missing_ok=True)

    def words(self) -> dict[str, Word]:
        """Every run that has left word, by name. What has not changed is not read again: it is asked for often."""
        found = {}
        for path in sorted(self.directory.glob("*.json")):
            try:
                changed = path.stat().st_mtime_ns
                if self._known.get(path.stem, (0, None))[0] != changed:
                    self._known[path.stem] = changed, Word(**json.loads(path.read_text(encoding="utf-8")))
            except FileNotFoundError:
                continue  # forgotten just now, since the run is to be launched again
            found[path.stem] = self._known[path.stem][1]
        return found

    def _path(self, name: str) -> Path:
        return self.directory / f"{name}.json"
