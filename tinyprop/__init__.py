"""Adaptive sparse backpropagation for microcontroller-sized networks.

``tinyprop.sparse`` is the method, usable with any PyTorch model; the rest is the experiment runner around it.
"""

from importlib.metadata import version

__version__ = version("tinyprop")
