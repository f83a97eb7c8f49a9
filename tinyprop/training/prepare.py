"""From a configuration and its data to a backend that is ready to train."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import torch
from torch import nn

from tinyprop.backends import renode_process
from tinyprop.backends.board_settings import BoardBackend
from tinyprop.backends.contract import Backend
from tinyprop.backends.engine_training import Task, require_layers
from tinyprop.backends.native import NativeTraining
from tinyprop.backends.native_settings import NativeBackend
from tinyprop.backends.renode_backend import RenodeTraining
from tinyprop.backends.renode_settings import RenodeBackend
from tinyprop.backends.torch_backend import TorchTraining
from tinyprop.backends.torch_settings import TorchBackend
from tinyprop.backends.unicorn_settings import UnicornBackend
from tinyprop.config.schema import RunConfig
from tinyprop.datasets.contract import Dataset
from tinyprop.engine import images, library
from tinyprop.errors import RequestError
from tinyprop.models import ResNet8
from tinyprop.models.modules import build
from tinyprop.models.specification import Loss, NetworkSpecification
from tinyprop.training.checkpoint import initial_weights
from tinyprop.training.metrics import LOSS_OF_TASK, outputs_of


def require_ready(config: RunConfig) -> None:
    """Find out before anything is loaded or trained whether this machine has what the backend needs.

    Raises:
        RequestError: a package, program or build is missing, or there is no up-to-date firmware image for the
            target's core.
    """
    if isinstance(config.backend, NativeBackend):
        library.load()
    if isinstance(config.backend, UnicornBackend):
        for package in ("unicorn", "capstone"):
            if find_spec(package) is None:
                raise RequestError(
                    f"backend=unicorn needs the package {package}, which is not installed: "
                    "pip install 'tinyprop[unicorn]'"
                )
    if isinstance(config.backend, RenodeBackend):
        renode_process.find(config.backend.path)
    if isinstance(config.backend, BoardBackend):
        core = images.core_of(config.target.core)
        if core.fpu and not config.target.fpu:
            raise RequestError(f"target.fpu=false: the firmware image for {core.name} computes with the core's FPU")
        images.load(core)


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
    return _backend(config, dataset, module, loss), parameters


def _backend(config: RunConfig, dataset: Dataset, module: nn.Module, loss: Loss) -> Backend:
    settings = config.backend
    if isinstance(settings, TorchBackend):
        return TorchTraining(
            module,
            policy=config.policy,
            optimizer=config.optimizer,
            loss=loss,
            batch_size=config.trainer.batch_size,
            input_shape=dataset.input_shape,
            device=_device(config.trainer.device),
        )
    task = Task(
        module=module,
        specification=_specification(config, dataset, loss),
        policy=config.policy,
        optimizer=config.optimizer,
        batch_size=config.trainer.batch_size,
    )
    match settings:
        case NativeBackend():
            return NativeTraining(task, settings)
        case UnicornBackend():
            from tinyprop.backends.unicorn_backend import UnicornTraining  # its packages are optional

            return UnicornTraining(task, settings, config.target)
        case RenodeBackend():
            return RenodeTraining(task, settings, config.target)


def _specification(config: RunConfig, dataset: Dataset, loss: Loss) -> NetworkSpecification:
    """The network in layers that the C engine knows.

    Raises:
        RequestError: one of them it does not know.
    """
    assert not isinstance(config.model, ResNet8), "refused with the configuration"
    specification = config.model.specification(dataset.input_shape, outputs_of(dataset), loss)
    require_layers(config.backend.name, specification, config.model.name)
    return specification


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
