from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from tinyprop.datasets.unpack import unpack
from tinyprop.errors import DataError

FILES = {"set/one.txt": b"one", "set/deep/two.bin": bytes(range(256)) * 100}


def make_zip(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def make_tar(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def make_special(path: Path, kind: bytes, target: str = "") -> Path:
    with tarfile.open(path, "w:gz") as archive:
        info = tarfile.TarInfo("set/special")
        info.type, info.linkname = kind, target
        archive.addfile(info)
    return path


def files_under(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}


@pytest.mark.parametrize("make", [make_zip, make_tar])
def test_files_arrive_with_their_content_and_nothing_else(make, tmp_path: Path) -> None:
    archive = make(tmp_path / "archive", FILES)
    target = tmp_path / "target"
    (target / "set").mkdir(parents=True)
    (target / "set" / "mine.txt").write_text("kept")
    unpacked = unpack(archive, target, limit_bytes=10**6)
    assert {path.relative_to(target).as_posix(): path.read_bytes() for path in unpacked} == FILES
    assert files_under(target) == {*FILES, "set/mine.txt"}
    assert [path.name for path in target.iterdir()] == ["set"]


@pytest.mark.parametrize("make", [make_zip, make_tar])
@pytest.mark.parametrize("name", ["../evil", "set/../../evil", "/tmp/evil", "..\\evil", "C:evil"])
def test_a_member_that_would_land_outside_is_refused_and_nothing_unpacked(make, name: str, tmp_path: Path) -> None:
    archive = make(tmp_path / "archive", {"good": b"good", name: b"evil"})
    with pytest.raises(DataError, match="outside of the target"):
        unpack(archive, tmp_path / "target", limit_bytes=10**6)
    assert files_under(tmp_path) == {"archive"}


@pytest.mark.parametrize(
    ("kind", "target"),
    [(tarfile.SYMTYPE, "/etc"), (tarfile.LNKTYPE, "../x"), (tarfile.CHRTYPE, ""), (tarfile.FIFOTYPE, "")],
)
def test_links_and_devices_are_refused(kind: bytes, target: str, tmp_path: Path) -> None:
    archive = make_special(tmp_path / "archive", kind, target)
    with pytest.raises(DataError, match="link or a device"):
        unpack(archive, tmp_path / "target", limit_bytes=10**6)


def test_a_link_in_a_zip_is_refused(tmp_path: Path) -> None:
    info = zipfile.ZipInfo("link")
    info.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "archive", "w") as archive:
        archive.writestr(info, "/etc/passwd")
    with pytest.raises(DataError, match="link or a device"):
        unpack(tmp_path / "archive", tmp_path / "target", limit_bytes=10**6)


@pytest.mark.parametrize("make", [make_zip, make_tar])
def test_an_archive_that_swells_beyond_the_limit_is_refused(make, tmp_path: Path) -> None:
    archive = make(tmp_path / "archive", {"zeros": bytes(10**6)})
    assert archive.stat().st_size < 10**4
    with pytest.raises(DataError, match="more than 999999 bytes"):
        unpack(archive, tmp_path / "target", limit_bytes=999_999)
    assert files_under(tmp_path) == {"archive"}


@pytest.mark.parametrize("make", [make_zip, make_tar])
@pytest.mark.parametrize("keep", [0, 10, 150])
def test_a_cut_archive_leaves_nothing_behind(make, keep: int, tmp_path: Path) -> None:
    archive = make(tmp_path / "archive", FILES)
    archive.write_bytes(archive.read_bytes()[:keep])
    with pytest.raises(DataError, match="archive: cannot be unpacked"):
        unpack(archive, tmp_path / "target", limit_bytes=10**6)
    assert files_under(tmp_path) == {"archive"}


def test_a_flipped_byte_in_a_zip_is_noticed(tmp_path: Path) -> None:
    archive = make_zip(tmp_path / "archive", {"zeros": bytes(10_000)})
    content = bytearray(archive.read_bytes())
    content[40] ^= 0xFF
    archive.write_bytes(content)
    with pytest.raises(DataError, match="cannot be unpacked"):
        unpack(archive, tmp_path / "target", limit_bytes=10**6)


def test_a_name_that_occurs_twice_is_refused(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "archive", "w") as archive:
        for _ in range(2):
            archive.addfile(tarfile.TarInfo("same"))
    with pytest.raises(DataError, match="twice"):
        unpack(tmp_path / "archive", tmp_path / "target", limit_bytes=10**6)
