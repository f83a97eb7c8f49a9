"""Training in Renode against training in Unicorn: the same bits, the same instructions; and how it fails.

A real Renode is used where one is found, a stand-in (renode_stand_in.py) always.
"""

import os
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from tinyprop.backends import renode_backend, renode_board, renode_process, renode_watch
from tinyprop.backends.engine_training import Task
from tinyprop.backends.renode_backend import RenodeTraining
from tinyprop.backends.renode_process import VARIABLE
from tinyprop.backends.renode_settings import RenodeBackend
from tinyprop.backends.renode_watch import RenodeError
from tinyprop.cli import doctor
from tinyprop.config.composition import Composer
from tinyprop.cost.target import Target
from tinyprop.errors import DivergenceError, RequestError
from tinyprop.models import LeNet, Mlp
from tinyprop.models.modules import build
from tinyprop.sparse import Adaptive, AdaptiveSkip, Dense, Static
from tinyprop.training.optimizer import Adam, Sgd
from tinyprop.training.prepare import require_ready

pytest.importorskip("unicorn", reason="the stand-in and the comparison are Unicorn's")
pytest.importorskip("capstone")
from tinyprop.backends.unicorn_backend import UnicornTraining
from tinyprop.backends.unicorn_settings import UnicornBackend

SHAPE, CLASSES, SAMPLES, BATCH = (1, 4, 4), 3, 53, 5  # the last batch has 3 samples
STAND_IN = Path(__file__).with_name("renode_stand_in.py")
FOUND = os.environ.get(VARIABLE, "renode")


@pytest.fixture(params=["1.14.0", "1.16.1", "real"])
def renode(request, tmp_path, monkeypatch):
    """The program, as ``backend.path`` names it: the stand-in with the registers of a version, or Renode itself."""
    if request.param != "real":
        return stand_in(tmp_path, monkeypatch, request.param)
    try:
        return str(renode_process.find(None))
    except RequestError:
        pytest.skip(f"no Renode here: {FOUND} is not installed")


@pytest.fixture
def standing_in(tmp_path, monkeypatch):
    return stand_in(tmp_path, monkeypatch, "1.16.1")


def stand_in(tmp_path, monkeypatch, as_version) -> str:
    program = tmp_path / "renode"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{STAND_IN}" "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("STAND_IN", as_version)
    return str(program)


@pytest.fixture
def scratch(tmp_path, monkeypatch):
    """Where temporary directories are made; nothing may be left there, nor a process at work in it."""
    directory = tmp_path / "scratch"
    directory.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(directory))
    yield directory
    assert list(directory.iterdir()) == []
    if Path("/proc/self/cwd").exists():
        assert processes_in(directory) == []


def processes_in(directory: Path) -> list[str]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            at_work = os.readlink(process / "cwd").startswith(str(directory))
            zombie = "\nState:\tZ" in (process / "status").read_text()
        except OSError:
            continue  # ended meanwhile, or another user's
        if at_work and not zombie:
            found.append((process / "cmdline").read_bytes().decode())
    return found


def target(core="cortex-m4") -> Target:
    return Target(name="a part", core=core, fpu=True, clock_mhz=1, sram_bytes=1, flash_bytes=1, source="made up")


def data(shape=SHAPE, samples=SAMPLES, loss="softmax_cross_entropy"):
    rng = np.random.default_rng(0)
    y = rng.integers(0, CLASSES, samples)
    x = rng.normal(size=(samples, *shape)).astype(np.float32)
    return x, y if loss == "softmax_cross_entropy" else rng.normal(size=(samples, CLASSES)).astype(np.float32)


MLP = Mlp(hidden=(8, 6))


def training(kind, settings, model=MLP, shape=SHAPE, loss="softmax_cross_entropy", **changed):
    given = {"policy": Adaptive(), "optimizer": Adam(lr=0.01), "batch_size": BATCH, "target": target(), **changed}
    part = given.pop("target")
    module, specification = build(model, shape, CLASSES, loss, seed=1), model.specification(shape, CLASSES, loss)
    return kind(Task(module=module, specification=specification, **given), settings, part)


def epoch_of(backend, number, x, y, rate=0.01, advance=lambda samples: None):
    order = np.random.default_rng(number).permutation(len(x))
    return backend.train_epoch(number, rate, x, y, order, advance)


def assert_same_training(one, other):
    assert one.engine_weights.tobytes() == other.engine_weights.tobytes()
    assert one.training_state.tobytes() == other.training_state.tobytes()


def assert_same_counts(one, other):
    """Apart from ``other``: Unicorn calls tp_train for each counted step, Renode once for all."""
    assert (one.steps, one.samples) == (other.steps, other.samples)
    assert one.instructions.keys() == other.instructions.keys()
    differing = {part for part in one.instructions if one.instructions[part] != other.instructions[part]}
    assert differing == {"other"}
    for executed in (one, other):
        assert 0 < executed.instructions["other"] < 0.02 * sum(executed.instructions.values())


