"""The few names that a pickled NumPy file asks for, and what is made of them.

A pickle names functions and classes and asks to call them. Here nothing is looked up and nothing is
called: each name known stands for a function of this module that makes plain data of the arguments.
The names are those of NumPy's own `__reduce__` methods, in the modules of NumPy 1 and 2, and two
that Python 3 writes for byte strings at protocols below 3.
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.datasets.pickle_file import Encoding, Span

__all__ = [
    "GLOBALS",
    "MalformedError",
    "PickledArray",
    "PickledGlobal",
    "build",
    "reduce",
]

_LARGEST_ARRAY = 4096
"""Bytes of a numeric array; one-hot vectors of six are what there is."""

_NUMERIC = re.compile(r"b1|[iu][1248]|f[248]")
_OBJECT = re.compile(r"O[48]?")
_LATIN_1 = ("latin1", "latin-1", "iso-8859-1", "iso8859-1")

Load = Callable[[Span], str | bytes]


class MalformedError(Exception):
    """NumPy would not have written this; the reader adds file and position."""


@dataclass(frozen=True, slots=True)
class PickledGlobal:
    """A name from the list below, as it lies on the stack.

    Attributes
    ----------
    name
        With its module.
    make
        What stands in for calling it; None for what is an argument only.
    """

    name: str
    make: Callable[[tuple[Any, ...], Load], Any] | None


@dataclass(slots=True)
class PickledDtype:
    """A dtype: `code` such as "f8", and the byte order, which comes later in the file."""

    code: str
    order: str = "<"

    @property
    def is_object(self) -> bool:
        """Whether elements are Python objects."""
        return self.code.startswith("O")

    def numpy(self) -> np.dtype[Any]:
        """Give NumPy's dtype."""
        return np.dtype(("|" if self.code[1:] == "1" else self.order) + self.code)


@dataclass(slots=True)
class PickledArray:
    """A small array of numbers, or one of objects; empty until its state has been read.

    Attributes
    ----------
    shape, dtype, fortran
        As NumPy has them; dtype is None until the state has been read.
    content
        The values of a numeric array.
    objects
        What a one-dimensional array of objects holds; None for numbers.
    """

    shape: tuple[int, ...] = (0,)
    dtype: PickledDtype | None = None
    content: bytes = b""
    fortran: bool = False
    objects: list[Any] | None = None

    def numpy(self) -> npt.NDArray[Any]:
        """Give the array, read-only.

        Raises
        ------
        MalformedError
            It holds objects, or its state never came.
        """
        if self.dtype is None or self.objects is not None:
            raise MalformedError("an array without numbers")
        flat = np.frombuffer(self.content, self.dtype.numpy())
        return flat.reshape(self.shape, order="F" if self.fortran else "C")


def _text(value: Any) -> str:
    """Read a name or code, which is a byte string where Python 2 wrote it."""
    if type(value) is bytes:
        return value.decode("latin-1")
    if type(value) is str:
        return value
    raise MalformedError("a name is missing")


def _shape(value: Any) -> tuple[int, ...]:
    if type(value) is not tuple or len(value) > 4:
        raise MalformedError("an array without a shape of up to four dimensions")
    if not all(type(length) is int and 0 <= length < 2**31 for length in value):
        raise MalformedError("an array with a length that is no number of elements")
    return value


def _content(value: Any, load: Load) -> bytes:
    if type(value) is Span:
        if value.length > 2 * _LARGEST_ARRAY:
            raise MalformedError(f"an array of more than {_LARGEST_ARRAY} bytes")
        value = load(value)
    if type(value) in (bytes, bytearray):
        return bytes(value)
    raise MalformedError("an array without the bytes of its values")


def _numeric(dtype: Any, shape: Any, content: Any, load: Load) -> tuple[tuple[int, ...], bytes]:
    """Check that the bytes there are what dtype and shape ask for."""
    if type(dtype) is not PickledDtype or dtype.is_object:
        raise MalformedError("an array whose dtype is none of the plain numbers")
    shape, content = _shape(shape), _content(content, load)
    if len(content) > _LARGEST_ARRAY:
        raise MalformedError(f"an array of {len(content)} bytes, at most {_LARGEST_ARRAY} belong")
    if math.prod(shape) * dtype.numpy().itemsize != len(content):
        raise MalformedError(
            f"an array of {len(content)} bytes with shape {shape} and dtype {dtype.code}"
        )
    return shape, content


