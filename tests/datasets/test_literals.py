import ast
import gzip
import json
import math
import time
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bench.datasets import literals
from bench.datasets.literals import parse_line, read_lines, read_records
from bench.errors import BenchError

texts = st.text() | st.text(alphabet="'\"\\nxuNTr{}[],: \t\0é\U0001f600", max_size=12)
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(10**300), 10**300)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts
)
plain_values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(texts, inner, max_size=5),
    max_leaves=25,
)
any_values = st.recursive(
    scalars | st.binary(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner, inner)
        | st.tuples(inner)
        | st.dictionaries(scalars, inner, max_size=4)
        | st.sets(scalars, min_size=1, max_size=4)
    ),
    max_leaves=20,
)


def same(left: Any, right: Any) -> bool:
    """Equal, and of equal types all the way down: 1, 1.0 and True are three things."""
    return repr(left) == repr(right)


@settings(max_examples=300)
@given(plain_values)
@example({"a": None, "None": "True", "t": "u'x'", "d": 'it\'s "so"'})
@example(["\\", "\\'", '\\"', "'", '"', "''", '""', "\n", "\x85\u2028", "u", "None"])
@example([1e-07, 1e22, -0.0, 0, True])
def test_equals_literal_eval(value: Any) -> None:
    text = repr(value)
    assert same(parse_line(text), ast.literal_eval(text))


@settings(max_examples=200)
@given(any_values)
def test_equals_literal_eval_for_what_json_cannot_say(value: Any) -> None:
    text = repr(value)
    parsed = parse_line(text)
    assert parsed == ast.literal_eval(text)
    assert type(parsed) is type(value)


@settings(max_examples=200)
@given(plain_values, st.booleans())
def test_equals_json(value: Any, ascii_only: bool) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only)
    assert same(parse_line(text), json.loads(text))


@settings(max_examples=500)
@given(st.text(alphabet="'\"\\nxu0N[]{}(),: e1.-TrueNone#+", max_size=30))
def test_whatever_comes_is_read_as_one_of_the_two_or_refused(text: str) -> None:
    """Random text: a value only where JSON or literal_eval gives the same one."""
    text = text.strip()
    try:
        value = parse_line(text)
    except ValueError:
        return
    accepted = []
    for parse in (json.loads, ast.literal_eval):
        with warnings.catch_warnings(), suppress(ValueError, SyntaxError, TypeError):
            warnings.simplefilter("ignore")  # of escapes such as "\\:"
            accepted.append(repr(parse(text)))
    assert repr(value) in accepted


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{u'a': u'b\\u00e9', 'c': U\"d's\"}", {"a": "bé", "c": "d's"}),  # Python 2
        ("{'a': 'x\\x41\\101\\n\\\n\\'\\d'}", {"a": "xAA\n'\\d"}),
        ("['\\N{BULLET}']", ["•"]),
        ("['a' 'b', 'c' \"d\"]", ["ab", "cd"]),
        ("{'a': 0x1f, 'b': 1_000, 'c': .5, 'd': 1., 'e': +2}", None),
        ("[1, 2, ]", [1, 2]),
        ("('a', (), ('b',), {1: 2}, {3}, b'x')", ("a", (), ("b",), {1: 2}, {3}, b"x")),
        ("{'a': true}", {"a": True}),
        ("{'price': 1e999}", {"price": math.inf}),
    ],
)
def test_unusual_texts(text: str, value: Any) -> None:
    parsed = parse_line(text)
    assert same(parsed, value if value is not None else ast.literal_eval(text))


