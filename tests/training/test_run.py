"""One run in its directory: what it leaves, when it is found again, resumed or refused, and how it ended."""

import csv
import dataclasses
import json
import pydoc
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from filelock import FileLock

from tinyprop import datasets
from tinyprop.config.hydra_job import as_yaml
from tinyprop.datasets.contract import Split
from tinyprop.errors import DataError, DivergenceError, RequestError
from tinyprop.progress import SILENT, Silent
from tinyprop.tracking import TrackingSettings
from tinyprop.training import checkpoint, record, result
from tinyprop.training import fit as loop
from tinyprop.training.run import conclude_lost, execute


def run(config, *, init_from=None, progress=SILENT, directory=None):
    """The result of a run in the directory that its name gives."""
    source = config.trainer.init_from if init_from is None else init_from
    return execute(
        config,
        directory or Path(config.runs_dir) / config.run_name,
        init_from=None if source is None else lambda: str(source),
        config_yaml=as_yaml(config),
        command="tinyprop train …",
        progress=progress,
    )


def weights_in(directory) -> dict:
    return checkpoint.load(Path(directory) / checkpoint.FILE_NAME)["weights"]


def same(one, other) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


class Interrupting(Silent):
    """A progress that interrupts training once so many samples are through, as Ctrl-C would."""

    def __init__(self, after: int, error: BaseException | None = None):
        self._after, self._error = after, error or KeyboardInterrupt()

    @contextmanager
    def task(self, description, total, unit=""):
        done = 0

        def advance(amount):
            nonlocal done
            done += amount
            if description == "Training" and done >= self._after:
                raise self._error

        yield advance


@pytest.fixture
def plots():
    """For tests that look at the figures, which take longer to draw than all the rest."""


@pytest.fixture(autouse=True)
def _without_plots(request, monkeypatch):
    if "plots" not in request.fixturenames:
        monkeypatch.setattr(record, "write_plots", lambda *_: None)


@pytest.fixture
def eager(monkeypatch):
    """A checkpoint after every epoch."""
    monkeypatch.setattr(loop, "_CHECKPOINT_INTERVAL", 0.0)


def test_a_finished_run_leaves_its_whole_record(configured, plots):
    config = configured("policy=static", "policy.ratio=0.5", "optimizer=sgd", "target=rp2040")
    outcome = run(config)
    directory = Path(outcome["run_dir"])
    assert {path.name for path in directory.iterdir()} == {
        *("config.yaml", "metrics.csv", "result.json", "checkpoint.pt", "environment.json", "command.txt"),
        *("curves.png", "ratio_per_layer.png", ".lock", ".attempt"),
        *("cost_by_layer.png", "cost_by_ratio.png"),
    }
    assert json.loads((directory / "result.json").read_text()) == outcome
    assert (directory / "command.txt").read_text() == "tinyprop train …\n"
    rows = list(csv.DictReader((directory / "metrics.csv").open()))
    assert [row["epoch"] for row in rows] == ["1", "2", "3", "4"]
    environment = json.loads((directory / "environment.json").read_text())
    assert environment["packages"]["torch"]
    assert environment["threads"] == 1


def test_the_result_holds_what_scripts_rely_on(configured, digits):
    config = configured("policy=static", "policy.ratio=0.5", "policy.sparsify_output=false", "optimizer=sgd", "seed=0")
    outcome = run(config)
    assert (outcome["status"], outcome["seed"], outcome["epochs"]) == ("finished", 0, 4)
    assert (outcome["dataset"], outcome["model"], outcome["policy"]) == ("digits", "mlp", "static")
    assert outcome["config_hash"] == config.hash
    assert outcome["run_id"] is None
    assert outcome["wall_seconds"] > 0
    assert 0 <= outcome["metrics"]["test_accuracy"] <= 1
    assert outcome["kept_fraction"] == {"fc1": 0.5, "fc2": 1.0}
    seen, steps = 4 * 37, 4 * 4  # of 47 digits one of each class is held out; 37 in batches of 10
    macs = outcome["macs"]
    assert macs["forward"] == {"kept": seen * (64 * 8 + 80), "dense": seen * (64 * 8 + 80)}
    assert macs["weight_gradient"] == {"kept": seen * (64 * 4 + 80), "dense": seen * (64 * 8 + 80)}
    assert macs["input_gradient"] == {"kept": seen * 80, "dense": seen * 80}
    assert macs["update"]["dense"] == steps * (65 * 8 + 9 * 10)
    assert macs["backward_ratio"] == pytest.approx((64 * 4 + 160) / (64 * 8 + 160))
    work = {phase: macs[phase] for phase in ("forward", "weight_gradient", "input_gradient", "update")}
    total = {kind: sum(count[kind] for count in work.values()) for kind in ("kept", "dense")}
    assert macs["step_ratio"] == pytest.approx(total["kept"] / total["dense"])


