"""From a configuration and its data to a backend that is ready to train."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from tinyprop.backends.contract import Backend
from tinyprop.backends.torch_backend import TorchTraining
from tinyprop.config.schema import RunConfig
from tinyprop.datasets.contract import Dataset
from tinyprop.errors import RequestError
from tinyprop.models.modules import build
from tinyprop.training.checkpoint import initial_weights
from tinyprop.training.metrics import LOSS_OF_TASK, outputs_of


def open_backend(config: RunConfig, dataset: Dataset, init_from: str | None) -> tuple[Backend, int]:
    """The backend with its network's initial weights, and how many weights and biases the network has.

    Raises:
        RequestError: model, data, initial weights or device do not go together.
    """
    loss = LOSS_OF_TASK[dataset.task]
    module = build(config.model, dataset.input_shape, outputs_of(dataset), loss, seed=config.seed)
    if init_from is not None:
        _initialise(module, config, init_from)
    parameters = sum(parameter.numel() for parameter in module.parameters())
    backend = TorchTraining(
        module,
        policy=config.policy,
        optimizer=config.optimizer,
        loss=loss,
        batch_size=config.trainer.batch_size,
        input_shape=dataset.input_shape,
        device=_device(config.trainer.device),
    )
    return backend, parameters


def _initialise(module: nn.Module, config: RunConfig, source: str) -> None:
    weights = initial_weights(source, Path(config.runs_dir))
    expected = {name: tuple(value.shape) for name, value in module.state_dict().items()}
    found = {name: tuple(value.shape) for name, value in weights.items()}
    different = sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))
    if different:
        name = different[0]
        raise RequestError(
            f"trainer.init_from={source}: its network is not the one that is configured: {name} has shape "
            f"{found.get(name, 'none')} there and {expected.get(name, 'none')} in model={config.model.name} on "
            f"{config.dataset.name}"
        )
    module.load_state_dict(weights)


def _device(name: str) -> torch.device:
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name == "cuda" and not torch.cuda.is_available():
        raise RequestError(
            "trainer.device=cuda: PyTorch sees no CUDA device here; set trainer.device=auto or install a CUDA build"
        )
    return torch.device(name)
