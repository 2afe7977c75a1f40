"""A reader of pickles, protocols 0 to 5, that can make plain data and nothing else.

The standard unpickler imports what a file names and calls it. This one is a loop over the opcodes
that knows containers, strings, numbers and the few NumPy names of `pickle_numpy`; any other name is
refused where it stands.

It is made for archives that are large because of byte strings, and untrusted:

- Strings of `span_from` bytes and more stay in the file, as a `Span`.
- Of a string the memo holds the position only; it is read again when it is asked for. So the memo
  keeps no string alive that nobody else wants.
- With `names`, a mapping keeps only the entries named there, and those that are numbered.
- Declared sizes are checked against what the file has left before anything is reserved.
- Nothing recurses, and keys are strings and numbers, so that hashing them takes no time.

Memory: whatever sizes a file declares, at most 300 bytes for each of its bytes outside of spans (an
empty set takes 216, and one byte of the file), and 8 MB. No more than 2^30 such bytes
and 2^25 containers are read.
"""

import gc
import struct
from array import array
from collections.abc import Mapping
from typing import Any, Final, NoReturn

from bench.datasets.pickle_file import GUARD, Encoding, PickleFile, Span
from bench.datasets.pickle_numpy import GLOBALS, MalformedError, build, reduce
from bench.datasets.pickle_opcodes import (
    ADDITEMS,
    APPEND,
    APPENDS,
    ARGUMENTS,
    BINFLOAT,
    BINGET,
    BININT,
    BININT1,
    BININT2,
    BINPUT,
    BUILD,
    BYTEARRAY8,
    DICT,
    DUP,
    EMPTY_DICT,
    EMPTY_LIST,
    EMPTY_SET,
    EMPTY_TUPLE,
    FRAME,
    FROZENSET,
    GET,
    GLOBAL,
    LIST,
    LONG_BINGET,
    LONG_BINPUT,
    MARK,
    MEMOIZE,
    NEWFALSE,
    NEWTRUE,
    NONE,
    POP,
    POP_MARK,
    PROTO,
    PUT,
    REDUCE,
    REFUSED,
    SETITEM,
    SETITEMS,
    STACK_GLOBAL,
    STOP,
    STRINGS,
    TUPLE,
    TUPLE1,
    TUPLE2,
    TUPLE3,
)

__all__ = ["read_pickle"]

_MOST_CONTAINERS = 1 << 25
_MOST_SMALL_BYTES = 1 << 30
_MOST_LEFT_OUT = 1 << 18
_RECENT_STRINGS = 1 << 13

# In the memo's positions, where no string lies.
_ABSENT = -1
_OBJECT = -2

_KEYS: Final = frozenset({str, bytes, int, float, bool, type(None), Span})

_uint16 = struct.Struct("<H").unpack_from
_int32 = struct.Struct("<i").unpack_from
_uint32 = struct.Struct("<I").unpack_from
_uint64 = struct.Struct("<Q").unpack_from
_float64 = struct.Struct(">d").unpack_from


def read_pickle(
    file: PickleFile,
    position: int,
    *,
    span_from: int,
    names: Mapping[str | bytes, str] | None = None,
) -> tuple[Any, int]:
    """Read one pickle. Nothing of the file is executed, imported or looked up.

    Parameters
    ----------
    file
        The file.
    position
        Where in it the pickle begins.
    span_from
        Strings of so many bytes or more become a `Span`.
    names
        The entries that mappings keep, and the key each is then found under; entries whose key is
        neither text nor bytes stay as they are. None: mappings keep all as it is.

    Returns
    -------
    What was pickled, and the position behind it. Byte strings (of Python 2 too) are bytes, arrays
    are `PickledArray`, sets are sets.

    Raises
    ------
    BenchError
        The file names anything but plain data, is cut off, or is no pickle.
    """
    # Millions of containers are made and none becomes garbage: the collector would only look on.
    collecting = gc.isenabled()
    gc.disable()
    try:
        return _Reader(file, span_from, names).run(position)
    finally:
        if collecting:
            gc.enable()