def test_the_same_run_is_found_again_and_not_repeated(configured):
    config = configured()
    first = run(config)
    written = (Path(first["run_dir"]) / "result.json").stat().st_mtime_ns
    again = run(config)
    assert again == {**first, "reused": True}
    assert (Path(first["run_dir"]) / "result.json").stat().st_mtime_ns == written


def test_force_repeats_it_to_the_same_weights(configured):
    config = configured()
    first = run(config)
    weights = weights_in(first["run_dir"])
    again = run(configured("trainer.force=true"))
    assert "reused" not in again
    assert again["metrics"] == first["metrics"]
    assert same(weights_in(first["run_dir"]), weights)


def test_other_data_under_the_same_configuration_is_an_error(configured, digits, monkeypatch):
    config = configured()
    run(config)
    changed = dataclasses.replace(digits, fingerprint="0123456789abcdef")
    monkeypatch.setattr(datasets, "load", lambda *_: changed)
    with pytest.raises(RequestError, match=r"trained there on other data .*now 0123456789\); set trainer.force=true"):
        run(config)
    assert run(configured("trainer.force=true"))["dataset_fingerprint"] == changed.fingerprint


def test_the_directory_of_another_run_is_refused(configured, tmp_path):
    run(configured(), directory=tmp_path / "mine")
    kept = (tmp_path / "mine" / "result.json").read_bytes()
    with pytest.raises(RequestError, match=r"mine holds another run \(digits-mlp.*\); choose another hydra.run.dir"):
        run(configured("seed=1"), directory=tmp_path / "mine")
    assert (tmp_path / "mine" / "result.json").read_bytes() == kept
    assert run(configured("seed=1", "trainer.force=true"), directory=tmp_path / "mine")["seed"] == 1


