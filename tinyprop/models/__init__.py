"""Networks: specifications that every backend builds from, and the PyTorch modules of them.

Importing this does not import PyTorch; `tinyprop.models.modules` does.
"""

from tinyprop.models.presets import AnyModel, Autoencoder, CnnSmall, LeNet, Mlp, ResNet8, SequentialModel
from tinyprop.models.specification import NetworkSpecification

__all__ = [
    "AnyModel",
    "Autoencoder",
    "CnnSmall",
    "LeNet",
    "Mlp",
    "NetworkSpecification",
    "ResNet8",
    "SequentialModel",
]