@pytest.mark.parametrize(("count", "batch", "counted"), [("sampled", 1, 2), ("all", 5, 11)])
def test_renode_trains_to_the_bits_of_unicorn_and_counts_its_instructions(renode, scratch, count, batch, counted):
    x, y = data()
    ours = training(RenodeTraining, RenodeBackend(path=renode, count=count), batch_size=batch)
    theirs = training(UnicornTraining, UnicornBackend(count=count), batch_size=batch)
    assert ours.memory == theirs.memory
    assert_same_training(ours, theirs)
    for number in range(2):
        advanced = []
        epoch = epoch_of(ours, number, x, y, advance=advanced.append)
        reference = epoch_of(theirs, number, x, y)
        assert_same_training(ours, theirs)
        assert epoch.layers == reference.layers
        assert epoch.loss == pytest.approx(reference.loss, rel=1e-6)
        assert_same_counts(epoch.executed, reference.executed)
        assert epoch.executed.steps == counted
        assert sum(advanced) == SAMPLES
        assert len(advanced) == -(-SAMPLES // batch)
    assert ours.measurements().executed.steps == 2 * counted


@pytest.mark.parametrize(
    ("core", "changed"),
    [
        ("cortex-m0plus", {"policy": Static(ratio=0.3), "optimizer": Sgd(lr=0.1, momentum=0.9)}),
        ("cortex-m3", {"policy": AdaptiveSkip(skip_threshold=0.5)}),
        ("cortex-m7", {"policy": Dense(), "loss": "mean_squared_error"}),
        ("cortex-m33", {"model": LeNet(), "shape": (1, 16, 16), "optimizer": Sgd(lr=0.1)}),
    ],
)
def test_every_core_and_kind_of_network_trains_to_the_bits_of_unicorn(standing_in, core, changed):
    samples = 7 if "model" in changed else SAMPLES
    x, y = data(changed.get("shape", SHAPE), samples, changed.get("loss", "softmax_cross_entropy"))
    ours = training(RenodeTraining, RenodeBackend(path=standing_in, micro_batch=2), target=target(core), **changed)
    theirs = training(UnicornTraining, UnicornBackend(micro_batch=2), target=target(core), **changed)
    epoch, reference = epoch_of(ours, 0, x, y, rate=0.1), epoch_of(theirs, 0, x, y, rate=0.1)
    assert_same_training(ours, theirs)
    assert epoch.layers == reference.layers
    assert_same_counts(epoch.executed, reference.executed)


def test_training_goes_on_from_a_saved_state_to_the_same_bits(standing_in):
    x, y = data()
    uninterrupted = training(RenodeTraining, RenodeBackend(path=standing_in))
    epoch_of(uninterrupted, 0, x, y)
    resumed = training(RenodeTraining, RenodeBackend(path=standing_in))
    resumed.load_state(uninterrupted.state())
    for backend in (uninterrupted, resumed):
        epoch_of(backend, 1, x, y)
    assert_same_training(uninterrupted, resumed)
    assert uninterrupted.measurements() == resumed.measurements()


def test_there_are_no_cycles_and_no_times_where_nothing_models_them(standing_in):
    backend = training(RenodeTraining, RenodeBackend(path=standing_in))
    epoch_of(backend, 0, *data())
    said = backend.measurements().as_dict()
    assert said["simulator"] == "renode"
    assert said["cycle_model"] is None
    assert said["instructions.step"] > 1000
    assert not any(key.startswith(("cycles", "milliseconds")) for key in said)


def test_divergence_is_told_with_its_step_and_leaves_the_weights_from_before(standing_in):
    x, y = data()
    x[np.random.default_rng(0).permutation(SAMPLES)[12]] = np.nan  # in the third batch
    ours = training(RenodeTraining, RenodeBackend(path=standing_in))
    theirs = training(UnicornTraining, UnicornBackend(count="all"))
    for backend in (ours, theirs):
        with pytest.raises(DivergenceError, match=r"in epoch 1, step 3 of 11"):
            epoch_of(backend, 0, x, y)
    assert_same_training(ours, theirs)


def test_a_program_that_leaves_memory_is_told_by_the_abort_in_the_log(renode, scratch):
    backend = training(RenodeTraining, RenodeBackend(path=renode))
    backend.image.entry = 0x30000001
    before = backend.engine_weights.copy()
    with pytest.raises(RenodeError, match=r"gave up\. Its last lines:(\n.*)*CPU abort \[PC=0x3000000"):
        epoch_of(backend, 0, *data())
    assert (backend.engine_weights == before).all()


def test_a_program_that_stops_without_an_answer_is_told_by_its_frozen_counter(renode, scratch):
    backend = training(RenodeTraining, RenodeBackend(path=renode))
    backend.image.entry = backend.image.symbols["tp_fault"]
    with pytest.raises(RenodeError, match=r"a program that has stopped after \d+ instructions without an answer"):
        epoch_of(backend, 0, *data())


def test_a_program_that_takes_too_long_ends_with_the_script(renode, scratch, monkeypatch):
    monkeypatch.setattr(renode_backend, "_MOST_BESIDES", 1)
    monkeypatch.setattr(renode_board, "slices", lambda budget: [1000])
    monkeypatch.setattr("tinyprop.backends.renode_script.slices", lambda budget: [1000])
    with pytest.raises(RenodeError, match=r"simulated \S+ instructions, which should have been more than enough"):
        training(RenodeTraining, RenodeBackend(path=renode))


def test_a_wrong_command_is_told_although_renode_ends_with_status_zero(renode, scratch, monkeypatch):
    right = renode_board.script
    wrong = lambda **given: right(**given).replace("cpu VectorTableOffset", "cpu VectorTableOfset")
    monkeypatch.setattr(renode_board, "script", wrong)
    with pytest.raises(
        RenodeError, match=r"stopped before the end of its script\. Its last lines:(\n.*)*VectorTableOfset"
    ):
        training(RenodeTraining, RenodeBackend(path=renode))


def test_a_hook_that_fails_is_told(standing_in, scratch, monkeypatch):
    monkeypatch.setattr(renode_board, "mark_hook", lambda logged: "self.NoSuchLog('TP')")
    with pytest.raises(RenodeError, match=r"gave up\. Its last lines:(\n.*)*Python runtime error.*NoSuchLog"):
        training(RenodeTraining, RenodeBackend(path=standing_in))


def test_a_hang_is_ended_with_all_its_processes_when_its_time_is_up(standing_in, scratch, monkeypatch):
    backend = training(RenodeTraining, RenodeBackend(path=standing_in, time_limit_s=1.5))
    before = backend.engine_weights.copy()
    monkeypatch.setenv("STAND_IN", "hang")
    begin = time.monotonic()
    with pytest.raises(
        RenodeError, match=r"was ended after 1\.5 s \(backend\.time_limit_s\)\. Its last lines:\n  Renode"
    ):
        epoch_of(backend, 0, *data())
    assert 1.5 < time.monotonic() - begin < 6
    assert (backend.engine_weights == before).all()


def test_a_renode_without_a_sign_of_life_is_ended_before_its_time_is_up(standing_in, scratch, monkeypatch):
    monkeypatch.setattr(renode_watch, "_START_S", 0.1)
    monkeypatch.setenv("STAND_IN", "hang")
    with pytest.raises(RenodeError, match=r"was ended after \d s without a sign of life"):
        training(RenodeTraining, RenodeBackend(path=standing_in))


def test_ctrl_c_ends_renode_and_all_its_processes(standing_in, scratch, monkeypatch):
    monkeypatch.setenv("STAND_IN", "hang")

    def interrupt():
        while len(processes_in(scratch)) < 2:  # itself, and what it has started
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        training(RenodeTraining, RenodeBackend(path=standing_in, time_limit_s=20))


def test_without_renode_a_run_is_refused_before_anything_is_loaded_and_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv(VARIABLE, raising=False)
    advice = r"portable package from renode\.io .* PATH.* backend\.path .* TINYPROP_RENODE"
    with pytest.raises(RequestError, match=rf"backend=renode needs Renode, which is not installed: .*{advice}"):
        require_ready(Composer().run_config(["backend=renode"]))
    with pytest.raises(RequestError, match=rf"backend\.path=nothing is no program that can be started; .*{advice}"):
        require_ready(Composer().run_config(["backend=renode", "backend.path=nothing"]))
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    with pytest.raises(RequestError, match=rf"TINYPROP_RENODE={tmp_path} is no program that can be started"):
        renode_process.find(None)


def test_a_program_for_another_machine_is_a_wrong_request(tmp_path, scratch):
    program = tmp_path / "renode"
    program.write_bytes(b"\x7fELF of some other machine")
    program.chmod(0o755)
    with pytest.raises(RequestError, match=rf"^{program} cannot be started \(Exec format error\); .*renode\.io"):
        training(RenodeTraining, RenodeBackend(path=str(program)))


def test_renode_is_found_by_path_then_by_the_environment_then_on_the_path(tmp_path, monkeypatch):
    for folder in ("given", "named", "on_path"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "renode").write_text("#!/bin/sh\n")
        (tmp_path / folder / "renode").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "on_path"))
    monkeypatch.delenv(VARIABLE, raising=False)
    assert renode_process.find(None) == tmp_path / "on_path" / "renode"
    monkeypatch.setenv(VARIABLE, str(tmp_path / "named" / "renode"))
    assert renode_process.find(None) == tmp_path / "named" / "renode"
    assert renode_process.find(str(tmp_path / "given" / "renode")) == tmp_path / "given" / "renode"


def test_where_renode_is_and_how_long_it_may_take_do_not_change_the_run():
    same = ["backend.path=/opt/renode/renode", "backend.time_limit_s=5"]
    hashes = [Composer().run_config(["backend=renode", *more]).hash for more in ([], same, ["backend.count=all"])]
    assert hashes[0] == hashes[1] != hashes[2]


def test_doctor_says_where_renode_is_or_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv(VARIABLE, raising=False)
    missing = doctor._renode()
    assert (missing.state, missing.found, missing.required) == ("missing", "not installed", False)
    assert "renode.io" in missing.advice
    program = tmp_path / "renode"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    assert (doctor._renode().state, doctor._renode().found) == ("ok", str(program))
