import ast
import pickle
import pickletools
import struct
import sys
import time
import tracemalloc
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from python2_pickle import python2_pickle

import baselines
import bench
from bench.datasets.pickle_file import Encoding, PickleFile, Span
from bench.datasets.pickle_numpy import PickledArray
from bench.datasets.pickle_stream import read_pickle
from bench.errors import BenchError

EVERYTHING = sys.maxsize
"""No string is long enough to become a span."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pickles")


def read(
    folder: Path,
    content: bytes,
    *,
    span_from: int = EVERYTHING,
    names: dict[str | bytes, str] | None = None,
) -> Any:
    path = folder / "x.pickle"
    path.write_bytes(content)
    with PickleFile(path) as file:
        value, end = read_pickle(file, 0, span_from=span_from, names=names)
        assert end == len(content)
        return value


def refused(folder: Path, content: bytes, match: str) -> None:
    with pytest.raises(BenchError, match=match) as caught:
        read(folder, content)
    assert "\n" not in str(caught.value)
    assert "x.pickle: " in str(caught.value)


@pytest.mark.parametrize("function", [True, False])
def test_places_are_read_with_and_without_the_system_s_function(
    folder: Path, monkeypatch: pytest.MonkeyPatch, function: bool
) -> None:
    if not function:
        monkeypatch.delattr("os.pread", raising=False)
    (folder / "x.pickle").write_bytes(bytes(range(100)))
    with PickleFile(folder / "x.pickle") as file:
        assert [file.read(at, 2) for at in (50, 3, 98)] == [b"23", b"\3\4", b"bc"]
        with pytest.raises(BenchError, match="ends at byte 100, but at byte 99"):
            file.read(99, 2)


# --- what comes back ----------------------------------------------------------------------------

KEYS = (
    st.text(max_size=20)
    | st.binary(max_size=20)
    | st.integers(-(2**63), 2**64 - 1)
    | st.booleans()
    | st.none()
    | st.floats(allow_nan=False)
)
SCALARS = (
    KEYS
    | st.integers(-(2**2000), 2**2000)
    | st.text(min_size=200, max_size=400)
    | st.binary(min_size=200, max_size=400)
)
OBJECTS = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=6)
        | st.dictionaries(KEYS, inner, max_size=6)
        | st.tuples(inner)
        | st.tuples(inner, inner)
        | st.tuples(inner, inner, inner)
        | st.tuples(inner, inner, inner, inner)
    ),
    max_leaves=30,
)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(value=OBJECTS, protocol=st.integers(0, 5))
def test_plain_objects_come_back(folder: Path, value: Any, protocol: int) -> None:
    found = read(folder, pickle.dumps(value, protocol))
    assert found == value
    assert repr(found) == repr(value)  # True is no 1, 0.0 is no -0.0


@settings(max_examples=150, deadline=None, derandomize=True)
@given(value=OBJECTS)
def test_what_python_2_wrote_comes_back(folder: Path, value: Any) -> None:
    content = python2_pickle(value)
    assert repr(pickle.loads(content, encoding="bytes")) == repr(value)  # the pickler is right
    assert repr(read(folder, content)) == repr(value)


@pytest.mark.parametrize("protocol", [4, 5])
def test_sets_and_byte_arrays(folder: Path, protocol: int) -> None:
    value = [{1, "a", b"b", None}, frozenset({2.5, "c"}), set(), frozenset()]
    assert read(folder, pickle.dumps(value, protocol)) == value
    if protocol == 5:
        assert read(folder, pickle.dumps(bytearray(b"abc"), 5)) == bytearray(b"abc")


def test_long_containers_and_many_windows(folder: Path) -> None:
    value = {i: [f"{i}" * 3, {"k": float(i), b"c": bytes([i % 256]) * 300}] for i in range(5000)}
    for content in (pickle.dumps(value, 2), pickle.dumps(value, 4), python2_pickle(value)):
        assert read(folder, content) == value


@pytest.mark.parametrize("padding", range(8150, 8210))
def test_every_opcode_may_lie_across_the_edge_of_a_window(folder: Path, padding: int) -> None:
    value = [b"x" * padding, "é", b"b", 3, 300, 70000, 2.5, {"é": b"b"}, 2**40, "é", (1, 2)]
    assert read(folder, python2_pickle(value)) == value
    assert read(folder, pickle.dumps(value, 4)) == value


def test_what_was_shared_is_shared(folder: Path) -> None:
    inner = ["a"]
    found = read(folder, pickle.dumps([inner, inner, {"k": inner}], 2))
    assert found[0] is found[1] is found[2]["k"]


def test_a_container_within_itself(folder: Path) -> None:
    around: list[Any] = []
    around.append({"me": around})
    for protocol in range(6):
        found = read(folder, pickle.dumps(around, protocol))
        assert found[0]["me"] is found


def test_memo_numbers_may_be_left_out(folder: Path) -> None:
    """As Python 2's pickletools.optimize leaves them."""
    assert read(folder, b"(U\x01aq\x09U\x01bq\x14h\x09h\x14l.") == [b"a", b"b", b"a", b"b"]


