"""The command itself: verbs, help, exit statuses."""

import os
import subprocess
import sys
import time

import pytest

from tinyprop.cli import VERBS

HEAVY = ("torch", "hydra", "omegaconf", "numpy", "mlflow", "rich", "pydantic", "sklearn")


def test_help_imports_nothing_heavy_and_answers_at_once(tmp_path):
    code = (
        "import sys; from tinyprop.cli import main; status = main(['--help']);"
        f"print([name for name in {HEAVY} if name in sys.modules], file=sys.stderr); sys.exit(status)"
    )
    bare = min(timed([sys.executable, "-c", "pass"], tmp_path) for _ in range(3))
    help_ = min(timed([sys.executable, "-c", code], tmp_path) for _ in range(3))
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=True)
    assert process.stderr.strip() == "[]"
    assert help_ - bare < 0.25, "tinyprop --help is to take under 0.3 s"


def timed(command, cwd) -> float:
    begin = time.perf_counter()
    subprocess.run(command, cwd=cwd, capture_output=True, check=True)
    return time.perf_counter() - begin


def test_help_names_every_verb_and_ends_in_examples(tinyprop):
    for arguments in ((), ("--help",), ("-h",), ("help",)):
        status, out, _ = tinyprop(*arguments)
        assert status == 0
        head, examples = out.split("Examples:")
        assert all(f"\n  {verb} " in head for verb in VERBS)
        assert examples.rstrip().splitlines()[-1].startswith("  tinyprop ")
        assert max(map(len, out.splitlines())) <= 80


@pytest.mark.parametrize("verb", VERBS)
def test_every_verbs_help_ends_in_examples_and_fits_80_columns(tinyprop, verb, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    status, out, _ = tinyprop(verb, "--help")
    assert status == 0
    assert "examples:" in out
    assert f"tinyprop {verb}" in out.split("examples:")[1]
    assert max(map(len, out.splitlines())) <= 80


@pytest.mark.parametrize(
    ("verb", "said"),
    [("trian", "did you mean train?"), ("fly", f"known: {', '.join(VERBS)}"), ("--verbose", "is no verb")],
)
def test_an_unknown_verb_is_a_wrong_request_that_names_the_nearest(tinyprop, verb, said):
    status, out, err = tinyprop(verb)
    assert (status, out) == (2, "")
    assert said in err
    assert err.startswith("error: ")
    assert err.count("\n") == 1


def test_the_version_is_the_packages(tinyprop):
    from importlib.metadata import version

    assert tinyprop("--version") == (0, f"tinyprop {version('tinyprop')}\n", "")


def test_the_module_is_the_command(tmp_path):
    process = subprocess.run([sys.executable, "-m", "tinyprop", "fly"], cwd=tmp_path, capture_output=True, text=True)
    assert process.returncode == 2
    assert process.stderr.startswith("error: 'fly' is no verb")


def test_a_reader_that_goes_away_is_no_traceback(tmp_path):
    """As in ``tinyprop presets | head -1``."""
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "tinyprop", "presets"]
    process = subprocess.run(command, cwd=tmp_path, stdout=write, stderr=subprocess.PIPE, text=True)
    os.close(write)
    assert process.returncode == 1
    assert "Traceback" not in process.stderr


def test_an_interrupted_verb_ends_with_130_and_one_line(tinyprop, monkeypatch):
    from tinyprop.cli import presets

    def interrupt(arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(presets, "run", interrupt)
    assert tinyprop("presets") == (130, "", "error: interrupted\n")
