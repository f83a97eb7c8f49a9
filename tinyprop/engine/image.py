"""A firmware image: the parts of a 32-bit ELF file that running and measuring it takes.

Format: Tool Interface Standard, Executable and Linking Format, version 1.2, book I.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

_HEADER = struct.Struct("<16xHHIIIIIHHHHHH")
_SEGMENT = struct.Struct("<8I")
_SECTION = struct.Struct("<10I")
_SYMBOL = struct.Struct("<IIIBBH")
_ARM, _LOAD, _SYMBOL_TABLE, _FUNCTION = 40, 1, 2, 2


@dataclass(frozen=True)
class Segment:
    """Bytes that are in memory before the start."""

    address: int
    content: bytes


@dataclass(frozen=True)
class Function:
    """A function's name and the addresses ``start`` up to ``end`` that its code is at."""

    name: str
    start: int
    end: int


class Image:
    """An executable for a little-endian Arm core.

    Raises:
        ValueError: the bytes are no such file.
    """

    def __init__(self, content: bytes):
        if content[:6] != b"\x7fELF\x01\x01" or len(content) < _HEADER.size:
            raise ValueError("not a little-endian 32-bit ELF file")
        header = _HEADER.unpack_from(content)
        if header[1] != _ARM:
            raise ValueError("an ELF file, but not for Arm")
        _, _, _, self.entry, segments, sections, _, _, _, segment_count, _, section_count, self._names = header
        self._content = content
        self._segments = [_SEGMENT.unpack_from(content, segments + i * _SEGMENT.size) for i in range(segment_count)]
        self._sections = [_SECTION.unpack_from(content, sections + i * _SECTION.size) for i in range(section_count)]

    @classmethod
    def read(cls, path: Path) -> Image:
        """The image in a file."""
        return cls(path.read_bytes())

    @property
    def segments(self) -> Iterator[Segment]:
        """What is to be loaded, at the addresses that it is loaded to."""
        for kind, offset, _, address, size, _, _, _ in self._segments:
            if kind == _LOAD and size:
                yield Segment(address, self._content[offset : offset + size])

    @cached_property
    def section_sizes(self) -> dict[str, int]:
        """Bytes of each section by name, such as ``.text``."""
        names = self._sections[self._names][4]
        return {self._text(names + section[0]): section[5] for section in self._sections if section[0]}

    @property
    def code(self) -> int:
        """Bytes of flash that the program takes, its vectors included."""
        return self.section_sizes[".vectors"] + self.section_sizes[".text"]

    @property
    def constants(self) -> int:
        """Bytes of flash that its constants take, and what its own data are at the start."""
        return self.section_sizes.get(".rodata", 0) + self.section_sizes.get(".data", 0)

    @property
    def static(self) -> int:
        """Bytes of RAM that its own data take."""
        return self.section_sizes.get(".data", 0) + self.section_sizes.get(".bss", 0)

    @cached_property
    def symbols(self) -> dict[str, int]:
        """Addresses by name; the lowest bit of a function's, which says that it is Thumb code, is cleared."""
        return {name: value & ~1 if kind == _FUNCTION else value for name, value, _, kind in self._table()}

    @cached_property
    def functions(self) -> tuple[Function, ...]:
        """All functions, by address."""
        found = {(value & ~1, name, size) for name, value, size, kind in self._table() if kind == _FUNCTION and size}
        return tuple(Function(name, start, start + size) for start, name, size in sorted(found))

    def _table(self) -> Iterator[tuple[str, int, int, int]]:
        """Name, value, size and kind of each symbol."""
        for section in self._sections:
            if section[1] != _SYMBOL_TABLE:
                continue
            names = self._sections[section[6]][4]
            for offset in range(section[4], section[4] + section[5], _SYMBOL.size):
                name, value, size, info, _, _ = _SYMBOL.unpack_from(self._content, offset)
                if name:
                    yield self._text(names + name), value, size, info & 15

    def _text(self, offset: int) -> str:
        return self._content[offset : self._content.index(b"\0", offset)].decode()
