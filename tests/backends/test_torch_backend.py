"""Training in PyTorch, against a plain loop written by hand."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from tinyprop.backends.torch_backend import TorchTraining
from tinyprop.errors import DivergenceError, RequestError
from tinyprop.models import Autoencoder, Mlp
from tinyprop.models.modules import build
from tinyprop.sparse import Adaptive, AdaptiveSkip, Dense, Random, Static
from tinyprop.training.optimizer import Adam, Sgd

SHAPE, CLASSES, SAMPLES, BATCH = (1, 4, 4), 3, 23, 5  # the last batch has 3 samples


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    y = rng.integers(0, CLASSES, SAMPLES)
    x = rng.normal(size=(SAMPLES, *SHAPE)).astype(np.float32)
    x[np.arange(SAMPLES), 0, 0, y] += 2
    return x, y


def network() -> nn.Module:
    return build(Mlp(hidden=(8, 6)), SHAPE, CLASSES, "softmax_cross_entropy", seed=1)


def training(policy=None, optimizer=None, module=None, loss="softmax_cross_entropy") -> TorchTraining:
    return TorchTraining(
        module or network(),
        policy=policy or Dense(),
        optimizer=optimizer or Sgd(lr=0.1),
        loss=loss,
        batch_size=BATCH,
        input_shape=SHAPE,
        device=torch.device("cpu"),
    )


def order_of(epoch: int) -> np.ndarray:
    return np.random.default_rng(epoch).permutation(SAMPLES)


def train(backend: TorchTraining, data, epochs, rate=0.1) -> list[float]:
    ignore = lambda amount: None
    return [backend.train_epoch(epoch, rate, *data, order_of(epoch), ignore).loss for epoch in epochs]


def same(one: dict, other: dict) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize(
    ("settings", "plain"),
    [
        (Sgd(lr=0.1, momentum=0.9), lambda p: torch.optim.SGD(p, 0.1, momentum=0.9, fused=True)),
        (Adam(lr=0.1), lambda p: torch.optim.Adam(p, 0.1, fused=True)),
    ],
)
def test_dense_training_is_a_plain_loop_bit_for_bit(data, settings, plain):
    backend = training(Dense(), settings)
    losses = train(backend, data, range(3))

    module = network()
    optimizer = plain(module.parameters())
    x, y = map(torch.from_numpy, data)
    expected = []
    for epoch in range(3):
        total = 0.0
        order = order_of(epoch)
        for start in range(0, SAMPLES, BATCH):
            batch = order[start : start + BATCH]
            optimizer.zero_grad()
            loss = F.cross_entropy(module(x[batch]), y[batch])
            loss.backward()
            optimizer.step()
            total += loss.item() * len(batch)
        expected.append(total / SAMPLES)
    assert same(backend.weights(), module.state_dict())
    assert losses == pytest.approx(expected, rel=1e-12)
    assert losses[-1] < losses[0]


def test_an_epoch_reports_every_layer_over_all_samples(data):
    epoch = training(Static(ratio=0.5)).train_epoch(0, 0.1, *data, order_of(0), lambda amount: None)
    assert list(epoch.layers) == ["fc1", "fc2", "fc3"]
    assert {layer.samples for layer in epoch.layers.values()} == {SAMPLES}
    assert {layer.steps for layer in epoch.layers.values()} == {5}
    assert [layer.kept_fraction for layer in epoch.layers.values()] == pytest.approx([0.5, 0.5, 2 / 3])


def test_progress_advances_by_every_sample(data):
    advanced = []
    training().train_epoch(0, 0.1, *data, order_of(0), advanced.append)
    assert advanced == [5, 5, 5, 5, 3]


def test_only_the_samples_of_the_order_are_trained_on(data):
    x, y = data
    part = np.array([4, 2, 9, 11, 0, 7])
    one, other = training(), training()
    one.train_epoch(0, 0.1, x, y, part, lambda amount: None)
    other.train_epoch(0, 0.1, x[part], y[part], np.arange(6), lambda amount: None)
    assert same(one.weights(), other.weights())


def test_the_rate_of_an_epoch_is_the_one_that_is_used(data):
    slow, slower = training(optimizer=Sgd(lr=1.0)), training(optimizer=Sgd(lr=0.001))
    train(slow, data, range(2), rate=0.05)
    train(slower, data, range(2), rate=0.05)
    assert same(slow.weights(), slower.weights())


@pytest.mark.parametrize("policy", [Adaptive(), Random(ratio=0.3, seed=4)])
@pytest.mark.parametrize("optimizer", [Sgd(lr=0.1, momentum=0.9), Adam()])
def test_going_on_from_a_state_is_as_if_never_stopped(data, policy, optimizer):
    whole = training(policy, optimizer)
    train(whole, data, range(4))
    first = training(policy, optimizer)
    train(first, data, range(2))
    second = training(policy, optimizer, module=build(Mlp(hidden=(8, 6)), SHAPE, CLASSES, "", seed=99))
    second.load_state(first.state())
    train(second, data, range(2, 4))
    assert same(second.weights(), whole.weights())


def test_running_maxima_are_part_of_the_state_but_not_of_the_weights(data):
    backend = training(Adaptive())
    train(backend, data, range(1))
    assert float(backend.state()["module"]["fc1.local_error_max"]) > 0
    assert list(backend.weights()) == [f"fc{i}.{kind}" for i in (1, 2, 3) for kind in ("weight", "bias")]


def test_evaluation_leaves_all_state_alone(data):
    module = build(Autoencoder(width=4, bottleneck=2), SHAPE, 16, "mean_squared_error", seed=0)
    backend = training(Adaptive(), module=module, loss="mean_squared_error")
    x = data[0]
    backend.train_epoch(0, 0.1, x, x, order_of(0), lambda amount: None)
    before = {name: value.clone() for name, value in backend.state()["module"].items()}
    outputs = backend.outputs(x)
    assert outputs.shape == (SAMPLES, 16)
    assert outputs.dtype == np.float32
    assert same(backend.state()["module"], before)
    assert np.array_equal(backend.outputs(x), outputs)


def test_outputs_do_not_depend_on_how_many_samples_are_asked_for_at_once(data):
    backend = training()
    x = np.concatenate([data[0]] * 90)  # more than one evaluation batch
    assert np.allclose(backend.outputs(x)[:SAMPLES], backend.outputs(data[0]), atol=1e-6)
    assert len(backend.outputs(x)) == 90 * SAMPLES


def test_the_trained_network_is_handed_out_as_a_plain_module(data):
    backend = training(Static(ratio=0.2))
    train(backend, data, range(1))
    plain = backend.plain_module()
    assert [type(layer) for layer in plain] == [nn.Flatten, nn.Linear, nn.ReLU, nn.Linear, nn.ReLU, nn.Linear]
    assert not plain.training
    with torch.no_grad():
        assert np.array_equal(plain(torch.from_numpy(data[0])).numpy(), backend.outputs(data[0]))
    with torch.no_grad():
        plain[1].weight.zero_()
    assert float(backend.weights()["fc1.weight"].abs().sum()) > 0, "a copy"


def test_weights_that_are_handed_out_are_not_trained_further(data):
    backend = training()
    before = backend.weights()
    kept = {name: value.clone() for name, value in before.items()}
    train(backend, data, range(1))
    assert same(before, kept)
    after = backend.weights()
    backend.set_weights(before)
    assert same(backend.weights(), before)
    assert not same(before, after)


def test_a_loss_that_is_not_finite_ends_training_with_epoch_step_and_hint(data):
    x, y = data
    poisoned = x.copy()
    order = order_of(3)
    poisoned[order[2 * BATCH]] = np.nan
    with pytest.raises(
        DivergenceError, match=r"loss is nan in epoch 4, step 3 of 5\. Lower optimizer\.lr \(now 0\.1\)"
    ):
        training().train_epoch(3, 0.1, poisoned, y, order, lambda amount: None)
    with pytest.raises(DivergenceError, match=r"the loss is (inf|nan)"):
        train(training(optimizer=Sgd(lr=1e30)), data, range(20), rate=1e30)


def test_binary_and_reconstruction_losses_are_trained(data):
    x, y = data
    binary = training(module=build(Mlp(hidden=(8,)), SHAPE, 1, "", seed=0), loss="binary_cross_entropy")
    losses = [binary.train_epoch(e, 0.5, x, (y > 0) * 1, order_of(e), lambda a: None).loss for e in range(20)]
    assert losses[-1] < 0.7 * losses[0]
    module = build(Autoencoder(width=16, bottleneck=8), SHAPE, 16, "mean_squared_error", seed=0)
    rebuilt = training(Adaptive(), Adam(), module, "mean_squared_error")
    losses = [rebuilt.train_epoch(e, 0.01, x, x, order_of(e), lambda a: None).loss for e in range(20)]
    assert losses[-1] < 0.9 * losses[0]


def test_a_batch_that_is_skipped_whole_leaves_the_weights_where_they_were(data):
    """Adam and momentum would move them without any gradient."""
    skipping = AdaptiveSkip(s_min=0.0, s_max=1.0, skip_threshold=1.0)  # all but the samples with the largest error
    x, y = data
    backend = training(skipping, Adam(lr=0.1))
    train(backend, data, [0])  # from here on Y_max is far above the errors below
    backend._sparsity.layers["fc3"].local_error_max.fill_(1e6)
    before = backend.weights()
    backend.train_epoch(1, 0.1, x, y, order_of(1), lambda amount: None)
    assert all(torch.equal(before[name], after) for name, after in backend.weights().items())


def test_batch_norm_never_sees_a_batch_of_one(data):
    """Of 11 samples in batches of 5 the last joins the batch before it: two updates, of 5 and of 6 samples."""
    x = data[0][:11]
    network = build(Autoencoder(width=4, bottleneck=2), SHAPE, 16, "mean_squared_error", seed=0)
    backend = training(module=network, loss="mean_squared_error")
    layers = backend.train_epoch(0, 0.1, x, x, np.arange(11), lambda amount: None).layers
    assert {(layer.steps, layer.samples) for layer in layers.values()} == {(2, 11)}


def test_batch_norm_refuses_training_sample_by_sample():
    network = build(Autoencoder(), SHAPE, 16, "mean_squared_error", seed=0)
    with pytest.raises(RequestError, match=r"trainer\.batch_size=1"):
        TorchTraining(
            network,
            policy=Dense(),
            optimizer=Sgd(),
            loss="mean_squared_error",
            batch_size=1,
            input_shape=SHAPE,
            device=torch.device("cpu"),
        )
