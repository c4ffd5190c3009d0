"""From object code to an image: the sections in a row, and what they say of each other's places worked out.

Takes what LLVM writes for x86-64 and Linux, in ELF, of which the System V ABI tells; of anything else there is no image, and
LLVM's own linker is to load it. Imports `image`; start reading at `linked`.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterator

from functrans.backends.llvm.image import WORD, Image, whole_pages
from functrans.record import NamedTuple

__all__ = ["linked"]

_HEAD = b"\x7fELF\x02\x01\x01"
_OBJECT_FOR_X86_64 = (1, 62)
_BITS, _SYMBOLS, _ADDENDS, _ZEROS = 1, 2, 4, 8
"""Kinds of sections."""
_WRITE, _ALLOC, _THREAD = 1, 2, 1024
"""Their flags."""
_UNDEFINED = 0
_PC32, _PLT32, _TABLES = 2, 4, (9, 41, 42)
"""Kinds of relocations: the distance to a place; to a function; to a word with the symbol's address."""

_SECTION, _SYMBOL, _RELOCATION = map(struct.Struct, ("<IIQQQQIIQQ", "<IBBHQQ", "<QIIq"))
_JUMP = b"\xff\x25"
"""`jmp` to the address in a word, whose distance follows in four bytes."""


class _UnknownError(Exception):
    """Object code has what no image is made of."""


class _Section(NamedTuple):
    kind: int
    flags: int
    data: bytes
    size: int
    link: int
    info: int
    align: int


class _Symbol(NamedTuple):
    name: str
    section: int
    value: int
    is_global: bool


class _Relocation(NamedTuple):
    section: int
    place: int
    kind: int
    symbol: _Symbol
    plus: int


def linked(code: bytes) -> Image | None:
    """The image of object code; None where it is not of the kind that is known here."""
    try:
        return _Linker(code).image()
    except (_UnknownError, struct.error, IndexError, KeyError, ValueError):
        return None


class _Linker:
    """The sections of one object on their way into one image."""

    def __init__(self, code: bytes) -> None:
        if sys.platform != "linux" or not code.startswith(_HEAD):
            raise _UnknownError
        if struct.unpack_from("<HH", code, 16) != _OBJECT_FOR_X86_64:
            raise _UnknownError
        self._sections = list(_sections(code))
        self._symbols = list(_symbols(self._sections))
        self._code = bytearray()
        self._places: dict[int, int] = {}
        """Where sections lie, by number."""
        self._words: dict[str, int] = {}
        """Where the words lie that hold symbols' addresses; behind each is a jump to what is there."""

    def image(self) -> Image:
        self._place_code()
        relocations = [one for one in _relocations(self._sections, self._symbols) if one.section in self._places]
        for one in relocations:
            if one.symbol.section == _UNDEFINED or one.kind in _TABLES:
                self._make_word(one.symbol.name)
        memory = self._place_memory()
        for one in relocations:
            self._relocate(one)
        named = [symbol for symbol in self._symbols if symbol.is_global and symbol.section in self._places]
        exports = tuple((symbol.name, self._places[symbol.section] + symbol.value) for symbol in named)
        return Image(bytes(self._code), memory, exports, tuple(self._words.items()))

    def _place_code(self) -> None:
        for number, section in self._loaded():
            if not section.flags & _WRITE:
                if section.kind != _BITS:
                    raise _UnknownError
                self._places[number] = self._append(section.data, section.align)

    def _place_memory(self) -> int:
        """Give what can be written a place on pages of its own, behind all else; how many bytes it takes."""
        start = end = whole_pages(len(self._code))
        for number, section in self._loaded():
            if section.flags & _WRITE:
                if section.kind != _ZEROS:
                    raise _UnknownError
                self._places[number] = end = _aligned(end, section.align)
                end += section.size
        return end - start

    def _loaded(self) -> Iterator[tuple[int, _Section]]:
        """The sections that are part of the image."""
        for number, section in enumerate(self._sections):
            if section.flags & _ALLOC and section.size:
                if section.flags & _THREAD:
                    raise _UnknownError
                yield number, section

    def _append(self, data: bytes, align: int) -> int:
        place = _aligned(len(self._code), align)
        self._code += bytes(place - len(self._code)) + data
        return place

    def _make_word(self, name: str) -> None:
        if name not in self._words:
            back = -(WORD + len(_JUMP) + 4)
            self._words[name] = self._append(bytes(WORD) + _JUMP + struct.pack("<i", back), WORD)

    def _relocate(self, one: _Relocation) -> None:
        place = self._places[one.section] + one.place
        distance = self._target(one.kind, one.symbol) + one.plus - place
        self._code[place : place + 4] = struct.pack("<i", distance)

    def _target(self, kind: int, symbol: _Symbol) -> int:
        """The place whose distance is wanted."""
        if kind in _TABLES:
            return self._words[symbol.name]
        if kind == _PLT32 and symbol.section == _UNDEFINED:
            return self._words[symbol.name] + WORD
        if kind not in (_PC32, _PLT32):
            raise _UnknownError
        return self._places[symbol.section] + symbol.value


def _aligned(place: int, align: int) -> int:
    return -(-place // max(align, 1)) * max(align, 1)


def _sections(code: bytes) -> Iterator[_Section]:
    (table,), (size, count) = struct.unpack_from("<Q", code, 40), struct.unpack_from("<HH", code, 58)
    for i in range(count):
        _, kind, flags, _, start, length, link, info, align, _ = _SECTION.unpack_from(code, table + i * size)
        data = b"" if kind == _ZEROS else code[start : start + length]
        yield _Section(kind, flags, data, length, link, info, align)


def _symbols(sections: list[_Section]) -> Iterator[_Symbol]:
    for section in sections:
        if section.kind == _SYMBOLS:
            names = sections[section.link].data
            for name, info, _, number, value, _ in _SYMBOL.iter_unpack(section.data):
                yield _Symbol(names[name : names.index(b"\0", name)].decode(), number, value, bool(info >> 4))


def _relocations(sections: list[_Section], symbols: list[_Symbol]) -> Iterator[_Relocation]:
    for section in sections:
        if section.kind == _ADDENDS:
            for place, kind, number, plus in _RELOCATION.iter_unpack(section.data):
                yield _Relocation(section.info, place, kind, symbols[number], plus)
