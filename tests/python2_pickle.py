"""Writes pickles as Python 2.7's cPickle does at protocol 2, so that tests need no Python 2.

`bytes` stand for Python 2's `str`, `str` for its `unicode`. What cPickle does, Python 3 does not:
byte strings are BINSTRING, memo numbers begin with 1, NumPy's modules have their old names, and the
values of an array are a byte string.
"""

import io
import struct
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

_BATCH = 1000


class Python2Pickler:
    """Writes objects one opcode after the other.

    Parameters
    ----------
    out
        Where to.
    """

    def __init__(self, out: BinaryIO) -> None:
        self.out = out
        # By identity, as in cPickle; the object is kept so that its identity stays its own.
        self._memo: dict[Any, tuple[int, Any]] = {}

    def dump(self, value: Any) -> None:
        """Write a whole pickle."""
        self.out.write(b"\x80\x02")
        self.save(value)
        self.out.write(b".")

    def save(self, value: Any) -> None:
        """Write one object."""
        if id(value) in self._memo and not isinstance(value, int | float):
            self._get(self._memo[id(value)][0])
            return
        kind = type(value)
        if value is None:
            self.out.write(b"N")
        elif kind is bool:
            self.out.write(b"\x88" if value else b"\x89")
        elif kind is int:
            self._int(value)
        elif kind is float:
            self.out.write(b"G" + struct.pack(">d", value))
        elif kind is bytes:
            short = len(value) < 256
            self.out.write(b"U" + bytes([len(value)]) if short else b"T" + _four(len(value)))
            self.out.write(value)
            self.put(value)
        elif kind is str:
            encoded = value.encode("utf-8", "surrogatepass")
            self.out.write(b"X" + _four(len(encoded)) + encoded)
            self.put(value)
        elif kind is list:
            self.out.write(b"]")
            self.put(value)
            self._batches([[element] for element in value], b"a", b"e")
        elif kind is dict:
            self.out.write(b"}")
            self.put(value)
            self._batches([list(pair) for pair in value.items()], b"s", b"u")
        elif kind is tuple:
            self._tuple(value)
        elif isinstance(value, np.ndarray):
            self._array(value)
        else:
            raise TypeError(f"no {kind} here")

    def put(self, value: Any) -> None:
        """Write that an object is memorised."""
        number = len(self._memo) + 1
        self._memo[id(value)] = (number, value)
        self.out.write(b"q" + bytes([number]) if number < 256 else b"r" + _four(number))

    def _get(self, number: int) -> None:
        self.out.write(b"h" + bytes([number]) if number < 256 else b"j" + _four(number))

    def _int(self, value: int) -> None:
        if 0 <= value < 1 << 8:
            self.out.write(b"K" + bytes([value]))
        elif 0 <= value < 1 << 16:
            self.out.write(b"M" + struct.pack("<H", value))
        elif -(1 << 31) <= value < 1 << 31:
            self.out.write(b"J" + struct.pack("<i", value))
        else:
            content = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
            self.out.write(b"\x8a" + bytes([len(content)]) + content)

    def _batches(self, parts: list[list[Any]], one: bytes, many: bytes) -> None:
        for start in range(0, len(parts), _BATCH):
            batch = parts[start : start + _BATCH]
            if len(batch) > 1:
                self.out.write(b"(")
            for part in batch:
                for element in part:
                    self.save(element)
            self.out.write(many if len(batch) > 1 else one)

    def _tuple(self, value: tuple[Any, ...]) -> None:
        if not value:
            self.out.write(b")")
            return
        if len(value) > 3:
            self.out.write(b"(")
        for element in value:
            self.save(element)
        self.out.write({1: b"\x85", 2: b"\x86", 3: b"\x87"}.get(len(value), b"t"))
        self.put(value)

    def _global(self, module: str, name: str) -> None:
        key = (module, name)
        if key in self._memo:
            self._get(self._memo[key][0])
            return
        self.out.write(f"c{module}\n{name}\n".encode())
        number = len(self._memo) + 1
        self._memo[key] = (number, None)
        self.out.write(b"q" + bytes([number]) if number < 256 else b"r" + _four(number))

    def _array(self, value: np.ndarray) -> None:
        self._global("numpy.core.multiarray", "_reconstruct")
        self._global("numpy", "ndarray")
        self.out.write(b"K\x00\x85")
        self.put((0,))
        self.save(b"b")
        self.out.write(b"\x87")
        self.put(("arguments",))
        self.out.write(b"R")
        self.put(value)
        self.out.write(b"(K\x01")
        self.save(tuple(map(int, value.shape)))
        dtype_key = value.dtype.str
        if dtype_key in self._memo:
            self._get(self._memo[dtype_key][0])
        else:
            self._dtype(value.dtype)
        self.out.write(b"\x89")
        self.save(value.tolist() if value.dtype.hasobject else value.tobytes())
        self.out.write(b"t")
        self.put(("state",))
        self.out.write(b"b")

    def _dtype(self, dtype: np.dtype[Any]) -> None:
        self._global("numpy", "dtype")
        self.save(dtype.str[1:].encode() + (b"8" if dtype.hasobject else b""))
        self.out.write(b"K\x00K\x01\x87")
        self.put(("dtype arguments",))
        self.out.write(b"R")
        number = len(self._memo) + 1
        self._memo[dtype.str] = (number, None)
        self.out.write(b"q" + bytes([number]) if number < 256 else b"r" + _four(number))
        flags = b"J\xff\xff\xff\xffJ\xff\xff\xff\xffK" + (b"\x3f" if dtype.hasobject else b"\x00")
        self.out.write(b"(K\x03")
        self.save(dtype.str[0].encode())
        self.out.write(b"NNN" + flags + b"t")
        self.put(("dtype state",))
        self.out.write(b"b")


def _four(number: int) -> bytes:
    return struct.pack("<I", number)


def python2_pickle(value: Any) -> bytes:
    """Pickle as Python 2 does."""
    out = io.BytesIO()
    Python2Pickler(out).dump(value)
    return out.getvalue()


def header(length: int) -> bytes:
    """Give the `.npy` header of an array of so many objects."""
    out = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        out, {"descr": "|O", "fortran_order": False, "shape": (length,)}
    )
    return out.getvalue()


def python2_archive(path: Path, elements: list[Any]) -> Path:
    """Write an array of objects as `numpy.save` of Python 2 does."""
    array = np.empty(len(elements), dtype=object)
    array[:] = elements
    path.write_bytes(header(len(elements)) + python2_pickle(array))
    return path