def test_the_directory_of_another_run_is_refused_also_while_that_is_unfinished(configured, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run(configured(), directory=tmp_path / "mine", progress=Interrupting(20))
    with pytest.raises(RequestError, match="holds another run"):
        run(configured("seed=1"), directory=tmp_path / "mine")


def test_an_interrupted_run_says_so_and_goes_on_to_the_same_weights(configured, eager):
    config = configured("policy=adaptive", "optimizer=sgd", "optimizer.momentum=0.9")
    directory = Path(config.runs_dir) / config.run_name
    with pytest.raises(KeyboardInterrupt):
        run(config, progress=Interrupting(80))
    stopped = result.read(directory)
    assert (stopped["status"], stopped["error"]) == ("killed", "interrupted")
    assert checkpoint.load(directory / checkpoint.FILE_NAME)["fit"]["epoch"] == 2
    assert (directory / "metrics.csv").read_text().count("\n") == 3

    resumed = run(config)
    whole = run(config, directory=directory.with_name("uninterrupted"))
    assert resumed["metrics"] == whole["metrics"]
    assert resumed["macs"] == whole["macs"]
    assert "error" not in resumed
    assert same(weights_in(directory), weights_in(whole["run_dir"]))


def test_a_run_that_is_not_to_be_resumed_begins_anew(configured, eager):
    config = configured("trainer.resume=false")
    with pytest.raises(KeyboardInterrupt):
        run(config, progress=Interrupting(80))
    epochs = []

    class Counting(Interrupting):
        @contextmanager
        def task(self, description, total, unit=""):
            epochs.append((description, total))
            yield lambda amount: None

    run(config, progress=Counting(0))
    assert ("Training", 4 * 37) in epochs


def test_an_interrupted_run_does_not_go_on_with_other_data(configured, digits, eager, monkeypatch):
    config = configured()
    with pytest.raises(KeyboardInterrupt):
        run(config, progress=Interrupting(80))
    monkeypatch.setattr(datasets, "load", lambda *_: dataclasses.replace(digits, fingerprint="ab"))
    with pytest.raises(RequestError, match=r"other data; set trainer\.resume=false"):
        run(config)
    assert run(configured("trainer.resume=false"))["status"] == "finished"


def test_divergence_is_a_failed_run_with_its_reason(configured):
    config = configured("optimizer=sgd", "optimizer.lr=1e30")
    with pytest.raises(DivergenceError, match="training diverged"):
        run(config)
    failed = result.read(Path(config.runs_dir) / config.run_name)
    assert failed["status"] == "failed"
    assert "Lower optimizer.lr" in failed["error"]


def test_a_defect_is_a_failed_run_too(configured):
    config = configured()
    with pytest.raises(ZeroDivisionError):
        run(config, progress=Interrupting(1, ZeroDivisionError("a defect")))
    failed = result.read(Path(config.runs_dir) / config.run_name)
    assert (failed["status"], failed["error"]) == ("failed", "ZeroDivisionError: a defect")


def test_a_damaged_result_or_checkpoint_is_named(configured):
    config = configured()
    directory = Path(run(config)["run_dir"])
    for damaged in ("{", "[]", "{}"):
        (directory / "result.json").write_text(damaged)
        with pytest.raises(DataError, match=r"result\.json: .*delete it to train this run anew"):
            run(config)
    (directory / "result.json").unlink()
    (directory / "checkpoint.pt").write_bytes(b"PK")
    with pytest.raises(DataError, match=r"checkpoint\.pt: not a checkpoint"):
        run(config)


def test_training_begins_with_the_weights_of_another_run(configured, tmp_path, monkeypatch):
    first = run(configured("trainer.epochs=8", "optimizer.lr=0.01"))
    monkeypatch.chdir(tmp_path)
    for source in (first["run_dir"], first["name"], f"{first['run_dir']}/checkpoint.pt", f"runs/{first['name']}"):
        tuned = run(configured("optimizer=sgd", "optimizer.lr=1e-9", f"trainer.init_from='{source}'"))
        assert tuned["metrics"]["initial_test_accuracy"] == first["metrics"]["test_accuracy"]
        assert tuned["metrics"]["test_accuracy"] == first["metrics"]["test_accuracy"]
    assert "initial_test_accuracy" not in first["metrics"]


def test_initial_weights_of_another_network_name_the_first_difference(configured):
    first = run(configured())
    with pytest.raises(RequestError) as refused:
        run(configured("model.hidden=[9]", f"trainer.init_from='{first['run_dir']}'"))
    assert "fc1.bias has shape (8,) there and (9,) in model=mlp on digits" in str(refused.value)
    with pytest.raises(RequestError, match=r"fc3\.bias has shape none there"):
        run(configured("model.hidden=[8,10]", f"trainer.init_from='{first['run_dir']}'"))


def test_initial_weights_that_have_changed_since_are_noticed(configured, tmp_path):
    first = run(configured())
    tuned = configured(f"trainer.init_from='{first['run_dir']}'")
    run(tuned)
    assert run(tuned)["reused"]
    moved = Path(first["run_dir"]).rename(tmp_path / "elsewhere")
    assert run(tuned)["reused"], "a result stands although what it began with is gone"
    moved.rename(first["run_dir"])
    run(configured("seed=1", "trainer.force=true"), directory=Path(first["run_dir"]))
    with pytest.raises(RequestError, match=r"began with other weights .*set trainer.force=true"):
        run(tuned)


def test_a_device_that_is_not_there_is_named(configured, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(RequestError, match=r"trainer\.device=cuda: PyTorch sees no CUDA device here"):
        run(configured("trainer.device=cuda"))


def test_synthetic_data_is_labelled(configured, digits, monkeypatch):
    monkeypatch.setattr(datasets, "load", lambda *_: dataclasses.replace(digits, synthetic=True, notes=("Made up.",)))
    outcome = run(configured())
    assert outcome["synthetic"]
    assert outcome["notes"] == ["Made up."]


def test_test_data_of_one_class_gives_no_score_rather_than_a_wrong_one(configured, digits, monkeypatch):
    only = Split(digits.test.x[:5], digits.test.y[:5] * 0)
    binary = dataclasses.replace(
        digits, task="binary", classes=("a", "b"), test=only, train=Split(digits.train.x, digits.train.y % 2)
    )
    monkeypatch.setattr(datasets, "load", lambda *_: binary)
    metrics = run(configured())["metrics"]
    assert "test_accuracy" in metrics
    assert "test_auc" not in metrics


@pytest.fixture
def under_way(configured):
    """The directory of a run whose process was killed at once, so that its result says running."""
    config = configured()
    directory = Path(config.runs_dir) / config.run_name
    directory.mkdir(parents=True)
    result.write(directory, result.header(config, directory))
    return directory


def test_a_run_whose_process_was_killed_is_concluded_by_another(under_way):
    lost = conclude_lost(under_way, "killed", "interrupted")
    assert (lost["status"], lost["error"]) == ("killed", "interrupted")
    assert result.read(under_way) == lost


def test_what_has_ended_by_itself_is_left_as_it_is(configured, tmp_path):
    outcome = run(configured())
    assert conclude_lost(Path(outcome["run_dir"]), "killed", "interrupted") == outcome
    assert result.read(Path(outcome["run_dir"]))["status"] == "finished"


def test_a_run_that_another_process_is_training_is_left_alone(under_way, monkeypatch):
    monkeypatch.setattr("tinyprop.training.run._RELEASE_LIMIT", 0.1)
    with FileLock(under_way / ".lock"):
        assert conclude_lost(under_way, "killed", "interrupted") is None
    assert result.read(under_way)["status"] == "running"


def test_every_attempt_has_its_own_true_status_in_mlflow(configured, mlflow_runs, eager):
    """Failed, then killed, then resumed to the end, then forced: nobody's status is changed afterwards."""

    def tracked(*overrides):
        config = configured("policy=dense", "seed=8", *overrides)
        return config.model_copy(update={"tracking": TrackingSettings(log_model=False)})

    config = tracked()
    with pytest.raises(ZeroDivisionError):
        run(config, progress=Interrupting(1, ZeroDivisionError("before the first epoch")))
    with pytest.raises(KeyboardInterrupt):
        run(tracked("trainer.resume=false"), progress=Interrupting(80))
    assert sorted(info.status for info in mlflow_runs(config)) == ["FAILED", "KILLED"]
    finished = run(config)
    assert sorted(info.status for info in mlflow_runs(config)) == ["FAILED", "FINISHED"]
    run(tracked("trainer.force=true"))
    found = {info.run_id: info.status for info in mlflow_runs(config)}
    assert sorted(found.values()) == ["FAILED", "FINISHED", "FINISHED"]
    assert found[finished["run_id"]] == "FINISHED"


class Killed(BaseException):
    """Nothing catches it, and nothing is written down any more: as if the process were gone."""


def dying_after(original):
    def call(*arguments, **settings):
        original(*arguments, **settings)
        raise Killed

    return call


@pytest.mark.parametrize(
    "moment", ["tinyprop.tracking.store.Store.start_run", "tinyprop.training.run.begun"], ids=["no id", "no result"]
)
def test_a_record_that_got_no_further_is_ended_by_the_next_attempt(configured, mlflow_runs, monkeypatch, moment):
    config = configured("policy=dense", "seed=9")
    config = config.model_copy(update={"tracking": TrackingSettings(log_model=False)})
    with monkeypatch.context() as patched:
        patched.setattr(moment, dying_after(pydoc.locate(moment)))
        with pytest.raises(Killed):
            run(config)
    assert [info.status for info in mlflow_runs(config)] == ["RUNNING"]
    run(config)
    assert sorted(info.status for info in mlflow_runs(config)) == ["FINISHED", "KILLED"]
