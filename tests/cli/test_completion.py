"""Completion: verbs, groups, options and keys, in a real shell too."""

import os
import shutil
import subprocess
import sys

import pytest

from tinyprop.cli import VERBS


def completed(tinyprop, monkeypatch, line: str, point: int | None = None) -> list[str]:
    monkeypatch.setenv("COMP_LINE", line)
    monkeypatch.setenv("COMP_POINT", str(len(line) if point is None else point))
    status, out, err = tinyprop("completion", "query")
    assert (status, err) == (0, "")
    return out.split()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("tinyprop ", list(VERBS)),
        ("tinyprop tr", ["train"]),
        ("tinyprop xyz", []),
        ("tinyprop presets opt", ["optimizer", "optimizer=adam", "optimizer=adamw", "optimizer=sgd"]),
    ],
)
def test_verbs_and_presets_complete(tinyprop, monkeypatch, line, expected):
    assert completed(tinyprop, monkeypatch, line) == expected


def test_groups_options_and_keys_of_train_complete(tinyprop, monkeypatch):
    assert "policy=" in completed(tinyprop, monkeypatch, "tinyprop train pol")
    assert set(completed(tinyprop, monkeypatch, "tinyprop train optimizer=")) >= {"optimizer=sgd", "optimizer=adam"}
    keys = completed(tinyprop, monkeypatch, "tinyprop train -m policy=static policy.ra")
    assert keys == ["policy.ratio="]
    assert completed(tinyprop, monkeypatch, "tinyprop train trainer.epochs=3 --json optimizer=adamw optimizer.wei") == [
        "optimizer.weight_decay="
    ]


def test_only_what_is_before_the_cursor_counts(tinyprop, monkeypatch):
    line = "tinyprop tr policy=static"
    assert completed(tinyprop, monkeypatch, line, len("tinyprop tr")) == ["train"]


def test_completion_does_not_wait_for_numerical_libraries(tmp_path):
    line = "tinyprop train policy=st"
    code = (
        "import sys; from tinyprop.cli import main; main(['completion', 'query']);"
        "print([name for name in ('torch', 'numpy', 'mlflow') if name in sys.modules])"
    )
    environment = {**os.environ, "COMP_LINE": line, "COMP_POINT": str(len(line))}
    command = [sys.executable, "-c", code]
    answer = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert answer.stdout.split() == ["policy=static", "[]"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_shell_gets_a_script_that_it_accepts(tinyprop, shell):
    status, out, _ = tinyprop("completion", shell)
    assert status == 0
    assert "tinyprop completion query" in out
    if shutil.which(shell):
        subprocess.run([shell, "-n"], input=out, text=True, check=True)


def test_an_unknown_shell_is_a_wrong_request(tinyprop):
    status, _, err = tinyprop("completion", "tcsh")
    assert status == 2
    assert "bash" in err


def test_bash_completes_with_the_script(tinyprop, tmp_path):
    """Bash's own machinery calls the function; ``=`` separates words there."""
    script = tmp_path / "completion.bash"
    script.write_text(tinyprop("completion", "bash")[1])
    command = tmp_path / "bin" / "tinyprop"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m tinyprop "$@"\n')
    command.chmod(0o755)
    ask = (
        f"source {script}; COMP_LINE='tinyprop train optimizer=ad'; COMP_POINT=${{#COMP_LINE}};"
        'COMP_WORDS=(tinyprop train optimizer = ad); COMP_CWORD=4; _tinyprop; echo "${COMPREPLY[@]}"'
    )
    environment = {**os.environ, "PATH": f"{command.parent}:{os.environ['PATH']}"}
    answer = subprocess.run(["bash", "-c", ask], env=environment, capture_output=True, text=True, check=True)
    assert answer.stdout.split() == ["adam", "adamw"]
