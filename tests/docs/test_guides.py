"""The guides work as they are printed: their files are written, their commands carried out, their output compared."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from .test_snippets import _FENCE, ROOT, fences

SERVER = "tinyprop ui"
"""Ends only when it is told to; other tests look at it."""
LEFT_OUT = "…"


@pytest.fixture
def desk(tmp_path, empty_database, monkeypatch):
    """An empty directory in which ``tinyprop`` is the command of this checkout."""
    programs = tmp_path / "programs"
    programs.mkdir()
    for name, what in (("tinyprop", "-m tinyprop"), ("python", "")):
        (programs / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {what} "$@"\n')
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    return tmp_path


def carry_out(commands: str, place: Path) -> str:
    """What the commands of a block print."""
    ended = subprocess.run(["sh", "-ec", commands], cwd=place, capture_output=True, text=True, timeout=280, check=False)
    assert ended.returncode == 0, f"{commands}{ended.stdout}{ended.stderr}"
    return ended.stdout


def words(text: str) -> Counter[str]:
    """The words of an output: numbers differ between machines, and with their widths where a table's lines break."""
    return Counter(re.findall(r"[^\W\d_]{3,}", text))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["first_study", "own_data", "own_board"])
def test_a_guide_can_be_followed_and_shows_what_it_prints(name, desk, c_engine):
    page = ROOT / "docs" / f"{name}.md"
    for language in ("yaml", "python"):
        for title, content, _ in fences(page, language):
            (desk / title).parent.mkdir(parents=True, exist_ok=True)
            (desk / title).write_text(content, encoding="utf-8")
    printed, compared = "", 0
    for found in _FENCE.finditer(page.read_text(encoding="utf-8")):
        language, block = found[1], found[3]
        if language == "bash" and block.strip() != SERVER:
            printed = carry_out(block, desk)
        elif language == "":
            shown = block.replace(LEFT_OUT, "")
            assert words(shown) <= words(printed), f"not in what was printed: {words(shown) - words(printed)}"
            if shown == block:
                assert words(shown) == words(printed), f"not on the page: {words(printed) - words(shown)}"
            compared += 1
    assert compared > 1