class _Reader:
    """The stack machine that a pickle is a program for."""

    def __init__(
        self, file: PickleFile, span_from: int, names: Mapping[str | bytes, str] | None
    ) -> None:
        self._file = file
        self._span_from = span_from
        self._names = names
        self._memo: list[Any] = []
        # Where the string of a memo entry lies that is None.
        self._where = array("q")
        self._left_out = 0
        self._op_at = 0

    def run(self, position: int) -> tuple[Any, int]:
        self._op_at = position
        try:
            return self._run(position)
        except MalformedError as error:
            self._fail(f"{error}; this is no such archive")
        except (IndexError, AttributeError):
            # An empty stack, a memo entry that is not there; a list asked for where none is.
            self._fail("asks for something that is not there; the file is damaged")
        except (UnicodeError, OverflowError):
            self._fail("a text that is no UTF-8; the file is damaged")

    def _run(self, start: int) -> tuple[Any, int]:
        """Carry out the opcodes, the frequent ones first."""
        file, memo, where = self._file, self._memo, self._where
        span_from, names = self._span_from, self._names
        recent_bytes: dict[bytes, bytes] = {}
        recent_texts: dict[bytes, str] = {}
        stack: list[Any] = []
        # What lay on the stack when a MARK came.
        below: list[list[Any]] = []
        containers = spanned = 0
        base, i, safe, data = start, 0, -1, b""
        try:
            while True:
                if i > safe:
                    base += i
                    if base - start - spanned > _MOST_SMALL_BYTES or containers > _MOST_CONTAINERS:
                        raise MalformedError("more small objects than any such archive has")
                    data = file.window(base)
                    i, safe = 0, len(data) - GUARD - 1
                op = data[i]
                i += 1
                if op in (BINGET, LONG_BINGET):
                    if op == BINGET:
                        n = data[i]
                        i += 1
                    else:
                        n = _uint32(data, i)[0]
                        i += 4
                    value = memo[n]
                    stack.append(self._recall(n) if value is None else value)
                elif op == BININT1:
                    stack.append(data[i])
                    i += 1
                elif (form := STRINGS[op]) is not None:
                    width, is_text = form
                    at = base + i - 1
                    if width == 1:
                        length = data[i]
                    elif width == 4:
                        length = _uint32(data, i)[0]
                    else:
                        length = _uint64(data, i)[0]
                    i += width
                    end = i + length
                    if length >= span_from:
                        file.check(base + i, length)
                        stack.append(
                            Span(base + i, length, Encoding.TEXT if is_text else Encoding.RAW)
                        )
                        spanned += length
                        i = end
                        continue
                    raw = data[i:end] if end <= safe else file.read(base + i, length)
                    if is_text:
                        text = recent_texts.get(raw)
                        if text is None:
                            text = raw.decode("utf-8", "surrogatepass")
                            if len(recent_texts) >= _RECENT_STRINGS:
                                recent_texts.clear()
                            recent_texts[raw] = text
                        stack.append(text)
                    elif op == BYTEARRAY8:
                        stack.append(bytearray(raw))
                    else:
                        if len(recent_bytes) >= _RECENT_STRINGS:
                            recent_bytes.clear()
                        stack.append(recent_bytes.setdefault(raw, raw))
                    i = end
                    if i > safe or op == BYTEARRAY8:
                        continue
                    # Mostly the memo follows, and needs the position only.
                    op = data[i]
                    if op == LONG_BINPUT:
                        n = _uint32(data, i + 1)[0]
                        i += 5
                    elif op == BINPUT:
                        n = data[i + 1]
                        i += 2
                    elif op == MEMOIZE:
                        n = len(memo)
                        i += 1
                    else:
                        continue
                    if n == len(memo):
                        memo.append(None)
                        where.append(at)
                    else:
                        self._put(n, None, at)
                elif op in (BINPUT, LONG_BINPUT, MEMOIZE):
                    if op == BINPUT:
                        n = data[i]
                        i += 1
                    elif op == LONG_BINPUT:
                        n = _uint32(data, i)[0]
                        i += 4
                    else:
                        n = len(memo)
                    self._put(n, stack[-1], _OBJECT)
                elif op == MARK:
                    below.append(stack)
                    stack = []
                elif op == SETITEMS:
                    items = stack
                    stack = below.pop()
                    _set_items(stack[-1], items, names)
                elif op == BINFLOAT:
                    stack.append(_float64(data, i)[0])
                    i += 8
                elif op == BININT:
                    stack.append(_int32(data, i)[0])
                    i += 4
                elif op == BININT2:
                    stack.append(_uint16(data, i)[0])
                    i += 2
                elif op == EMPTY_DICT:
                    stack.append({})
                    containers += 1
                elif op == EMPTY_LIST:
                    stack.append([])
                    containers += 1
                elif op == APPENDS:
                    items = stack
                    stack = below.pop()
                    _list(stack[-1]).extend(items)
                elif op == APPEND:
                    value = stack.pop()
                    _list(stack[-1]).append(value)
                elif op == SETITEM:
                    value = stack.pop()
                    key = stack.pop()
                    _set_items(stack[-1], [key, value], names)
                elif op == TUPLE:
                    items = stack
                    stack = below.pop()
                    stack.append(tuple(items))
                    containers += 1
                elif op == TUPLE1:
                    stack[-1] = (stack[-1],)
                    containers += 1
                elif op == TUPLE2:
                    value = stack.pop()
                    stack[-1] = (stack[-1], value)
                    containers += 1
                elif op == TUPLE3:
                    third, second = stack.pop(), stack.pop()
                    stack[-1] = (stack[-1], second, third)
                    containers += 1
                elif op == NONE:
                    stack.append(None)
                elif op == NEWFALSE:
                    stack.append(False)
                elif op == NEWTRUE:
                    stack.append(True)
                elif op == REDUCE:
                    value = stack.pop()
                    stack[-1] = reduce(stack[-1], value, file.load)
                    containers += 1
                elif op == BUILD:
                    value = stack.pop()
                    build(stack[-1], value, file.load)
                elif op == STOP:
                    if below or len(stack) != 1:
                        raise MalformedError("an end with more or less than one object left")
                    return stack[0], base + i
                elif op in _TO_THE_MARK:
                    items = stack
                    stack = below.pop()
                    containers += 1
                    _gather(op, stack, items, names)
                else:
                    containers += 1
                    i = self._rare(op, stack, base + i) - base
        except (IndexError, AttributeError, UnicodeError, MalformedError):
            if base + i > file.size:
                file.window(base + i)  # raises: the argument of an opcode was cut off
            self._op_at = base + i - 1
            raise

    def _rare(self, op: int, stack: list[Any], position: int) -> int:
        """Carry out what comes seldom, and give the position behind it."""
        file = self._file
        self._op_at = position - 1
        if op in ARGUMENTS:
            value, position = ARGUMENTS[op](file, position)
            stack.append(value)
        elif op == GLOBAL:
            module, position = file.line(position)
            name, position = file.line(position)
            self._push_global(stack, module, name)
        elif op == STACK_GLOBAL:
            name, module = stack.pop(), stack.pop()
            self._push_global(stack, module, name)
        elif op == PROTO:
            if file.read(position, 1)[0] > 5:
                raise MalformedError("a pickle of a protocol above 5")
            position += 1
        elif op == FRAME:
            # Frames only say how much to read at once.
            self._file.check(position + 8, _uint64(file.read(position, 8))[0])
            position += 8
        elif op == GET:
            value, position = ARGUMENTS[ord("I")](file, position)
            stack.append(self._recall(value))
        elif op == PUT:
            value, position = ARGUMENTS[ord("I")](file, position)
            self._put(value, stack[-1], _OBJECT)
        elif op == EMPTY_TUPLE:
            stack.append(())
        elif op == EMPTY_SET:
            stack.append(set())
        elif op == POP:
            stack.pop()
        elif op == DUP:
            stack.append(stack[-1])
        elif op in REFUSED:
            self._fail(
                f"the file holds {REFUSED[op]}; it is hostile or no such archive, and nothing of "
                "it was executed"
            )
        elif self._op_at >= file.size:
            file.window(self._op_at)  # raises: the file ends here
        else:
            self._fail(f"opcode 0x{op:02x}, which does not exist; the file is damaged")
        return position

    def _push_global(self, stack: list[Any], module: Any, name: Any) -> None:
        parts = [part.decode("latin-1") if type(part) is bytes else part for part in (module, name)]
        known = GLOBALS.get((parts[0], parts[1])) if all(type(p) is str for p in parts) else None
        if known is None:
            # From a hostile file: whatever it says stays on one line, and short.
            named = ".".join(p if type(p) is str else "(a long name)" for p in parts)
            shown = ascii(named)[1:-1][:80]
            self._fail(
                f"the file asks for {shown}; it is hostile or no such archive, and nothing of it "
                "was executed"
            )
        stack.append(known)

    def _put(self, n: int, value: Any, position: int) -> None:
        """Store in the memo; the numbers a pickler gives count up, some may have been left out."""
        memo, where = self._memo, self._where
        missing = n + 1 - len(memo)
        if missing > 0:
            # The entries of a file are paid for by its opcodes; those left out are not.
            self._left_out += missing - 1
            if self._left_out > _MOST_LEFT_OUT:
                raise MalformedError(f"memo entry {n} behind {len(memo)} others")
            memo.extend([None] * missing)
            where.extend([_ABSENT] * missing)
        elif n < 0:
            raise MalformedError(f"memo entry {n}")
        memo[n], where[n] = value, position

    def _recall(self, n: int) -> Any:
        """Give the value of a memo entry, and read it from the file if it is a string there."""
        if n < 0:
            raise IndexError(n)
        value, at = self._memo[n], self._where[n]
        if at == _ABSENT:
            raise IndexError(n)
        if value is None and at != _OBJECT:
            form = STRINGS[self._file.read(at, 1)[0]]
            assert form is not None
            width, is_text = form
            length = int.from_bytes(self._file.read(at + 1, width), "little")
            raw = self._file.read(at + 1 + width, length)
            value = raw.decode("utf-8", "surrogatepass") if is_text else raw
            # Asked for once, asked for again: field names are.
            self._memo[n] = value
        return value

    def _fail(self, text: str) -> NoReturn:
        self._file.fail(self._op_at, text)


