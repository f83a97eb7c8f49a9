"""Memory against the firmware's own answer, over networks of every kind."""

import pytest

from tinyprop.cost import TrainingStep, engine_memory, footprint, known_cores
from tinyprop.cost.design import trainings
from tinyprop.cost.target import Target
from tinyprop.engine.images import core_of, load
from tinyprop.errors import RequestError
from tinyprop.models.presets import LeNet, Mlp
from tinyprop.sparse.policies import Adaptive, Dense
from tinyprop.training.optimizer import Adam, Sgd

pytest.importorskip("unicorn")

from tinyprop.cost.simulation import firmware_memory


@pytest.mark.parametrize("core", ["cortex-m0plus", "cortex-m4"])
def test_the_memory_is_the_firmware_s_to_the_byte(core):
    for training in trainings(seed=7, count=40):
        assert engine_memory(training.step) == firmware_memory(training.step, core), training.step


