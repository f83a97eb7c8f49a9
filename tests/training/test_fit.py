"""The loop over epochs: seeds decide everything, selection looks at validation data only, a resumed run is the same."""

import copy
import dataclasses

import numpy as np
import pytest
import torch

from tinyprop.errors import DivergenceError
from tinyprop.progress import SILENT
from tinyprop.training import checkpoint
from tinyprop.training import fit as loop
from tinyprop.training.fit import FitState, fit
from tinyprop.training.holdout import hold_out
from tinyprop.training.prepare import open_backend


def trained(config, dataset, *, state=None, from_backend=None, on_checkpoint=None):
    """Weights and state after training; ``on_checkpoint`` is given what a checkpoint is made of."""
    train, validation = hold_out(dataset, config.trainer.validation_fraction)
    backend, _ = open_backend(config, dataset, None)
    state = state or FitState()
    if from_backend is not None:
        backend.load_state(from_backend)
    rows = []
    fit(
        config,
        backend,
        dataset,
        train,
        validation,
        state,
        on_epoch=rows.append,
        checkpoint=lambda: on_checkpoint(state, backend) if on_checkpoint else None,
        progress=SILENT,
    )
    return backend.weights(), state


def same(one, other) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("policy", ["dense", "adaptive", "random"])
def test_the_same_seed_gives_the_same_weights_bit_for_bit(configured, digits, policy):
    config = configured(f"policy={policy}", "seed=3")
    one, first = trained(config, digits)
    torch.manual_seed(12345)
    np.random.seed(1)
    other, second = trained(config, digits)
    assert same(one, other)
    untimed = [[{k: v for k, v in row.items() if k != "seconds"} for row in s.history] for s in (first, second)]
    assert untimed[0] == untimed[1]
    another, _ = trained(configured(f"policy={policy}", "seed=0"), digits)
    assert not same(one, another)


def test_policies_of_one_seed_start_from_the_same_weights_and_see_the_same_order(configured, digits):
    seen = {}
    for policy in ("dense", "static", "adaptive", "random", "scheduled"):
        config = configured(f"policy={policy}", "seed=5")
        backend, _ = open_backend(config, digits, None)
        orders = []
        seen[policy] = (backend.weights(), orders)
        inner = backend.train_epoch
        backend.train_epoch = lambda *a, inner=inner, orders=orders: (orders.append(a[4].tolist()), inner(*a))[1]
        train, validation = hold_out(digits, 0.1)
        ignore = lambda *_: None
        fit(config, backend, digits, train, validation, FitState(), on_epoch=ignore, checkpoint=ignore, progress=SILENT)
    weights, orders = seen["dense"]
    assert all(same(other[0], weights) and other[1] == orders for other in seen.values())
    assert len(orders) == 4
    assert len({tuple(order) for order in orders}) == 4, "each epoch has an order of its own"
    assert all(sorted(order) == list(range(len(train))) for order in orders)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("policy", ["adaptive", "random", "scheduled"])
def test_a_run_resumed_after_any_epoch_ends_like_one_never_stopped(
    configured, digits, tmp_path, monkeypatch, policy, optimizer
):
    """Through real checkpoint files, as a killed process leaves them."""
    monkeypatch.setattr(loop, "_CHECKPOINT_INTERVAL", 0.0)
    momentum = ["optimizer.momentum=0.9"] if optimizer == "sgd" else []
    config = configured(f"policy={policy}", f"optimizer={optimizer}", "optimizer.schedule=cosine", *momentum)

    def keep(state, backend):
        checkpoint.save(tmp_path / f"{state.epoch}.pt", {"fit": state.as_dict(), "backend": backend.state()})

    whole, whole_state = trained(config, digits, on_checkpoint=keep)
    for epoch in (1, 2, 3):
        stopped = checkpoint.load(tmp_path / f"{epoch}.pt")
        state = FitState.from_dict(stopped["fit"])
        assert state.epoch == epoch
        resumed, state = trained(config, digits, state=state, from_backend=stopped["backend"])
        assert same(resumed, whole)
        assert state.totals == whole_state.totals
        assert [row["train_loss"] for row in state.history] == [row["train_loss"] for row in whole_state.history]


