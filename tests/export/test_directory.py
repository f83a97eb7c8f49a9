"""A project is written whole or not at all, and never over what somebody else has made."""

import os
from pathlib import Path

import pytest

from tinyprop.errors import RequestError
from tinyprop.export import directory

FIRST = {"main.c": b"one", "engine/a.c": b"a", "engine/old.c": b"old"}
SECOND = {"main.c": b"two", "engine/a.c": b"a", "engine/new.c": b"new"}


def files_in(path: Path) -> dict[str, bytes]:
    return {
        file.relative_to(path).as_posix(): file.read_bytes()
        for file in path.rglob("*")
        if file.is_file() and file.name != directory.MANIFEST
    }


@pytest.mark.parametrize("exists", [False, True])
def test_a_new_or_empty_directory_gets_exactly_the_files(tmp_path, exists):
    out = tmp_path / "deep" / "out"
    if exists:
        out.mkdir(parents=True)
    directory.write(out, FIRST, force=False)
    assert files_in(out) == FIRST
    assert [path.name for path in out.parent.iterdir()] == ["out"]


def test_files_of_others_are_never_touched(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    for force in (False, True):
        with pytest.raises(RequestError, match=r"holds files that no export has written \(notes.txt\)"):
            directory.write(tmp_path, FIRST, force=force)
    assert files_in(tmp_path) == {"notes.txt": b"mine"}


def test_an_earlier_export_is_replaced_only_by_force_and_what_else_is_there_stays(tmp_path):
    out = tmp_path / "out"
    directory.write(out, FIRST, force=False)
    with pytest.raises(RequestError, match="--force"):
        directory.write(out, SECOND, force=False)
    (out / "build").mkdir()
    (out / "build" / "demonstration").write_bytes(b"built")
    (out / "engine" / "mine.c").write_bytes(b"mine")
    directory.write(out, SECOND, force=True)
    assert files_in(out) == {**SECOND, "build/demonstration": b"built", "engine/mine.c": b"mine"}
    directory.write(out, FIRST, force=True)
    assert files_in(out) == {**FIRST, "build/demonstration": b"built", "engine/mine.c": b"mine"}


def test_a_file_that_was_changed_since_is_not_replaced(tmp_path):
    out = tmp_path / "out"
    directory.write(out, FIRST, force=False)
    (out / "main.c").write_bytes(b"my own")
    with pytest.raises(RequestError, match=r"not what the earlier export wrote: main\.c"):
        directory.write(out, SECOND, force=True)
    assert files_in(out) == {**FIRST, "main.c": b"my own"}


def test_a_file_that_is_in_the_way_is_not_replaced(tmp_path):
    out = tmp_path / "out"
    directory.write(out, FIRST, force=False)
    (out / "engine" / "new.c").write_bytes(b"my own")
    with pytest.raises(RequestError, match=r"engine/new\.c"):
        directory.write(out, SECOND, force=True)
    assert files_in(out) == {**FIRST, "engine/new.c": b"my own"}


def test_a_failure_leaves_what_was_there(tmp_path, monkeypatch):
    out = tmp_path / "out"
    directory.write(out, FIRST, force=False)
    rename = os.rename

    def fails(source, destination):
        if Path(source).name == "new":
            raise OSError(28, "No space left on device")
        rename(source, destination)

    monkeypatch.setattr(os, "rename", fails)
    with pytest.raises(RequestError, match="No space left on device"):
        directory.write(out, SECOND, force=True)
    assert files_in(out) == FIRST
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_neither_a_file_nor_the_working_directory_is_taken(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    with pytest.raises(RequestError, match="not a directory"):
        directory.write(tmp_path / "file", FIRST, force=True)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RequestError, match="the working directory itself"):
        directory.write(Path("."), FIRST, force=True)


def test_a_link_to_a_directory_stays_a_link(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    directory.write(tmp_path / "link", FIRST, force=False)
    assert (tmp_path / "link").is_symlink()
    assert files_in(tmp_path / "real") == FIRST