def test_the_escapes_of_text_pickles(folder: Path) -> None:
    assert read(
        folder, b"(S'a\\x00\\n\\'\"'\np0\nS\"b\"\nV\\u00e9\ng0\nI01\nI00\nI-7\nL7L\nt."
    ) == (
        b"a\x00\n'\"",
        b"b",
        "é",
        b"a\x00\n'\"",
        True,
        False,
        -7,
        7,
    )


ARRAYS = [
    np.eye(6)[2],
    np.eye(3, dtype=np.float32),
    np.asfortranarray(np.arange(6, dtype=">i4").reshape(2, 3)),
    np.array([True, False]),
    np.arange(4, dtype=np.uint8),
    np.arange(3, dtype=np.float16),
    np.array(5),
    np.zeros((0, 3)),
]


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("core", ["numpy._core", "numpy.core"])
@pytest.mark.parametrize("array", ARRAYS, ids=lambda array: f"{array.dtype}{array.shape}")
def test_small_arrays(folder: Path, array: np.ndarray, core: str, protocol: int) -> None:
    content = pickle.dumps(array, protocol)
    if protocol < 4:
        # The names of NumPy 1: in a frame their length would count.
        content = content.replace(b"numpy._core", core.encode())
    found = read(folder, content, span_from=24).numpy()
    assert found.dtype == array.dtype
    assert found.shape == array.shape
    assert found.tolist() == array.tolist()


@pytest.mark.parametrize("array", ARRAYS, ids=lambda array: f"{array.dtype}{array.shape}")
def test_arrays_of_python_2(folder: Path, array: np.ndarray) -> None:
    array = np.ascontiguousarray(array)
    found = read(folder, python2_pickle([array, array.copy()]))
    assert [part.numpy().tolist() for part in found] == [array.tolist()] * 2
    assert found[0].numpy().dtype == array.dtype


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("number", [np.int64(-5), np.float32(0.5), np.uint8(7), np.bool_(True)])
def test_numpy_numbers_are_plain_numbers(folder: Path, number: Any, protocol: int) -> None:
    found = read(folder, pickle.dumps(number, protocol))
    assert found == number.item()
    assert type(found) is type(number.item())


def test_object_arrays(folder: Path) -> None:
    array = np.empty(3, dtype=object)
    array[:] = [{"a": 1}, [2], None]
    for content in (pickle.dumps(array, 2), pickle.dumps(array, 4), python2_pickle(array)):
        found = read(folder, content)
        assert type(found) is PickledArray
        assert found.objects == [{"a": 1}, [2], None]


# --- what stays in the file ---------------------------------------------------------------------


def test_long_strings_stay_in_the_file(folder: Path) -> None:
    value = [b"b" * 64, b"b" * 63, "é" * 40, "e" * 63]
    for content in (python2_pickle(value), pickle.dumps(value, 3), pickle.dumps(value, 4)):
        found = read(folder, content, span_from=64)
        assert found[1::2] == value[1::2]
        assert found[0] == Span(content.index(b"b" * 64), 64)
        assert found[2] == Span(content.index("é".encode()), 80, Encoding.TEXT)
        with PickleFile(folder / "x.pickle") as file:
            assert [file.load(found[0]), file.load(found[2])] == value[::2]


def test_byte_strings_that_were_written_as_text(folder: Path) -> None:
    """Python 3 does so at protocol 2."""
    value = [bytes(range(128, 256)), bytes(range(128, 150)), b""]
    found = read(folder, pickle.dumps(value, 2), span_from=64)
    assert found[1:] == value[1:]
    assert found[0].encoding is Encoding.LATIN_1
    with PickleFile(folder / "x.pickle") as file:
        assert file.load(found[0]) == value[0]


