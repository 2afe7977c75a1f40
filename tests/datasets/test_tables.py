import csv
import datetime
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from bench.datasets.feature_file import open_features
from bench.datasets.preprocess import NO_TIME
from bench.datasets.tables import check_ids, encode_ids, find_table, parse_times, read_table
from bench.errors import BenchError

# Any text but line ends and lone surrogates; NUL, which no CSV file survives, is out as well.
ids = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n\0"), min_size=1)
ids = ids.filter(lambda text: text.strip() != "")
anything = settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@anything
@given(rows=st.lists(st.tuples(ids, ids), min_size=1, max_size=20), tail=st.booleans())
@example(rows=[("007", "NaN"), ("7", "null"), ('"', ","), ("'", "1e5"), ("True", "-0")], tail=True)
def test_ids_survive_csv_and_parquet_as_text(
    tmp_path: Path, rows: list[tuple[str, str]], tail: bool
) -> None:
    path = tmp_path / "interactions.csv"
    with path.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(["extra", "item", "user"])
        writer.writerows(["1", item, user] for user, item in rows)
    if not tail:  # no line end behind the last line
        path.write_bytes(path.read_bytes().removesuffix(b"\r\n"))
    columns = {"user": [u for u, _ in rows], "item": [i for _, i in rows]}
    pq.write_table(pa.table(columns), tmp_path / "interactions.parquet")
    for suffix in ("csv", "parquet"):
        file = tmp_path / f"interactions.{suffix}"
        table = read_table(file, required=("user", "item"), optional=("timestamp",))
        assert table.column_names == ["user", "item"]
        for column, expected in columns.items():
            texts = check_ids(file, table, column)
            assert texts.to_pylist() == expected
            encoded = encode_ids(texts)
            assert list(encoded.ids) == sorted(set(expected))
            assert [encoded.ids[k] for k in encoded.codes] == expected


@anything
@given(
    times=st.lists(
        st.none()
        | st.integers(-(10**12), 10**12)
        | st.datetimes(datetime.datetime(1700, 1, 1), datetime.datetime(2200, 1, 1)),
        min_size=1,
        max_size=10,
    )
)
def test_times_survive_csv(tmp_path: Path, times: list[int | datetime.datetime | None]) -> None:
    def text(time: int | datetime.datetime | None) -> str:
        if time is None:
            return ""
        return time.isoformat() if isinstance(time, datetime.datetime) else str(time)

    def seconds(time: int | datetime.datetime | None) -> int:
        if time is None:
            return int(NO_TIME)
        if isinstance(time, int):
            return time
        since = time.replace(tzinfo=datetime.UTC) - datetime.datetime.fromtimestamp(0, datetime.UTC)
        return since // datetime.timedelta(seconds=1)

    path = tmp_path / "t.csv"
    path.write_text("user,timestamp\n" + "".join(f"u,{text(time)}\n" for time in times))
    table = read_table(path, required=("user", "timestamp"))
    assert parse_times(path, table, "timestamp").tolist() == [seconds(time) for time in times]


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (pa.array([5, None], pa.int32()), [5, NO_TIME]),
        (pa.array([5.9, -0.5], pa.float64()), [5, -1]),
        (pa.array(["2014-03-01", "1393632000"]), [1393632000, 1393632000]),
        (pa.array(["2014-03-01T01:00:00+01:00", " "]), [1393632000, NO_TIME]),
        (pa.array([1393632000_999, None], pa.timestamp("ms")), [1393632000, NO_TIME]),
        (pa.array([1393632000, None], pa.timestamp("s", "UTC")), [1393632000, NO_TIME]),
        (pa.array([16130, None], pa.date32()), [1393632000, NO_TIME]),
        (pa.array([None, None], pa.string()), [NO_TIME, NO_TIME]),
        (pa.array([None, None], pa.null()), [NO_TIME, NO_TIME]),
    ],
)
def test_times_in_parquet(column: pa.Array, expected: list[int]) -> None:
    table = pa.table({"timestamp": column})
    assert parse_times(Path("t.parquet"), table, "timestamp").tolist() == expected


@pytest.mark.parametrize(
    "kind",
    [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int8(), pa.string())],
)
def test_text_of_any_kind(tmp_path: Path, kind: pa.DataType) -> None:
    table = pa.table({"item": pa.array(["b", "a", "b"]).cast(kind)})
    encoded = encode_ids(check_ids(tmp_path, table, "item"))
    assert encoded.ids == ("a", "b")
    assert encoded.codes.tolist() == [1, 0, 1]


def test_ids_in_many_chunks() -> None:
    chunks = pa.chunked_array([["z", "a"], [], ["a", "m"]], pa.string())
    encoded = encode_ids(chunks)
    assert encoded.ids == ("a", "m", "z")
    assert encoded.codes.tolist() == [2, 0, 0, 1]
    assert encoded.codes.dtype == np.int64


@anything
@given(content=st.binary(max_size=200))
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_junk_is_one_clear_line(tmp_path: Path, suffix: str, content: bytes) -> None:
    path = tmp_path / f"junk.{suffix}"
    path.write_bytes(content)
    with pytest.raises(BenchError, match="junk") as caught:
        read_table(path, required=("user", "item"))
    assert "\n" not in str(caught.value)


@anything
@given(content=st.binary(max_size=100))
def test_junk_behind_a_good_header_never_crashes(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "junk.csv"
    path.write_bytes(b"user,item,timestamp\n" + content)
    flaw = ""
    try:
        table = read_table(path, required=("user", "item"), optional=("timestamp",))
        for column in ("user", "item"):
            assert all(check_ids(path, table, column).to_pylist())
        parse_times(path, table, "timestamp")
    except BenchError as error:
        flaw = str(error)
    assert "\n" not in flaw
    assert flaw == "" or "junk.csv" in flaw


def test_find_table(tmp_path: Path) -> None:
    assert find_table(tmp_path, "items") is None
    (tmp_path / "items.parquet").touch()
    assert find_table(tmp_path, "items") == tmp_path / "items.parquet"
    (tmp_path / "items.csv").touch()
    with pytest.raises(BenchError, match=r"both items\.csv and items\.parquet; remove one"):
        find_table(tmp_path, "items")


@pytest.mark.parametrize("name", ["interactions.csv", "interactions.parquet", "features.npy"])
def test_a_file_that_may_not_be_read_is_not_blamed_for_its_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    path = tmp_path / name
    path.write_bytes(b"user,item\na,b\n")
    monkeypatch.setattr("os.access", lambda *_: False)  # root may read everything
    read = (
        open_features if name.endswith(".npy") else partial(read_table, required=("user", "item"))
    )
    with pytest.raises(BenchError, match=rf"{name}: permission denied; make it readable"):
        read(path)
