"""What the documentation prints runs: its Python as it stands, its commands as far as accepting them goes."""

import contextlib
import os
import re
import shlex
import sys
from collections.abc import Iterator
from dataclasses import asdict
from functools import cache
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
import yaml
from torch import nn

from tinyprop import cli
from tinyprop.cli import compare, cost, cost_options, data, doctor, export, reproduce, train, ui
from tinyprop.config.composition import Composer
from tinyprop.datasets.subset import Subset
from tinyprop.errors import InvalidSettings
from tinyprop.sparse import sparsify

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*(ROOT / "docs").glob("*.md"), ROOT / "README.md"])
_FENCE = re.compile(r"^```(\w*)(?: title=\"([^\"]+)\")?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([\w./-]+)(#[\w-]+)?\)")


def fences(page: Path, language: str) -> Iterator[tuple[str | None, str, int]]:
    """Title, content and first line of the page's code blocks in a language."""
    text = page.read_text(encoding="utf-8")
    for found in _FENCE.finditer(text):
        if found[1] == language:
            yield found[2], found[3], text.count("\n", 0, found.start()) + 2


def commands(page: Path) -> list[str]:
    """Every ``tinyprop …`` in a code block or between backticks, without comments, pipes and what follows."""
    text = page.read_text(encoding="utf-8")
    lines = [line for found in _FENCE.finditer(text) for line in found[3].replace("\\\n", " ").splitlines()]
    prose = _FENCE.sub("", text)
    lines += [line[4:] for line in prose.splitlines() if line.startswith("    ")]
    lines += re.findall(r"`(tinyprop [^`]+)`", prose.replace("\n", " "))
    parts = [part.strip() for line in lines for part in re.split(r" && |\$\(| \| |\s+#\s|\s{3,}", line)]
    return list(dict.fromkeys(part.rstrip(')"') for part in parts if part.startswith("tinyprop ")))


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory with the files that the pages give in full."""
    monkeypatch.chdir(tmp_path)
    for page in PAGES:
        for title, content, _ in fences(page, "yaml"):
            if title is not None and not title.startswith("conf/"):
                (tmp_path / title).parent.mkdir(parents=True, exist_ok=True)
                (tmp_path / title).write_text(content, encoding="utf-8")
    return tmp_path


def accept(command: str) -> None:
    """Check a command line as the program does before it begins; raises where it would refuse it."""
    verb, *arguments = shlex.split(command)[1:]
    if verb in ("-h", "--help", "--version", "VERB") or "--help" in arguments:
        return
    assert verb in cli.VERBS, f"no verb {verb}"
    if verb in ("export", "reproduce") and not arguments:
        return  # spoken of, not called
    if verb == "train":
        parsed, _ = train._parse(arguments)
        composer = _composer(parsed.config_dir)
        request = composer.request(parsed.overrides, multirun=parsed.multirun)
        for pretrain in {job.config.pretrain for job in request.jobs}:
            composer.request(pretrain, multirun=False)
    elif verb == "cost":
        if arguments[:1] not in (["calibrate"], ["validate"]):
            parsed = cost._parser().parse_intermixed_args(arguments)
            cost_options.budget_of(parsed.what_if)
            _composer(parsed.config_dir).request(parsed.overrides, multirun=True)
    elif verb == "reproduce":
        parsed = reproduce._parser().parse_intermixed_args(arguments)
        names, overrides = reproduce._words(parsed)
        if overrides:  # a seed shows as much as many; that the studies stand as they are is tested elsewhere
            reproduce._plan(names, [*overrides, (None, "study.seeds=1")], _composer(parsed.config_dir))
    elif verb in ("presets", "completion"):
        with contextlib.redirect_stdout(open(os.devnull, "w")):
            assert cli.main([verb, *arguments]) == 0
    else:
        {"compare": compare, "data": data, "export": export, "ui": ui, "doctor": doctor}[verb]._parser().parse_args(
            arguments
        )


@cache
def _composer(directory: Path | None) -> Composer:
    return Composer([] if directory is None else [directory])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_printed_command_is_accepted(page: Path, place: Path, every_launcher: None) -> None:
    refused = []
    for command in commands(page):
        try:
            accept(command)
        except (Exception, SystemExit) as error:
            refused.append(f"{command}\n    {type(error).__name__}: {error}")
    assert not refused, "\n".join(refused)


@pytest.mark.parametrize("name", ["README.md", "docs/configuration.md", "docs/experiments.md"])
def test_pages_with_commands_are_searched_for_them(name: str) -> None:
    assert any(command.startswith("tinyprop train") for command in commands(ROOT / name))


def run_blocks(name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A page's Python, one block after the other, as one module."""
    page = ROOT / "docs" / name
    module = ModuleType(f"snippets_of_{page.stem}")
    monkeypatch.setitem(sys.modules, module.__name__, module)  # dataclasses look their module up
    blocks = list(fences(page, "python"))
    assert blocks
    for _, content, line in blocks:
        # Padded so that a traceback names the line of the page.
        exec(compile("\n" * (line - 1) + content, str(page), "exec"), vars(module))
    return module


@pytest.mark.parametrize("page", ["library.md", "cost.md", "comparing.md"])
def test_python_of_the_pages_on_libraries_runs(place: Path, monkeypatch: pytest.MonkeyPatch, page: str) -> None:
    run_blocks(page, monkeypatch)


def test_policy_and_dataset_of_the_extending_page_work(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = run_blocks("extending.md", monkeypatch)

    model = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 4))
    sparsity = sparsify(model, page.ByDepth(ratio=0.5, zeta=0.5))
    model(torch.randn(3, 6)).square().mean().backward()
    assert {name: layer.ratio for name, layer in sparsity.collect().items()} == {"0": 0.25, "2": 0.5}
    with pytest.raises(InvalidSettings):
        page.ByDepth(zeta=0)

    dataset = page.load(page.CancerSettings(subset=Subset(train=100)))
    assert (len(dataset.train), dataset.input_shape, dataset.train.x.dtype) == (100, (30,), np.float32)
    assert len(dataset.test) == round(0.2 * 212) + round(0.2 * 357)


def test_settings_files_of_the_extending_page_name_every_key(monkeypatch: pytest.MonkeyPatch) -> None:
    page = run_blocks("extending.md", monkeypatch)
    given = {title: yaml.safe_load(content) for title, content, _ in fences(ROOT / "docs" / "extending.md", "yaml")}
    assert given["conf/policy/by_depth.yaml"] == asdict(page.ByDepth())
    assert given["conf/dataset/cancer.yaml"] == asdict(page.CancerSettings())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    for target, anchor in _LINK.findall(page.read_text(encoding="utf-8")):
        path = page.parent / target
        assert path.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
            anchors = ["#" + re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings]
            assert anchor in anchors, f"{target}{anchor}"