def test_only_entries_that_are_named_are_kept(folder: Path) -> None:
    value = [{"a": 1, b"b": 2, "c": 3, 4: 5, None: 6}, {"b": {"x": 1, "a": 2}}]
    kept = [{"A": 1, "B": 2, 4: 5, None: 6}, {"B": {"A": 2}}]
    names: dict[str | bytes, str] = {"a": "A", b"b": "B", "b": "B"}
    for content in (python2_pickle(value), *(pickle.dumps(value, p) for p in (0, 1, 2, 3, 4, 5))):
        assert read(folder, content, names=names) == kept


def test_memory_is_that_of_what_is_kept(folder: Path) -> None:
    """A memo that holds every string, or mappings that hold every entry, would take 4 MB."""
    rows = [
        {"id": i, "name": f"a name that is never asked for {i}", b"image": b"i" * 5000}
        for i in range(8_000)
    ]
    content = python2_pickle(rows)
    names: dict[str | bytes, str] = {"id": "id", b"image": "image"}
    tracemalloc.start()
    try:
        found = read(folder, content, span_from=64, names=names)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(found) == 8_000
    assert found[-1]["image"].length == 5000
    assert len(content) > 40_000_000
    assert peak < 8_000 * 600


# --- what is refused ----------------------------------------------------------------------------


class Reduces:
    """Pickles as a call of whatever is wanted."""

    def __init__(self, callee: Any, *args: Any) -> None:
        self.reduced = callee, args

    def __reduce__(self) -> Any:
        return self.reduced


HOSTILE = [
    "posix.system",
    "os.system",
    "nt.system",
    "subprocess.Popen",
    "subprocess.check_output",
    "builtins.eval",
    "builtins.exec",
    "builtins.getattr",
    "builtins.__import__",
    "__builtin__.eval",
    "__builtin__.file",
    "__builtin__.set",
    "builtins.complex",
    "collections.OrderedDict",
    "copyreg._reconstructor",
    "copy_reg._reconstructor",
    "_codecs.decode",
    "numpy.load",
    "numpy.fromfile",
    "numpy.core.multiarray.fromfile",
    "numpy._core.multiarray.frombuffer",
    "numpy.core.multiarray._reconstruct.__globals__",
    "numpy.testing._private.utils.runstring",
    "numpy.distutils.exec_command.exec_command",
    "numpy.matrix",
    "torch.storage._load_from_bytes",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_other_names_are_refused_by_name(folder: Path, name: str) -> None:
    module, _, attribute = name.rpartition(".")
    canary = folder / "canary"
    argument = python2_pickle(f"touch {canary}".encode())[2:-1]
    old = f"c{module}\n{attribute}\n".encode()
    new = b"\x8c" + bytes([len(module)]) + module.encode()
    new += b"\x8c" + bytes([len(attribute)]) + attribute.encode() + b"\x93"
    for place in (old, new):
        for tail in (argument + b"\x85R.", b")R.", b"}b.", b".", b"0N.", b")\x81."):
            refused(folder, b"\x80\x02]" + place + tail, f"asks for {name}; .* nothing of it was")
    assert not canary.exists()


def test_the_position_of_a_refused_name_is_told(folder: Path) -> None:
    refused(folder, b"\x80\x02]q\x01cposix\nsystem\n.", "x.pickle: byte 5: the file asks for posix")


def test_real_pickles_of_calls_are_refused(folder: Path) -> None:
    canary = folder / "canary"
    for callee in (Path.touch, exec, open, print):
        for protocol in range(6):
            content = pickle.dumps([Reduces(callee, canary)], protocol)
            refused(folder, content, "asks for|holds NEWOBJ")
    refused(folder, pickle.dumps(OrderedDict(a=1), 2), "asks for collections.OrderedDict")
    assert not canary.exists()


def test_a_name_that_would_break_the_line(folder: Path) -> None:
    refused(folder, b"\x8c\x03a\nb\x8c\x03\x1b[1\x93.", r"asks for a\\nb\.\\x1b\[1;")
    refused(
        folder, b"\x8c\x01a" + b"\x8d" + struct.pack("<Q", 999) + b"b" * 999 + b"\x93.", "aaa|a.b"
    )
    refused(folder, b"K\x01K\x02\x93.", "asks for")


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"Pid\n.", "PERSID"),
        (b"U\x02idQ.", "BINPERSID"),
        (b"(iposix\nsystem\n.", "INST"),
        (b"(cnumpy\ndtype\no.", "OBJ"),
        (b"cnumpy\ndtype\n)\x81.", "NEWOBJ"),
        (b"cnumpy\ndtype\n)}\x92.", "NEWOBJ_EX"),
        (b"\x82\x01.", "EXT1"),
        (b"\x83\x01\x00.", "EXT2"),
        (b"\x84\x01\x00\x00\x00.", "EXT4"),
        (b"\x97.", "NEXT_BUFFER"),
        (b"\x98.", "READONLY_BUFFER"),
    ],
)
def test_opcodes_that_plain_data_do_not_need(folder: Path, content: bytes, name: str) -> None:
    refused(folder, content, f"holds {name},.* nothing of it was executed")


