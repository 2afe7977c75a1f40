import ast
import gzip
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from published_files import feature_file, literal_file

from bench.datasets.raw import RawOptions
from bench.datasets.store import open_dataset
from bench.datasets.tradesy import LISTS, PRESETS, import_raw_tradesy
from bench.errors import BenchError

SMALL = RawOptions(feature_dims=2)


def user(uid: object, **lists: object) -> dict[str, object]:
    return {"uid": uid, "lists": {name: lists.get(name, []) for name in LISTS}}


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """u1 has five items in bought and want, one in both; u2 has them only with its other lists."""
    folder = tmp_path / "raw"
    folder.mkdir()
    users = [
        user("u1", bought=["1", "2", "3"], want=["3", "4", "5"], sold=["6"]),
        user("u2", bought=["1"], want=["2", "3"], selling=["7", "8"], sold=["9"]),
        user("u3", bought=["1", "2", "3", "4"]),
        user("u4"),
    ]
    literal_file(folder / "tradesy.json.gz", users)
    feature_file(folder / "image_features_tradesy.b", [(str(k), [k, 0.0]) for k in range(9)])
    return folder


def items_of(folder: Path) -> dict[str, set[str]]:
    dataset = open_dataset(folder)
    return {
        name: {dataset.item_ids[k] for k in dataset.known.of(row)}
        for row, name in enumerate(dataset.user_ids)
    }


def test_presets(folder: Path, data_dir: Path) -> None:
    record = import_raw_tradesy(folder, "v", data_dir, lists="vbpr", options=SMALL)
    assert items_of(data_dir / "v") == {"u1": {"1", "2", "3", "4", "5"}}
    assert record.report["lists"] == {
        "lines_read": 4,
        "repeated_users": 0,
        "entries_bought": 8,
        "entries_selling": 2,
        "entries_want": 5,
        "entries_sold": 2,
    }
    assert record.report["preprocessing"]["repeated_pairs_merged"] == 1
    assert record.source.endswith("positive: bought, want")
    record = import_raw_tradesy(folder, "d", data_dir, options=SMALL)
    # Item 9 has no features: u2 keeps five others.
    assert items_of(data_dir / "d") == {
        "u1": {"1", "2", "3", "4", "5", "6"},
        "u2": {"1", "2", "3", "7", "8"},
    }
    dataset = open_dataset(data_dir / "d")
    assert list(dataset.item_ids) == [str(k) for k in range(1, 9)]
    assert dataset.training.need_features().tolist() == [[k, 0.0] for k in range(1, 9)]
    assert dataset.training.categories is None
    assert record.n_categories is None
    assert record.report["features"]["items_without_features_ids"] == ["9"]
    assert record.title == "Tradesy.com"
    assert "academic research only" in record.licence


def test_lists_of_ones_own(folder: Path, data_dir: Path) -> None:
    options = RawOptions(feature_dims=2, min_interactions=3)
    import_raw_tradesy(folder, "x", data_dir, lists=["sold", "bought"], options=options)
    assert items_of(data_dir / "x") == {
        "u1": {"1", "2", "3", "6"},
        "u3": {"1", "2", "3", "4"},
    }


def test_counting_repeats(folder: Path, data_dir: Path) -> None:
    """u1's third item counts twice; then six pieces of feedback are enough."""
    for name, repeats in (("no", False), ("yes", True)):
        options = RawOptions(feature_dims=2, min_interactions=6, count_repeats=repeats)
        if repeats:
            import_raw_tradesy(folder, name, data_dir, lists="vbpr", options=options)
            assert set(items_of(data_dir / name)) == {"u1"}
        else:
            with pytest.raises(BenchError, match="too few users left"):
                import_raw_tradesy(folder, name, data_dir, lists="vbpr", options=options)


