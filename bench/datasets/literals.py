"""Files with one Python literal or one JSON value per line, read without evaluating anything.

The Amazon metadata and tradesy.json were written with Python's `repr`. Evaluating such lines runs
whatever stands in them, and `ast.literal_eval`, which does not, is slow and can be driven out of
its stack. Here a line is rewritten as JSON, string by string, and read by the JSON parser; the few
literals that JSON cannot say (tuples, sets, bytes, numeric keys, unusual numbers) go to
`ast.literal_eval` after a check of their tokens. Triple quotes, comments and complex numbers, which
`repr` of plain data never writes, are refused.
"""

import ast
import json
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import suppress
from json.encoder import encode_basestring
from pathlib import Path
from typing import Any

from bench.datasets.streams import open_stream
from bench.errors import BenchError

__all__ = ["bad_line", "parse_line", "read_lines", "read_records"]

_MOST_LINE_BYTES = 64 << 20
# JSON's parser stops itself; for the other one nesting is counted before.
_MOST_NESTED = 60
_LINES_PER_PROGRESS = 4096


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number")


_decode_json = json.JSONDecoder(strict=False, parse_constant=_refuse_constant).decode

# The content of a string in single or in double quotes, and its closing quote, which may be
# missing: so every start of a string is tried once, and hostile lines take as long as others.
_QUOTED = r"""'([^'\\]*+(?:\\.[^'\\]*+)*+)('|)|"([^"\\]*+(?:\\.[^"\\]*+)*+)("|)"""
_STRING = re.compile(f"[uU]?(?:{_QUOTED})", re.DOTALL)
# What swapping the quotes makes JSON of, as long as it goes on; else one string.
_RUN_OR_STRING = re.compile(rf"""((?:[^'"\\]++|'[^'"\\]*+')++|\\)|{_QUOTED}""", re.DOTALL)
# Not the exponent of a number.
_WORD = re.compile(r"(?<![0-9.])[^\W\d]\w*")
_CONSTANTS = {"None": "null", "True": "true", "False": "false"}

_ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[0-7]{1,3}|.)", re.DOTALL)
_SIMPLE_ESCAPES = {
    "\\": "\\",
    "'": "'",
    '"': '"',
    "a": "\a",
    "b": "\b",
    "f": "\f",
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "v": "\v",
    "\n": "",
}

_TOKEN = re.compile(
    r"""\s+
    | (?P<string>(?:[uUbBrR]|[bB][rR]|[rR][bB])?(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"))
    | (?P<number>(?:0[xX][0-9a-fA-F_]+|0[oO][0-7_]+|0[bB][01_]+
        |(?:\d[\d_]*\.?[\d_]*|\.\d[\d_]*)(?:[eE][+-]?\d+)?)(?![A-Za-z0-9_]))
    | (?P<word>[^\W\d]\w*)
    | (?P<open>[\[{(]) | (?P<close>[\]})]) | (?P<mark>[,:]) | (?P<sign>[+-])""",
    re.VERBOSE | re.DOTALL,
)


