from __future__ import annotations

import gzip
import hashlib
import json
import struct
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.datasets.http_server import serving
from tinyprop.cli import main
from tinyprop.datasets import mnist

COUNTS = {"train": 3, "test": 2}


@pytest.fixture
def small_mnist(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """Four tiny files that count as the official ones."""
    contents = {}
    files = {}
    for (split, kind), file in mnist.FILES.items():
        count = COUNTS[split]
        header = struct.pack(">IIII", 0x0803, count, 28, 28) if kind == "images" else struct.pack(">II", 0x0801, count)
        content = gzip.compress(header + bytes(count * (784 if kind == "images" else 1)))
        contents[file.name] = content
        files[split, kind] = replace(
            file, urls=(), checksum=f"md5:{hashlib.md5(content).hexdigest()}", size=len(content)
        )
    monkeypatch.setattr(mnist, "FILES", files)
    monkeypatch.setattr(mnist, "SIZES", COUNTS)
    return contents


@pytest.fixture
def root(small_mnist: dict[str, bytes], tmp_path: Path) -> Path:
    (tmp_path / "mnist").mkdir()
    for name, content in small_mnist.items():
        (tmp_path / "mnist" / name).write_bytes(content)
    return tmp_path


def test_list_names_every_dataset_with_licence_place_and_state_in_80_columns(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (root / "cifar10" / "cifar-10-batches-py").mkdir(parents=True)
    (root / "cifar10" / "cifar-10-batches-py" / "data_batch_1").touch()
    assert main(["data", "list", "--root", str(root)]) == 0
    output = capsys.readouterr().out
    heading, *table = output.splitlines()
    assert str(root) in heading
    assert max(map(len, table)) <= 80
    assert "\x1b" not in output
    states = {line.split()[0]: line for line in table if line.split()}
    assert states["mnist"].rstrip().endswith("complete")
    assert states["cifar10"].rstrip().endswith("partial")
    assert states["dcase"].rstrip().endswith("missing")
    assert states["digits"].rstrip().endswith("built in")
    assert states["arrays"].rstrip().endswith("yours")
    assert "CC BY-SA 3.0" in states["mnist"]


def test_list_as_json_says_the_same(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "list", "--root", str(root), "--json"]) == 0
    listed = {entry["name"]: entry for entry in json.loads(capsys.readouterr().out)["datasets"]}
    assert list(listed) == ["digits", "mnist", "cifar10", "dcase", "dcase_ae", "folder", "arrays"]
    assert listed["mnist"]["state"] == "complete"
    assert listed["mnist"]["place"] == str(root / "mnist")


def test_verify_has_a_line_for_every_file_and_status_0_if_all_are_right(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", "verify", "mnist", "--root", str(root)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines[:4]] == [
        ["ok", str(root / "mnist" / file.name)] for file in mnist.FILES.values()
    ]


def test_verify_has_status_1_if_a_file_is_missing_or_damaged(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    damaged, lost = (root / "mnist" / name for name in ("train-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"))
    damaged.write_bytes(b"damaged")
    lost.unlink()
    for name in ("mnist", "all"):
        assert main(["data", "verify", name, "--root", str(root)]) == 1
        output = capsys.readouterr().out
        assert f"damaged  {damaged}  (its md5 is" in output
        assert f"missing  {lost}" in output
        assert "2 of 4 missing or damaged; `tinyprop data fetch mnist`" in output
    assert main(["data", "verify", "mnist", "--root", str(root), "--json"]) == 1
    result = json.loads(capsys.readouterr().out)
    assert result["ok"] is False
    assert [file["status"] for file in result["datasets"]["mnist"]] == ["damaged", "ok", "ok", "missing"]


def test_verify_all_with_nothing_there_is_no_success(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "verify", "all", "--root", str(tmp_path)]) == 1
    assert "there is no dataset to verify" in capsys.readouterr().err


def test_fetch_brings_what_is_missing_and_reports_every_file(
    root: Path,
    small_mnist: dict[str, bytes],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    lost = root / "mnist" / "train-images-idx3-ubyte.gz"
    lost.unlink()
    with serving() as server:
        server.files = {f"/{name}": content for name, content in small_mnist.items()}
        monkeypatch.setattr(
            mnist, "FILES", {k: replace(f, urls=(server.url(f"/{f.name}"),)) for k, f in mnist.FILES.items()}
        )
        assert main(["data", "fetch", "mnist", "--root", str(root)]) == 0
        assert [path for path, _ in server.requests] == [f"/{lost.name}"]
    assert lost.read_bytes() == small_mnist[lost.name]
    assert "all 4 right" in capsys.readouterr().out


def test_fetch_without_a_mirror_that_works_fails_with_advice(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (root / "mnist" / "train-images-idx3-ubyte.gz").unlink()
    refused = {k: replace(f, urls=("http://127.0.0.1:1/",)) for k, f in mnist.FILES.items()}
    monkeypatch.setattr(mnist, "FILES", refused)
    assert main(["data", "fetch", "mnist", "--root", str(root)]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: mnist: missing in")
    assert "dataset=digits" in error


@pytest.mark.parametrize("verb", ["fetch", "verify"])
@pytest.mark.parametrize(("name", "says"), [("digits", "comes with scikit-learn"), ("arrays", "your own files")])
def test_datasets_without_a_download_say_so(
    verb: str, name: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", verb, name]) == 0
    assert says in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["fetch", "mnits"], "unknown dataset 'mnits': did you mean mnist?"),
        (["verify", "cifar"], "did you mean cifar10?"),
        (["lst"], "unknown action 'lst': did you mean list?"),
        (["fetch", "dcase", "--machine", "slidr"], "unknown machine type 'slidr': did you mean slider?"),
        (["fetch", "mnist", "--machine", "slider"], "mnist has no machine types"),
    ],
)
def test_a_wrong_request_names_the_nearest_and_ends_with_status_2(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", *arguments]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("verb", [[], ["list"], ["fetch"], ["verify"]])
def test_every_help_ends_in_examples(verb: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["data", *verb, "--help"])
    assert caught.value.code == 0
    lines = capsys.readouterr().out.rstrip().splitlines()
    assert "examples:" in lines
    assert lines[-1].startswith("  tinyprop data ")
    assert max(map(len, lines)) <= 80


def test_list_loads_no_numerical_library() -> None:
    code = (
        "import sys; from tinyprop.cli import main; main(['data', 'list']); "
        "print(sorted({'numpy', 'torch', 'librosa', 'mlflow'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