def test_a_users_lines_are_put_together(folder: Path, data_dir: Path) -> None:
    lines = [user("u", bought=["1", "2"]), user("u", want=["3", "4", "5", "1"])]
    literal_file(folder / "tradesy.json.gz", lines)
    record = import_raw_tradesy(folder, "t", data_dir, options=SMALL)
    assert items_of(data_dir / "t") == {"u": {"1", "2", "3", "4", "5"}}
    assert record.report["lists"]["repeated_users"] == 1


@pytest.mark.parametrize(
    ("bad", "match"),
    [
        ({"lists": {}}, "it has no 'uid'"),
        ({"uid": "5"}, "it has no 'lists'"),
        ({"uid": 5, "lists": {}}, "'uid' is int, not str"),
        ({"uid": "5", "lists": []}, "'lists' is list, not dict"),
        ({"uid": "5", "lists": {"bought": []}}, "its 'lists' have no 'selling'"),
        (user("5", want="12"), "'want' is str, not list"),
        (user("5", want=["1", 2]), "'2' is no id of an item"),
        (user("", want=["1"]), "'' is no id of a user"),
        ([1], "it holds list, not a record"),
    ],
)
def test_bad_lines(folder: Path, data_dir: Path, bad: object, match: str) -> None:
    literal_file(folder / "tradesy.json.gz", [user("a"), bad])
    with pytest.raises(BenchError, match=rf"tradesy\.json\.gz: line 2 cannot be used: {match}"):
        import_raw_tradesy(folder, "t", data_dir, options=SMALL)
    assert not data_dir.exists()


def test_what_else_is_refused(folder: Path, data_dir: Path) -> None:
    for lists, match in (
        ("all", "unknown choice of lists 'all': choose dvbpr or vbpr"),
        (
            ["bought", "liked"],
            "unknown list 'liked': choose dvbpr or vbpr, or from bought, selling",
        ),
        ([], "no list is chosen"),
    ):
        with pytest.raises(BenchError, match=match):
            import_raw_tradesy(folder, "t", data_dir, lists=lists, options=SMALL)  # type: ignore[arg-type]
    literal_file(folder / "tradesy.json.gz", [user("a", sold=["1"])])
    with pytest.raises(BenchError, match="the lists bought, want of 1 users are all empty"):
        import_raw_tradesy(folder, "t", data_dir, lists="vbpr", options=SMALL)
    (folder / "image_features_tradesy.b").unlink()
    with pytest.raises(BenchError, match=r"has no image_features_tradesy\.b .*published at http"):
        import_raw_tradesy(folder, "t", data_dir, options=SMALL)
    assert not data_dir.exists()


@pytest.mark.parametrize("preset", ["vbpr", "dvbpr"])
def test_published_files(shared_data: Path, data_dir: Path, preset: str) -> None:
    source = shared_data / "published"
    record = import_raw_tradesy(source, "t", data_dir, lists=preset)  # type: ignore[arg-type]
    content = (source / "image_features_tradesy.b").read_bytes()
    rows = {
        content[k : k + 10].decode().strip(): np.frombuffer(content[k + 10 : k + 16394], "<f4")
        for k in range(0, len(content), 16394)
    }
    liked = defaultdict(set)
    for text in gzip.decompress((source / "tradesy.json.gz").read_bytes()).decode().splitlines():
        value = ast.literal_eval(text)
        for name in PRESETS[preset]:
            liked[value["uid"]] |= {item for item in value["lists"][name] if item in rows}
    expected = {uid: items for uid, items in liked.items() if len(items) >= 5}
    assert len(expected) > 10
    assert items_of(data_dir / "t") == expected
    dataset = open_dataset(data_dir / "t")
    features = dataset.training.need_features()
    for k, item in enumerate(dataset.item_ids):
        assert np.array_equal(features[k], rows[item])
    assert record.n_interactions == sum(map(len, expected.values()))
    held_out = dataset.training.train.contains(np.arange(dataset.n_users), dataset.test)
    assert not held_out.any()
