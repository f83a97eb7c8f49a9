"""The C engine on this machine: networks that live in NumPy's memory."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from tinyprop.engine import library
from tinyprop.engine.description import Description
from tinyprop.engine.statistics import STATISTICS_BYTES, SelectionSums
from tinyprop.errors import DataError, RequestError

Observer = Callable[[int, int, NDArray[np.uint16] | None], None]
"""Told of each selection: which of all layers, which sample of the micro-batch, and the kept entries; None is all."""


@dataclass(frozen=True)
class Memory:
    """Bytes that a network takes, by use, and ``state``, the floats of its training state: see c/tinyprop.h."""

    weights: int
    gradients: int
    optimizer: int
    activations: int
    scratch: int
    network: int
    arena: int
    state: int


@dataclass(frozen=True)
class Progress:
    """How far training came.

    Attributes:
        samples: that were trained on.
        skipped: of them, left out of learning by the policy.
        loss: sum over them, each taken before the update that it took part in.
        diverged: the loss of the next batch is not finite, and is in ``loss``; the weights are those before it.
    """

    samples: int
    skipped: int
    loss: float
    diverged: bool


class HostNetwork:
    """One network in memory.

    Attributes:
        description: the network in the engine's words.
        weights: float32, the vector that was given; training changes it in place, and so may others between calls.
        state: float32, everything besides the weights that training goes on from, to be read and written likewise.
        memory: what the network takes.
    """

    def __init__(self, description: Description, weights: NDArray[np.float32], *, variant: str | None = None):
        """Open a network with these weights, in the engine's layout (see `tinyprop.engine.weights`).

        Args:
            weights: shape (memory.weights / 4,), float32, contiguous.
            variant: see `library.load`.

        Raises:
            RequestError: the engine is not built, or refuses the network.
        """
        self._engine = _engine(variant)
        self.description = description
        self.memory = measure(description, variant=variant)
        size = self.memory.weights // 4
        if weights.dtype != np.float32 or not weights.flags.carray or weights.shape != (size,):
            raise ValueError(f"weights must be {size} contiguous float32 that can be changed, not {weights.shape}")
        self.weights = weights
        self._arena = _room(self.memory.arena)
        self._network = ctypes.c_void_p()
        require_ok(
            self._engine.tp_open(
                description.words.ctypes.data,
                len(description.words),
                weights.ctypes.data,
                self._arena.ctypes.data,
                self._arena.nbytes,
                ctypes.byref(self._network),
            )
        )
        first = (self._engine.tp_state(self._network) - self._arena.ctypes.data) // 4
        self.state: NDArray[np.float32] = self._arena.view(np.float32)[first : first + self.memory.state]
        self._observer: Any = None

    def train(
        self, x: NDArray[np.float32], target: NDArray[Any], order: NDArray[np.uint32], learning_rate: float
    ) -> Progress:
        """Train once on the samples ``x[order]``, in that order and in batches, of which the last may be short.

        Args:
            x: shape (samples, inputs), channels last; see `WeightLayout.rows`.
            target: labels, uint32, shape (samples,); of a squared error float32, shape (samples, outputs).

        Raises:
            DataError: a label is no class of the network.
        """
        x = _contiguous(x, np.float32, self.description.inputs)
        squared = self.description.loss == "mean_squared_error"
        target = _contiguous(target, *((np.float32, self.description.outputs) if squared else (np.uint32, None)))
        order = _contiguous(order, np.uint32)
        if len(target) != len(x) or (len(order) and order.max() >= len(x)):
            raise ValueError(f"{len(x)} samples, but {len(target)} targets and indices up to {order.max(initial=0)}")
        progress = _Progress()
        status = self._engine.tp_train(
            self._network,
            x.ctypes.data,
            target.ctypes.data,
            order.ctypes.data,
            len(order),
            learning_rate,
            ctypes.byref(progress),
        )
        if status != _DIVERGED:
            require_ok(status)
        return Progress(progress.samples, progress.skipped, progress.loss, status == _DIVERGED)

    def forward(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """Raw outputs, shape (samples, outputs), of x, shape (samples, inputs). Training state stays as it is."""
        x = _contiguous(x, np.float32, self.description.inputs)
        outputs = np.empty((len(x), self.description.outputs), np.float32)
        self._engine.tp_forward(self._network, x.ctypes.data, len(x), outputs.ctypes.data)
        return outputs

    def statistics(self) -> list[SelectionSums]:
        """Selections of each trainable layer since the last call, or the beginning."""
        found = []
        for index in range(len(self.description.layers)):
            place = self._engine.tp_layer_statistics(self._network, index)
            found.append(SelectionSums.from_bytes(ctypes.string_at(place, STATISTICS_BYTES)))
        self._engine.tp_clear_statistics(self._network)
        return found

    def observe(self, observer: Observer | None) -> None:
        """Tell someone of each selection from now on; for tests, since it takes time."""

        def observed(_: Any, layer: int, sample: int, index: Any, kept: int) -> None:
            if observer is not None:
                observer(layer, sample, np.ctypeslib.as_array(index, shape=(kept,)).copy() if index else None)

        self._observer = _OBSERVER(observed) if observer is not None else _OBSERVER()
        self._engine.tp_observe(self._network, self._observer, None)


def measure(description: Description, *, variant: str | None = None) -> Memory:
    """What a network takes.

    Raises:
        RequestError: the engine is not built, or refuses the network.
    """
    memory = (ctypes.c_uint32 * 8)()
    words = description.words
    require_ok(_engine(variant).tp_measure(words.ctypes.data, len(words), memory))
    return Memory(*memory)


class _Progress(ctypes.Structure):
    _fields_ = (("samples", ctypes.c_uint32), ("skipped", ctypes.c_uint32), ("loss", ctypes.c_float))


_OBSERVER = ctypes.CFUNCTYPE(
    None, ctypes.c_void_p, ctypes.c_uint32, ctypes.c_uint32, ctypes.POINTER(ctypes.c_uint16), ctypes.c_uint32
)
_DIVERGED = 7
_REFUSALS = {
    1: RequestError("the C engine was built for another format of descriptions; run: " + library.REBUILD),
    2: RequestError("the C engine cannot run a layer of this network; backend=torch can"),
    3: RequestError("the C engine cannot train with these settings of loss, policy, optimizer or batch"),
    4: RequestError("this network and batch are larger than the C engine can count; take a smaller batch or network"),
    5: MemoryError("the engine was given less memory than it asked for"),
    6: DataError("a label is no class of the network"),
}


def require_ok(status: int) -> None:
    """Raise what a ``tp_status`` other than TP_OK means."""
    if status != 0:
        _refuse(status)


def _refuse(status: int) -> NoReturn:
    known = _REFUSALS.get(status, RuntimeError(f"the C engine answers with the unknown status {status}"))
    raise type(known)(*known.args)


@cache
def _engine(variant: str | None) -> ctypes.CDLL:
    """The library with its functions' types: see c/tinyprop.h."""
    engine = library.load(variant)
    pointer, word = ctypes.c_void_p, ctypes.c_uint32
    types: dict[str, tuple[Any, list[Any]]] = {
        "tp_measure": (ctypes.c_int, [pointer, word, pointer]),
        "tp_open": (ctypes.c_int, [pointer, word, pointer, pointer, word, pointer]),
        "tp_train": (ctypes.c_int, [pointer, pointer, pointer, pointer, word, ctypes.c_float, pointer]),
        "tp_forward": (None, [pointer, pointer, word, pointer]),
        "tp_state": (pointer, [pointer]),
        "tp_layer_statistics": (pointer, [pointer, word]),
        "tp_clear_statistics": (None, [pointer]),
        "tp_observe": (None, [pointer, _OBSERVER, pointer]),
    }
    for name, (result, arguments) in types.items():
        function = getattr(engine, name)
        function.restype, function.argtypes = result, arguments
    return engine


def _room(size: int) -> NDArray[np.uint64]:
    try:
        return np.zeros((size + 7) // 8, np.uint64)
    except MemoryError:
        raise RequestError(
            f"this network and batch take {size / 1e6:.0f} MB in the C engine, more than there is; take a smaller "
            "trainer.batch_size or backend.micro_batch"
        ) from None


def _contiguous(array: NDArray[Any], kind: Any, width: int | None = None) -> NDArray[Any]:
    """The array as C can read it; raises where it has another width or is of another kind."""
    shape = (len(array),) if width is None else (len(array), width)
    if array.shape != shape or array.dtype != kind:
        raise ValueError(f"an array of shape {shape} and {np.dtype(kind)} is needed, not {array.shape} {array.dtype}")
    return np.ascontiguousarray(array)
