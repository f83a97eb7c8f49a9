import json
import platform
import shutil
import socket
import subprocess

import pytest

from tinyprop.tracking.environment import checkout, environment, machine_tag


def git(directory, *arguments):
    identity = ["-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false"]
    answer = subprocess.run(["git", "-C", str(directory), *identity, *arguments], check=True, capture_output=True)
    return answer.stdout.decode().strip()


@pytest.fixture
def repository(tmp_path):
    git(tmp_path, "init", "-q")
    (tmp_path / "file").write_text("a")
    git(tmp_path, "add", "file")
    git(tmp_path, "commit", "-qm", "first")
    return tmp_path


def test_a_checkout_tells_commit_and_whether_tracked_files_changed(repository):
    commit = git(repository, "rev-parse", "HEAD")
    (repository / "untracked").write_text("")
    assert checkout(repository) == {"commit": commit, "dirty": False}
    (repository / "file").write_text("b")
    assert checkout(repository) == {"commit": commit, "dirty": True}


def test_no_checkout_no_commit_and_no_git_are_none(tmp_path, monkeypatch):
    assert checkout(tmp_path) is None
    git(tmp_path, "init", "-q")
    assert checkout(tmp_path) is None
    monkeypatch.setenv("PATH", "")
    assert shutil.which("git") is None
    assert checkout(tmp_path) is None


def test_the_fingerprint_is_json_with_versions_and_hardware_and_no_host_name():
    text = json.dumps(environment())
    facts = json.loads(text)
    assert facts["python"] == platform.python_version()
    assert facts["packages"]["torch"]
    assert facts["threads"] >= 1
    assert facts["memory_bytes"] > 1e8
    assert facts["usable_cores"] <= facts["cores"]
    assert "host" not in text
    assert socket.gethostname() not in ("", *facts.values())
    assert "core" in machine_tag()