def parse_line(text: str) -> Any:
    """Read one value: JSON, or a Python literal.

    What is JSON is read as JSON; a Python literal gives what `ast.literal_eval` would. (The two
    differ for a few texts that are both, such as a pair of surrogate escapes in double quotes.)
    Mixtures, say `null` beside Python's escapes, and raw control characters are let pass.

    Raises
    ------
    ValueError
        Neither; the message says why, in a few words.
    """
    try:
        if not text.startswith("{'"):  # most literals are told at once
            with suppress(ValueError):
                return _decode_json(text)
        for rewrite in (_swapped_quotes, _rewritten):
            as_json = rewrite(text)
            if as_json is None:
                continue
            with suppress(ValueError):
                return _decode_json(as_json)
        return _parse_unusual(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def read_lines(path: Path, label: str | None = None) -> Iterator[tuple[int, Any]]:
    """Read a plain or gzipped file line by line, in bounded memory; blank lines are skipped.

    Parameters
    ----------
    path
        The file, UTF-8.
    label
        What the progress bar says.

    Yields
    ------
    The line's number, from 1, and its value.

    Raises
    ------
    BenchError
        The file cannot be read, holds nothing, or a line is neither JSON nor a literal.
    """
    number, any_value = 0, False
    with open_stream(path, label or f"reading {path.name}") as stream:
        while line := stream.read_line(_MOST_LINE_BYTES):
            number += 1
            if number % _LINES_PER_PROGRESS == 0:
                stream.show_progress()
            if len(line) >= _MOST_LINE_BYTES:
                raise bad_line(path, number, f"it is longer than {_MOST_LINE_BYTES >> 20} MB")
            try:
                text = line.decode().strip()
                if not text:
                    continue
                value = parse_line(text)
            except UnicodeDecodeError:
                raise bad_line(path, number, "it is not UTF-8") from None
            except ValueError as error:
                raise bad_line(path, number, str(error)) from None
            any_value = True
            yield number, value
    if not any_value:
        raise BenchError(f"{path} holds no line; download it again")


def read_records(
    path: Path, required: Mapping[str, type], label: str | None = None
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Read lines that hold a dictionary each.

    Parameters
    ----------
    path, label
        As for `read_lines`.
    required
        Keys that every record must have, and the type of their values.

    Yields
    ------
    The line's number, from 1, and its record.

    Raises
    ------
    BenchError
        As for `read_lines`; or a line is no dictionary, lacks a key or has a value of another type.
    """
    for number, record in read_lines(path, label):
        if type(record) is not dict:
            raise bad_line(path, number, f"it holds {type(record).__name__}, not a record {{...}}")
        for key, kind in required.items():
            value = record.get(key)
            if type(value) is not kind:  # a bool is an int to isinstance
                if key not in record:
                    raise bad_line(path, number, f"it has no {key!r}")
                raise bad_line(
                    path, number, f"{key!r} is {type(value).__name__}, not {kind.__name__}"
                )
        yield number, record


def bad_line(path: Path, number: int, what: str) -> BenchError:
    """Say what is wrong with a line."""
    return BenchError(
        f"{path}: line {number} cannot be used: {what}; mend the line or download the file again"
    )


def _swapped_quotes(text: str) -> str | None:
    """Rewrite a literal without constants as JSON, touching only the strings that need it."""
    if any(constant in text for constant in _CONSTANTS):
        return None
    if '"' not in text and "\\" not in text:
        return text.replace("'", '"')
    try:
        return "".join(
            run.replace("'", '"') if run else _json_string(single or double, closed or closed_too)
            for run, single, closed, double, closed_too in _RUN_OR_STRING.findall(text)
        )
    except ValueError:
        return None


def _rewritten(text: str) -> str | None:
    """Rewrite any literal that JSON can say; None where that is not possible.

    Everything outside strings stays as it is, except constants, and any other word makes the result
    invalid: what comes out is JSON only if the text was a literal.
    """
    parts = _STRING.split(text)
    # JSON's own words are no literals, and NaN must not slip through: \0 is valid nowhere.
    outside = [part if part == ", " else _WORD.sub(_constant, part) for part in parts[::5]]
    try:
        strings = [
            _json_string(single or double or "", closed or closed_too)
            for single, closed, double, closed_too in zip(
                parts[1::5], parts[2::5], parts[3::5], parts[4::5], strict=True
            )
        ]
    except ValueError:
        return None
    return "".join(piece for pair in zip(outside, [*strings, ""], strict=True) for piece in pair)


def _json_string(content: str, closed: str) -> str:
    if not closed:
        raise ValueError("a string is not closed")
    return encode_basestring(_ESCAPE.sub(_unescaped, content) if "\\" in content else content)


def _constant(match: re.Match[str]) -> str:
    return _CONSTANTS.get(match[0], "\0")


def _unescaped(match: re.Match[str]) -> str:
    escape = match[1]
    if escape[0] in "xuU" and len(escape) > 1:
        return chr(int(escape[1:], 16))  # a ValueError beyond the last character
    if escape[0] in "01234567":
        return chr(int(escape, 8))
    if escape in _SIMPLE_ESCAPES:
        return _SIMPLE_ESCAPES[escape]
    if escape in ("N", "x", "u", "U"):  # names of characters, and broken escapes
        raise ValueError(escape)
    return match[0]


def _parse_unusual(text: str) -> Any:
    """Read a literal that is no JSON, after seeing that it is flat and has no names."""
    _check_tokens(text)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of escapes such as "\d"
            return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError):
        raise ValueError("it is neither JSON nor a Python literal") from None


def _check_tokens(text: str) -> None:
    position = depth = 0
    before = "open"
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            shown = text[position : position + 20]
            raise ValueError(f"it is neither JSON nor a Python literal (at {shown!r})")
        kind = match.lastgroup
        token = match[0]
        position = match.end()
        if kind is None:
            continue
        if kind == "word" and token not in ("None", "True", "False"):
            raise ValueError(f"the name {token[:40]!r} is not a literal; nothing is executed")
        if kind == "sign" and before not in ("open", "mark"):
            raise ValueError("it calculates; only literals are read")
        if kind == "open":
            depth += 1
            if depth > _MOST_NESTED:
                raise ValueError("it is nested too deeply")
            if before not in ("open", "mark"):
                raise ValueError("it calls or indexes something; only literals are read")
        elif kind == "close":
            depth -= 1
        before = kind
