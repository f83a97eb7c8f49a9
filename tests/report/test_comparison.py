"""A comparison on the terminal and as files: what stands in them, and what they refer to."""

import csv
import io
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser

import pytest
from plotly.offline import get_plotlyjs
from rich.console import Console

from tests.compare.made import DENSE, adaptive, configured, result_of, runs_of, static, write
from tinyprop.compare import Question, compare, read_directories
from tinyprop.compare.directories import read_directory, runs_in
from tinyprop.errors import RequestError
from tinyprop.report import comparison as report
from tinyprop.report.comparison_page import as_html
from tinyprop.report.comparison_plots import figures, score_against_cost, styles
from tinyprop.report.comparison_sheets import mean_text, sheets
from tinyprop.report.comparison_tables import comparison_tables
from tinyprop.report.comparison_text import as_latex, as_markdown

SCORES = {
    "dense": (DENSE, {0: 0.90, 1: 0.92, 2: 0.94}, 1.0),
    "low": (static(0.1), {0: 0.80, 1: 0.84, 2: 0.82}, 0.1),
    "high": (static(0.3), {0: 0.88, 1: 0.90, 2: 0.92}, 0.3),
    "collapsed": (static(0.1, "sparse"), {0: 0.1, 1: 0.12, 2: 0.11}, 0.08),
    "ours": (adaptive(), {0: 0.87, 1: 0.90, 2: 0.93}, 0.2),
}


@pytest.fixture
def comparison(tmp_path):
    runs_dir = tmp_path / "runs"
    for policy, scores, backward in SCORES.values():
        for seed, score in scores.items():
            config = configured(policy, seed, trainer={"test_every_epoch": True})
            write(runs_dir, config, result_of(config, score, backward), (score - 0.2, score - 0.005, score))
    failed = configured(static(0.3), 3)
    header = {"status": "failed", "name": "f", "config_hash": "0", "run_id": None, "error": "loss <is> not finite & so"}
    write(runs_dir, failed, header)
    extra = configured(DENSE, 3)
    write(runs_dir, extra, result_of(extra, 0.91, 1.0))
    return compare(read_directories(runs_in(runs_dir)), Question(command="tinyprop compare <here>"))


def printed(comparison, width=80):
    console = Console(file=io.StringIO(), width=width, highlight=False)
    console.print(comparison_tables(comparison, width))
    return console.file.getvalue()


def test_everything_fits_80_columns_and_is_there(comparison):
    text = printed(comparison)
    assert max(map(len, text.splitlines())) <= 80
    rows = [line for line in text.splitlines() if re.match(r"\d ", line)]
    assert any("91.75 ± 2.72" in row and "100.0*" in row and "2.00 M*" in row and "1.60 mJ*" in row for row in rows)
    assert "vs 50% #2 + 50% #4" in text
    assert "+4.00 [−0.30, +8.30]" in text
    assert "failed" in text
    assert "loss <is> not finite & so" in " ".join(text.split())
    assert "seed 3: no run" in " ".join(text.split())


def test_a_wide_terminal_has_costs_with_their_intervals_and_seconds(comparison):
    text = printed(comparison, 180)
    assert "training time" in text
    assert "0.100 s" in text
    assert "vs 50%" not in text


@pytest.mark.parametrize(
    ("quantity", "value", "text"),
    [
        ("share", 0.89, "89.00 %"),
        ("ratio", 0.106, "10.6 %"),
        ("number", 0.25, "0.2500"),
        ("cycles", 30.1e6, "30.1 M"),
        ("energy", 23700, "23.7 mJ"),
        ("seconds", 0.15, "0.150 s"),
    ],
)
def test_numbers_have_their_unit(quantity, value, text):
    from tinyprop.compare.quantities import Quantity
    from tinyprop.compare.statistics import Mean

    kind = Quantity("x", "x", quantity, lambda run: None)
    assert mean_text(kind, Mean(1, value, None, None, None)) == text


