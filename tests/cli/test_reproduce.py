"""`tinyprop reproduce` from the command line: studies really trained, on data that is generated here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tinyprop.cli import main, reproduce
from tinyprop.reproduction.studies import STUDIES
from tinyprop.training import record

TINY = (
    "dataset.source=synthetic",
    "dataset.subset.train=100",
    "dataset.subset.test=50",
    "trainer.epochs=1",
    "trainer.batch_size=50",
    "tracking.enabled=false",
    "hydra/launcher=basic",
)
ARMS = (
    'mnist:study.arms=["policy=dense","policy=adaptive_damped",'
    '"policy=static policy.ratio=0.33 policy.sparsify_output=true,false"]'
)

DENSE = 'study.arms=["policy=dense"]'


@pytest.fixture(autouse=True)
def _without_plots(monkeypatch):
    monkeypatch.setattr(record, "write_plots", lambda *_: None)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Four arms on two seeds, and how the command ended."""
    place = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        patch.setattr(record, "write_plots", lambda *_: None)
        status = main(["reproduce", "mnist", *TINY, ARMS, "study.seeds=2", "--out", "page.md"])
    return place, status


def as_json(tinyprop, *arguments):
    status, out, err = tinyprop("reproduce", "--json", *arguments)
    return status, json.loads(out) if out else {}, err


def test_a_study_is_trained_and_generated_data_scores_nothing(trained):
    place, status = trained
    assert status == 0
    assert len(list(place.glob("runs/*/result.json"))) == 8
    page = (place / "page.md").read_text()
    assert "generated data says nothing of a published accuracy" in page
    assert "GENERATED data" in page
    assert "dataset.source=synthetic" in page
    assert str(place) not in page


@pytest.fixture
def copied(trained, workplace, monkeypatch):
    """Those runs with their data taken for real, so that claims are scored."""
    import shutil

    shutil.copytree(trained[0] / "runs", workplace / "runs")
    for path in Path("runs").glob("*/result.json"):
        path.write_text(json.dumps({**json.loads(path.read_text()), "synthetic": False}))
    return workplace


def test_what_has_finished_is_scored_without_training(tinyprop, copied):
    before = {path: path.stat().st_mtime_ns for path in Path("runs").rglob("*") if path.is_file()}
    status, told, _ = as_json(tinyprop, "mnist", "--score", *TINY, ARMS, "study.seeds=3")
    assert status == 0
    assert {path: path.stat().st_mtime_ns for path in Path("runs").rglob("*") if path.is_file()} == before
    (study,) = told["studies"]
    assert (study["runs"], study["finished"], study["data"]["reduced"]) == (12, 8, True)
    row = next(r for r in told["scores"] if (r["claim"], r["counted"]) == ("dense-authors", "backward MACs"))
    assert (row["verdict"], row["reason"]) == ("undecided", "2 seeds of at least 5")
    results = [json.loads(path.read_text()) for path in Path("runs").glob("*-adaptive-*/result.json")]
    shares = [result["macs"]["backward_ratio"] for result in results]
    assert row["measured"][0]["value"] == pytest.approx(2 / sum(shares))


def test_the_same_command_trains_what_is_missing_and_nothing_else(tinyprop, copied, monkeypatch):
    from tinyprop.cli import jobs

    trained, whole = [], jobs.execute

    def counted(config, *arguments, **options):
        trained.append((config.policy.name, config.seed))
        return whole(config, *arguments, **options)

    monkeypatch.setattr(jobs, "execute", counted)
    arms = 'mnist:study.arms=["policy=dense","policy=adaptive_damped"]'
    status, told, _ = as_json(tinyprop, "mnist", *TINY, arms, "study.seeds=3")
    assert (status, trained) == (0, [("dense", 2), ("adaptive", 2)])
    assert told["studies"][0]["finished"] == 6


