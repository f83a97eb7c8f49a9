"""The README's pictures are of the command line as it is."""

from __future__ import annotations

import importlib.util
import re
import shlex
import xml.etree.ElementTree as ElementTree

import pytest

from tinyprop.cli import train
from tinyprop.config.composition import Composer

from .test_snippets import ROOT

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def pictures():
    """The module that draws them."""
    specification = importlib.util.spec_from_file_location("pictures", ROOT / "docs" / "pictures.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def lines(svg: str) -> list[str]:
    """The text of a picture, line by line from above."""
    found: dict[float, list[tuple[float, str]]] = {}
    for element in ElementTree.fromstring(svg).iter(f"{SVG}text"):
        text = "".join(element.itertext()).replace("\xa0", " ")
        found.setdefault(float(element.get("y")), []).append((float(element.get("x")), text))
    return ["".join(text for _, text in sorted(parts)) for _, parts in sorted(found.items())]


def test_a_picture_has_the_command_and_what_it_prints(pictures, tmp_path):
    command = "tinyprop presets policy=static"
    printed = pictures.printed(command, tmp_path)
    shown = " ".join(lines(pictures.as_svg(command, printed)))
    assert shown.split() == ["$", *command.split(), *re.sub(r"\x1b\[[0-9;]*m", "", printed).split()]


def test_colours_are_kept_and_nothing_is_fetched(pictures):
    svg = pictures.as_svg("tinyprop", "\x1b[31mred\x1b[0m plain")
    fills = dict(re.findall(r"\.(tinyprop-tinyprop-r\d+) \{ fill: (#\w+)", svg))
    classes = {"".join(e.itertext()).strip(): e.get("class") for e in ElementTree.fromstring(svg).iter(f"{SVG}text")}
    assert fills[classes["red"]] != fills[classes["plain"]]
    assert re.findall(r"url\(h", svg) == []


def test_a_failing_command_makes_no_picture(pictures, tmp_path):
    with pytest.raises(SystemExit, match="no such option"):
        pictures.printed("tinyprop train policy=nonsense", tmp_path)


def test_the_pictures_of_the_readme_are_there_and_small(pictures):
    shown = re.findall(r"\]\((docs/pictures/\S+)\)", (ROOT / "README.md").read_text(encoding="utf-8"))
    assert sorted(shown) == sorted(f"docs/pictures/{path.name}" for path in pictures.PICTURES.iterdir())
    for path in shown:
        content = (ROOT / path).read_text(encoding="utf-8")
        ElementTree.fromstring(content)
        assert len(content) < 150_000


def test_the_pictured_study_is_the_present_one(pictures):
    shown = lines((pictures.PICTURES / "study.svg").read_text(encoding="utf-8"))
    assert shown[0].strip() == f"$ {pictures.STUDY}"
    overrides = train._parse(shlex.split(pictures.STUDY)[2:])[0].overrides
    jobs = Composer().request(overrides, multirun=True).jobs
    seeds = {job.config.seed for job in jobs}
    assert any(f"{len(jobs) // len(seeds)} configurations, {len(jobs)} runs" in line for line in shown)