def _make_array(args: tuple[Any, ...], load: Load) -> PickledArray:
    if not (args and type(args[0]) is PickledGlobal and args[0].name == "numpy.ndarray"):
        raise MalformedError("an array that is none of NumPy's own")
    return PickledArray()


def _make_array_from_buffer(args: tuple[Any, ...], load: Load) -> PickledArray:
    if len(args) != 4:
        raise MalformedError("an array without dtype and shape")
    shape, content = _numeric(args[1], args[2], args[0], load)
    return PickledArray(shape, args[1], content, _text(args[3]) == "F")


def _make_dtype(args: tuple[Any, ...], load: Load) -> PickledDtype:
    code = _text(args[0]) if args else ""
    if not (_NUMERIC.fullmatch(code) or _OBJECT.fullmatch(code)):
        raise MalformedError(f"an array of dtype {code[:20]!r}, which is none of the plain numbers")
    return PickledDtype(code)


def _make_scalar(args: tuple[Any, ...], load: Load) -> int | float | bool:
    if len(args) != 2:
        raise MalformedError("a NumPy number without dtype and value")
    _, content = _numeric(args[0], (), args[1], load)
    value: int | float | bool = np.frombuffer(content, args[0].numpy())[0].item()
    return value


def _make_bytes_of_text(args: tuple[Any, ...], load: Load) -> bytes | Span:
    if len(args) == 2 and _text(args[1]) in _LATIN_1:
        text = args[0]
        if type(text) is Span and text.encoding is Encoding.TEXT:
            return Span(text.offset, text.length, Encoding.LATIN_1)
        if type(text) is str:
            try:
                return text.encode("latin-1")
            except UnicodeError:
                pass
    raise MalformedError("a byte string that was not written as Latin-1 text")


def _make_no_bytes(args: tuple[Any, ...], load: Load) -> bytes:
    if args:
        raise MalformedError("bytes made of something else")
    return b""


def _globals() -> dict[tuple[str, str], PickledGlobal]:
    known: dict[tuple[str, str], Callable[[tuple[Any, ...], Load], Any] | None] = {
        ("numpy", "ndarray"): None,
        ("numpy", "dtype"): _make_dtype,
        ("_codecs", "encode"): _make_bytes_of_text,
        ("__builtin__", "bytes"): _make_no_bytes,
        ("builtins", "bytes"): _make_no_bytes,
    }
    for package in ("numpy.core", "numpy._core"):
        known[f"{package}.multiarray", "_reconstruct"] = _make_array
        known[f"{package}.multiarray", "scalar"] = _make_scalar
        known[f"{package}.numeric", "_frombuffer"] = _make_array_from_buffer
    return {name: PickledGlobal(".".join(name), make) for name, make in known.items()}


GLOBALS = _globals()
"""By module and name; whatever else a file names is refused."""


def reduce(callee: Any, args: Any, load: Load) -> Any:
    """Make what calling `callee` with `args` would have given.

    Parameters
    ----------
    callee, args
        As they lay on the stack.
    load
        Fetches a string that stayed in the file.

    Raises
    ------
    MalformedError
        Not what NumPy writes.
    """
    if type(callee) is not PickledGlobal or type(args) is not tuple:
        raise MalformedError("a call of something that has no name")
    if callee.make is None:
        raise MalformedError(f"a call of {callee.name}")
    return callee.make(args, load)


def build(target: Any, state: Any, load: Load) -> None:
    """Give an array or dtype its state, as it was taken from the stack.

    Raises
    ------
    MalformedError
        Not what NumPy writes.
    """
    if type(state) is not tuple:
        raise MalformedError("a state that is none of NumPy's")
    if type(target) is PickledDtype and len(state) >= 8:
        order = _text(state[1])
        # Sub-arrays, field names, fields.
        if order not in ("<", ">", "|", "=") or any(part is not None for part in state[2:5]):
            raise MalformedError("a dtype that is none of the plain numbers")
        target.order = order
    elif type(target) is PickledArray and target.dtype is None and len(state) == 5:
        _, shape, dtype, fortran, content = state
        if type(dtype) is PickledDtype and dtype.is_object:
            if len(_shape(shape)) != 1 or type(content) is not list or len(content) != shape[0]:
                raise MalformedError("an array of objects that is no list of its length")
            target.objects = content
        else:
            shape, target.content = _numeric(dtype, shape, content, load)
        target.shape, target.dtype, target.fortran = shape, dtype, bool(fortran)
    else:
        raise MalformedError("a state of something that has none")
