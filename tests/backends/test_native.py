"""Training with the C engine: the agreement with PyTorch that is promised, and what every backend must do."""

import signal

import numpy as np
import pytest
import torch
from torch import nn

from tinyprop.backends import native
from tinyprop.backends.engine_training import Task, require_layers
from tinyprop.backends.native import NativeTraining
from tinyprop.backends.native_settings import NativeBackend
from tinyprop.errors import DivergenceError, InvalidSettings, RequestError
from tinyprop.models import Autoencoder, CnnSmall, LeNet, Mlp
from tinyprop.models.modules import build
from tinyprop.sparse import Adaptive, AdaptiveSkip, Budget, Dense, MeProp, Static
from tinyprop.training.optimizer import Adam, AdamW, Sgd

from .agreement import TOLERANCE, pair

pytestmark = pytest.mark.usefixtures("c_engine")

SHAPE, CLASSES, SAMPLES, BATCH = (1, 4, 4), 3, 23, 5  # the last batch has 3 samples

NETWORKS = {
    "mlp_mnist": (Mlp(hidden=(32, 16)), (1, 28, 28), 10),
    "mlp_dcase": (Mlp(hidden=(128, 64, 32, 16), activation="sigmoid"), (400,), 1),
    "lenet": (LeNet(), (1, 20, 20), 10),
    "cnn_small": (CnnSmall(channels=(8, 16), hidden=32), (3, 12, 12), 10),
}
"""The presets' networks, some of them narrower."""

# Adam divides by how large a gradient usually is: a smaller epsilon makes steps of its learning rate out of rounding.
ADAM, ADAMW = Adam(epsilon=1e-6), AdamW(epsilon=1e-6)
TRAININGS = {
    "dense-sgd-1": (Dense(), Sgd(lr=0.02), 1),
    "dense-adamw-7": (Dense(), ADAMW, 7),
    "static-momentum-7": (Static(ratio=0.3, sparsify_output=False), Sgd(lr=0.01, momentum=0.9), 7),
    "static-floor-dense-bias-adam-1": (
        Static(ratio=0.4, rounding="floor", sparse_bias=False, sparsify_output=False),
        ADAM,
        1,
    ),
    "meprop-decay-7": (MeProp(k=5), Sgd(lr=0.02, weight_decay=0.01), 7),
    "adaptive-momentum-1": (
        Adaptive(s_min=0.05, sparsify_output=False),
        Sgd(lr=0.01, momentum=0.9, weight_decay=0.01),
        1,
    ),
    "adaptive-damped-sgd-7": (Adaptive(s_min=0.1, s_max=0.9, zeta=0.5), Sgd(lr=0.02), 7),
    "adaptive-skip-adam-7": (AdaptiveSkip(s_min=0.05, skip_threshold=0.3, sparsify_output=False), ADAM, 7),
    "budget-momentum-1": (Budget(budget=0.2, sparsify_output=True), Sgd(lr=0.01, momentum=0.5), 1),
    "budget-adam-7": (Budget(budget=0.3, horizon=30), ADAM, 7),
    "adaptive-channel-sgd-1": (Adaptive(s_min=0.05, granularity="channel"), Sgd(lr=0.02), 1),
    "static-channel-floor-sgd-7": (
        Static(ratio=0.4, granularity="channel", rounding="floor", sparse_bias=False, sparsify_output=False),
        Sgd(lr=0.02),
        7,
    ),
}
WITH_EACH = ("dense-sgd-1", "adaptive-momentum-1", "adaptive-damped-sgd-7")
"""On every network; the others take turns."""
PAIRS = [
    (network, training)
    for turn, network in enumerate(NETWORKS)
    for place, training in enumerate(TRAININGS)
    if training in WITH_EACH or place % 2 == turn % 2
]


@pytest.mark.parametrize(("network", "training"), PAIRS)
def test_pytorch_and_the_engine_keep_the_same_entries_and_end_with_the_same_weights(network, training):
    """200 batches, the last one short: every kept index is compared, and every weight after each batch."""
    model, shape, outputs = NETWORKS[network]
    policy, optimizer, batch_size = TRAININGS[training]
    samples = 200 * batch_size - batch_size // 2
    rng = np.random.default_rng(7)
    target = rng.integers(0, max(outputs, 2), samples)
    typical = rng.normal(size=(max(outputs, 2), *shape))
    x = (np.maximum(typical[target] + rng.normal(size=(samples, *shape)) - 0.5, 0) / 2).astype(np.float32)
    both = pair(
        model,
        shape,
        outputs,
        "binary_cross_entropy" if outputs == 1 else "softmax_cross_entropy",
        policy=policy,
        optimizer=optimizer,
        batch_size=batch_size,
    )
    for start in range(0, samples, batch_size):
        both.train(x, target, np.arange(start, min(start + batch_size, samples)))
    assert both.worst <= TOLERANCE
    assert both.edges <= 3, "rounding decides now and then, not all the time"
    np.testing.assert_allclose(both.native.outputs(x[:50]), both.torch.outputs(x[:50]), rtol=1e-3, atol=1e-4)


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    y = rng.integers(0, CLASSES, SAMPLES)
    x = rng.normal(size=(SAMPLES, *SHAPE)).astype(np.float32)
    x[np.arange(SAMPLES), 0, 0, y] += 2
    return x, y


