"""Training on a board in Unicorn against training on this machine: the same bits. What is counted is counted again."""

import signal
import struct
import threading
import time

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine.cases import OPTIMIZERS, Case, policies, specifications
from tinyprop.backends import board
from tinyprop.backends.board import Command
from tinyprop.backends.board_training import STACK_RESERVE, sampled_steps
from tinyprop.backends.engine_training import Task, layer_statistics
from tinyprop.cost.target import Target
from tinyprop.engine import HostNetwork
from tinyprop.engine.images import CORES
from tinyprop.errors import DivergenceError, RequestError
from tinyprop.models import LeNet, Mlp
from tinyprop.models.modules import build
from tinyprop.sparse import Adaptive, AdaptiveSkip, Budget, Dense, MeProp, Static
from tinyprop.training.optimizer import Adam, AdamW, Sgd

pytest.importorskip("unicorn")
pytest.importorskip("capstone")
import unicorn
from unicorn import arm_const

from tinyprop.backends.unicorn_backend import UnicornTraining
from tinyprop.backends.unicorn_emulator import BoardError, Passage
from tinyprop.backends.unicorn_settings import UnicornBackend

pytestmark = pytest.mark.usefixtures("c_engine")

SHAPE, CLASSES, SAMPLES, BATCH = (1, 4, 4), 3, 23, 5  # the last batch has 3 samples
RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(SAMPLES, *SHAPE)).astype(np.float32), RNG.integers(0, CLASSES, SAMPLES)


def part(core="cortex-m4", **sizes) -> Target:
    sizes = {"sram_bytes": 131072, "flash_bytes": 1048576, **sizes}
    return Target(name="a part", core=core, fpu=CORES[core].fpu, clock_mhz=100, source="this test", **sizes)


def board_training(policy=None, optimizer=None, *, model=None, batch=BATCH, core="cortex-m4", **options):
    """A backend for a small network; ``target`` and settings of the backend by name."""
    model = model or Mlp(hidden=(8, 6))
    shape = SHAPE if isinstance(model, Mlp) else (1, 28, 28)
    task = Task(
        module=build(model, shape, CLASSES, "softmax_cross_entropy", seed=1),
        specification=model.specification(shape, CLASSES, "softmax_cross_entropy"),
        policy=policy or Static(ratio=0.4),
        optimizer=optimizer or Sgd(lr=0.1),
        batch_size=batch,
    )
    target = options.pop("target", None) or part(core)
    return UnicornTraining(task, UnicornBackend(**options), target)


def train(backend, epochs=1, *, first=0, x=X, y=Y, rate=0.1):
    done = []
    for epoch in range(first, first + epochs):
        order = np.random.default_rng(epoch).permutation(len(x))
        last = backend.train_epoch(epoch, rate, x, y, order, done.append)
    assert sum(done) == epochs * len(x)
    return last


class OnThisMachine:
    """The same words and weights in the engine that is built for this machine."""

    def __init__(self, simulated: UnicornTraining):
        self._samples = simulated._samples
        self._network = HostNetwork(simulated.description, simulated.engine_weights.copy())

    def assert_same_after(self, simulated: UnicornTraining, epochs=1, *, x=X, y=Y, rate=0.1) -> None:
        """Train both and compare every bit of weights and training state, and every sum over what was kept."""
        for epoch in range(epochs):
            order = np.random.default_rng(epoch).permutation(len(x))
            found = simulated.train_epoch(epoch, rate, x, y, order, lambda amount: None)
            samples = self._samples(x, y)
            expected = self._network.train(samples.x, samples.target, order.astype(np.uint32), rate)
            layers = layer_statistics(simulated.description, self._network.statistics())
            assert np.array_equal(bits(simulated.engine_weights), bits(self._network.weights))
            assert np.array_equal(bits(simulated.training_state), bits(self._network.state))
            assert found.layers == layers
            assert found.loss == pytest.approx(expected.loss / len(x), rel=1e-6)


def bits(numbers: np.ndarray) -> np.ndarray:
    return numbers.view(np.uint32)


def assert_same_training(one, other):
    mine, theirs = one.state(), other.state()
    for name in ("weights", "training"):
        assert torch.equal(mine[name].view(torch.int32), theirs[name].view(torch.int32)), name