def test_a_policy_that_loses_is_worse_and_of_losses_too(tmp_path):
    runs = [
        *runs_of(tmp_path, DENSE, {0: 0.90, 1: 0.91, 2: 0.92, 3: 0.93}, 1.0),
        *runs_of(tmp_path, static(0.1), {0: 0.70, 1: 0.72, 2: 0.72, 3: 0.74}, 0.1),
    ]
    for metric in ("test_accuracy", "test_loss"):
        text = printed(compare(runs, Question(metric=metric)))
        (row,) = re.findall(r"^2  static 0.1 .*\[.*$", text, re.MULTILINE)
        assert " worse" in row
        assert "better" not in text.split("against the strongest")[0]


def test_nothing_is_credited_while_one_of_the_static_baselines_is_missing(tmp_path):
    ours = runs_of(tmp_path, adaptive(), {0: 0.90, 1: 0.91, 2: 0.92, 3: 0.93}, 0.2)
    dense_output = runs_of(tmp_path, static(0.2), {0: 0.80, 1: 0.81, 2: 0.82, 3: 0.82}, 0.2)
    sparse_output = runs_of(tmp_path, static(0.2, "sparse"), {0: 0.10, 1: 0.11, 2: 0.12, 3: 0.14}, 0.2)
    alone, both = (verdicts(compare(runs)) for runs in ([*ours, *dense_output], [*ours, *dense_output, *sparse_output]))
    assert (alone, both) == (["open"], ["better"])


def verdicts(comparison):
    (sheet,) = [sheet for sheet in sheets(comparison.families[0], brief=True) if sheet.key == "strongest"]
    return [row[-1].text for row in sheet.rows]


class Page(HTMLParser):
    """What a page refers to and holds."""

    def __init__(self, text):
        super().__init__()
        self.references, self.scripts, self.cells, self.regions, self.ids = [], [], [], 0, []
        self._inside, self.meta = "", {}
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.references += [(tag, found[name]) for name in ("src", "href", "data", "action", "srcset") if name in found]
        self.ids += [found["id"]] if "id" in found else []
        self.regions += found.get("role") == "region"
        if tag == "meta":
            self.meta[found.get("http-equiv") or found.get("name")] = found.get("content")
        self._inside = tag
        if tag == "script":
            self.scripts.append((found.get("type"), ""))
        if tag in ("td", "li"):
            self.cells.append("")

    def handle_endtag(self, tag):
        self._inside = ""

    def handle_data(self, text):
        if self._inside == "script":
            kind, before = self.scripts[-1]
            self.scripts[-1] = (kind, before + text)
        elif self._inside in ("td", "li"):
            self.cells[-1] += text


def test_the_page_refers_to_nothing_outside(comparison):
    text = as_html(comparison)
    page = Page(text)
    assert page.references == []
    assert page.meta["Content-Security-Policy"].startswith("default-src 'none'")
    own = text.replace(get_plotlyjs(), "")  # which names addresses that only maps would ask for
    assert len(own) < len(text) - 1e6
    assert "http://" not in own
    assert "https://" not in own
    assert "@import" not in own
    assert "url(" not in own


def test_the_page_holds_every_number_and_names_the_runs(comparison):
    page = Page(as_html(comparison))
    assert "91.75 ± 2.72 %" in page.cells
    assert "+4.00 [−0.30, +8.30]" in page.cells
    assert "loss <is> not finite & so" in page.cells
    charts = json.loads(page.scripts[0][1])
    assert set(charts) <= set(page.ids)
    hover = [text for chart in charts.values() for choice in chart["choices"] for trace in choice["data"]
             for text in trace.get("text", [])]  # fmt: skip
    runs = [run for each in comparison.families for summary in each.groups for run in summary.group.runs.values()]
    assert len(runs) == 16
    assert all(any(run.name in text and run.place in text for text in hover) for run in runs)


def test_the_page_escapes_what_it_is_told(comparison):
    text = as_html(comparison)
    assert "tinyprop compare &lt;here&gt;" in text
    assert "<is>" not in text


def test_a_page_of_generated_data_says_so(tmp_path):
    config = configured(DENSE, 0)
    run = read_directory(write(tmp_path, config, result_of(config, 0.9, 1.0, synthetic=True)))
    assert "The data is generated." in as_html(compare([run]))
    assert "SYNTHETIC" in printed(compare([run]))