def test_a_failed_run_ends_the_command_with_1_and_the_others_are_scored(tinyprop, workplace, monkeypatch):
    from tinyprop.cli import jobs

    whole = jobs.execute

    def unlucky(config, *arguments, **options):
        if config.policy.name == "adaptive":
            raise ZeroDivisionError("on purpose")
        return whole(config, *arguments, **options)

    monkeypatch.setattr(jobs, "execute", unlucky)
    arms = 'mnist:study.arms=["policy=dense","policy=adaptive_damped"]'
    status, told, _ = as_json(tinyprop, "mnist", *TINY, arms, "study.seeds=1")
    assert (status, told["studies"][0]["finished"]) == (1, 1)

    def broken(*_, **__):
        raise ZeroDivisionError("on purpose")

    monkeypatch.setattr(jobs, "execute", broken)
    status, out, _ = tinyprop("reproduce", "mnist", *TINY, arms, "seed=7")
    assert status == 1
    assert "no finished run of study_mnist" in " ".join(out.split())


def test_the_terminal_shows_verdicts_within_80_columns(tinyprop, copied):
    status, out, _ = tinyprop("reproduce", "mnist", "--score", *TINY, ARMS, "study.seeds=2")
    assert status == 0
    assert max(map(len, out.splitlines())) <= 80
    assert out.index("The rule of the verdicts") < out.index("points lost")
    assert "undecided" in out


def test_a_dry_run_lists_every_study_and_trains_nothing(tinyprop, workplace):
    arms = 'study.arms=["policy=dense"]'
    status, told, _ = as_json(tinyprop, "mnist", "finetune", "--dry-run", arms, "study.seeds=2", *TINY[:4])
    assert status == 0
    assert [each["study"] for each in told["studies"]] == ["mnist", "finetune"]
    assert [run["state"] for each in told["studies"] for run in each["runs"]] == ["new"] * 4
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    ("arguments", "messages"),
    [
        ([], ["name a study to reproduce: mnist, lenet, dcase"]),
        (["minst"], ["minst: no such study; did you mean mnist?"]),
        (["mnist", "minst:seed=1"], ["no such study as minst; did you mean mnist?"]),
        (["mnist", "dcase:seed=1"], ["dcase is not among the studies that were named"]),
        (["mnist", "policy=dense"], ["policy=dense: a claim's study decides that; leave it out"]),
        ([DENSE, "mnist", "trainer.epochs=1,2"], ["mnist: trainer.epochs with several values: a claim is scored in"]),
        ([DENSE, "mnist", "lenet", "trainer.epoch=1"], ["mnist: trainer.epoch", "lenet: trainer.epoch"]),
        ([DENSE, "mnist", "--score"], ["mnist: no finished run in runs; without --score they are trained"]),
        ([DENSE, "mnist", "--out", "nowhere/page.md"], ["there is no directory nowhere"]),
    ],
    ids=" ".join,
)  # fmt: skip
def test_bad_requests_are_refused_before_anything_is_trained(tinyprop, workplace, arguments, messages):
    status, out, err = tinyprop("reproduce", *arguments)
    assert (status, out) == (2, "")
    assert all(message in err for message in messages), err
    assert not Path("runs").exists()


def test_help_and_completion_know_every_study(tinyprop, workplace):
    status, out, _ = tinyprop("reproduce", "--help")
    assert status == 0
    assert f"studies: {', '.join(STUDIES)}; all is every one." in out
    assert reproduce.candidates(["mnist", "fi"]) == ["finetune"]
    assert reproduce.candidates(["--sc"]) == ["--score"]


def test_a_page_does_not_tell_places_on_this_machine():
    told = reproduce._shown(
        ["tinyprop", "reproduce", "all", "dataset.root=/home/a", "dcase:dataset.feature_rows=/b", "x y"]
    )
    assert told == "tinyprop reproduce all dataset.root=DATA dcase:dataset.feature_rows=ROWS.npz 'x y'"
