"""A study in MLflow's pages: the real command line, a real server, a real browser."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tinyprop.cli import main

from . import browser as browsers

pytestmark = pytest.mark.slow

NAMES = {f"{arm} · seed {seed}" for arm in ("dense", "static 0.1, output dense") for seed in (0, 1)}
STUDY = (
    "dataset=digits",
    "dataset.subset.train=100",
    "trainer.epochs=2",
    'study.arms=["policy=dense","policy=static"]',
    "seed=0,1",
    "tracking.log_model=false",
    "tracking.plots=false",
    "hydra/launcher=basic",
)
NUMBER = re.compile(r"[0-9.]+")
CELL = ".ag-center-cols-container .ag-row[row-id='{}'] [col-id='metrics.`{}`']"
BOX = ".ag-pinned-left-cols-container .ag-row[row-id='{}'] .ag-selection-checkbox input"


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with browsers.started(tmp_path_factory.mktemp("profile")) as started:
        yield started


@pytest.fixture(scope="module")
def runs_dir(browser, _database, tmp_path_factory):
    """A study's runs."""
    directory = tmp_path_factory.mktemp("study") / "runs"
    directory.mkdir()
    shutil.copy(_database, directory / "mlflow.db")
    assert main(["train", "-m", *STUDY, f"runs_dir='{directory}'"]) == 0
    return directory


@pytest.fixture(scope="module")
def results(runs_dir):
    """What each run's own directory says, by its id in MLflow."""
    found = [json.loads(path.read_text(encoding="utf-8")) for path in runs_dir.glob("*/result.json")]
    return {result["run_id"]: result for result in found}


@pytest.fixture(scope="module")
def page(runs_dir):
    """The address that `tinyprop ui` gives."""
    command = [sys.executable, "-m", "tinyprop", "ui", "--runs-dir", str(runs_dir), "--port", "0"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env={**os.environ})
    try:
        server.stdout.readline()
        yield re.search(r"http://\S+", server.stdout.readline()).group()
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(30)


@pytest.fixture
def runs(browser, page):
    """The list of runs, the study's unfolded."""
    browser.open(page)
    browser.click(".ag-row button")
    browser.until(lambda: {link.text for link in browser.found(".ag-row a")} >= NAMES)


def test_a_study_unfolds_into_runs_that_can_be_told_apart_with_what_they_reached_and_cost(runs, browser, results):
    names = [link.text for link in browser.found(".ag-row a")]
    assert names[0].startswith("sweep ")
    assert sorted(names[1:]) == sorted(NAMES)
    for run_id, result in results.items():
        shown = [float(browser.find(CELL.format(run_id, m)).text) for m in ("accuracy", "backward_ratio", "step_ratio")]
        macs = result["macs"]
        assert shown == [result["metrics"]["test_accuracy"], macs["backward_ratio"], macs["step_ratio"]]


def test_the_other_view_has_means_over_seeds(browser, page, results):
    browser.open(page.replace("tinyprop-runs", "tinyprop-means"))
    groups = browser.until(lambda: [row.text for row in browser.found(".ag-row") if "Group:" in row.text])
    assert len(groups) == 2
    values = [result["metrics"]["test_accuracy"] for result in results.values() if result["policy"] == "static"]
    cell = "[col-id='metrics.`accuracy`']"
    mean = pytest.approx(sum(values) / 2)
    browser.until(lambda: mean in [number(e.text) for e in browser.found(f".ag-row {cell}")])


def number(text: str) -> float | None:
    """What a cell begins with: of a group it says how it was made, too."""
    found = NUMBER.match(text)
    return float(found.group()) if found else None


def test_runs_that_are_compared_have_their_metrics_in_line(runs, browser, results):
    for run_id in results:
        browser.click(BOX.format(run_id))
    browser.click("button", "Compare")
    browser.until(lambda: "compare-runs" in browser.chrome.current_url)
    links = "a[href*='/runs/']"
    columns = browser.until(lambda: [e.text for e in browser.found(links) if e.text in results])
    assert sorted(columns) == sorted(results)
    shown = browser.until(lambda: metric_rows(browser, len(columns)))
    for metric, key in (("accuracy", "test_accuracy"), ("backward_ratio", None)):
        known = [results[run] for run in columns]
        expected = [run["metrics"][key] if key else run["macs"][metric] for run in known]
        assert shown[metric] == pytest.approx(expected, abs=5e-4)  # the page rounds to three digits


def metric_rows(browser, count: int) -> dict[str, list[float]]:
    """Rows of the table of metrics, whose cells share nothing but their height on the page; empty until it is whole."""
    labels, cells = browser.run("""
        const place = e => [e.textContent.trim(), e.getBoundingClientRect().top, e.getBoundingClientRect().left];
        const leaves = [...document.querySelectorAll('body *')].filter(e => !e.children.length);
        return [[...document.querySelectorAll("a[href*='/metric?']")].map(place), leaves.map(place)];
    """)
    rows = {}
    for name, top, _ in labels:
        line = sorted((left, float(text)) for text, y, left in cells if abs(y - top) < 10 and NUMBER.fullmatch(text))
        if name in ("accuracy", "backward_ratio") and len(line) == count:
            rows[name] = [value for _, value in line]
    return rows if len(rows) == 2 else {}


def test_the_studys_own_page_has_its_command_and_its_report_with_the_plots(browser, page, runs_dir):
    parent = Path(next(runs_dir.glob("sweeps/*/mlflow_run_id"))).read_text()
    run = re.sub(r"/runs\?.*", f"/runs/{parent}", page)
    browser.open(run)
    browser.until(lambda: "tinyprop train --multirun" in browser.find("main, body").text)
    browser.open(f"{run}/artifacts/report.html")
    browser.until(lambda: browser.found("iframe"))
    browser.chrome.switch_to.frame(browser.find("iframe"))
    browser.until(lambda: len(browser.found(".js-plotly-plot .scatterlayer .point")) >= 2)
    text = browser.find("body").text
    assert "static 0.1" in text
    browser.chrome.switch_to.default_content()