def test_figures_tell_configurations_apart_without_colour(comparison):
    each = comparison.families[0]
    drawn = styles(each.groups)
    assert len({(style.marker, style.hollow) for style in drawn.values()}) == len(drawn)
    assert len({style.hatch for style in drawn.values()}) == len(drawn)
    assert set(figures(each)) == {"accuracy_against_cost", "paired_differences", "learning_curves", "work_to_reach"}


def test_panels_show_what_is_near_and_name_what_is_far_below(comparison):
    figure = score_against_cost(comparison.families[0])
    bottom, _ = figure.axes[0].get_ylim()
    assert 0.5 < bottom < 0.82
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert "static 0.1, output sparse (below: 11.00 ± 2.48 %)" in names


def test_markdown_and_latex_hold_the_tables(comparison):
    markdown = as_markdown(comparison, {comparison.families[0].family.label: ["learning_curves.png"]})
    rows = [line for line in markdown.splitlines() if line.startswith("| ")]
    assert len({row.count(" | ") for row in rows[:6]}) == 1
    assert r"+4.00 \[−0.30, +8.30\]" in markdown
    assert "![learning curves](learning_curves.png)" in markdown
    latex = as_latex(comparison)
    assert latex.count("\\begin{table}") == latex.count("\\end{table}") == 5
    assert r"91.75 $\pm$ 2.72 \%" in latex
    assert "loss $<$is> not finite \\& so" in latex
    for line in latex.splitlines():
        if line.endswith("\\\\"):
            assert not line.isspace()
            assert not re.search(r"(?<!\\)[%#_]", line), line


def test_the_directory_holds_everything_and_can_be_replaced(comparison, tmp_path):
    out = tmp_path / "out"
    names = [path.name for path in report.write(comparison, out)]
    assert names[0] == "report.html"
    assert set(names) == {
        "report.html", "comparison.json", "comparison.csv", "comparison.md", "comparison.tex", "runs.csv",
        *(f"{name}.{kind}" for kind in ("png", "svg")
          for name in ("accuracy_against_cost", "paired_differences", "learning_curves", "work_to_reach")),
    }  # fmt: skip
    rows = {row["configuration"]: row for row in csv.DictReader((out / "comparison.csv").open())}
    assert float(rows["adaptive, output dense"]["strongest.mean"]) == pytest.approx(0.04)
    assert rows["dense"]["on_front.cycles"] == "True"
    runs = list(csv.DictReader((out / "runs.csv").open()))
    assert sorted(row["status"] for row in runs) == ["compared"] * 16 + ["failed"]
    content = json.loads((out / "comparison.json").read_text())
    assert content["families"][0]["configurations"][0]["values"]["test_accuracy"]["1"] == 0.92
    report.write(comparison, out)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "runs"]


@pytest.mark.parametrize("content", [{"notes.txt": "mine"}, {"report.html": "somebody else's"}])
def test_a_directory_that_is_no_comparison_is_left_alone(comparison, tmp_path, content):
    out = tmp_path / "out"
    out.mkdir()
    for name, text in content.items():
        (out / name).write_text(text)
    with pytest.raises(RequestError, match="holds what no comparison has written"):
        report.write(comparison, out)
    assert {path.name: path.read_text() for path in out.iterdir()} == content


def test_what_fails_halfway_leaves_the_earlier_comparison(comparison, tmp_path, monkeypatch):
    out = tmp_path / "out"
    report.write(comparison, out)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    monkeypatch.setattr(
        report.comparison_page, "as_html", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left"))
    )
    with pytest.raises(RequestError, match="No space left"):
        report.write(comparison, out)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "runs"]


def test_a_browser_without_network_draws_every_chart(comparison, tmp_path):
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if browser is None:
        pytest.skip("no Chromium or Chrome on this machine")
    page = tmp_path / "report.html"
    page.write_text(as_html(comparison))
    options = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}"]
    options += ["--host-resolver-rules=MAP * ~NOTFOUND", "--enable-logging=stderr", "--virtual-time-budget=5000"]
    command = [browser, *options, "--dump-dom", page.as_uri()]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    charts = json.loads(Page(page.read_text()).scripts[0][1])
    drawn = re.findall(r'id="(chart-\d+-\d+)" role="img" aria-label="[^"]+"><div class="plot-container', answer.stdout)
    assert drawn == list(charts)
    complaints = [line for line in answer.stderr.splitlines() if "CONSOLE" in line]
    assert complaints == []
