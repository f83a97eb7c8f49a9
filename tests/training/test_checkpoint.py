"""Checkpoints: whole or not there, and never executed."""

import os
import pickle
import zipfile

import pytest
import torch

from tinyprop.errors import DataError, RequestError
from tinyprop.training import checkpoint

CONTENT = {"weights": {"fc1.weight": torch.arange(6.0).reshape(2, 3)}, "fit": {"epoch": 3, "best": None, "history": []}}


@pytest.fixture
def path(tmp_path):
    return tmp_path / checkpoint.FILE_NAME


def test_what_is_saved_is_loaded(path):
    checkpoint.save(path, CONTENT)
    found = checkpoint.load(path)
    assert torch.equal(found["weights"]["fc1.weight"], CONTENT["weights"]["fc1.weight"])
    assert found["fit"] == CONTENT["fit"]
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_write_that_fails_leaves_the_earlier_checkpoint(path, monkeypatch):
    checkpoint.save(path, CONTENT)
    before = path.read_bytes()

    def full(descriptor):
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no space"):
        checkpoint.save(path, {"weights": {}})
    assert path.read_bytes() == before
    assert checkpoint.load(path)["fit"]["epoch"] == 3


class Malicious:
    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return os.mkdir, (str(self.target),)


def test_a_malicious_checkpoint_is_refused_and_not_executed(path, tmp_path):
    torch.save({"format": 1, "weights": Malicious(tmp_path / "executed")}, path)
    with pytest.raises(DataError, match="holds more than tensors, numbers and text"):
        checkpoint.load(path)
    path.write_bytes(pickle.dumps(Malicious(tmp_path / "executed")))
    with pytest.raises(DataError, match="not a checkpoint that can be read"):
        checkpoint.load(path)
    assert not (tmp_path / "executed").exists()


def test_a_truncated_checkpoint_is_one_clear_error_wherever_it_ends(path):
    checkpoint.save(path, CONTENT)
    whole = path.read_bytes()
    for length in (0, 1, 10, len(whole) // 3, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(DataError, match="not a checkpoint that can be read") as refused:
            checkpoint.load(path)
        assert str(path) in str(refused.value)
        assert "\n" not in str(refused.value)
        assert "delete it to begin anew" in str(refused.value)


def test_damaged_bytes_are_noticed_also_in_the_middle_of_a_tensor(path):
    checkpoint.save(path, {"weights": {"w": torch.zeros(1000)}})
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        tensor = max(archive.infolist(), key=lambda entry: entry.file_size)
    content[tensor.header_offset + 2000] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match="is damaged"):
        checkpoint.load(path)


def test_another_programs_checkpoint_is_refused(path):
    torch.save({"state_dict": {"w": torch.zeros(2)}}, path)
    with pytest.raises(DataError, match="not a tinyprop checkpoint"):
        checkpoint.load(path)


def test_initial_weights_are_found_as_file_directory_or_name(tmp_path, monkeypatch):
    run = tmp_path / "runs" / "some-run"
    run.mkdir(parents=True)
    checkpoint.save(run / checkpoint.FILE_NAME, CONTENT)
    monkeypatch.chdir(tmp_path)
    for source in (str(run / checkpoint.FILE_NAME), str(run), "runs/some-run", "some-run", "./runs/some-run/"):
        found = checkpoint.initial_weights(source, tmp_path / "runs")
        assert torch.equal(found["fc1.weight"], CONTENT["weights"]["fc1.weight"])


def test_initial_weights_that_are_not_there_name_where_they_were_looked_for(tmp_path):
    with pytest.raises(RequestError) as refused:
        checkpoint.initial_weights("absent", tmp_path / "runs")
    assert str(refused.value).startswith("trainer.init_from=absent: no checkpoint is there")
    assert str(tmp_path / "runs" / "absent" / "checkpoint.pt") in str(refused.value)
