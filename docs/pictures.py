"""The pictures of the README: what the real command line prints in 80 columns, and a figure of a real comparison.

    python docs/pictures.py

writes ``docs/pictures/*.svg``: a run, a study of sixty (a minute), and the study's accuracy against its cost.
"""

from __future__ import annotations

import io
import os
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

from matplotlib import rc_context
from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

from tinyprop.compare import Question, compare, read_directories
from tinyprop.compare.directories import runs_in
from tinyprop.report import plots
from tinyprop.report.comparison_plots import score_against_cost

PICTURES = Path(__file__).parent / "pictures"
RUN = "tinyprop train"
STUDY = "tinyprop train -m experiment=study_digits"
COLUMNS = 80
_FORMAT = re.sub(r"@font-face \{\{.*?\}\}\s*", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
"""Rich's own, without fonts from the network: every character has its place anyway."""


def main() -> None:
    """Make all of them anew."""
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        for name, command in (("run", RUN), ("study", STUDY)):
            (PICTURES / f"{name}.svg").write_text(as_svg(command, printed(command, Path(place))), encoding="utf-8")
        figure = PICTURES / "accuracy_against_cost.svg"
        with rc_context({"svg.fonttype": "none"}):  # letters as text: a fifth of the size
            runs = read_directories(runs_in(Path(place) / "runs"))
            study = compare([run for run in runs if run.config["backend"]["name"] == "native"], Question())
            plots.save(score_against_cost(study.families[0]), figure)
    for path in sorted(PICTURES.glob("*.svg")):
        print(f"{path.relative_to(Path.cwd())}: {path.stat().st_size / 1000:.0f} KB")


def printed(command: str, place: Path) -> str:
    """What a command prints on a terminal, colours included, when it is called in the directory ``place``.

    Raises:
        SystemExit: it failed.
    """
    arguments = shlex.split(command)[1:]
    finished = subprocess.run(
        [sys.executable, "-m", "tinyprop", *arguments],
        cwd=place,
        env={**os.environ, "FORCE_COLOR": "1", "TERM": "xterm-256color", "COLUMNS": str(COLUMNS)},
        capture_output=True,
        text=True,
        check=False,
    )
    if finished.returncode != 0:
        raise SystemExit(f"{command} failed:\n{finished.stderr}")
    return finished.stdout.replace(str(place) + os.sep, "")


def as_svg(command: str, output: str) -> str:
    """A picture of a terminal: the command after a prompt, and its output, which may have escape sequences."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    console.print(Text.assemble(("$ ", "bold green"), (command, "bold")))
    for line in output.rstrip().splitlines():
        console.print(Text.from_ansi(line))
    name = re.sub(r"\W+", "-", command)
    return console.export_svg(title="", code_format=_FORMAT, unique_id=f"tinyprop-{name}")


if __name__ == "__main__":
    main()
