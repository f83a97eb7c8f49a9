"""Generated machine sounds with real faults: what stands in for recordings where there are none.

Six kinds of machine, as in DCASE2020 Task 2, in several units that differ in speed, timbre and resonance, under a load
that changes and in a hall that is never quiet. A fault is something that one hears: knocks, detuning or rattle.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

RATE = 16000
SECONDS = 10
_TIME = np.arange(RATE * SECONDS) / RATE

Signal = NDArray[np.float64]
_Fault = Callable[["_Running", np.random.Generator], Signal]


@dataclass(frozen=True)
class Unit:
    """What makes one machine sound unlike another of its kind.

    Attributes:
        speed: rotations (or the like) a second.
        partials: amplitudes of the harmonics of ``speed``.
        resonance: Hz at which its body rings when it is hit.
        period: seconds of one working cycle.
        breath: level of its own noise (flow, friction) against its tones.
    """

    kind: str
    speed: float
    partials: Signal
    resonance: float
    period: float
    breath: float


@dataclass(frozen=True)
class _Running:
    """A unit at work for the length of a clip: its load (0 to 1) and its sound, both shape (samples,)."""

    unit: Unit
    load: Signal
    sound: Signal


_BASE_SPEED = {"fan": 58.0, "pump": 46.0, "slider": 210.0, "valve": 100.0, "ToyCar": 120.0, "ToyConveyor": 75.0}
KINDS = tuple(_BASE_SPEED)


def make_unit(kind: str, generator: np.random.Generator) -> Unit:
    """Draw a machine of a kind."""
    harmonics = np.arange(1, 15)
    timbre = generator.uniform(0.3, 1.0, len(harmonics)) * harmonics ** -generator.uniform(0.5, 1.0)
    return Unit(
        kind=kind,
        speed=_BASE_SPEED[kind] * generator.uniform(0.8, 1.25),
        partials=timbre / np.sqrt(np.sum(timbre**2) / 2),
        resonance=generator.uniform(350, 800),
        period=generator.uniform(0.9, 1.7),
        breath=generator.uniform(0.3, 0.6),
    )


def record(unit: Unit, faulty: bool, generator: np.random.Generator) -> NDArray[np.int16]:
    """One clip of a unit, shape (RATE · SECONDS,), 16 bit; a faulty one has one of the three faults throughout."""
    load = _wander(generator)
    running = _Running(unit, load, _WORK[unit.kind](unit, load, 1.0, generator))
    sound = running.sound
    if faulty:
        sound = _FAULTS[int(generator.integers(len(_FAULTS)))](running, generator)
    hall = 0.4 * generator.uniform(0.7, 1.4) * _hall(generator)
    level = 0.045 * generator.uniform(
        0.8, 1.25
    )  # full scale is ten and more standard deviations away, as in recordings
    return np.asarray(np.clip(np.round(32768 * level * (sound + hall)), -32768, 32767), np.int16)


def _rotation(unit: Unit, load: Signal, pitch: float, generator: np.random.Generator) -> Signal:
    """Harmonics of a shaft that slows under load, with flow noise that its blades modulate."""
    phase = _phase(pitch * unit.speed * (1.02 - 0.04 * load), generator)
    flow = _noise(0.8, generator) * (1 + 0.5 * np.cos(phase))
    return (0.7 + 0.3 * load) * (_harmonics(phase, unit.partials) + unit.breath * flow)


def _pumping(unit: Unit, load: Signal, pitch: float, generator: np.random.Generator) -> Signal:
    """A rotation whose strength follows the strokes."""
    strokes = np.sin(2 * np.pi * _TIME * 4 / unit.period + generator.uniform(0, 2 * np.pi))
    return _rotation(unit, load, pitch, generator) * (1 + 0.4 * strokes) / 1.04


def _conveying(unit: Unit, load: Signal, pitch: float, generator: np.random.Generator) -> Signal:
    """A rotation with a soft tick for each roller that the belt passes."""
    ticks = np.arange(generator.uniform(0, unit.period / 3), SECONDS, unit.period / 3)
    return _rotation(unit, load, pitch, generator) + 0.8 * _impacts(ticks, 3 * unit.resonance, 0.004, generator)


def _sliding(unit: Unit, load: Signal, pitch: float, generator: np.random.Generator) -> Signal:
    """Back and forth: pitch and strength follow the speed of the carriage, which stops softly at both ends."""
    period = unit.period * (1.03 - 0.06 * float(load.mean()))
    start = generator.uniform(0, period)
    speed = np.minimum(1.0, 2.5 * np.abs(np.sin(np.pi * (_TIME + start) / period)))
    phase = _phase(pitch * unit.speed * (0.3 + 0.7 * speed) * (1.01 - 0.02 * load), generator)
    ends = np.arange(period - start, SECONDS, period)
    friction = unit.breath * _noise(0.5, generator)
    return speed * (_harmonics(phase, unit.partials) + friction) + _impacts(ends, 0.3 * unit.resonance, 0.02, generator)


def _switching(unit: Unit, load: Signal, pitch: float, generator: np.random.Generator) -> Signal:
    """A solenoid that opens with one click and closes with another, and hisses in between."""
    opening = np.arange(generator.uniform(0, unit.period), SECONDS - 0.3, unit.period)
    opening = opening + generator.uniform(0, 0.15 * unit.period, len(opening))
    closing = opening + 0.12 * unit.period
    between = np.zeros_like(_TIME)
    for begin, end in zip(opening, closing, strict=True):
        between[int(begin * RATE) : int(end * RATE)] = 1.0
    clicks = _impacts(opening, 2.5 * pitch * unit.resonance, 0.006, generator)
    clicks += _impacts(closing, 1.8 * pitch * unit.resonance, 0.008, generator)
    return 5 * clicks + between * (0.5 + load) * _noise(0.0, generator)


_WORK: dict[str, Callable[[Unit, Signal, float, np.random.Generator], Signal]] = {
    "fan": _rotation,
    "pump": _pumping,
    "slider": _sliding,
    "valve": _switching,
    "ToyCar": _rotation,
    "ToyConveyor": _conveying,
}


def _with_knocks(running: _Running, generator: np.random.Generator) -> Signal:
    """Something loose hits the body a few times a second, harder under load."""
    times = np.arange(generator.uniform(0, 0.3), SECONDS, 1 / generator.uniform(3, 7))
    times = times + generator.normal(0, 0.01, len(times))
    strength = generator.uniform(1.5, 6) * (0.6 + 0.6 * running.load)
    return running.sound + strength * _impacts(times, running.unit.resonance, 0.015, generator)


def _detuned(running: _Running, generator: np.random.Generator) -> Signal:
    """A worn part: the machine runs off its pitch and beats against a second, inharmonic source."""
    pitch = 1 + generator.choice([-1, 1]) * generator.uniform(0.04, 0.16)
    other = _WORK[running.unit.kind](running.unit, running.load, pitch, generator)
    whine = _harmonics(_phase(running.unit.speed * 7.43 * (1 + 0.02 * running.load), generator), np.array([1.0, 0.5]))
    return 0.5 * running.sound + 0.8 * other + generator.uniform(0.05, 0.5) * whine


def _with_rattle(running: _Running, generator: np.random.Generator) -> Signal:
    """Loose sheet metal: bursts of bright noise, tens of times a second, that come and go."""
    gate = np.maximum(0.0, np.sin(_phase(np.full_like(_TIME, generator.uniform(18, 35)), generator))) ** 3
    present = _wander(generator) > 0.35
    bright = _noise(0.6, generator) * np.cos(2 * np.pi * generator.uniform(2000, 3500) * _TIME) * np.sqrt(2)
    rattle: Signal = generator.uniform(0.4, 2.0) * gate * present * bright
    return running.sound + rattle


_FAULTS: tuple[_Fault, ...] = (_with_knocks, _detuned, _with_rattle)


def _wander(generator: np.random.Generator) -> Signal:
    """Something between 0 and 1 that changes over seconds."""
    knots = np.arange(0.0, SECONDS + 2.0, 1.5)
    return np.asarray(np.interp(_TIME, knots, generator.uniform(0, 1, len(knots))))


def _phase(frequency: Signal, generator: np.random.Generator) -> Signal:
    return generator.uniform(0, 2 * np.pi) + 2 * np.pi * np.cumsum(frequency) / RATE


def _harmonics(phase: Signal, amplitudes: Signal) -> Signal:
    """Σ a_k sin(k·phase), the powers of one complex exponential."""
    fundamental = np.exp(1j * phase)
    turning = np.ones_like(fundamental)
    total = np.zeros_like(phase)
    for amplitude in amplitudes:
        turning *= fundamental
        total += amplitude * turning.imag
    return total


def _noise(smoothness: float, generator: np.random.Generator) -> Signal:
    """Noise of variance 1, low frequencies prevailing the more, the closer ``smoothness`` is to 1."""
    white = generator.standard_normal(len(_TIME))
    return np.asarray(lfilter([np.sqrt(1 - smoothness**2)], [1, -smoothness], white))


def _hall(generator: np.random.Generator) -> Signal:
    """Background of a factory: rumble and hiss that swell and fade."""
    return (0.7 + 0.6 * _wander(generator)) * (0.8 * _noise(0.97, generator) + 0.4 * _noise(0.3, generator))


def _impacts(times: Signal, frequency: float, decay: float, generator: np.random.Generator) -> Signal:
    """Damped ringing at ``frequency`` Hz from each time on, ``decay`` seconds to 1/e, of about amplitude 1."""
    tail = _TIME[: int(6 * decay * RATE)]
    ring = np.exp(-tail / decay) * np.sin(2 * np.pi * frequency * tail)
    total = np.zeros(len(_TIME) + len(ring))
    for time in times[(times >= 0) & (times < SECONDS)]:
        start = int(time * RATE)
        total[start : start + len(ring)] += generator.uniform(0.7, 1.3) * ring
    return total[: len(_TIME)]
