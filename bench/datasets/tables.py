"""Reading a user's CSV and Parquet tables: ids are text, and every flaw is one clear line.

Rows are counted from 1 below the header.
"""

import csv
import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from bench.datasets.preprocess import NO_TIME
from bench.errors import BenchError, check_readable, one_line

__all__ = [
    "EncodedIds",
    "check_ids",
    "check_unique",
    "encode_ids",
    "find_table",
    "parse_times",
    "read_parquet_schema",
    "read_table",
]


@dataclass(frozen=True)
class EncodedIds:
    """A column of ids as numbers.

    Attributes
    ----------
    codes
        int64 (n,): into `ids`.
    ids
        Each id once, ascending, so that the numbers do not depend on the order of the rows.
    """

    codes: npt.NDArray[np.int64]
    ids: tuple[str, ...]


def find_table(folder: Path, stem: str) -> Path | None:
    """Find `stem`.csv or `stem`.parquet in `folder`; None if there is neither.

    Raises
    ------
    BenchError
        Both are there.
    """
    found = [
        path for suffix in ("csv", "parquet") if (path := folder / f"{stem}.{suffix}").exists()
    ]
    if len(found) == 2:
        raise BenchError(
            f"{folder} has both {found[0].name} and {found[1].name}; remove one, "
            "so that it is clear which counts"
        )
    return found[0] if found else None


def read_table(path: Path, *, required: Sequence[str], optional: Sequence[str] = ()) -> pa.Table:
    """Read the named columns of a CSV or Parquet file; others are ignored.

    Parameters
    ----------
    path
        Ends in `.csv` (UTF-8, commas, first line names the columns) or `.parquet`.
    required, optional
        Columns to read; all of a CSV file are read as text, so that "007" stays "007".

    Raises
    ------
    BenchError
        The file is empty, broken, not UTF-8, or lacks a required column.
    """
    check_readable(path)
    try:
        if path.stat().st_size == 0:
            raise BenchError(f"{path} is empty; it needs the columns {', '.join(required)}")
        is_csv = path.suffix == ".csv"
        names = _csv_header(path) if is_csv else read_parquet_schema(path).names
        _check_columns(path, names, required)
        wanted = [*required, *(name for name in optional if name in names)]
        table = _read_csv(path, wanted) if is_csv else pq.read_table(path, columns=wanted)
    except (OSError, pa.ArrowException) as error:
        raise BenchError(
            f"{path} cannot be read ({_one_line(error)}); mend the file or export it again"
        ) from None
    if not table.num_rows:
        raise BenchError(f"{path} is empty: it names its columns but has no rows")
    return table


def read_parquet_schema(path: Path) -> pa.Schema:
    """Read the column names and types of a Parquet file.

    Raises
    ------
    BenchError
        It is no Parquet file.
    """
    check_readable(path)
    try:
        return pq.read_schema(path)
    except (OSError, pa.ArrowException) as error:
        raise BenchError(
            f"{path} cannot be read as Parquet ({_one_line(error)}); export it again"
        ) from None


