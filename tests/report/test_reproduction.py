"""A reproduction on the terminal and as a page whose discussion is left alone."""

import io
import json

import pytest
from rich.console import Console

from tests.reproduction.evidence import DENSE, OURS, PUBLISHED, evidence, failed, runs, spread, static
from tinyprop.errors import RequestError
from tinyprop.report import reproduction, reproduction_page
from tinyprop.report.reproduction_sheets import claimed_text, figure_text
from tinyprop.reproduction import CLAIMS, RULE, STUDIES, gather, score
from tinyprop.reproduction.ideas import ideas
from tinyprop.reproduction.verdicts import Condition, Figure

COMMAND = "tinyprop reproduce mnist"


@pytest.fixture
def held(tmp_path):
    """A study with a failed run and a policy of ours, and one that was not begun."""
    place = tmp_path / "runs"
    found = [
        *runs(place, DENSE, spread(0.9), 1.0),
        *runs(place, PUBLISHED, [0.895] * 5, 0.1),
        *runs(place, OURS, [0.85] * 4, 0.2),
        *runs(place, static(0.33, sparse=False), [0.89] * 5, 0.35),
        *runs(place, {"name": "budget", "budget": 0.15, "sparsify_output": True}, [0.9] * 5, 0.15),
        failed(place, OURS, seed=4),
    ]
    return evidence(found, expected=60) | {"lenet": gather(STUDIES["lenet"], [], 35)}


def written(page, held):
    return reproduction_page.write(page, held, score(CLAIMS, held), ideas(held), COMMAND)


def test_the_terminal_says_the_rule_first_and_every_run_that_is_missing(held):
    text = io.StringIO()
    Console(file=text, width=80).print(reproduction.reproduction_tables(held, score(CLAIMS, held), ideas(held)))
    lines = text.getvalue().splitlines()
    whole = " ".join(" ".join(lines).split())
    assert max(map(len, lines)) <= 80
    assert whole.startswith("The rule of the verdicts " + RULE[0])
    assert "study_mnist, 24 of 60 runs finished, 5 seeds" in whole
    assert "adaptive 0.05–1" in whole
    assert "training diverged" in whole
    assert "35 of 60 runs of study_mnist are not there" in whole
    assert "lenet: not testable here: no finished run of study_lenet." in whole
    assert "10.0×" in whole
    assert "against the strongest adaptive at equal backward work: mnist" in whole


def test_plain_values_hold_every_figure_and_nothing_that_json_lacks(held):
    content = json.loads(json.dumps(reproduction.as_dict(held, score(CLAIMS, held), ideas(held)), allow_nan=False))
    row = next(row for row in content["scores"] if (row["claim"], row["counted"]) == ("dense-authors", "backward MACs"))
    assert (row["verdict"], row["where"]) == ("reproduced", "mnist")
    work, loss = row["measured"]
    assert (work["unit"], work["n"], work["at_least"], work["at_most"]) == ("times", 5, 5.0, None)
    assert (loss["value"], loss["at_most"]) == (pytest.approx(0.5), 1.0)
    assert content["studies"][0]["data"]["fingerprint"] == "f" * 64
    assert content["ideas"][0]["rows"][0]["configuration"].startswith("budget")


def test_a_page_is_renewed_and_what_was_written_by_hand_is_kept(held, tmp_path):
    page = tmp_path / "page.md"
    assert written(page, held) == [page, tmp_path / "page.svg", tmp_path / "page.png"]
    text = page.read_text()
    assert "![points of accuracy lost against backward work](page.svg)" in text
    assert str(tmp_path) not in text
    assert "| 10.0×<br>reproduced |" in text.replace("\\", "")
    page.write_text(text.replace("## The rule", "By hand: | kept |\n\n## The rule").replace("10.0×", "99.0×"))
    written(page, held)
    assert page.read_text() == text.replace("## The rule", "By hand: | kept |\n\n## The rule")


def test_a_part_whose_marks_were_removed_stays_out(held, tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# Mine\n\n<!-- begin rule: -->\n<!-- end rule -->\n")
    written(page, held)
    text = page.read_text()
    assert RULE[1] in text
    assert "Claim by claim" not in text


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("# A page of somebody else\n", "is no page that tinyprop reproduce has written"),
        ("<!-- begin rule -->\n<!-- end rule -->\n<!-- begin other -->\n<!-- end other -->\n", "unknown parts (other)"),
    ],
)
def test_other_pages_are_not_overwritten(held, tmp_path, content, message):
    page = tmp_path / "page.md"
    page.write_text(content)
    with pytest.raises(RequestError) as refused:
        written(page, held)
    assert message in str(refused.value)
    assert page.read_text() == content
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["page.md"]


def test_a_page_needs_its_directory(tmp_path):
    with pytest.raises(RequestError, match="there is no directory"):
        reproduction_page.require_writable(tmp_path / "nowhere" / "page.md")


def test_figures_have_their_units_and_intervals():
    assert figure_text(Figure("", "times", 12.1, 11.7, 12.5, 5)) == "12.1× ± 0.4"
    assert figure_text(Figure("", "points", -0.5, -0.6, -0.4, 5)) == "−0.50 ± 0.10"
    assert figure_text(Figure("", "times", 2.03, 2.03, 2.03, None)) == "2.03×"
    assert figure_text(Figure("", "percent", 98.0, None, None, 1)) == "98.00"
    figure = Figure("", "times", 1, 1, 1, 5)
    assert claimed_text(Condition(figure, at_least=5)) == "≥ 5×"
    assert claimed_text(Condition(Figure("", "points", 1, 1, 1, 5), at_most=0.82)) == "≤ 0.82 points"
    assert claimed_text(Condition(Figure("", "percent", 1, 1, 1, 5), 81, 99)) == "81 to 99 %"
