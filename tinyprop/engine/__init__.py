"""The C engine: adaptive sparse backpropagation in C99, on this machine and on microcontrollers.

    from tinyprop.engine import HostNetwork, WeightLayout, describe

    layout = WeightLayout(specification)
    description = describe(specification, Static(ratio=0.1), Sgd(lr=0.05), batch_size=1)
    network = HostNetwork(description, layout.pack(weights))       # {"fc1.weight": …, "fc1.bias": …, …}
    network.train(layout.rows(x), labels, order, learning_rate=0.05)
    outputs = layout.outputs(network.forward(layout.rows(x)))
    weights = layout.unpack(network.weights)

Nothing here knows of configuration, files, tracking or PyTorch.
"""

from tinyprop.engine.description import Description, TrainableLayer, describe, refused_layers, refused_settings
from tinyprop.engine.host import HostNetwork, Memory, Progress, measure
from tinyprop.engine.statistics import SelectionSums
from tinyprop.engine.weights import WeightLayout

__all__ = [
    "Description",
    "HostNetwork",
    "Memory",
    "Progress",
    "SelectionSums",
    "TrainableLayer",
    "WeightLayout",
    "describe",
    "measure",
    "refused_layers",
    "refused_settings",
]
