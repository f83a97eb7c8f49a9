"""The files of an exported project."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from tinyprop.cost.target import Target
from tinyprop.engine.images import ENGINE, core_of
from tinyprop.export import c_text, readme
from tinyprop.export.measurement import Measurement
from tinyprop.export.memory import Budget, flash, ram, stack_to_reserve
from tinyprop.export.memory_map import memory_map
from tinyprop.export.network import ExportedNetwork

_TEMPLATE = Path(__file__).parent / "template"
_FILLED = ".in"
_FROM_FIRMWARE = {"board/startup.c": "startup.c", "board/include/string.h": "include/string.h"}
_GCC_FPU = {"cortex-m4": "fpv4-sp-d16", "cortex-m7": "fpv5-sp-d16", "cortex-m33": "fpv5-sp-d16"}
_LOSSES = {
    "softmax_cross_entropy": ("NETWORK_SOFTMAX_CROSS_ENTROPY", "softmax cross-entropy", "the largest is the class"),
    "binary_cross_entropy": ("NETWORK_BINARY_CROSS_ENTROPY", "binary cross-entropy", "above 0 is class 1"),
    "mean_squared_error": ("NETWORK_SQUARED_ERROR", "mean squared error", "the reconstruction"),
}


@dataclass(frozen=True, eq=False)
class Project:
    """A project that can be written.

    Attributes:
        files: content by path.
        budgets: RAM and flash of the demonstration.
    """

    network: ExportedNetwork
    target: Target
    measured: Measurement
    budgets: tuple[Budget, Budget]
    files: dict[str, bytes]


def project_of(network: ExportedNetwork, target: Target, measured: Measurement) -> Project:
    """Put a project together; the same arguments give the same bytes.

    Raises:
        RequestError: the engine has no image for the target's core.
    """
    stack, place = stack_to_reserve(measured.stack), memory_map(target)
    budgets = ram(network, measured.memory, stack, place), flash(network, target, place)
    values = {
        **_of_network(network),
        **_of_samples(network),
        **_of_target(target),
        "STATE": measured.memory.state,
        "ARENA": measured.memory.arena,
        "STACK_BYTES": stack,
        "FIT": readme.fit(budgets, target.name),
        "MEMORY": readme.memory_section(budgets, measured, target, place),
        "INSTRUCTIONS": readme.instructions_section(measured, network, target),
        "VERSION": version("tinyprop"),
    }
    files = {**dict(_engine()), **{path: _firmware(name) for path, name in _FROM_FIRMWARE.items()}}
    for path in sorted(path for path in _TEMPLATE.rglob("*") if path.is_file()):
        name, content = path.relative_to(_TEMPLATE).as_posix(), path.read_bytes()
        if name.endswith(_FILLED):
            name, content = name.removesuffix(_FILLED), _filled(content.decode(), values).encode()
        files[name] = content
    return Project(network, target, measured, budgets, files)


def _engine() -> Iterator[tuple[str, bytes]]:
    sources = ENGINE / "c"
    for path in sorted(sources.rglob("*.[ch]")):
        yield f"engine/{path.relative_to(sources).as_posix()}", path.read_bytes()


def _firmware(name: str) -> bytes:
    return (ENGINE / "firmware" / name).read_bytes()


def _of_network(network: ExportedNetwork) -> dict[str, object]:
    config, description = network.run.config, network.description
    shape = network.specification.input_shape
    macro, loss, outputs = _LOSSES[description.loss]
    layers = [f"{layer.name} {layer.fan_in}→{layer.units}" for layer in description.layers]
    rate = config.optimizer.lr
    return {
        "NAME": network.run.name,
        "LAYERS": f"input {'×'.join(map(str, shape))}, {', '.join(layers)}",
        "LOSS": loss,
        "LOSS_MACRO": macro,
        "OUTPUT_MEANING": outputs,
        "POLICY": config.policy.name,
        "OPTIMIZER": config.optimizer.name,
        "INPUTS": description.inputs,
        "INPUT_ORDER": ", [height][width][channel]" if len(shape) == 3 else "",
        "OUTPUTS": description.outputs,
        "BATCH": description.batch_size,
        "LEARNING_RATE": f"{rate:g}",
        "LEARNING_RATE_FLOAT": c_text.float_text(rate),
        "WORDS": len(description.words),
        "DESCRIPTION": c_text.words(description.words),
        "WEIGHTS": len(network.weights),
        "INITIAL_WEIGHTS": c_text.floats(network.weights),
        "TARGET_TYPE": "const float *" if network.squared_error else "uint32_t ",
        "TARGET_MEANING": "NETWORK_OUTPUTS numbers" if network.squared_error else "its label",
        "TARGET_ARGUMENT": "target" if network.squared_error else "label",
    }


def _of_samples(network: ExportedNetwork) -> dict[str, object]:
    dataset, squared = network.dataset, network.squared_error
    kind = "SYNTHETIC test samples" if dataset.synthetic else "test samples"
    return {
        "SAMPLES_OF": f"{kind} of {dataset.name}",
        "SAMPLES": len(network.x),
        "SAMPLE_X": c_text.rows(network.x),
        "SAMPLE_TARGET": c_text.rows(network.target) if squared else c_text.integers(network.target),
        "TARGET_ELEMENT": "float" if squared else "uint32_t",
        "TARGET_WIDTH": "[NETWORK_OUTPUTS]" if squared else "",
    }


def _of_target(target: Target) -> dict[str, object]:
    core, place = core_of(target.core), memory_map(target)
    fpu = target.fpu and core.fpu
    flags = f"-mfloat-abi=hard -mfpu={_GCC_FPU[core.name]}" if fpu else "-mfloat-abi=soft"
    return {
        "TARGET": target.name,
        "CORE": core.name,
        "FPU": "ON" if fpu else "OFF",
        "GCC_FLAGS": f"-mcpu={core.name} -mthumb {flags}",
        "ZIG_CPU": core.cpu if fpu else core.cpu.partition("+")[0],
        "ABI": "eabihf" if fpu else "eabi",
        "MAP_SOURCE": place.source,
        "FLASH_ORIGIN": f"{place.flash_origin:#010x}",
        "FLASH_BYTES": place.flash_bytes,
        "RAM_ORIGIN": f"{place.ram_origin:#010x}",
        "RAM_BYTES": place.ram_bytes,
    }


def _filled(template: str, values: dict[str, object]) -> str:
    return re.sub(r"@([A-Z_]+)@", lambda found: str(values[found[1]]), template)
