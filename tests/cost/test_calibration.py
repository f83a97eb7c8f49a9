"""Fitting: what was put in comes out again, and the command keeps what is done."""

import json
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("unicorn")

from tinyprop.cost import coefficients, predict
from tinyprop.cost.calibrate import calibrate, main
from tinyprop.cost.coefficients import Coefficients, Kernel
from tinyprop.cost.design import trainings
from tinyprop.cost.fitting import fit
from tinyprop.cost.layers import layers_of
from tinyprop.cost.predict import Cost
from tinyprop.cost.simulation import Board, Counted
from tinyprop.cost.work import parts_of
from tinyprop.engine.images import CORES, load
from tinyprop.engine.phases import MARKED

from .networks import part


@pytest.fixture
def directory(tmp_path, monkeypatch):
    monkeypatch.setattr(coefficients, "DIRECTORY", tmp_path)
    coefficients.coefficients_of.cache_clear()
    yield tmp_path
    coefficients.coefficients_of.cache_clear()


def test_counts_that_are_linear_in_the_work_are_predicted_exactly():
    rng = np.random.default_rng(5)
    steps = [training.step for training in trainings(seed=11, count=60)]
    made_up: dict[str, Kernel] = {}
    for step in steps:
        for each in parts_of(replace(step, kept=0.2)):
            if each.kernel not in made_up:
                factors = [tuple(rng.uniform(1, 100, len(each.features))) for _ in range(3)]
                made_up[each.kernel] = Kernel(tuple(each.features), *factors)
    known = Coefficients("made up", 0, 0, 0, 0, "made up", made_up, {}, {}, {})
    steps = [replace(step, kept=0.2) for step in steps]
    observed = [(step, Counted(predict(step, part(), coefficients=known).parts, {}, 0)) for step in steps]
    found = replace(known, kernels=fit(observed))
    for step in steps:
        expected, predicted = (predict(step, part(), coefficients=each).total for each in (known, found))
        assert predicted.instructions == pytest.approx(expected.instructions, rel=1e-3)
        assert predicted.jumps == pytest.approx(expected.jumps, rel=1e-3)


def test_a_few_steps_that_are_far_off_do_not_bend_the_factors():
    rng = np.random.default_rng(6)
    steps = [replace(training.step, kept=0.2) for training in trainings(seed=12, count=40)]
    features = [{each.kernel: each for each in parts_of(step)}["other"] for step in steps]
    true = rng.uniform(10, 100, len(features[0].features))
    taken = [float(true @ list(each.features.values())) for each in features]
    taken[::10] = [3 * each for each in taken[::10]]
    observed = [
        (step, Counted({"other": Cost(each, each, each)}, {}, 0)) for step, each in zip(steps, taken, strict=True)
    ]
    assert fit(observed)["other"].instructions == pytest.approx(true, rel=0.05)


def test_a_calibration_is_stored_with_where_it_comes_from(directory):
    told = []
    found = calibrate(CORES["cortex-m4"], networks=24, held_out=2, advance=lambda *said: told.append(said))
    assert told[-1] == ("cortex-m4", 26, 26)
    stored = json.loads(found.save().read_text())
    assert stored["provenance"]["fitted_to"] == "24 networks of tinyprop.cost.design, seed 1"
    assert len(stored["provenance"]["image_sha256"]) == 64
    assert stored["errors"]["instructions"]["step"]["count"] == 2
    assert stored["code"] > 10_000
    assert coefficients.coefficients_of("cortex-m4") == found


def test_the_command_refuses_an_unknown_core(directory, capsys):
    assert main(["cortex-m99"]) == 2
    assert "cortex-m99" in capsys.readouterr().err
    assert not list(directory.iterdir())


def test_interrupting_it_keeps_what_was_there(directory, capsys, monkeypatch):
    def interrupted(core, **settings):
        raise KeyboardInterrupt

    monkeypatch.setattr("tinyprop.cost.calibrate.calibrate", interrupted)
    assert main(["cortex-m4"]) == 130
    assert "interrupted" in capsys.readouterr().err
    assert not list(directory.iterdir())


def test_patches_are_as_many_as_the_calls_that_add_to_rows():
    """What the engine counts, against what a simulated core is seen to do."""
    training = next(each for each in trainings(seed=13, count=40) if _is_sparse_convolution(each.step))
    board, calls = Board(training.step, "cortex-m4"), 0
    entries = [load(CORES["cortex-m4"]).symbols[name] for name in ("tp_add_outer", "tp_add_outer_runs")]
    count = board._emulator.count

    def counting(*arguments):
        nonlocal calls
        passages = count(*arguments)
        for mark, found in passages.items():
            if mark == 0 << 8 | MARKED.index("weight_gradient"):
                calls += sum(passage.times for passage in found if passage.start in entries)
        return passages

    board._emulator.count = counting
    found = board.train(training.data, training.learning_rate, counted=3)
    layer = layers_of(training.step.specification)[0]
    share = calls / (3 * training.step.batch_size * layer.windows * layer.groups)
    assert found.activity["conv1"].reached == pytest.approx(share)
    assert 0 < share < 1


def _is_sparse_convolution(step) -> bool:
    first = layers_of(step.specification)[0]
    return first.kind == "conv2d" and step.policy.name == "static" and step.policy.granularity == "element"
