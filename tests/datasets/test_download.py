from __future__ import annotations

import hashlib
import random
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.datasets.http_server import FileServer
from tinyprop.datasets.download import download
from tinyprop.datasets.remote import RemoteFile
from tinyprop.errors import DataError
from tinyprop.progress import Advance

CONTENT = random.Random(0).randbytes(300_000)
UNREACHABLE = "http://127.0.0.1:1/file.bin"


def remote(*urls: str, checksum: str = "md5:" + hashlib.md5(CONTENT).hexdigest()) -> RemoteFile:
    return RemoteFile("file.bin", urls, checksum, len(CONTENT))


def test_a_file_arrives_whole_and_leaves_nothing_else_but_its_lock(server: FileServer, tmp_path: Path) -> None:
    server.files["/file.bin"] = CONTENT
    target = download("mnist", remote(server.url("/file.bin")), tmp_path / "new")
    assert target.read_bytes() == CONTENT
    assert {path.name for path in target.parent.iterdir()} <= {"file.bin", ".file.bin.lock"}


def test_sha256_is_understood_as_well(server: FileServer, tmp_path: Path) -> None:
    server.files["/file.bin"] = CONTENT
    file = remote(server.url("/file.bin"), checksum="sha256:" + hashlib.sha256(CONTENT).hexdigest())
    assert download("mnist", file, tmp_path).read_bytes() == CONTENT


def test_an_interrupted_connection_is_resumed_where_it_broke(server: FileServer, tmp_path: Path) -> None:
    server.files["/file.bin"] = CONTENT
    server.cut_after = [100_000, 50_000]
    assert download("mnist", remote(server.url("/file.bin")), tmp_path).read_bytes() == CONTENT
    assert [wanted for _, wanted in server.requests] == [None, "bytes=100000-", "bytes=150000-"]


def test_the_part_of_an_earlier_process_is_resumed(server: FileServer, tmp_path: Path) -> None:
    server.files["/file.bin"] = CONTENT
    (tmp_path / "file.bin.part").write_bytes(CONTENT[:123_456])
    assert download("mnist", remote(server.url("/file.bin")), tmp_path).read_bytes() == CONTENT
    assert [wanted for _, wanted in server.requests] == ["bytes=123456-"]


def test_a_part_that_is_already_whole_needs_no_more_bytes(server: FileServer, tmp_path: Path) -> None:
    server.files["/file.bin"] = CONTENT
    (tmp_path / "file.bin.part").write_bytes(CONTENT)
    assert download("mnist", remote(server.url("/file.bin")), tmp_path).read_bytes() == CONTENT
    assert len(server.requests) == 1


@pytest.mark.parametrize("part", [b"not the beginning" * 1000, CONTENT + b"too long"])
def test_a_wrong_part_is_thrown_away_and_the_file_loaded_from_its_start(
    server: FileServer, tmp_path: Path, part: bytes
) -> None:
    server.files["/file.bin"] = CONTENT
    (tmp_path / "file.bin.part").write_bytes(part)
    assert download("mnist", remote(server.url("/file.bin")), tmp_path).read_bytes() == CONTENT
    assert server.requests[-1][1] is None


def test_a_server_without_ranges_sends_all_again(server: FileServer, tmp_path: Path) -> None:
    server.files["/file.bin"] = CONTENT
    server.supports_ranges = False
    (tmp_path / "file.bin.part").write_bytes(CONTENT[:200_000])
    assert download("mnist", remote(server.url("/file.bin")), tmp_path).read_bytes() == CONTENT


def test_the_next_mirror_takes_over_from_a_bad_one(server: FileServer, tmp_path: Path) -> None:
    server.files["/good.bin"] = CONTENT
    server.files["/bad.bin"] = CONTENT[:-1] + bytes([CONTENT[-1] ^ 1])
    urls = (UNREACHABLE, server.url("/absent.bin"), server.url("/bad.bin"), server.url("/good.bin"))
    assert download("mnist", remote(*urls), tmp_path).read_bytes() == CONTENT


def test_the_error_gives_the_reason_of_every_mirror_and_what_works_instead(server: FileServer, tmp_path: Path) -> None:
    server.files["/bad.bin"] = b"something else"
    urls = (UNREACHABLE, server.url("/absent.bin"), server.url("/bad.bin"))
    with pytest.raises(DataError) as caught:
        download("mnist", remote(*urls), tmp_path, also_missing=["other.bin"])
    message = str(caught.value)
    assert re.search(f"tried {UNREACHABLE}: .*refused", message)
    assert f"{urls[1]}: HTTP status 404" in message
    assert f"{urls[2]}: wrong content (its md5 is {hashlib.md5(b'something else').hexdigest()}" in message
    assert f"missing in {tmp_path}: file.bin, other.bin" in message
    assert "dataset=digits" in message
    assert "dataset=mnist dataset.source=synthetic" in message
    assert [path.name for path in tmp_path.iterdir()] in ([], [".file.bin.lock"])


def test_a_mirror_that_always_breaks_at_once_is_given_up(server: FileServer, tmp_path: Path) -> None:
    server.files["/file.bin"] = CONTENT
    server.cut_after = [0] * 20
    with pytest.raises(DataError, match="ended after 0 of 300000 bytes"):
        download("mnist", remote(server.url("/file.bin")), tmp_path)
    assert len(server.requests) == 1


def test_a_damaged_file_in_place_is_replaced_and_a_good_one_kept(server: FileServer, tmp_path: Path) -> None:
    server.files["/file.bin"] = CONTENT
    (tmp_path / "file.bin").write_bytes(b"damaged")
    for _ in range(2):
        assert download("mnist", remote(server.url("/file.bin")), tmp_path).read_bytes() == CONTENT
    assert len(server.requests) == 1


def test_several_at_once_download_once(server: FileServer, tmp_path: Path) -> None:
    server.files["/file.bin"] = CONTENT
    file = remote(server.url("/file.bin"))
    threads = [threading.Thread(target=download, args=("mnist", file, tmp_path)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (tmp_path / "file.bin").read_bytes() == CONTENT
    assert len(server.requests) == 1


def test_progress_counts_every_byte_once_also_when_resumed(server: FileServer, tmp_path: Path) -> None:
    class Recorder:
        amounts: list[float] = []  # noqa: RUF012
        total: float | None = None

        @contextmanager
        def task(self, description: str, total: float | None, unit: str = "") -> Iterator[Advance]:
            self.total = total
            yield self.amounts.append

    server.files["/file.bin"] = CONTENT
    (tmp_path / "file.bin.part").write_bytes(CONTENT[:1000])
    recorder = Recorder()
    download("mnist", remote(server.url("/file.bin")), tmp_path, recorder)
    assert sum(recorder.amounts) == recorder.total == len(CONTENT)


def test_a_folder_that_cannot_be_made_is_one_clear_error(server: FileServer, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match="cannot be written"):
        download("mnist", remote(server.url("/file.bin")), tmp_path / "file")


def test_a_file_larger_than_the_disk_is_refused_before_it_is_loaded(server: FileServer, tmp_path: Path) -> None:
    huge = RemoteFile("file.bin", (server.url("/file.bin"),), "md5:0", 10**18)
    with pytest.raises(DataError, match="free"):
        download("mnist", huge, tmp_path)
    assert not server.requests