def check_ids(path: Path, table: pa.Table, column: str) -> pa.ChunkedArray:
    """Give a column of ids as text.

    Raises
    ------
    BenchError
        A cell is empty, spans lines or holds a NUL byte, or the ids are neither text nor integers.
    """
    values = table.column(column)
    kind = values.type.value_type if pa.types.is_dictionary(values.type) else values.type
    is_text = any(
        test(kind)
        for test in (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
    )
    if not (is_text or pa.types.is_integer(kind)):
        raise BenchError(
            f"{path}: column {column!r} holds {kind} values; ids must be text or integers"
        )
    texts = values.cast(kind).cast(pa.string())
    missing = pc.fill_null(pc.equal(pc.utf8_trim_whitespace(texts), ""), True)
    if count := pc.sum(missing).as_py():
        row = pc.index(missing, True).as_py() + 1
        raise BenchError(
            f"{path}: {count} of {len(texts)} rows have no {column}, the first is row {row}; "
            "fill them in or remove the rows"
        )
    # A quote that is never closed swallows lines, up to the whole rest of the file.
    broken = pc.match_substring_regex(texts, "[\\r\\n]")
    if pc.any(broken).as_py():
        row = pc.index(broken, True).as_py() + 1
        raise BenchError(
            f"{path}: the {column} in row {row} spans several lines; a quote may not be closed"
        )
    binary = pc.match_substring_regex(texts, "\\x00")
    if pc.any(binary).as_py():
        row = pc.index(binary, True).as_py() + 1
        raise BenchError(
            f"{path}: the {column} in row {row} holds a NUL byte; export the file again as text"
        )
    return texts


def check_unique(path: Path, ids: Sequence[str]) -> None:
    """See that no item has two rows.

    Raises
    ------
    BenchError
        An id repeats.
    """
    if len(set(ids)) == len(ids):
        return
    first_row: dict[str, int] = {}
    repeats = [
        (first_row[item], row, item)
        for row, item in enumerate(ids, start=1)
        if first_row.setdefault(item, row) != row
    ]
    earlier, row, item = repeats[0]
    raise BenchError(
        f"{path}: {len(repeats)} rows repeat an item id, the first is {item!r} in rows {earlier} "
        f"and {row}; each item must have one row"
    )


def encode_ids(texts: pa.ChunkedArray) -> EncodedIds:
    """Give each id the number it has in text order."""
    # In one piece, since Arrow repeats the whole dictionary in every chunk; large offsets, since
    # one piece may pass 2 GB.
    encoded = pa.concat_arrays(
        [pa.array([], pa.large_string()), *texts.cast(pa.large_string()).chunks]
    ).dictionary_encode()
    ids = encoded.dictionary.to_pylist()
    order = sorted(range(len(ids)), key=ids.__getitem__)
    rank = np.empty(len(ids), dtype=np.int64)
    rank[order] = np.arange(len(ids))
    return EncodedIds(rank[encoded.indices.to_numpy()], tuple(ids[k] for k in order))


def parse_times(path: Path, table: pa.Table, column: str) -> npt.NDArray[np.int64]:
    """Read times: seconds since 1970, or ISO 8601 dates (UTC where no zone is given).

    Returns
    -------
    int64 (n,): seconds, `NO_TIME` where the cell is empty.

    Raises
    ------
    BenchError
        A cell is neither.
    """
    values = table.column(column)
    if pa.types.is_timestamp(values.type) or pa.types.is_date(values.type):
        values = values.cast(pa.timestamp("s"), safe=False).cast(pa.int64())
    if pa.types.is_integer(values.type):
        return _filled(values.cast(pa.int64()))
    texts = values.cast(pa.string())
    empty = pc.fill_null(pc.equal(pc.utf8_trim_whitespace(texts), ""), True)
    texts = pc.if_else(empty, pa.scalar(None, pa.string()), texts)
    try:
        return _filled(texts.cast(pa.int64()))
    except pa.ArrowInvalid:  # not all whole numbers: decimals or dates
        return _parse_mixed_times(path, column, texts)


def _parse_mixed_times(path: Path, column: str, texts: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    series = texts.to_pandas()
    given = series.notna().to_numpy()
    numbers = pd.to_numeric(series, errors="coerce").to_numpy(dtype=np.float64)
    seconds = np.full(len(series), NO_TIME, dtype=np.int64)
    # Beyond 1e15 a number is no time in seconds, and would not fit an integer much further on.
    is_number = given & (np.abs(numbers) < 1e15)
    seconds[is_number] = np.floor(numbers[is_number]).astype(np.int64)
    rest = np.flatnonzero(given & ~is_number)
    dates = pd.to_datetime(series.iloc[rest], errors="coerce", utc=True, format="ISO8601")
    bad = rest[dates.isna().to_numpy()]
    if len(bad):
        raise BenchError(
            f"{path}: {len(bad)} of {len(series)} rows have an unreadable {column}, the first is "
            f"{series.iloc[bad[0]]!r} in row {bad[0] + 1}; give seconds since 1970 or ISO dates"
        )
    seconds[rest] = dates.to_numpy(dtype="datetime64[s]").astype(np.int64)
    return seconds


def _filled(values: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    filled: npt.NDArray[np.int64] = pc.fill_null(values, int(NO_TIME)).to_numpy()
    return filled


def _csv_header(path: Path) -> list[str]:
    try:
        # utf-8-sig drops the mark that Excel puts in front of a file.
        with path.open(encoding="utf-8-sig", newline="") as handle:
            header = next((row for row in csv.reader(handle) if row), [])
    except UnicodeDecodeError:
        raise _not_utf8(path) from None
    except csv.Error as error:
        raise BenchError(f"{path}: broken first line ({error}); export it again as CSV") from None
    repeated = sorted({name for name in header if header.count(name) > 1})
    if repeated:
        raise BenchError(f"{path}: column {repeated[0]!r} appears twice; rename or remove one")
    return header


def _check_columns(path: Path, names: Sequence[str], required: Sequence[str]) -> None:
    for column in required:
        if column in names:
            continue
        if len(names) == 1 and (separator := next((s for s in ";\t|" if s in names[0]), None)):
            raise BenchError(
                f"{path}: columns are separated by {separator!r}; export it with commas"
            )
        others = [name for name in names if name not in required]
        near = difflib.get_close_matches(column, [name.lower().strip() for name in others], n=1)
        hint = "the first line must name the columns"
        if near:
            found = next(name for name in others if name.lower().strip() == near[0])
            hint = f"did you mean {found!r}? rename it to {column!r}"
        shown = ", ".join(names[:10]) + (", ..." if len(names) > 10 else "")
        raise BenchError(f"{path}: no column {column!r} (found: {shown}); {hint}")


def _read_csv(path: Path, columns: list[str]) -> pa.Table:
    def read(*, threads: bool) -> pa.Table:
        return pacsv.read_csv(
            path,
            read_options=pacsv.ReadOptions(use_threads=threads),
            parse_options=pacsv.ParseOptions(newlines_in_values=True),
            convert_options=pacsv.ConvertOptions(
                include_columns=columns, column_types=dict.fromkeys(columns, pa.string())
            ),
        )

    try:
        return read(threads=True)
    except pa.ArrowInvalid as error:
        if "UTF8" in str(error):
            raise _not_utf8(path) from None
    try:
        return read(threads=False)  # only one thread knows the line's number
    except pa.ArrowInvalid as error:
        raise BenchError(
            f"{path}: broken CSV ({_one_line(error)}); mend the line or quote its commas"
        ) from None


def _not_utf8(path: Path) -> BenchError:
    line = 0
    with path.open("rb") as handle:
        for number, content in enumerate(handle, start=1):
            try:
                content.decode()
            except UnicodeDecodeError:
                line = number
                break
    return BenchError(f"{path}: line {line} is not UTF-8; save the file with UTF-8 encoding")


def _one_line(error: BaseException) -> str:
    text: Any = one_line(error)
    return f"{text[:200]}..." if len(text) > 200 else text
