"""Adaptive sparse backpropagation for any PyTorch model.

    from tinyprop.sparse import Adaptive, sparsify

    sparsity = sparsify(model, Adaptive(s_min=0.1, s_max=0.9, zeta=0.5))
    for epoch in range(epochs):
        sparsity.begin_epoch(epoch)
        ...                                # train as always, with a loss that is a mean over the batch
        for name, layer in sparsity.collect().items():
            print(name, layer.ratio, layer.kept_fraction, layer.local_error)

One level below, `select_gradient` puts a selection anywhere into an autograd graph, and `keep_largest` is the top-k
with a k of its own for each sample. Nothing here knows of configuration, files or tracking.
"""

from tinyprop.sparse.accounting import Count, StepMacs, multiply_accumulates
from tinyprop.sparse.autograd import conv2d_of_kept_channels, select_gradient
from tinyprop.sparse.layers import SparseConv2d, SparseLayer, SparseLinear
from tinyprop.sparse.policies import (
    Adaptive,
    AdaptiveSkip,
    AnyPolicy,
    Budget,
    Dense,
    MeProp,
    Policy,
    Random,
    Scheduled,
    Static,
)
from tinyprop.sparse.selection import keep_largest
from tinyprop.sparse.sparsify import Sparsity, densify, plain_state_dict, sparsify
from tinyprop.sparse.statistics import LayerStatistics

__all__ = [
    "Adaptive",
    "AdaptiveSkip",
    "AnyPolicy",
    "Budget",
    "Count",
    "Dense",
    "LayerStatistics",
    "MeProp",
    "Policy",
    "Random",
    "Scheduled",
    "SparseConv2d",
    "SparseLayer",
    "SparseLinear",
    "Sparsity",
    "Static",
    "StepMacs",
    "conv2d_of_kept_channels",
    "densify",
    "keep_largest",
    "multiply_accumulates",
    "plain_state_dict",
    "select_gradient",
    "sparsify",
]