def training(policy=None, optimizer=None, *, seed=1, batch_size=BATCH, outputs=CLASSES, loss=None, **settings):
    model = Mlp(hidden=(8, 6))
    loss = loss or "softmax_cross_entropy"
    task = Task(
        module=build(model, SHAPE, outputs, loss, seed=seed),
        specification=model.specification(SHAPE, outputs, loss),
        policy=policy or Dense(),
        optimizer=optimizer or Sgd(lr=0.1),
        batch_size=batch_size,
    )
    return NativeTraining(task, NativeBackend(**settings))


def order_of(epoch: int) -> np.ndarray:
    return np.random.default_rng(epoch).permutation(SAMPLES)


def train(backend, data, epochs, rate=0.1) -> list[float]:
    return [backend.train_epoch(epoch, rate, *data, order_of(epoch), lambda amount: None).loss for epoch in epochs]


def same(one: dict, other: dict) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_an_epoch_reports_every_layer_over_all_samples(data):
    epoch = training(Static(ratio=0.5)).train_epoch(0, 0.1, *data, order_of(0), lambda amount: None)
    assert list(epoch.layers) == ["fc1", "fc2", "fc3"]
    assert {(layer.samples, layer.steps, layer.positions) for layer in epoch.layers.values()} == {(SAMPLES, 5, 1)}
    assert [layer.kept_fraction for layer in epoch.layers.values()] == pytest.approx([0.5, 0.5, 2 / 3])
    assert [layer.input_gradient for layer in epoch.layers.values()] == [False, True, True]
    assert all(layer.local_error > 0 for layer in epoch.layers.values())


def test_how_often_the_engine_is_called_changes_nothing_but_the_progress(data, monkeypatch):
    whole = training(Adaptive(), Adam())
    advanced: list[float] = []
    epoch = whole.train_epoch(0, 0.1, *data, order_of(0), advanced.append)
    assert advanced == [SAMPLES]
    monkeypatch.setattr(native, "_WORK_OF_A_CALL", 1)  # one batch
    parted = training(Adaptive(), Adam())
    advanced.clear()
    in_parts = parted.train_epoch(0, 0.1, *data, order_of(0), advanced.append)
    assert advanced == [5, 5, 5, 5, 3]
    assert same(parted.weights(), whole.weights())
    assert in_parts.loss == pytest.approx(epoch.loss, rel=1e-6)
    assert {name: (layer.kept, layer.kept_rows) for name, layer in in_parts.layers.items()} == {
        name: (layer.kept, layer.kept_rows) for name, layer in epoch.layers.items()
    }
    assert np.array_equal(parted.outputs(data[0]), whole.outputs(data[0])), "sample by sample"


def test_ctrl_c_ends_an_epoch_that_would_take_long(data):
    """The engine looks up from its work often enough."""
    backend = training(Dense(), Adam())
    order, done = np.resize(np.arange(SAMPLES), 5_000_000), []
    signal.setitimer(signal.ITIMER_REAL, 0.4)
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            backend.train_epoch(0, 1e-6, *data, order, done.append)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert 0 < sum(done) < len(order)
    assert max(done) % BATCH == 0


def test_only_the_samples_of_the_order_are_trained_on(data):
    x, y = data
    part = np.array([4, 2, 9, 11, 0, 7])
    one, other = training(), training()
    one.train_epoch(0, 0.1, x, y, part, lambda amount: None)
    other.train_epoch(0, 0.1, x[part], y[part], np.arange(6), lambda amount: None)
    assert same(one.weights(), other.weights())


@pytest.mark.parametrize("policy", [Adaptive(), AdaptiveSkip(s_min=0.0, skip_threshold=0.5), Budget()])
@pytest.mark.parametrize("optimizer", [Sgd(lr=0.1), Sgd(lr=0.1, momentum=0.9), Adam()])
def test_going_on_from_a_state_is_as_if_never_stopped(data, policy, optimizer, tmp_path):
    """Through a checkpoint file, as the runner does it."""
    whole = training(policy, optimizer)
    train(whole, data, range(4))
    first = training(policy, optimizer)
    train(first, data, range(2))
    torch.save(first.state(), tmp_path / "state.pt")
    second = training(policy, optimizer, seed=99)
    second.load_state(torch.load(tmp_path / "state.pt", weights_only=True))
    train(second, data, range(2, 4))
    assert same(second.weights(), whole.weights())
    assert same(second.state(), whole.state())


def test_a_state_is_a_copy(data):
    backend = training(Adaptive(), Adam())
    train(backend, data, [0])
    state, weights = backend.state(), backend.weights()
    kept = {name: value.clone() for name, value in {**state, **weights}.items()}
    train(backend, data, [1])
    assert same({**state, **weights}, kept)
    backend.set_weights(weights)
    assert same(backend.weights(), weights)
    assert not same(backend.state(), state), "training state stays"


