"""What a dataset is known by: a digest of its content."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray


def fingerprint(*parts: NDArray[np.generic] | str) -> str:
    """SHA-256 over arrays and strings, in hexadecimal.

    Type, shape, content and order of the parts all count, byte order and memory layout of an array do not.
    """
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, str):
            content = part.encode()
            digest.update(f"text {len(content)}\n".encode() + content)
        else:
            array = np.ascontiguousarray(part, dtype=part.dtype.newbyteorder("<"))
            digest.update(f"array {array.dtype.str} {part.shape}\n".encode())
            digest.update(array.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()
