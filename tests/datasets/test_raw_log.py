from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.datasets.raw_log import LogBuilder, find_file, id_text
from bench.errors import BenchError


@given(st.lists(st.tuples(st.text(), st.text(), st.integers(-(2**62), 2**62))))
def test_a_log_gives_back_what_it_took(lines: list[tuple[str, str, int]]) -> None:
    builder = LogBuilder()
    for user, item, seconds in lines:
        builder.add(user, item, seconds)
    log = builder.finish()
    assert list(log.user_ids) == sorted({user for user, _, _ in lines})
    assert list(log.item_ids) == sorted({item for _, item, _ in lines})
    assert log.users.dtype == log.items.dtype == np.int64
    times = log.seconds if log.seconds is not None else []
    given_back = [
        (log.user_ids[user], log.item_ids[item], int(time))
        for user, item, time in zip(log.users, log.items, times, strict=True)
    ]
    assert given_back == lines


def test_a_log_without_times() -> None:
    builder = LogBuilder()
    builder.add("u", "i")
    assert builder.finish().seconds is None


def test_finding_files(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=r"has no a\.json or a\.json\.gz; .* at the archive"):
        find_file(tmp_path, "a.json", origin="the archive")
    (tmp_path / "a.json.gz").touch()
    assert find_file(tmp_path, "a.json", origin="") == tmp_path / "a.json.gz"
    (tmp_path / "a.json").touch()
    with pytest.raises(BenchError, match="has both"):
        find_file(tmp_path, "a.json", origin="")
    with pytest.raises(BenchError, match="no such folder"):
        find_file(tmp_path / "a.json", "a.json", origin="")


@pytest.mark.parametrize("value", ["", "  ", "a\n", "a\0b", None, 3, ["a"]])
def test_what_no_id_is(value: object) -> None:
    with pytest.raises(BenchError, match=r"f: line 7 cannot be used: .* is no id of an item"):
        id_text(Path("f"), 7, value, "an item")
    assert id_text(Path("f"), 7, "é 1", "an item") == "é 1"