@pytest.mark.parametrize("core", CORES)
@pytest.mark.parametrize(
    ("policy", "optimizer", "options"),
    [
        (Dense(), Sgd(lr=0.1), {}),
        (Static(ratio=0.4), Adam(lr=0.01), {"skip_zeros": True}),
        (Adaptive(), Sgd(lr=0.1, momentum=0.9), {"micro_batch": 2}),
        (AdaptiveSkip(skip_threshold=0.6), AdamW(lr=0.01), {}),
        (MeProp(k=2), Sgd(lr=0.1, weight_decay=0.1), {}),
        (Budget(budget=0.3, horizon=5), Sgd(lr=0.1), {"micro_batch": 2}),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_every_core_computes_the_bits_of_this_machine(core, policy, optimizer, options):
    simulated = board_training(policy, optimizer, core=core, **options)
    OnThisMachine(simulated).assert_same_after(simulated, 2)


@pytest.mark.parametrize("core", ["cortex-m4", "cortex-m7"])
def test_convolutions_too(core):
    x, y = np.random.default_rng(1).normal(size=(6, 1, 28, 28)).astype(np.float32), np.arange(6) % CLASSES
    simulated = board_training(Adaptive(granularity="channel"), core=core, model=LeNet(), batch=3)
    OnThisMachine(simulated).assert_same_after(simulated, x=x, y=y)


@settings(max_examples=15, deadline=None)
@given(
    st.builds(
        Case,
        specification=specifications(),
        policy=policies(),
        optimizer=OPTIMIZERS,
        batch_size=st.integers(1, 5),
        samples=st.just(6),
        seed=st.integers(0, 2**20),
    ),
    st.sampled_from(["cortex-m4", "cortex-m3"]),
)
def test_any_network_gives_the_bits_of_this_machine(case, core):
    task = Task(
        module=case.module,
        specification=case.specification,
        policy=case.policy,
        optimizer=case.optimizer,
        batch_size=case.batch_size,
    )
    simulated = UnicornTraining(task, UnicornBackend(), part(core))
    machine = OnThisMachine(simulated)
    machine.assert_same_after(simulated, x=case.x, y=case.target, rate=case.optimizer.lr)


@pytest.mark.parametrize("optimizer", [Sgd(lr=0.1, momentum=0.9), Adam(lr=0.01)])
def test_going_on_from_a_state_is_as_if_never_stopped(optimizer):
    whole = board_training(Adaptive(), optimizer)
    train(whole, 4)
    first = board_training(Adaptive(), optimizer)
    train(first, 2)
    second = board_training(Adaptive(), optimizer)
    second.load_state(first.state())
    train(second, 2, first=2)
    assert_same_training(second, whole)
    assert second.measurements().as_dict() == whole.measurements().as_dict()


class OneByOne:
    """Counts each instruction by a call for it, and knows nothing of blocks; stands in for `Emulator.count`.

    Unicorn leaves out instructions whose condition does not hold: those under an IT are taken together with it.
    """

    def __init__(self, backend: UnicornTraining):
        self._emulator = backend._emulator
        self._mark = backend.image.symbols["tp_mark"]

    def count(self, *arguments):
        uc, where, under_it = self._emulator._uc, board.JOB_LOOP, range(0)
        found: dict[int, list[Passage]] = {}

        def execute(uc, address, size, _):
            nonlocal where, under_it
            if address in under_it:
                return
            if address == self._mark:
                where = uc.reg_read(arm_const.UC_ARM_REG_R0)
            (code,) = struct.unpack("<H", uc.mem_read(address, 2))
            under_it = range(0)
            if code >> 8 == 0xBF and code & 15:
                end = address + 2
                for _ in range({8: 1, 4: 2, 2: 3, 1: 4}[code & -code & 15]):
                    end += 4 if uc.mem_read(end + 1, 1)[0] >> 3 in (0b11101, 0b11110, 0b11111) else 2
                under_it = range(address + 2, end)
            found.setdefault(where, []).append(Passage(address, size + len(under_it), None, 1))

        uc.ctl_flush_tb()
        hook = uc.hook_add(unicorn.UC_HOOK_CODE, execute)
        self._emulator.run(*arguments)
        uc.hook_del(hook)
        uc.ctl_flush_tb()
        return found


@pytest.mark.parametrize(("core", "batch"), [("cortex-m4", 3), ("cortex-m0plus", 1)])
def test_counts_of_blocks_are_those_of_single_instructions(core, batch, monkeypatch):
    options = {"core": core, "count": "all", "batch": batch, "model": Mlp(hidden=(4,))}
    by_block = train(board_training(Adaptive(), Adam(), **options), x=X[:batch], y=Y[:batch]).executed
    backend = board_training(Adaptive(), Adam(), **options)
    monkeypatch.setattr(backend._emulator, "count", OneByOne(backend).count)
    one_by_one = train(backend, x=X[:batch], y=Y[:batch]).executed
    assert by_block.instructions == one_by_one.instructions


def test_phases_add_up_to_the_step():
    step = train(board_training(Adaptive(), Adam(), count="all")).executed.a_step()
    phases = ("forward", "select", "input_gradient", "weight_gradient", "update", "other")
    for quantity in ("instructions", "cycles"):
        total = step[f"{quantity}.step"]
        assert sum(step[f"{quantity}.{phase}"] for phase in phases) == pytest.approx(total)
        layers = sum(value for key, value in step.items() if key.startswith(quantity) and key.count(".") == 2)
        assert layers + step[f"{quantity}.other"] == pytest.approx(total)
    assert all(step[f"instructions.{phase}"] > 0 for phase in phases)


def test_counting_changes_nothing_else():
    counted, sampled = board_training(Adaptive(), count="all"), board_training(Adaptive())
    assert train(counted, 2).layers == train(sampled, 2).layers
    assert_same_training(counted, sampled)


def test_the_steps_that_are_sampled_stand_for_all_of_a_dense_run():
    """What a dense step executes hardly depends on its data: exp and log of the loss take one of a few ways."""
    x, y = np.repeat(X, 11, axis=0)[:250], np.repeat(Y, 11)[:250]
    every = train(board_training(Dense(), count="all"), x=x, y=y).executed
    some = train(board_training(Dense()), x=x, y=y).executed
    assert (every.steps, some.steps, every.samples, some.samples) == (50, 2, 250, 10)
    mean, sampled = every.a_step(), some.a_step()
    assert sampled.keys() == mean.keys()
    assert {key: sampled[key] for key in mean if "fc" in key and "update" not in key} == {
        key: value for key, value in mean.items() if "fc" in key and "update" not in key
    }
    assert sampled["instructions.step"] == pytest.approx(mean["instructions.step"], rel=0.01)


def test_kept_entries_are_what_the_weight_gradient_pays_for():
    def weight_gradient(ratio):
        policy = Static(ratio=ratio, sparsify_output=True)
        return train(board_training(policy, count="all", model=Mlp(hidden=(64,)))).executed.a_step()[
            "instructions.weight_gradient"
        ]

    few, half, all_of_them = weight_gradient(1 / 64), weight_gradient(0.5), weight_gradient(1.0)
    assert few < half / 4
    assert half == pytest.approx((few + all_of_them) / 2, rel=0.1)


@pytest.mark.parametrize(
    ("steps", "counted"), [(1, [0]), (7, [3]), (49, [24]), (50, [12, 37]), (100, [12, 37, 62, 87]), (1000, 4)]
)
def test_sampled_steps_are_spread_evenly(steps, counted):
    found = sampled_steps(steps)
    assert found == counted or len(found) == counted


def test_a_loss_that_is_not_finite_ends_training_with_epoch_and_step():
    x = X.copy()
    order = np.random.default_rng(0).permutation(SAMPLES)
    x[order[2 * BATCH]] = np.nan
    backend = board_training()
    with pytest.raises(DivergenceError, match=r"loss is nan in epoch 1, step 3 of 5\. Lower optimizer\.lr"):
        backend.train_epoch(0, 0.1, x, Y, order, lambda amount: None)


def test_control_c_ends_a_batch_that_would_take_minutes():
    """The signal comes in the middle of a batch of soft-float convolutions, of which one alone takes seconds."""
    x, y = np.ones((16, 1, 28, 28), np.float32), np.zeros(16, np.int64)
    backend = board_training(core="cortex-m0plus", model=LeNet(), batch=16)
    main = threading.main_thread().ident
    timer = threading.Timer(0.5, lambda: signal.pthread_kill(main, signal.SIGINT))
    begin = time.monotonic()
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        train(backend, x=x, y=y)
    assert time.monotonic() - begin < 3


def test_a_program_that_goes_astray_is_an_error_that_says_where():
    backend = board_training()
    backend._job = backend._job.__class__(**{**backend._job.__dict__, "statistics": 0x30000000})
    with pytest.raises(BoardError, match=r"UC_ERR_WRITE_UNMAPPED.* at 0x[0-9a-f]{8} \(\w+\)"):
        train(backend)


def test_memory_is_what_the_engine_asks_for_and_what_was_used():
    backend = board_training(Adaptive(), Sgd(lr=0.1, momentum=0.9))
    assert backend.measurements().as_dict()["ram.stack"] == STACK_RESERVE
    train(backend)
    found = backend.measurements().as_dict()
    weights = 4 * (16 * 8 + 8 + 8 * 6 + 6 + 6 * 3 + 3)
    activations = 4 * BATCH * (8 + 6 + 3)  # ReLU overwrites what it is given
    assert found["ram.weights"] == found["flash.weights"] == weights
    assert found["ram.optimizer"] == weights + 4 * (2 + 3)  # velocity, Adam's two numbers, three running maxima
    assert found["ram.activations"] == pytest.approx(activations, abs=64)
    assert found["ram.samples"] == BATCH * (4 * 16 + 4)
    assert 300 < found["ram.stack"] < STACK_RESERVE
    uses = ("weights", "gradients", "optimizer", "activations", "scratch", "network", "samples", "stack", "static")
    assert found["ram.total"] == sum(found[f"ram.{use}"] for use in uses)
    assert found["ram.spare"] == 131072 - found["ram.total"]
    loaded = sum(len(segment.content) for segment in backend.image.segments)
    assert found["flash.code"] + found["flash.constants"] == pytest.approx(loaded, abs=16)
    assert (found["ram.fits"], found["flash.fits"]) == (True, True)
    assert found["milliseconds.step"] == pytest.approx(1e3 * found["cycles.step"] / 100e6)


def test_what_does_not_fit_is_trained_all_the_same_and_said():
    backend = board_training(target=part(sram_bytes=2000, flash_bytes=30000))
    train(backend)
    found = backend.measurements().as_dict()
    assert (found["ram.fits"], found["flash.fits"]) == (False, False)
    assert found["ram.spare"] == 2000 - found["ram.total"] < 0


def test_what_does_not_fit_is_refused_before_training_if_that_is_asked_for():
    with pytest.raises(
        RequestError, match=r"require_fit=true: .* \d+ bytes of SRAM more than the 2000 of a part"
    ) as no:
        board_training(target=part(sram_bytes=2000), require_fit=True)
    assert "flash" not in str(no.value)
    assert board_training(require_fit=True).measurements().memory.ram_spare > 0


def test_a_whole_run_in_one_job_is_sent_over_the_serial_line():
    """As Renode does it: from reset with a state that is there already, answers over USART2."""
    backend = board_training(Adaptive(), Sgd(lr=0.1, momentum=0.9))
    train(backend)
    other = board_training(Adaptive(), Sgd(lr=0.1, momentum=0.9))
    other.load_state(backend.state())
    order = np.random.default_rng(1).permutation(SAMPLES).astype(np.uint32)
    sent = bytearray()
    switched_on = []

    def write(uc, offset, size, value, _):
        if offset == 0x04:
            sent.append(value & 0xFF)
        else:
            switched_on.append((offset, value))

    other._place_samples(other._samples(X, Y), order)
    other._emulator._uc.mmio_map(0x40004000, 4096, lambda uc, offset, size, _: 0xC0, None, shifted(write), None)
    other._emulator.write(other._pool.weights, other.engine_weights.tobytes())
    other._emulator.write(other._pool.saved_state, other.training_state.tobytes())
    commands = Command.MEASURE | Command.OPEN | Command.RESTORE | Command.TRAIN | Command.SEND
    job = {**other._job.__dict__, "commands": commands, "order": other._order, "samples": SAMPLES}
    other._entry = other.image.entry
    other._run_job(other._job.__class__(**{**job, "learning_rate": 0.1}))
    answer = board.Sent.from_bytes(bytes(sent))

    last = train(backend, first=1)
    assert answer.weights == backend.engine_weights.tobytes()
    assert answer.state == backend.training_state.tobytes()
    assert [sums.kept for sums in answer.statistics] == [layer.kept for layer in last.layers.values()]
    assert answer.answer.samples == SAMPLES
    assert set(switched_on) == {(0x0C, 0xC0 | 1 << 13 | 1 << 3)}


def shifted(write):
    """The USART begins at 0x400 of its page."""
    return lambda uc, offset, size, value, data: write(uc, offset - 0x400, size, value, data)


def test_the_board_tells_memory_as_it_is():
    """The job block's layout, field by field, against what is written there by hand."""
    content = struct.pack("<14IfI", *range(1, 15), 2.5, 16)
    answer = board.Answer.from_bytes(content)
    assert (answer.status, answer.memory.weights, answer.memory.state) == (1, 2, 9)
    assert (answer.state, answer.layers, answer.samples, answer.skipped) == (11, 12, 13, 14)
    assert (answer.loss, answer.stack) == (2.5, 16)


def test_a_quick_simulation_is_quick():
    """A tenth of what it reaches on a quiet machine, so that a lost order of magnitude shows."""
    backend = board_training(Dense(), model=Mlp(hidden=(64, 32)), batch=20)
    x, y = np.tile(X, (40, 1, 1, 1)), np.tile(Y, 40)
    step = train(backend, x=x, y=y).executed.a_step()["instructions.step"]
    begin = time.process_time()
    train(backend, x=x, y=y)
    assert step * len(x) / 20 / (time.process_time() - begin) > 20e6
