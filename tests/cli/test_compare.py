"""`tinyprop compare` on runs that were really trained."""

import json
import shutil
from pathlib import Path

import pytest

from tests.cli.conftest import SMALL, mlflow_rows
from tinyprop.cli import main
from tinyprop.compare import tracked
from tinyprop.training import record

TRAINED = (*SMALL, "backend=native", "tracking.log_model=false", "trainer.test_every_epoch=true", "seed=0,1")


@pytest.fixture(scope="module")
def trained(tmp_path_factory, _database, c_engine):
    """Dense, a fixed ratio with both kinds of output layer, and adaptive, on two seeds; tracked, in two sweeps."""
    place = tmp_path_factory.mktemp("trained")
    (place / "runs").mkdir()
    shutil.copy(_database, place / "runs" / "mlflow.db")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        patch.setattr(record, "write_plots", lambda *_: None)
        for policy in (
            ["policy=dense,adaptive"],
            ["policy=static", "policy.ratio=0.2", "policy.sparsify_output=true,false"],
        ):
            assert main(["train", "-m", *TRAINED, *policy]) == 0
    return place / "runs"


@pytest.fixture
def study(tinyprop, workplace, trained):
    """The command line beside a copy of those runs; what MLflow keeps of them stays where it was written."""
    shutil.copytree(trained, workplace / "runs")
    return tinyprop


def as_json(tinyprop, *arguments):
    status, out, err = tinyprop("compare", "--json", *arguments)
    assert status == 0, err
    return json.loads(out)


def results():
    return [json.loads(path.read_text()) for path in sorted(Path("runs").glob("*/result.json"))]


def without_places(content):
    """A comparison without where runs were read from."""
    for family in content["families"]:
        for configuration in family["configurations"]:
            configuration.pop("runs", None)
    return {**content, "question": {**content["question"], "command": None}, "remarks": None}


def test_runs_are_compared_from_directories_and_from_mlflow_alike(study, monkeypatch):
    content = as_json(study)
    (family,) = content["families"]
    assert [each["label"] for each in family["configurations"]] == [
        "dense", "static 0.2, output dense", "static 0.2, output sparse", "adaptive, output dense",
    ]  # fmt: skip
    expected = [r["metrics"]["test_accuracy"] for r in results() if r["policy"] == "adaptive"]
    ours = family["configurations"][3]
    assert ours["means"]["test_accuracy"]["mean"] == pytest.approx(sum(expected) / 2)
    assert set(ours["means"]) == {
        "test_accuracy",
        "backward_ratio",
        "step_ratio",
        "cycles",
        "microjoules",
        "wall_seconds",
    }
    assert family["work_to_reach"]["split"] == "test"

    assert without_places(as_json(study, "--mlflow")) == without_places(content)

    def unreachable(**_):
        raise OSError("gone")

    monkeypatch.setattr("mlflow.artifacts.download_artifacts", unreachable)
    blind = as_json(study, "--mlflow")
    assert "Numbers from MLflow's metrics" in blind["remarks"][0]
    assert without_places(blind) == without_places(content)


def test_a_sweep_is_compared_by_its_name_or_its_parents_id(study):
    latest = {each["label"] for each in as_json(study, "--study", "last")["families"][0]["configurations"]}
    assert latest == {"static 0.2, output dense", "static 0.2, output sparse"}
    rows = mlflow_rows(Path("runs/mlflow.db"))
    parents = [row for row in rows if row["parent"] is None]
    for sweep in parents:
        named = as_json(study, "--mlflow", "--study", sweep["tags"]["tinyprop.sweep"])
        assert without_places(as_json(study, sweep["id"])) == without_places(named)
        assert len(named["families"][0]["configurations"]) == 2
    child = next(row for row in rows if row["parent"])
    assert as_json(study, child["id"])["families"][0]["configurations"][0]["n"] == 1


def test_a_report_is_written_and_the_tables_are_shown(study):
    status, out, _ = study("compare", "--out", "report")
    assert status == 0
    assert "accuracy against dense" in out
    assert "accuracy against the strongest fixed ratio at equal backward work" in out
    assert "Written: report; open report/report.html" in out
    assert max(map(len, out.splitlines())) <= 80
    assert Path("report/report.html").stat().st_size > 1e6
    assert study("compare", "--out", "report")[0] == 0
    status, _, err = study("compare", "--out", "runs")
    assert (status, "holds what no comparison has written" in err) == (2, True)


