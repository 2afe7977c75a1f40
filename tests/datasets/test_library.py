import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.datasets.library import default_data_dir, find, stored_names
from bench.datasets.source import DatasetSource
from bench.errors import BenchError
from bench.registry import Registry


def test_the_data_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BENCH_DATA", raising=False)
    assert default_data_dir() == Path("data")
    monkeypatch.setenv("BENCH_DATA", "/somewhere")
    assert default_data_dir() == Path("/somewhere")
    monkeypatch.setenv("BENCH_DATA", "")
    assert default_data_dir() == Path("data")


def test_what_is_stored(tmp_path: Path, stored: Callable[..., Path]) -> None:
    assert stored_names(tmp_path / "absent") == []
    data = stored().parent
    shutil.copytree(data / "tiny", data / "another")
    shutil.copytree(data / "tiny", data / ".tmp-cut-off")
    (data / "no-data-set").mkdir()
    (data / "file").touch()
    assert stored_names(data) == ["another", "tiny"]
    with pytest.raises(BenchError, match="is a file, not a folder of data sets"):
        stored_names(data / "file")


def test_a_stored_data_set_goes_by_its_folder(stored: Callable[..., Path]) -> None:
    folder = stored()
    folder.rename(folder.parent / "renamed")
    dataset = find("renamed", folder.parent, Registry())
    assert dataset.name == "renamed"
    assert dataset.n_items == 5


def test_a_known_source_is_prepared_once(
    tmp_path: Path, stored: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    template = stored()
    prepared = []

    class Source(DatasetSource):
        name = "made"
        description = "made by a test"

        def prepare(self, folder: Path) -> None:
            prepared.append(folder)
            shutil.copytree(template, folder)

    monkeypatch.setattr(Registry, "source_names", lambda self: ["made"])
    monkeypatch.setattr(Registry, "source", lambda self, name: Source())
    for _ in range(2):
        assert find("made", tmp_path / "elsewhere", Registry()).name == "made"
    assert prepared == [tmp_path / "elsewhere" / "made"]


def test_an_unknown_name(stored: Callable[..., Path]) -> None:
    data = stored().parent
    match = "unknown data set 'tinny': did you mean 'tiny'.*`bench datasets list`"
    with pytest.raises(BenchError, match=match):
        find("tinny", data, Registry())
    with pytest.raises(BenchError, match="did you mean 'synthetic_fashion'"):
        find("synthetic-fashion", data, Registry())
    with pytest.raises(BenchError, match=r"unknown data set '\.\./tiny'"):
        find("../tiny", data / "tiny", Registry())


def test_a_damaged_one_says_so(stored: Callable[..., Path]) -> None:
    folder = stored()
    (folder / "users.arrow").unlink()
    with pytest.raises(BenchError, match=r"users\.arrow is missing"):
        find("tiny", folder.parent, Registry())
