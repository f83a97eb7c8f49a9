import hashlib
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from tests.datasets.dcase_layout import write_clips
from tinyprop.datasets import dcase_archives
from tinyprop.datasets.dcase import DcaseSettings, load
from tinyprop.datasets.dcase_clips import MACHINES
from tinyprop.errors import DataError

PUBLISHED = "/dev_data_valve.zip"


@pytest.fixture
def published(server, tmp_path, monkeypatch):
    """The server, with an archive of 10 valve clips that the program takes for the published one."""
    write_clips(tmp_path / "source", {"id_00": (4, 2, 4)}, "valve")
    packed = shutil.make_archive(
        str(tmp_path / "packed"), "zip", tmp_path / "source" / "dcase2020_task2" / "dev_data", "valve"
    )
    server.files[PUBLISHED] = Path(packed).read_bytes()
    file = replace(
        dcase_archives.ARCHIVES["valve"],
        urls=(server.url(PUBLISHED),),
        checksum=f"md5:{hashlib.md5(server.files[PUBLISHED]).hexdigest()}",
        size=len(server.files[PUBLISHED]),
    )
    monkeypatch.setitem(dcase_archives.ARCHIVES, "valve", file)
    return server


@pytest.fixture
def root(tmp_path):
    return str(tmp_path / "data")


def statuses(root):
    return [check.status for check in dcase_archives.verify(root)]


def test_every_machine_type_has_an_official_archive_with_its_checksum():
    assert set(dcase_archives.ARCHIVES) == set(MACHINES)
    for machine, file in dcase_archives.ARCHIVES.items():
        assert file.name == f"dev_data_{machine}.zip"
        assert file.urls[0].startswith("https://zenodo.org/records/3678171/")
        assert len(file.checksum.removeprefix("md5:")) == 32


def test_auto_downloads_unpacks_and_trains_on_what_was_published(published, root):
    dataset = load(DcaseSettings(root=root, machine="valve"))
    assert len(dataset.train) + len(dataset.test) == 8
    directory = dcase_archives.machine_directory(root, "valve")
    assert sorted(path.name for path in directory.iterdir()) == ["archive.json", "test", "train"]
    assert not list(directory.parent.glob("dev_data*"))
    assert statuses(root) == ["ok"]


def test_downloaded_clips_need_no_network_again(published, root):
    load(DcaseSettings(root=root, machine="valve"))
    del published.files[PUBLISHED]
    for source in ("auto", "local", "download"):
        load(DcaseSettings(root=root, machine="valve", source=source))


def test_missing_changed_and_cut_clips_are_found_and_fetched_again(published, root):
    dcase_archives.fetch(root, machines=["valve"])
    clips = sorted(dcase_archives.machine_directory(root, "valve").rglob("*.wav"))
    clips[0].unlink()
    clips[1].write_bytes(clips[1].read_bytes()[:-1])
    clips[2].write_bytes(clips[2].read_bytes()[:-1] + b"?")
    checks = {check.path: check for check in dcase_archives.verify(root)}
    assert {path: check.status for path, check in checks.items()} == {
        clips[0]: "missing",
        clips[1]: "damaged",
        clips[2]: "damaged",
    }
    assert "CRC-32" in checks[clips[2]].detail
    dcase_archives.fetch(root, machines=["valve"])
    assert statuses(root) == ["ok"]


def test_an_unpacking_that_was_killed_is_done_again(published, root):
    dcase_archives.fetch(root, machines=["valve"])
    directory = dcase_archives.machine_directory(root, "valve")
    (directory / "archive.json").unlink()
    shutil.rmtree(directory / "test")
    (directory.parent / ".valve.unfinished").touch()
    assert len(load(DcaseSettings(root=root, machine="valve")).train) > 0
    assert not (directory.parent / ".valve.unfinished").exists()


def test_a_wrong_archive_is_refused_and_leaves_no_clips(published, root):
    published.files[PUBLISHED] = b"something else"
    with pytest.raises(DataError, match="wrong content"):
        load(DcaseSettings(root=root, machine="valve"))
    assert statuses(root) == ["missing"]


def test_an_archive_put_there_by_hand_is_unpacked_without_network(published, root):
    target = dcase_archives.machine_directory(root, "valve").parent
    target.mkdir(parents=True)
    (target / "dev_data_valve.zip").write_bytes(published.files[PUBLISHED])
    load(DcaseSettings(root=root, machine="valve", source="local"))
    assert statuses(root) == ["ok"]
    assert not published.requests
    assert (target / "dev_data_valve.zip").exists()


def test_a_wrong_archive_put_there_by_hand_is_named(root):
    target = dcase_archives.machine_directory(root, "valve").parent
    target.mkdir(parents=True)
    (target / "dev_data_valve.zip").write_bytes(b"something else")
    with pytest.raises(DataError, match=r"dev_data_valve\.zip: not the published archive"):
        load(DcaseSettings(root=root, machine="valve", source="local"))


def test_clips_without_checksums_are_read_instead(tmp_path, root):
    directory = write_clips(tmp_path / "data", {"id_00": (2, 2, 2)}, "fan")
    assert "no checksums" in dcase_archives.verify(root)[0].detail
    clip = directory / "train" / "normal_id_00_00000001.wav"
    clip.write_bytes(clip.read_bytes()[:500])
    [check] = dcase_archives.verify(root)
    assert (check.path, check.status) == (clip, "damaged")
    assert check.detail.startswith("cut")


def test_nothing_there_is_missing(root):
    assert statuses(root) == ["missing"]
    assert [check.status for check in dcase_archives.verify(root, machines=["fan", "pump"])] == ["missing", "missing"]