def test_evaluation_leaves_all_state_alone(data):
    backend = training(Adaptive(), Adam())
    train(backend, data, [0])
    before = backend.state()
    outputs = backend.outputs(data[0])
    assert outputs.shape == (SAMPLES, CLASSES)
    assert outputs.dtype == np.float32
    assert same(backend.state(), before)
    assert np.array_equal(backend.outputs(data[0]), outputs)


def test_the_trained_network_is_handed_out_as_a_plain_module(data):
    backend = training(Static(ratio=0.2))
    train(backend, data, [0])
    plain = backend.plain_module()
    assert [type(layer) for layer in plain] == [nn.Flatten, nn.Linear, nn.ReLU, nn.Linear, nn.ReLU, nn.Linear]
    assert not plain.training
    with torch.no_grad():
        outputs = plain(torch.from_numpy(data[0])).numpy()
        np.testing.assert_allclose(outputs, backend.outputs(data[0]), rtol=1e-4, atol=1e-6)
        plain[1].weight.zero_()
    assert float(backend.weights()["fc1.weight"].abs().sum()) > 0, "a copy"


def test_a_loss_that_is_not_finite_ends_training_with_epoch_step_and_hint(data):
    x, y = data
    poisoned = x.copy()
    order = order_of(3)
    poisoned[order[2 * BATCH]] = np.nan
    said = r"training diverged: the loss is nan in epoch 4, step 3 of 5\. Lower optimizer\.lr \(now 0\.1\) or set "
    with pytest.raises(DivergenceError, match=said):
        training().train_epoch(3, 0.1, poisoned, y, order, lambda amount: None)
    with pytest.raises(DivergenceError, match=r"the loss is (inf|nan)"):
        train(training(optimizer=Sgd(lr=1e30)), data, range(20), rate=1e30)


def test_binary_and_reconstruction_losses_are_trained(data):
    x, y = data
    binary = training(outputs=1, loss="binary_cross_entropy")
    losses = [binary.train_epoch(e, 0.5, x, (y > 0) * 1, order_of(e), lambda a: None).loss for e in range(20)]
    assert losses[-1] < 0.7 * losses[0]
    rebuilt = training(Adaptive(), Adam(), outputs=16, loss="mean_squared_error")
    losses = [rebuilt.train_epoch(e, 0.01, x, x, order_of(e), lambda a: None).loss for e in range(20)]
    assert losses[-1] < 0.9 * losses[0]
    outputs = rebuilt.outputs(x)
    expected = np.square(outputs - x.reshape(SAMPLES, -1)).mean()
    assert rebuilt.train_epoch(20, 1e-9, x, x, order_of(0), lambda a: None).loss == pytest.approx(expected, rel=1e-4)


def test_images_of_several_channels_are_rebuilt_in_pytorchs_order():
    """The target of a reconstruction is the image channels first, although the engine reads it channels last."""
    x = np.random.default_rng(1).normal(size=(6, 2, 3, 3)).astype(np.float32)
    both = pair(
        Mlp(hidden=(5,)),
        (2, 3, 3),
        18,
        "mean_squared_error",
        policy=Adaptive(s_min=0.2),
        optimizer=Sgd(lr=0.5),
        batch_size=3,
    )
    for start in (0, 3):
        both.train(x, x, np.arange(start, start + 3))
    assert both.edges == 0


def test_a_batch_that_is_skipped_whole_leaves_the_weights_where_they_were(data):
    """Adam and momentum would move them without any gradient."""
    backend = training(AdaptiveSkip(s_min=0.0, s_max=1.0, skip_threshold=1.0), Adam(lr=0.1))
    train(backend, data, [0])
    backend.training_state[2:5] = 1e6  # Y_max far above the errors below
    before = backend.state()
    epoch = backend.train_epoch(1, 0.1, *data, order_of(1), lambda amount: None)
    assert same(backend.state(), before)
    assert {layer.kept for layer in epoch.layers.values()} == {0}


def test_samples_held_at_a_time_follow_the_setting(data):
    """A micro-batch as large as the batch is the batch; smaller ones agree where no running maximum is looked at."""
    whole, named, smaller = training(Static(ratio=0.4)), training(micro_batch=5), training(micro_batch=2)
    assert named.description.words[8] == 5
    train(whole, data, range(3))
    parted = training(Static(ratio=0.4), micro_batch=2)
    train(parted, data, range(3))
    assert smaller.description.words[8] == 2
    for name, value in whole.weights().items():
        assert torch.allclose(parted.weights()[name], value, rtol=1e-4, atol=1e-6), name


@pytest.mark.parametrize("micro_batch", [0, -3])
def test_a_micro_batch_has_a_sample(micro_batch):
    with pytest.raises(InvalidSettings, match=f"{micro_batch} is under 1"):
        NativeBackend(micro_batch=micro_batch)


def test_a_network_with_batch_norm_is_refused_by_layer_and_model():
    specification = Autoencoder().specification((20,), 20, "mean_squared_error")
    with pytest.raises(RequestError) as refused:
        require_layers("native", specification, "autoencoder")
    assert str(refused.value) == (
        "backend=native cannot run layer norm1 (batch norm) of model=autoencoder; backend=torch can"
    )