def test_every_byte_is_an_opcode_that_is_known_or_refused(folder: Path) -> None:
    known = {ord(op.code) for op in pickletools.opcodes}
    for op in range(1, 256):
        if op not in known:
            refused(folder, bytes([op]) + b"0" * 40, f"opcode 0x{op:02x}, which does not exist")
            continue
        with pytest.raises(BenchError) as caught:
            read(folder, bytes([op]) + b"\x00" * 40)
        assert "does not exist" not in str(caught.value) or "0x00" in str(caught.value)


CALLS = {
    "an array of another class": b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\ndtype\nK\x00tR.",
    "ndarray itself": b"cnumpy\nndarray\nK\x01\x85R.",
    "no name": b"U\x01aK\x01\x85R.",
    "no arguments": b"cnumpy\ndtype\n)R.",
    "no tuple": b"cnumpy\ndtype\nNR.",
    "dtype of records": b"cnumpy\ndtype\nU\x03V99\x85R.",
    "dtype of text": b"cnumpy\ndtype\nU\x02S9\x85R.",
    "dtype in words": b"cnumpy\ndtype\nU\x05f8,f8\x85R.",
    "scalar too short": b"cnumpy.core.multiarray\nscalar\ncnumpy\ndtype\nU\x02f8\x85RU\x01a\x86R.",
    "scalar object": b"cnumpy.core.multiarray\nscalar\ncnumpy\ndtype\nU\x02O8\x85RN\x86R.",
    "other encoding": b"c_codecs\nencode\nX\x01\x00\x00\x00aU\x05utf-7\x86R.",
    "not Latin-1": b"c_codecs\nencode\nX\x03\x00\x00\x00\xe2\x82\xacU\x06latin1\x86R.",
    "bytes of a number": b"c__builtin__\nbytes\nJ\xff\xff\xff\x7f\x85R.",
    "state of a list": b"]N\x85b.",
    "state of a name": b"cnumpy\ndtype\n}b.",
}


@pytest.mark.parametrize("case", CALLS)
def test_calls_that_numpy_would_not_write(folder: Path, case: str) -> None:
    refused(folder, CALLS[case], "x.pickle: byte .* no such archive$")


def array_pickle(shape: bytes, dtype: bytes, values: bytes) -> bytes:
    return (
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\x00\x85U\x01btR"
        b"(K\x01" + shape + b"cnumpy\ndtype\nU\x02" + dtype + b"K\x00K\x01\x87R"
        b"(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89" + values + b"tb."
    )


def test_arrays_are_checked_against_the_bytes_there_are(folder: Path) -> None:
    eight = b"U\x08" + bytes(8)
    huge = b"J\xff\xff\xff\x7f"
    found = read(folder, array_pickle(b"K\x01\x85", b"f8", eight))
    assert found.numpy().tolist() == [0.0]
    for shape in (b"K\x02\x85", b")", huge + b"\x85", huge * 3 + b"\x87", b"J\xff\xff\xff\xff\x85"):
        if shape != b")":  # a number by itself has 8 bytes
            refused(folder, array_pickle(shape, b"f8", eight), "an array")
    refused(folder, array_pickle(b"K\x01\x85", b"f8", b"N"), "without the bytes")
    refused(folder, array_pickle(b"N", b"f8", eight), "without a shape")
    refused(folder, array_pickle(b"K\x01\x85", b"O8", eight), "no list of its length")
    refused(folder, array_pickle(b"K\x02\x85", b"O8", b"]Na"), "no list of its length")
    refused(folder, array_pickle(b"K\x01K\x01\x86", b"O8", b"]Na"), "no list of its length")
    long = b"T" + struct.pack("<I", 8192) + bytes(8192)
    refused(folder, array_pickle(b"M\x00\x04\x85", b"f8", long), "8192 bytes, at most 4096")
    assert read(folder, array_pickle(b"K\x01\x85", b"O8", b"]Na")).objects == [None]


