import json
import sqlite3
from contextlib import closing

import pytest

from tinyprop.cli import doctor
from tinyprop.engine import compile
from tinyprop.tracking import TrackingSettings, open_store


@pytest.fixture
def places(tmp_path):
    return ["--runs-dir", str(tmp_path / "runs"), "--data-dir", str(tmp_path / "data")]


def examined(capsys, arguments) -> tuple[int, dict[str, dict]]:
    status = doctor.run([*arguments, "--json"])
    answer = json.loads(capsys.readouterr().out)
    assert answer["ok"] == (status == 0)
    return status, {check["name"]: check for check in answer["checks"]}


def test_a_sound_installation_is_ok_and_nothing_is_created(tmp_path, places, capsys):
    status, checks = examined(capsys, places)
    assert status == 0
    for name in ("Python", "packages", "torch", "sound", "runs directory", "MLflow database", "dataset digits"):
        assert checks[name]["state"] == "ok", checks[name]
    assert checks["dataset mnist"]["state"] == "missing"
    assert checks["dataset mnist"]["advice"] == f"tinyprop data fetch mnist --root {tmp_path}/data"
    assert list(tmp_path.iterdir()) == []


def test_the_table_fits_80_columns_without_control_codes(places, capsys):
    assert doctor.run(places) == 0
    text = capsys.readouterr().out
    assert "\x1b" not in text
    assert max(len(line) for line in text.splitlines()) <= 80
    assert text.endswith("everything that runs need is there\n")
    assert "→ tinyprop data fetch mnist" in text


def test_the_database_is_reported_as_it_is_healthy_outdated_or_damaged(tmp_path, places, capsys):
    runs_dir = tmp_path / "runs"
    store = open_store(TrackingSettings(), runs_dir)
    store.start_run("a").finish("FINISHED")
    store.start_run("b").finish("FAILED")
    status, checks = examined(capsys, places)
    assert (status, checks["MLflow database"]["found"]) == (0, "1 FAILED, 1 FINISHED")

    with closing(sqlite3.connect(runs_dir / "mlflow.db")) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0123456789ab'")
        connection.commit()
    status, checks = examined(capsys, places)
    assert status == 1
    assert "mlflow db upgrade" in checks["MLflow database"]["advice"]

    (runs_dir / "mlflow.db").write_text("no database" * 1000)
    status, checks = examined(capsys, places)
    assert status == 1
    assert "cannot be read" in checks["MLflow database"]["found"]


def test_a_directory_that_cannot_be_written_is_a_problem(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    status, checks = examined(capsys, ["--runs-dir", str(tmp_path / "file"), "--data-dir", str(tmp_path)])
    assert status == 1
    assert checks["runs directory"]["state"] == "problem"


def test_a_package_in_a_wrong_version_is_named_with_the_command_that_mends_it(places, capsys, monkeypatch):
    monkeypatch.setattr(doctor, "requires", lambda name: ["rich>=99", "nothing-like-this", 'absent; extra == "joblib"'])
    assert doctor.run(places) == 1
    text = capsys.readouterr().out
    assert "pip install 'rich>=99'" in text
    assert "pip install 'nothing-like-this'" in text
    assert "absent" not in text
    assert text.endswith("broken: rich, nothing-like-this\n")


def test_help_ends_in_examples(capsys):
    with pytest.raises(SystemExit):
        doctor.run(["--help"])
    assert "tinyprop doctor --json" in capsys.readouterr().out.split("examples:")[1]


def test_the_c_engine_is_there_or_it_says_how_to_get_it(places, capsys, monkeypatch, c_engine, tmp_path):
    found = examined(capsys, places)[1]["C engine"]
    assert found["state"] == "ok"
    assert found["found"].startswith("tinyprop-")

    monkeypatch.setattr(compile.library_path, "__defaults__", (tmp_path,))
    monkeypatch.setattr(compile, "DIRECTORY", tmp_path)
    monkeypatch.setenv("CC", "gcc-99")
    status, checks = examined(capsys, places)
    assert status == 0, "nothing but backend=native needs it"
    assert checks["C engine"]["state"] == "missing"
    assert checks["C engine"]["found"] == "the C engine is not built, and CC=gcc-99: no such command"
    assert "then run: python -P -m tinyprop.engine.compile" in checks["C engine"]["advice"]