HOSTILE = {
    "call": "__import__('os').system('touch /tmp/x')",
    "call inside": "{'a': open('/etc/passwd')}",
    "string called": "'a'.upper()",
    "string indexed": "'abc'[0]",
    "tuple called": "[(1)(2)]",
    "name": "{'a': undefined}",
    "comprehension": "[x for x in (1, 2)]",
    "lambda": "(lambda: 1)()",
    "f-string": "{'a': f'{1}'}",
    "walrus": "(a := 1)",
    "sum": "[1+1]",
    "power": "9**9**9",
    "complex": "1j",
    "NaN": '{"a": NaN}',
    "Infinity": "{'a': Infinity}",
    "inf": "{'a': inf}",
    "nested": "[" * 100_000 + "]" * 100_000,
    "nested open": "[" * 1_000_000,
    "nested tuples": "(" * 300 + ")" * 300,
    "nested dictionaries": "{'a': " * 50_000 + "1" + "}" * 50_000,
    "nested sets": "{" * 200 + "1" + "}" * 200,
    "signs": "-" * 1_000_000 + "1",
    "sums": "1" + "+1" * 100_000,
    "digits": "1" * 10**6,
    "list of digits": "['a', " + "7" * 10**6 + "]",
    "not closed": "{'a': 'b",
    "not closed, empty": "{'a': '}",
    "not closed, escapes": "{'a': '" + "\\'" * 500_000,
    "quotes": "'\"" * 300_001,
    "triple quotes": "['''a'b''']",
    "brackets": "{'a': [}",
    "two values": "{'a': 1} {'b': 2}",
    "unhashable key": "{[]: 1}",
    "unhashable set": "{[], 1}",
    "statement": "import os",
    "star": "[*'ab']",
    "comment": "{'a': 1} # more",
    "nul": "{'a': \0}",
    "too high": "['\\U00110000']",
    "ellipsis": "...",
    "long": "{'a': 1L}",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_lines_give_the_error_with_file_and_line(text: str, tmp_path: Path) -> None:
    path = tmp_path / "meta.json"
    path.write_text("{'a': 1}\n\n" + text + "\n", encoding="utf-8")
    started = time.perf_counter()
    with pytest.raises(BenchError, match=r"meta\.json: line 3 cannot be used: ") as caught:
        list(read_lines(path))
    assert time.perf_counter() - started < 5
    message = str(caught.value).removeprefix(str(path))
    assert "\n" not in message
    assert len(message) < 250


def test_nothing_is_executed(tmp_path: Path) -> None:
    trace = tmp_path / "ran"
    for text in (f"open({str(trace)!r}, 'w')", f"[open({str(trace)!r}, 'w') for _ in 'a']"):
        with pytest.raises(ValueError, match=r"nothing is executed|only literals"):
            parse_line(text)
    assert not trace.exists()


# --- files --------------------------------------------------------------------------------------


def test_lines_are_counted_blank_ones_too(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    path.write_bytes(b"{'a': 1}\n\n  \r\n[\"\xc3\xa9\"]\r\n'last, no end'")
    assert list(read_lines(path)) == [(1, {"a": 1}), (4, ["é"]), (5, "last, no end")]


def test_gzip_is_told_by_its_content(tmp_path: Path) -> None:
    path = tmp_path / "lines.json"
    path.write_bytes(gzip.compress(b"[1]\n") + gzip.compress(b"[2]\n"))
    assert list(read_lines(path)) == [(1, [1]), (2, [2])]


def test_broken_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "lines.json.gz"

    def refused(content: bytes, match: str) -> None:
        path.write_bytes(content)
        with pytest.raises(BenchError, match=match) as caught:
            list(read_lines(path))
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)

    packed = gzip.compress(b"[1]\n" * 10_000)
    refused(b"", "is empty")
    refused(gzip.compress(b""), "holds no line")
    refused(b"\n\n \n", "holds no line")
    refused(packed[:-6], "cut off")
    refused(packed[: len(packed) // 2], "cut off")
    refused(packed[:20] + b"\xff\xff\xff" + packed[23:], "damaged")
    refused(packed[:-8] + b"abcd" + packed[-4:], "damaged.*CRC")
    refused(b"[1]\n\xff\xfe\n", "line 2 .*UTF-8")
    monkeypatch.setattr(literals, "_MOST_LINE_BYTES", 2 << 20)
    refused(gzip.compress(b"[1]\n" + b" " * (3 << 20)), "line 2 .*longer than 2 MB")
    path.unlink()
    with pytest.raises(BenchError, match="no such file"):
        list(read_lines(path))
    with pytest.raises(BenchError, match="it is a folder"):
        list(read_lines(tmp_path))


def test_records_need_their_keys(tmp_path: Path) -> None:
    path = tmp_path / "records"

    def refused(content: str, match: str) -> None:
        path.write_text("{'id': 'a', 'n': 1}\n" + content, encoding="utf-8")
        with pytest.raises(BenchError, match=f"line 2 cannot be used: {match}"):
            list(read_records(path, {"id": str, "n": int}))

    refused("['id', 'n']", "it holds list, not a record")
    refused("'id'", "it holds str, not a record")
    refused("{'id': 'b'}", "it has no 'n'")
    refused("{'id': None, 'n': 1}", "'id' is NoneType, not str")
    refused("{'id': 'b', 'n': True}", "'n' is bool, not int")
    refused("{'id': 'b', 'n': '1'}", "'n' is str, not int")
    path.write_text("{'id': 'a', 'n': 1, 'more': []}", encoding="utf-8")
    assert list(read_records(path, {"id": str, "n": int})) == [(1, {"id": "a", "n": 1, "more": []})]


def test_real_metadata(shared_data: Path) -> None:
    for name in ("meta_Clothing_Shoes_and_Jewelry.json.gz", "tradesy.json.gz"):
        path = shared_data / "published" / name
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            expected = [ast.literal_eval(line) for line in lines]
        assert [value for _, value in read_lines(path)] == expected