def deep_tuple(depth: int) -> bytes:
    return b")" + b"\x85" * depth


BROKEN = {
    "nothing": (b"", "ends at byte 0"),
    "no end": (b"]", "ends at byte 1.*download it again"),
    "end of nothing": (b".", "more or less than one object"),
    "two objects": (b"NN.", "more or less than one object"),
    "an open mark": (b"N(N.", "more or less than one object"),
    "a mark that is not there": (b"]e.", "something that is not there"),
    "an empty stack": (b"a.", "something that is not there"),
    "an entry beyond the mark": (b"}(a", "something that is not there"),
    "a memo entry that is not there": (b"h\x05.", "something that is not there"),
    "one that was left out": (b"Nq\x05h\x01.", "something that is not there"),
    "a negative one": (b"g-1\n.", "something that is not there"),
    "stored as negative": (b"Np-1\n.", "memo entry -1"),
    "protocol 6": (b"\x80\x06N.", "protocol above 5"),
    "half an entry": (b"}(K\x01u.", "no mapping"),
    "entries of a list": (b"](K\x01K\x01u.", "no mapping"),
    "elements of a mapping": (b"}K\x01a.", "no list"),
    "elements of a set in a list": (b"](K\x01\x90.", "no set"),
    "a list as key": (b"}]Ns.", "a key that is neither"),
    "a tuple as key": (b"}K\x01\x85Ns.", "a key that is neither"),
    "a list in a set": (b"\x8f(]\x90.", "element of a set"),
    "a text that is none": (b"X\x01\x00\x00\x00\xff.", "no UTF-8"),
    "an integer that is none": (b"Iabc\n.", "is no number"),
    "a float that is none": (b"Fabc\n.", "a number that is none"),
    "a string without quotes": (b"Sabc\n.", "without its quotes"),
    "a string with one quote": (b"S'\n.", "without its quotes"),
    "a broken escape": (b"S'\\x1'\n.", "broken escape"),
    "a broken escape in text": (b"V\\u12\n.", "broken escape"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_pickles(folder: Path, case: str) -> None:
    content, match = BROKEN[case]
    refused(folder, content, match)


def test_every_truncation_says_where_the_file_ends(folder: Path) -> None:
    value = {"k": [b"x" * 300, 1, 2.5, 2**70, "é", (1, 2, 3, 4), None]}
    for content in (python2_pickle(value), pickle.dumps(value, 0), pickle.dumps(value, 4)):
        for end in range(len(content)):
            refused(folder, content[:end], f"ends at byte {end}, .* download it again")


BOMBS = {
    "4 GB of text": (b"X\xff\xff\xff\xff", "ends at byte 5"),
    "4 GB of bytes": (b"T\xff\xff\xff\xff", "ends at byte 5"),
    "all there is": (b"\x8e" + b"\xff" * 8, "ends at byte 9"),
    "text of all there is": (b"\x8d" + b"\xff" * 8, "ends at byte 9"),
    "a byte array": (b"\x96" + b"\xff" * 8, "ends at byte 9"),
    "a frame": (b"\x95" + b"\xff" * 8 + b"N.", "ends at byte 11"),
    "an integer of 2 GB": (b"\x8b\xff\xff\xff\x7f" + bytes(9), "integer of 2147483647 bytes"),
    "an integer of 1 MB": (b"\x8b\x00\x00\x10\x00" + bytes(1 << 20), "integer of 1048576 bytes"),
    "many digits": (b"I" + b"9" * 60_000 + b"\n.", "integer of 60000 digits"),
    "a long line": (b"I" + b"9" * 500_000, "line longer"),
    "a long line of a name": (b"c" + b"a" * 500_000, "line longer"),
    "memo entry 4 billion": (b"Nr\xff\xff\xff\xff.", "memo entry 4294967295"),
    "memo entry by text": (b"Np" + b"9" * 18 + b"\n.", "memo entry 9"),
    "memo entries far apart": (
        b"N" + b"".join(b"r" + struct.pack("<I", k << 18) for k in range(1, 4000)) + b".",
        "memo entry",
    ),
    "marks": (b"(" * 200_000, "ends at byte 200000"),
    "a deep key": (b"}" + deep_tuple(100_000) + b"Ns.", "a key that is neither"),
    "a deep element": (b"\x8f(" + deep_tuple(100_000) + b"\x90.", "element of a set"),
    "a wide key": (b"})" + b"2\x86" * 100 + b"Ns.", "a key that is neither"),
    "keys that hash alike": (
        b"}("
        + b"".join(
            b"\x8a\x10" + (k * (2**61 - 1)).to_bytes(16, "little") + b"N" for k in range(9, 30_000)
        )
        + b"u.",
        "key of more than 64 bits",
    ),
    "elements that hash alike": (
        b"\x8f("
        + b"".join(b"\x8a\x10" + (k * (2**61 - 1)).to_bytes(16, "little") for k in range(9, 30_000))
        + b"\x90.",
        "element of a set of more than 64 bits",
    ),
    "frozen elements that hash alike": (
        b"("
        + b"".join(b"\x8a\x10" + (k * (2**61 - 1)).to_bytes(16, "little") for k in range(9, 30_000))
        + b"\x91.",
        "element of a set of more than 64 bits",
    ),
}
HARMLESS = {
    "lists in lists": b"]" * 60_000 + b"a" * 59_999 + b".",
    "mappings in mappings": b"}" + b"N}" * 40_000 + b"s" * 40_000 + b".",
    "tuples in tuples": deep_tuple(100_000) + b".",
    "a wide tuple": b")" + b"2\x86" * 100 + b".",
    "sets": b"(" + b"\x8f" * 30_000 + b"t.",
    "one long list again and again": b"((" + b"N" * 1000 + b"lq\x01" + b"h\x01" * 100_000 + b"l.",
    "marks that are taken back": b"(1" * 40_000 + b"N.",
}


def bounded_read(folder: Path, content: bytes, **options: Any) -> None:
    """Read within the stated memory, and in a time that is no hang."""
    path = folder / "bomb.pickle"
    path.write_bytes(content)
    started = time.process_time()
    tracemalloc.start()
    try:
        with PickleFile(path) as file:
            read_pickle(file, 0, span_from=64, **options)
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 300 * len(content) + (8 << 20)
        assert time.process_time() - started < 10


@pytest.mark.parametrize("case", BOMBS)
def test_bombs_end_in_the_error_and_in_bounded_memory(folder: Path, case: str) -> None:
    content, match = BOMBS[case]
    with pytest.raises(BenchError, match=match):
        bounded_read(folder, content)


@pytest.mark.parametrize("case", HARMLESS)
def test_depth_and_width_do_no_harm(folder: Path, case: str) -> None:
    bounded_read(folder, HARMLESS[case])


# --- the product's own sources ------------------------------------------------------------------


def unsafe_loading(source: str) -> list[str]:
    """List where a source could execute what a file says."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            names = []
        unsafe = ("pickle", "_pickle", "cloudpickle", "dill", "shelve", "marshal")
        found += [name for name in names if name.split(".")[0] in unsafe]
        if (
            isinstance(node, ast.keyword)
            and node.arg == "allow_pickle"
            and not (isinstance(node.value, ast.Constant) and node.value.value is False)
        ):
            found.append("allow_pickle")
        if isinstance(node, ast.Attribute) and node.attr in ("read_pickle", "Unpickler"):
            found.append(node.attr)
    return found


def test_no_source_unpickles() -> None:
    roots = [Path(package.__file__ or "").parent for package in (bench, baselines)]
    sources = [path for root in roots for path in root.rglob("*.py")]
    assert len(sources) > 60
    for path in sources:
        assert not unsafe_loading(path.read_text(encoding="utf-8")), path


def test_the_check_of_sources_sees_what_it_should() -> None:
    assert unsafe_loading("import pickle") == ["pickle"]
    assert unsafe_loading("def f():\n from pickle import loads") == ["pickle.loads"]
    assert unsafe_loading("np.load(p, allow_pickle=True)") == ["allow_pickle"]
    assert unsafe_loading("pd.read_pickle(p)") == ["read_pickle"]
    assert not unsafe_loading("np.load(p, allow_pickle=False)")
