"""``tinyprop export``: from a finished run to a directory, and what it refuses."""

import json
import shutil
from pathlib import Path

import pytest

from tinyprop.cli import export


@pytest.fixture(scope="module")
def a_run(tmp_path_factory):
    """The directory of a small finished run."""
    from tinyprop.cli import main
    from tinyprop.training import record

    place = tmp_path_factory.mktemp("exported")
    small = (
        "dataset=digits",
        "dataset.subset.train=60",
        "trainer.epochs=1",
        "model.hidden=[8]",
        "tracking.enabled=false",
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        patch.setattr(record, "write_plots", lambda *_: None)
        assert main(["train", "--json", *small]) == 0
    (found,) = (place / "runs").iterdir()
    return found


@pytest.fixture
def run(a_run, workplace):
    """The same, in ``runs`` of the working directory."""
    return shutil.copytree(a_run, workplace / "runs" / a_run.name)


def test_a_run_is_exported_by_its_name_for_its_own_target(tinyprop, run):
    status, out, err = tinyprop("export", run.name, "--out", "board")
    assert (status, err) == (0, "")
    assert out.startswith(f"{run.name} on STM32F407VG\n")
    assert "It fits STM32F407VG.\n" in out
    assert out.endswith("Written: board; its README.md says how to build and use it.\n")
    assert max(map(len, out.splitlines())) <= 80
    assert "\x1b" not in out
    assert f"# {run.name} on STM32F407VG" in Path("board/README.md").read_text()


def test_scripts_get_one_json_object_and_options_are_obeyed(tinyprop, run):
    options = ("--target", "rp2040", "--batch-size", "2", "--samples", "3", "--json")
    status, out, err = tinyprop("export", str(run), "--out", "board", *options)
    assert (status, err) == (0, "")
    said = json.loads(out)
    assert (said["run"], said["core"], said["batch_size"], said["fits"]) == (run.name, "cortex-m0plus", 2, True)
    assert sum(said["ram"]["uses"].values()) == said["ram"]["used"] < said["ram"]["available"]
    assert all(Path("board", name).is_file() for name in said["files"])
    assert "#define SAMPLES 3u" in Path("board/samples.h").read_text()


def test_a_second_export_needs_force_and_gives_the_same(tinyprop, run):
    assert tinyprop("export", run.name, "--out", "board")[0] == 0
    first = {path: path.read_bytes() for path in Path("board").rglob("*") if path.is_file()}
    status, out, err = tinyprop("export", run.name, "--out", "board")
    assert (status, out) == (2, "")
    assert err == "error: --out board: holds an earlier export; --force replaces it, or choose another directory\n"
    assert tinyprop("export", run.name, "--out", "board", "--force")[0] == 0
    assert {path: path.read_bytes() for path in Path("board").rglob("*") if path.is_file()} == first


def test_what_does_not_fit_is_exported_all_the_same_and_said(tinyprop, run):
    target = Path("more/target/tiny.yaml")
    target.parent.mkdir(parents=True)
    settings = (
        "name: tiny\ncore: cortex-m3\nfpu: false\nclock_mhz: 8\nsram_bytes: 4096\nflash_bytes: 16384\nsource: none\n"
    )
    target.write_text(settings)
    status, out, err = tinyprop(
        "export", run.name, "--out", "board", "--target", "tiny", "--config-dir", "more", "--json"
    )
    assert (status, err) == (0, "")
    said = json.loads(out)
    assert said["fits"] is False
    missing = [
        f"{said[memory]['used'] - said[memory]['available']:,} bytes of {name}"
        for memory, name in (("ram", "RAM"), ("flash", "Flash"))
    ]
    expected = f"not fit tiny: {' and '.join(missing)} are missing."
    assert expected in " ".join(Path("board/README.md").read_text().split())
    shown = tinyprop("export", run.name, "--out", "board", "--force", "--target", "tiny", "--config-dir", "more")[1]
    assert expected in " ".join(shown.split())
    assert max(map(len, shown.splitlines())) <= 80


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nothing",), "nothing: no such run directory, neither here nor in runs; "),
        (("runs/",), "runs: no run is there (it has no result.json)"),
        (("RUN", "--target", "stm32f704"), "--target stm32f704: no such target; did you mean stm32f"),
        (("RUN", "--samples", "0"), "--samples 0: is under 1"),
        (("RUN", "--batch-size", "-1"), "--batch-size -1: is under 1"),
        (("RUN", "--samples", "5000"), "--samples 5000: digits has"),
        (("RUN", "--out", "."), "--out .: the working directory itself"),
        (("RUN", "--out", "runs"), "--out runs: holds files that no export has written"),
        (("RUN", "--config-dir", "nowhere", "--target", "rp2040"), "--config-dir nowhere: no such directory"),
    ],
)
def test_a_wrong_request_is_one_error_and_writes_nothing(tinyprop, run, arguments, said):
    arguments = [run.name if argument == "RUN" else argument for argument in arguments]
    before = sorted(Path(".").rglob("*"))
    status, out, err = tinyprop("export", "--out", "board", *arguments)
    assert (status, out) == (2, "")
    assert err.startswith(f"error: {said}")
    assert err.count("\n") == 1
    assert sorted(Path(".").rglob("*")) == before


def test_a_run_that_has_not_finished_is_refused(tinyprop, run):
    result = json.loads((run / "result.json").read_text())
    (run / "result.json").write_text(json.dumps(result | {"status": "killed"}))
    status, _, err = tinyprop("export", run.name, "--out", "board")
    assert status == 2
    assert f"runs/{run.name}: this run has not finished, its status is killed; the command in" in err


def test_files_of_a_run_that_are_gone_or_damaged_are_named(tinyprop, run):
    (run / "config.yaml").write_text("model: 3")
    status, _, err = tinyprop("export", run.name, "--out", "board")
    assert status == 1
    assert err.startswith(f"error: runs/{run.name}/config.yaml: not a configuration of this version of tinyprop")
    (run / "checkpoint.pt").unlink()
    status, _, err = tinyprop("export", run.name, "--out", "board")
    assert status == 1
    assert f"runs/{run.name}/checkpoint.pt: the weights of this run are missing" in err


def test_runs_targets_and_options_complete(run):
    assert export.candidates(["dig"]) == [run.name]
    assert export.candidates([run.name, "--target", "rp"]) == ["rp2040"]
    assert export.candidates([run.name, "--sam"]) == ["--samples"]
    assert export.candidates([""]) == [run.name]
