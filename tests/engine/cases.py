"""Networks and trainings of every kind that the engine knows, and the same trainings in PyTorch with float64."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from hypothesis import strategies as st

from tinyprop.backends.torch_backend import TorchTraining
from tinyprop.engine import HostNetwork, WeightLayout, describe
from tinyprop.models.modules import sequential
from tinyprop.models.specification import Activation, Conv2d, Flatten, Layer, Linear, NetworkSpecification, Pool2d
from tinyprop.sparse import Adaptive, AdaptiveSkip, Budget, Dense, MeProp, Static
from tinyprop.training.optimizer import Adam, AdamW, Sgd

ACTIVATIONS = st.sampled_from(["relu", "sigmoid", "tanh"])


@st.composite
def specifications(draw) -> NetworkSpecification:
    """Small networks: convolutions of every geometry, pools, activations, flattened or not, then linear layers."""
    loss = draw(st.sampled_from(["softmax_cross_entropy", "binary_cross_entropy", "mean_squared_error"]))
    outputs = 1 if loss == "binary_cross_entropy" else draw(st.integers(3, 6))
    layers: list[Layer] = []
    if draw(st.booleans()):
        shape = (draw(st.integers(1, 30)),)
    else:
        shape = (draw(st.integers(1, 4)), draw(st.integers(3, 8)), draw(st.integers(3, 8)))
    given = shape
    while len(shape) == 3:
        kind = draw(st.sampled_from(["conv", "conv", "pool", "activation", "flatten"]))
        layer: Layer = Flatten()
        if kind == "conv" and sum(isinstance(each, Conv2d) for each in layers) < 2:
            kernel = draw(st.integers(1, min(3, *shape[1:])))
            groups = draw(st.sampled_from([g for g in (1, 2, 3, 4) if shape[0] % g == 0]))
            geometry = (kernel, draw(st.integers(1, 2)), draw(st.integers(0, kernel - 1)), groups)
            layer = Conv2d(shape[0], groups * draw(st.integers(1, 3)), *geometry, bias=draw(st.booleans()))
        elif kind == "pool":
            kernel = draw(st.integers(1, min(3, *shape[1:])))
            stride = draw(st.sampled_from([None, 1, 2, 3]))
            layer = Pool2d(draw(st.sampled_from(["max", "average"])), kernel, stride)
        elif kind == "activation":
            layer = Activation(draw(ACTIVATIONS))
        layers.append(layer)
        shape = layer.output_shape(shape)
    for _ in range(draw(st.integers(0, 2))):
        width = draw(st.integers(1, 12))
        layers += [Linear(shape[0], width), Activation(draw(ACTIVATIONS))]
        shape = (width,)
    if loss == "binary_cross_entropy" or draw(st.integers(0, 3)) or not any(map(is_trainable, layers)):
        layers.append(Linear(shape[0], outputs))
        shape = (outputs,)
    if loss == "softmax_cross_entropy" and shape == (2,):
        loss = "mean_squared_error"  # of two classes both gradients are as large, and rounding alone would rank them
    return NetworkSpecification(given, tuple(layers), loss)


def is_trainable(layer: Layer) -> bool:
    return isinstance(layer, Linear | Conv2d)


@st.composite
def policies(draw):
    """Any policy that the engine knows; ratios are odd numbers, so that n·r does not fall on a rounding step."""
    common = {
        "granularity": draw(st.sampled_from(["element", "channel"])),
        "rounding": draw(st.sampled_from(["nearest", "floor"])),
        "sparse_bias": draw(st.booleans()),
        "sparsify_output": draw(st.booleans()),
    }
    odd = np.random.default_rng(draw(st.integers(0, 2**32 - 1))).uniform
    adaptive = {"s_min": odd(0, 0.3), "s_max": odd(0.4, 1.3), "zeta": odd(0.5, 1)}
    return draw(
        st.sampled_from(
            [
                Dense(**common),
                Static(ratio=odd(0, 1), **common),
                MeProp(k=draw(st.integers(1, 9)), **common),
                Adaptive(**adaptive, **common),
                AdaptiveSkip(**adaptive, skip_threshold=odd(0.3, 1), **common),
                Budget(budget=odd(0.05, 0.9), horizon=draw(st.integers(1, 200)), max_factor=odd(1, 20)),
            ]
        )
    )


OPTIMIZERS = st.sampled_from(
    [
        Sgd(lr=0.1),
        Sgd(lr=0.1, weight_decay=0.1),
        Sgd(lr=0.05, momentum=0.9),
        Sgd(lr=0.05, momentum=0.8, weight_decay=0.1),
        # Adam divides by what a gradient usually is: with its own epsilon it makes steps out of rounding errors.
        Adam(lr=0.02, epsilon=1e-3),
        Adam(lr=0.02, epsilon=1e-3, weight_decay=0.1),
        AdamW(lr=0.02, epsilon=1e-3, weight_decay=0.1),
    ]
)


@dataclass
class Case:
    """One training: what is trained, how, and on what; ``batch_size`` need not divide the number of samples."""

    specification: NetworkSpecification
    policy: object
    optimizer: object
    batch_size: int
    samples: int
    seed: int

    def __post_init__(self):
        rng = np.random.default_rng(self.seed)
        self.x = rng.normal(size=(self.samples, *self.specification.input_shape)).astype(np.float32)
        loss, outputs = self.specification.loss, int(np.prod(self.specification.output_shape))
        if loss == "mean_squared_error":
            self.target = rng.normal(size=(self.samples, outputs)).astype(np.float32)
        else:
            self.target = rng.integers(0, 2 if loss == "binary_cross_entropy" else outputs, self.samples)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            self.module = sequential(self.specification)
        self.layout = WeightLayout(self.specification)

    def network(self, *, variant: str | None = None, **options) -> HostNetwork:
        """The engine's network with the initial weights."""
        description = describe(self.specification, self.policy, self.optimizer, batch_size=self.batch_size, **options)
        return HostNetwork(description, self.layout.pack(self.module.state_dict()), variant=variant)

    def train(self, network: HostNetwork, order=None) -> float:
        """Train the engine's network once on the samples, or on some of them; the loss's sum."""
        order = np.arange(self.samples) if order is None else order
        rows, target = self.layout.rows(self.x), self.layout.targets(self.target)
        return network.train(rows, target, np.asarray(order, np.uint32), self.optimizer.lr).loss

    def reference(self, *, disturbance: float = 0.0) -> TorchTraining:
        """The same training in PyTorch with float64; initial weights are disturbed by so much of themselves."""
        module = sequential(self.specification).double()
        rng = np.random.default_rng(self.seed + 1)
        start = {
            name: value.double() * torch.from_numpy(1 + disturbance * rng.choice([-1.0, 1.0], tuple(value.shape)))
            for name, value in self.module.state_dict().items()
        }
        module.load_state_dict(start)
        torch.set_default_dtype(torch.float64)
        try:
            training = TorchTraining(
                module,
                policy=self.policy,
                optimizer=self.optimizer,
                loss=self.specification.loss,
                batch_size=self.batch_size,
                input_shape=self.specification.input_shape,
                device=torch.device("cpu"),
            )
        finally:
            torch.set_default_dtype(torch.float32)
        target = self.target.astype(np.float64) if self.target.dtype == np.float32 else self.target
        order = np.arange(self.samples)
        training.epoch = training.train_epoch(
            0, self.optimizer.lr, self.x.astype(np.float64), target, order, lambda amount: None
        )
        return training


def difference(one: dict, other: dict) -> float:
    """The largest difference of two sets of weights, each tensor's against the largest of its numbers."""
    worst = 0.0
    for name, value in other.items():
        expected = np.asarray(value, np.float64)
        gap = np.abs(np.asarray(one[name], np.float64) - expected).max()
        worst = max(worst, gap / max(np.abs(expected).max(), 1e-30))
    return float(worst)