def test_some_runs_are_chosen_by_place_and_by_setting(study):
    (family,) = as_json(study, "runs/*-static-*")["families"]
    assert {each["policy"]["name"] for each in family["configurations"]} == {"static"}
    assert family["baseline"] is None
    (family,) = as_json(study, "--where", "policy=adaptive", "--where", "seed=1")["families"]
    assert [(each["label"], each["n"]) for each in family["configurations"]] == [("adaptive", 1)]
    one = next(Path("runs").glob("*-dense-s0-*")).name
    assert as_json(study, one, f"runs/{one}")["families"][0]["configurations"][0]["n"] == 1


def test_a_missing_seed_is_seen(study):
    lost = next(Path("runs").glob("*-adaptive-s1-*"))
    (lost / "result.json").write_text("{")
    status, out, _ = study("compare")
    assert status == 0
    assert "adaptive, output dense: seed 1: " in out
    assert "cannot be read" in out
    status, _, err = study("compare", str(lost))
    assert (status, err.count("\n")) == (1, 1)
    assert "result.json: cannot be read" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "runs: is no run directory and holds none"),
        (["nowhere"], "nowhere: no such run directory, neither here nor in runs"),
        (["nowhere/*"], "nowhere/*: matches no run directory"),
        (["empty"], "empty: is no run directory and holds none"),
        (["--mlflow"], "mlflow.db: no such MLflow database"),
        (["0" * 32], "mlflow.db: no such MLflow database"),
        (["--study", "last"], "there are no sweeps in runs"),
        (["--study", "x", "runs"], "both say what to compare"),
        (["--mlflow", "runs/a"], "runs/a: is no id of an MLflow run"),
        (["--tracking-uri", "nothing"], "--tracking-uri: 'nothing' is no tracking URI"),
        (["--where", "dataset"], "'dataset' is no key=value"),
        (["--out", "."], "--out .: the working directory itself"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_request_that_cannot_be_met_is_one_error(tinyprop, workplace, arguments, message):
    for name in ("runs", "empty"):
        (workplace / name).mkdir()
    status, out, err = tinyprop("compare", *arguments)
    assert (status, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1


def test_what_mlflow_does_not_have_is_named(study):
    for arguments, message in (
        (["--mlflow", "--experiment", "tinyprob"], "did you mean tinyprop?"),
        (["0" * 32], "is not in sqlite"),
        (["--mlflow", "--study", "other"], "--study other: no such sweep in the experiment 'tinyprop'"),
        (["--metric", "test_acc"], "--metric test_acc: no run has it; did you mean test_accuracy?"),
        (["--where", "dataset=mnist"], "--where dataset=mnist: none of 8 runs is like that"),
    ):
        status, out, err = study("compare", *arguments)
        assert (status, out, message in err) == (2, "", True), err


def test_a_run_that_fails_or_was_killed_is_listed_from_mlflow_too(study):
    status, *_ = study("train", *TRAINED[:-1], "seed=5", "policy=dense", "optimizer=sgd", "optimizer.lr=1e30")
    assert status == 1
    for arguments in ([], ["--mlflow"]):
        found = as_json(study, *arguments)["excluded"]
        assert [(each["status"], "diverged" in each["reason"]) for each in found] == [("failed", True)]


def test_parameters_become_the_configuration_that_they_came_from():
    params = {"policy.name": "static", "policy.ratio": "0.1", "trainer.init_from": "null", "model.hidden": "[32,16]"}
    recorded = tracked.RecordedRun("0", "x", "RUNNING", 0, {**params, "seed": "3"}, {}, {}, "")
    assert tracked._config(recorded) == {
        "policy": {"name": "static", "ratio": 0.1},
        "trainer": {"init_from": None},
        "model": {"hidden": [32, 16]},
        "seed": 3,
    }


def test_help_and_completion_know_the_verb(tinyprop, workplace):
    status, out, _ = tinyprop("compare", "--help")
    assert (status, "tinyprop compare --study last --out report" in out) == (0, True)
    from tinyprop.cli.compare import candidates

    assert candidates(["--ta"]) == ["--target"]
    assert "rp2040" in candidates(["--target", "rp"])
    assert candidates(["--study", "l"]) == ["last"]
