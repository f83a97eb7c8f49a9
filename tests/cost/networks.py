"""Small networks whose costs are counted by hand, and parts that are made up."""

from tinyprop.cost import Target, TrainingStep
from tinyprop.engine.images import CORES
from tinyprop.models.specification import Activation, Conv2d, Flatten, Linear, NetworkSpecification, Pool2d
from tinyprop.sparse.policies import Static
from tinyprop.training.optimizer import Sgd

MLP = NetworkSpecification((12,), (Linear(12, 8), Activation("relu"), Linear(8, 4)), "softmax_cross_entropy")
CNN = NetworkSpecification(
    (2, 6, 6),
    (Conv2d(2, 4, 3, padding=1), Activation("relu"), Pool2d("max", 2), Flatten(), Linear(36, 3)),
    "softmax_cross_entropy",
)


def step(specification=MLP, **settings) -> TrainingStep:
    known = {"policy": Static(ratio=0.25), "optimizer": Sgd(), "batch_size": 1}
    return TrainingStep(specification=specification, **{**known, **settings})


def part(core="cortex-m4", **settings) -> Target:
    known = {
        "name": "a part",
        "core": core,
        "fpu": CORES[core].fpu if core in CORES else True,
        "clock_mhz": 100.0,
        "sram_bytes": 65536,
        "flash_bytes": 1 << 20,
        "source": "this test",
    }
    return Target(**{**known, **settings})
