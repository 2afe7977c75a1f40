"""Opcodes of pickles by name, and how the arguments of the rarer ones are read.

What each means is told by the standard library's `pickletools`.
"""

import codecs
from collections.abc import Callable, Mapping
from typing import Any, Final

from bench.datasets.pickle_file import PickleFile
from bench.datasets.pickle_numpy import MalformedError

__all__ = ["ARGUMENTS", "REFUSED", "STRINGS"]  # and the opcodes' names

MARK: Final = ord("(")
STOP: Final = ord(".")
POP: Final = ord("0")
POP_MARK: Final = ord("1")
DUP: Final = ord("2")
BINFLOAT: Final = ord("G")
BININT: Final = ord("J")
BININT1: Final = ord("K")
BININT2: Final = ord("M")
NONE: Final = ord("N")
REDUCE: Final = ord("R")
APPEND: Final = ord("a")
BUILD: Final = ord("b")
GLOBAL: Final = ord("c")
DICT: Final = ord("d")
APPENDS: Final = ord("e")
GET: Final = ord("g")
BINGET: Final = ord("h")
LONG_BINGET: Final = ord("j")
LIST: Final = ord("l")
PUT: Final = ord("p")
BINPUT: Final = ord("q")
LONG_BINPUT: Final = ord("r")
SETITEM: Final = ord("s")
TUPLE: Final = ord("t")
SETITEMS: Final = ord("u")
EMPTY_DICT: Final = ord("}")
EMPTY_LIST: Final = ord("]")
EMPTY_TUPLE: Final = ord(")")
PROTO: Final = 0x80
NEWOBJ: Final = 0x81
TUPLE1: Final = 0x85
TUPLE2: Final = 0x86
TUPLE3: Final = 0x87
NEWTRUE: Final = 0x88
NEWFALSE: Final = 0x89
EMPTY_SET: Final = 0x8F
ADDITEMS: Final = 0x90
FROZENSET: Final = 0x91
STACK_GLOBAL: Final = 0x93
MEMOIZE: Final = 0x94
FRAME: Final = 0x95
BYTEARRAY8: Final = 0x96

# Bytes of the length in front, and whether it is text.
_STRING_FORMS = {
    ord("U"): (1, False),  # SHORT_BINSTRING: Python 2's str
    ord("C"): (1, False),  # SHORT_BINBYTES
    0x8C: (1, True),  # SHORT_BINUNICODE
    ord("T"): (4, False),  # BINSTRING
    ord("B"): (4, False),  # BINBYTES
    ord("X"): (4, True),  # BINUNICODE
    0x8E: (8, False),  # BINBYTES8
    0x8D: (8, True),  # BINUNICODE8
    BYTEARRAY8: (8, False),
}

STRINGS: Final[tuple[tuple[int, bool] | None, ...]] = tuple(map(_STRING_FORMS.get, range(256)))
"""By opcode: how many bytes the length of a string takes, and whether it is text."""

REFUSED: Final[Mapping[int, str]] = {
    ord("P"): "PERSID, an object that lies elsewhere",
    ord("Q"): "BINPERSID, an object that lies elsewhere",
    ord("i"): "INST, an object of a class",
    ord("o"): "OBJ, an object of a class",
    NEWOBJ: "NEWOBJ, an object of a class",
    0x92: "NEWOBJ_EX, an object of a class",
    0x82: "EXT1, a name from a registry",
    0x83: "EXT2, a name from a registry",
    0x84: "EXT4, a name from a registry",
    0x97: "NEXT_BUFFER, data that lie elsewhere",
    0x98: "READONLY_BUFFER, data that lie elsewhere",
}
"""What archives have no use for: never carried out."""

_LONGEST_INTEGER = 1024

# Found now, so that nothing is imported while a file is read.
_decode_unicode = codecs.getdecoder("raw-unicode-escape")


def _integer_of_line(line: bytes) -> int:
    if len(line) > _LONGEST_INTEGER:
        raise MalformedError(f"an integer of {len(line)} digits")
    try:
        return int(line)
    except ValueError:
        raise MalformedError("an integer that is no number") from None


def _int(file: PickleFile, position: int) -> tuple[Any, int]:
    line, position = file.line(position)
    # How protocols 0 and 1 write True and False.
    return (line == b"01") if line in (b"00", b"01") else _integer_of_line(line), position


def _long(file: PickleFile, position: int) -> tuple[Any, int]:
    line, position = file.line(position)
    return _integer_of_line(line.removesuffix(b"L")), position


def _sized_long(width: int) -> Callable[[PickleFile, int], tuple[Any, int]]:
    def read(file: PickleFile, position: int) -> tuple[Any, int]:
        size = int.from_bytes(file.read(position, width), "little")
        if size > _LONGEST_INTEGER:
            raise MalformedError(f"an integer of {size} bytes")
        content = file.read(position + width, size)
        return int.from_bytes(content, "little", signed=True), position + width + size

    return read


def _float(file: PickleFile, position: int) -> tuple[Any, int]:
    line, position = file.line(position)
    try:
        return float(line), position
    except ValueError:
        raise MalformedError("a number that is none") from None


def _string(file: PickleFile, position: int) -> tuple[Any, int]:
    line, position = file.line(position)
    if len(line) < 2 or line[:1] not in (b"'", b'"') or line[:1] != line[-1:]:
        raise MalformedError("a string without its quotes")
    try:
        return codecs.escape_decode(line[1:-1])[0], position
    except ValueError:
        raise MalformedError("a string with a broken escape") from None


def _unicode(file: PickleFile, position: int) -> tuple[Any, int]:
    line, position = file.line(position)
    try:
        return _decode_unicode(line)[0], position
    except UnicodeError:
        raise MalformedError("a text with a broken escape") from None


ARGUMENTS: Final[Mapping[int, Callable[[PickleFile, int], tuple[Any, int]]]] = {
    ord("I"): _int,
    ord("L"): _long,
    ord("F"): _float,
    ord("S"): _string,
    ord("V"): _unicode,
    0x8A: _sized_long(1),
    0x8B: _sized_long(4),
}
"""Values that are rare in archives: by opcode, what gives the value and the next position."""
