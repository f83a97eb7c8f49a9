"""What a training step costs on a microcontroller, without running it: operations, instructions, time, energy, memory.

    from tinyprop.cost import Budget, TrainingStep, bound, footprint, largest_ratio, operations, predict, speed_up

    step = TrainingStep(specification=…, policy=Static(ratio=0.1), optimizer=Sgd(lr=0.05), batch_size=1)
    prediction = predict(step, target)              # instructions and modelled cycles by layer and phase, time, energy
    memory = footprint(step, target)                # bytes of RAM and flash by use; what fits, and by how much
    gains = speed_up(step, target, baseline="dense_skipping_zeros")
    allowed = largest_ratio(step, target, Budget(milliseconds=2.0))

Pure functions: nothing here knows of configuration, tracking or PyTorch, and the only files read are the stored
coefficients.
"""

from tinyprop.cost.budget import Allowance, Budget, largest_ratio
from tinyprop.cost.coefficients import Coefficients, coefficients_of, known_cores
from tinyprop.cost.footprint import Footprint, footprint
from tinyprop.cost.memory import engine_memory
from tinyprop.cost.operations import Operations, operations
from tinyprop.cost.predict import Cost, Prediction, predict
from tinyprop.cost.speedup import BASELINES, Baseline, Bound, SpeedUp, bound, speed_up
from tinyprop.cost.step import Activity, TrainingStep, measured
from tinyprop.cost.target import Target
from tinyprop.engine.phases import PHASES

__all__ = [
    "BASELINES",
    "PHASES",
    "Activity",
    "Allowance",
    "Baseline",
    "Bound",
    "Budget",
    "Coefficients",
    "Cost",
    "Footprint",
    "Operations",
    "Prediction",
    "SpeedUp",
    "Target",
    "TrainingStep",
    "bound",
    "coefficients_of",
    "engine_memory",
    "footprint",
    "known_cores",
    "largest_ratio",
    "measured",
    "operations",
    "predict",
    "speed_up",
]