def test_a_checkpoint_from_before_patches_were_counted_is_gone_on_from(configured, digits, monkeypatch):
    monkeypatch.setattr(loop, "_CHECKPOINT_INTERVAL", 0.0)
    config, checkpoints = configured("policy=static", "model=cnn_small", "model.hidden=8"), []
    keep = lambda state, backend: checkpoints.append(copy.deepcopy((state.as_dict(), backend.state())))
    whole, _ = trained(config, digits, on_checkpoint=keep)
    content, backend = checkpoints[0]
    for layer in content["totals"].values():
        del layer["patches"], layer["kept_patches"]
    resumed, state = trained(config, digits, state=FitState.from_dict(content), from_backend=backend)
    assert same(resumed, whole)
    assert {layer.kept_patches_fraction for layer in state.totals.values()} == {None}, "not all steps were counted"


def test_the_best_weights_are_those_of_the_lowest_validation_loss(configured, digits):
    """With a rate that is too high the last epoch is rarely the best."""
    config = configured("trainer.select=best", "optimizer.lr=0.3", "trainer.epochs=12", "seed=1")
    best, state = trained(config, digits)
    losses = [row["validation_loss"] for row in state.history]
    epoch = int(np.argmin(losses)) + 1
    assert epoch < 12, "the case is chosen so"
    assert (state.best.epoch, state.best.loss) == (epoch, min(losses))
    upto, _ = trained(configured("optimizer.lr=0.3", f"trainer.epochs={epoch}", "seed=1"), digits)
    assert same(best, upto)


def test_patience_ends_a_run_that_gets_no_better(configured, digits):
    config = configured("trainer.patience=3", "optimizer.lr=0.3", "trainer.epochs=60", "seed=1")
    _, state = trained(config, digits)
    losses = [row["validation_loss"] for row in state.history]
    assert state.stopped_early
    assert len(losses) < 60
    assert len(losses) == int(np.argmin(losses)) + 1 + 3
    _, resumed = trained(config, digits, state=FitState.from_dict(state.as_dict()))
    assert resumed.epoch == state.epoch, "what has stopped early stays so"


def test_the_test_set_decides_nothing(configured, digits):
    """Other test data, looked at or not: the same weights."""
    rng = np.random.default_rng(0)
    noise = dataclasses.replace(digits.test, x=rng.normal(size=digits.test.x.shape).astype(np.float32))
    other = dataclasses.replace(digits, test=noise)
    selecting = ["trainer.select=best", "trainer.patience=2", "optimizer.lr=0.1", "trainer.epochs=10"]
    expected, state = trained(configured(*selecting), digits)
    for data in (digits, other):
        found, looked = trained(configured(*selecting, "trainer.test_every_epoch=true"), data)
        assert same(found, expected)
        assert looked.epoch == state.epoch
        assert "test_accuracy" in looked.history[0]
    assert "test_accuracy" not in state.history[0]


def test_each_epoch_is_a_row_of_numbers(configured, digits):
    _, state = trained(configured("policy=static", "policy.ratio=0.5", "trainer.epochs=2"), digits)
    row = state.history[1]
    assert (row["epoch"], row["lr"]) == (2, 1e-3)
    samples = len(hold_out(digits, 0.1)[0])
    forward = samples * (64 * 8 + 8 * 10)
    assert (row["macs.forward.kept"], row["macs.forward.dense"]) == (forward, forward)
    assert (row["kept_fraction.fc1"], row["ratio.fc1"]) == (0.5, 0.5)
    assert {"validation_loss", "validation_accuracy", "train_loss", "local_error.fc2"} <= row.keys()
    assert state.totals["fc1"].samples == 2 * samples


def test_without_validation_data_everything_trains(configured, digits):
    _, state = trained(configured("trainer.validation_fraction=0"), digits)
    assert "validation_loss" not in state.history[0]
    assert state.totals["fc1"].samples == 4 * len(digits.train)


def test_weights_that_overflow_in_the_last_step_are_a_divergence_too(configured, digits):
    """One step an epoch, whose loss is taken before its update."""
    config = configured("optimizer=sgd", "optimizer.lr=1e38", "trainer.batch_size=100", "trainer.epochs=1")
    with pytest.raises(DivergenceError, match=r"not finite after the last step of epoch 1\. Lower optimizer\.lr"):
        trained(config, digits)
