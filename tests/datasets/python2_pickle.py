"""Pickles as Python 2 wrote them into the CIFAR-10 batches: protocol 2, text as byte strings, numpy's old names.

Written by opcode, because Python 3 pickles bytes in another way.
"""

from __future__ import annotations

import struct

import numpy as np


class Raw(bytes):
    """Opcodes to be taken over as they are."""


def python2_pickle(content: object) -> bytes:
    return b"\x80\x02" + _opcodes(content) + b"."


def _opcodes(value: object) -> bytes:
    match value:
        case Raw():
            return bytes(value)
        case None:
            return b"N"
        case bool():
            return b"\x88" if value else b"\x89"
        case int():
            return b"J" + struct.pack("<i", value)
        case bytes():
            return b"T" + struct.pack("<i", len(value)) + value
        case tuple():
            return b"(" + b"".join(map(_opcodes, value)) + b"t"
        case list():
            return b"](" + b"".join(map(_opcodes, value)) + b"e"
        case dict():
            return b"}(" + b"".join(_opcodes(part) for item in value.items() for part in item) + b"u"
        case np.ndarray():
            return _array(value)
    raise TypeError(type(value))


def _array(array: np.ndarray) -> bytes:
    empty = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n" + _opcodes((0,)) + _opcodes(b"b") + b"tR"
    code = array.dtype.str[1:].encode()
    kind = b"cnumpy\ndtype\n" + _opcodes((code, 0, 1)) + b"R" + _opcodes((3, b"|", None, None, None, -1, -1, 0)) + b"b"
    return empty + _opcodes((1, array.shape, Raw(kind), False, array.tobytes())) + b"b"