_TO_THE_MARK: Final = frozenset({LIST, DICT, POP_MARK, ADDITEMS, FROZENSET})


def _gather(
    op: int, stack: list[Any], items: list[Any], names: Mapping[str | bytes, str] | None
) -> None:
    """Carry out the rarer opcodes that take all that came since the last MARK."""
    if op == LIST:
        stack.append(items)
    elif op == DICT:
        stack.append({})
        _set_items(stack[-1], items, names)
    elif op in (ADDITEMS, FROZENSET):
        for item in items:
            if type(item) not in _KEYS:
                raise MalformedError("an element of a set that is neither text nor number")
            if type(item) is int and not _is_short(item):
                raise MalformedError("an element of a set of more than 64 bits")
        if op == FROZENSET:
            stack.append(frozenset(items))
        elif type(stack[-1]) is set:
            stack[-1].update(items)
        else:
            raise MalformedError("elements for something that is no set")


def _is_short(number: int) -> bool:
    """Say whether an integer may be a key: very long ones can be chosen to hash alike."""
    return -(2**63) <= number < 2**64


def _list(target: Any) -> list[Any]:
    if type(target) is not list:
        raise MalformedError("elements for something that is no list")
    return target


def _set_items(target: Any, items: list[Any], names: Mapping[str | bytes, str] | None) -> None:
    """Put keys and values, which alternate, into a mapping."""
    if type(target) is not dict or len(items) % 2:
        raise MalformedError("entries for something that is no mapping")
    pairs = iter(items)
    for key, value in zip(pairs, pairs, strict=True):
        kind = type(key)
        if kind is int:
            if not _is_short(key):
                raise MalformedError("a key of more than 64 bits")
        elif names is not None and (kind is str or kind is bytes):
            key = names.get(key)
            if key is None:
                continue
        elif kind not in _KEYS:
            raise MalformedError("a key that is neither text nor number")
        target[key] = value
