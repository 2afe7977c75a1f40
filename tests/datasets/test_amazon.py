import ast
import gzip
import json
import shutil
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from published_files import ROOT, amazon_folder, literal_file

from bench.datasets import published_features
from bench.datasets.amazon import import_raw_amazon
from bench.datasets.dataset import Dataset
from bench.datasets.raw import RawOptions
from bench.datasets.store import open_dataset, read_record, verify
from bench.errors import BenchError

REVIEWS = "reviews_Clothing_Shoes_and_Jewelry.json.gz"
META = "meta_Clothing_Shoes_and_Jewelry.json.gz"
FEATURES = "image_features_Clothing_Shoes_and_Jewelry.b"
SMALL = RawOptions(feature_dims=3)

DRESS = [ROOT, "Women", "Clothing", "Dresses"]
BOOT = [ROOT, "Women", "Shoes", "Boots", "Ankle"]
SHIRT = [ROOT, "Men", "Clothing", "Shirts"]


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Items w0..w5 of women (w5 without features), b0 of both, m0 of men, x0 of neither.

    u0 has w0..w4, one of them twice, and b0; u1 has w1..w4 and b0; u2 has four women's items, of
    which one has no features, and more of men's: too few; u3 has five only with w5: too few.
    """
    categories = {f"w{k}": [DRESS] if k % 2 else [BOOT] for k in range(6)}
    categories |= {"b0": [SHIRT, DRESS], "m0": [SHIRT], "x0": [["Toys", "Women", "Dolls"]]}
    categories |= {"unread": [DRESS]}
    reviews = [("u0", f"w{k}", 100 + k) for k in range(5)] + [("u0", "w0", 7), ("u0", "b0", 50)]
    reviews += [("u1", f"w{k}", 200 + k) for k in range(1, 5)] + [("u1", "b0", 20)]
    reviews += [("u2", item, 300) for item in ("w0", "w1", "w2", "m0", "x0", "gone")]
    reviews += [("u3", f"w{k}", 400) for k in range(1, 6)]
    features = [(f"w{k}", [k, 0.5, k / 8]) for k in range(4, -1, -1)]
    features += [("other", [9, 9, 9]), ("b0", [7, 7, 7]), ("m0", [8, 8, 8])]
    return amazon_folder(tmp_path / "raw", reviews, categories, features)


def refused(folder: Path, data_dir: Path, match: str, **options: object) -> None:
    """See that an import fails with one line that says `match`, and leaves nothing behind."""
    before = sorted(data_dir.rglob("*"))
    with pytest.raises(BenchError, match=match) as caught:
        import_raw_amazon(
            folder,
            "w",
            data_dir,
            **({"part": "women", "options": SMALL} | options),  # type: ignore[arg-type]
        )
    assert "\n" not in str(caught.value)
    assert sorted(data_dir.rglob("*")) == before


def by_id(dataset: Dataset) -> dict[str, tuple[set[str], str, str]]:
    return {
        user: (
            {dataset.item_ids[i] for i in dataset.training.train.of(row)},
            dataset.item_ids[dataset.validation[row]],
            dataset.item_ids[dataset.test[row]],
        )
        for row, user in enumerate(dataset.user_ids)
    }


def test_a_small_set_by_hand(folder: Path, data_dir: Path) -> None:
    record = import_raw_amazon(folder, "w", data_dir, part="women", options=SMALL)
    dataset = open_dataset(data_dir / "w")
    verify(data_dir / "w")
    assert list(dataset.user_ids) == ["u0", "u1"]
    assert list(dataset.item_ids) == ["b0", "w0", "w1", "w2", "w3", "w4"]
    split = by_id(dataset)
    for user, items in (("u0", set(dataset.item_ids)), ("u1", set(dataset.item_ids) - {"w0"})):
        train, validation, test = split[user]
        assert train | {validation, test} == items
        assert len(train) == len(items) - 2
    features = dataset.training.need_features()
    assert features.dtype == np.float32
    assert features.tolist() == [[7, 7, 7]] + [[k, 0.5, k / 8] for k in range(5)]
    training = dataset.training
    assert training.categories is not None
    assert training.category_names == ("Clothing > Dresses", "Shoes > Boots")
    assert training.categories.tolist() == [0, 1, 0, 1, 0, 1]
    assert training.images is None
    assert (record.title, record.split_seed) == ("Amazon Women", 0)
    assert "academic research only" in record.licence
    assert record.feature_info is not None
    assert record.feature_info.kind == "published"
    assert record.report["metadata"] == {
        "lines_read": 10,
        "repeated_items": 0,
        "items_without_any_path": 0,
        "items_of_other_parts": 2,
        "items_of_this_part": 8,
    }
    assert record.report["reviews"] == {"lines_read": 23, "of_items_outside_this_part": 3}
    assert record.report["preprocessing"] == {
        "pairs_read": 20,
        "pairs_discarded_before_features": 3,
        "pairs_without_features": 1,
        "repeated_pairs_merged": 1,
        "users_read": 4,
        "users_discarded": 2,
        "items_read": 7,
        "items_discarded": 1,
        "items_without_training": int(np.count_nonzero(training.train.item_counts == 0)),
        "min_interactions": 5,
        "count_repeats": False,
    }
    assert record.report["features"]["items_without_features_ids"] == ["w5"]
    assert record.report["categories"]["items_in_several_categories"] == 0
    assert [path.name for path in data_dir.iterdir()] == ["w"]  # no scratch files


def test_the_earliest_time_is_stored(folder: Path, data_dir: Path) -> None:
    import_raw_amazon(folder, "w", data_dir, part="women", options=SMALL)
    dataset = open_dataset(data_dir / "w")
    table = pq.read_table(data_dir / "w" / "interactions.parquet").to_pylist()
    times = {
        (dataset.user_ids[row["user"]], dataset.item_ids[row["item"]]): row["timestamp"]
        for row in table
    }
    expected = {("u0", f"w{k}"): 100 + k for k in range(5)} | {("u0", "w0"): 7, ("u0", "b0"): 50}
    expected |= {("u1", f"w{k}"): 200 + k for k in range(1, 5)} | {("u1", "b0"): 20}
    assert times == expected


def test_options(folder: Path, data_dir: Path) -> None:
    options = RawOptions(feature_dims=3, feature_dtype="float16", min_interactions=3, seed=5)
    record = import_raw_amazon(
        folder, "w", data_dir, part="women", options=options, category_level=5, title="Hers"
    )
    assert record.n_users == 4
    assert record.feature_dtype == "float16"
    assert record.title == "Hers"
    assert "Shoes > Boots > Ankle" in record.category_names
    assert record.report["categories"]["items_above_category_level"] == 3  # the dresses
    assert "at least 3 distinct items" in record.split_rule
    assert record.split_seed == 5


def test_counting_repeats(folder: Path, data_dir: Path) -> None:
    """With six asked for, u0's six distinct items stay, and u1's five do once one is repeated."""
    six = RawOptions(feature_dims=3, min_interactions=6)
    assert import_raw_amazon(folder, "w", data_dir, part="women", options=six).n_users == 1
    edit_lines(folder / REVIEWS, lambda lines: [*lines, line("u1", "w1"), line("u2", "w0")])
    assert import_raw_amazon(folder, "v", data_dir, part="women", options=six).n_users == 1
    counted = RawOptions(feature_dims=3, min_interactions=6, count_repeats=True)
    record = import_raw_amazon(folder, "u", data_dir, part="women", options=counted)
    assert record.n_users == 2
    assert list(open_dataset(data_dir / "u").user_ids) == ["u0", "u1"]
    assert "6 pieces of feedback, repeats included" in record.split_rule


def test_line_order_and_packing_do_not_matter(folder: Path, data_dir: Path) -> None:
    first = import_raw_amazon(folder, "w", data_dir, part="women", options=SMALL)
    for name in (REVIEWS, META):
        edit_lines(folder / name, lambda lines: lines[::-1])
        path = folder / name
        path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
        path.unlink()
    again = import_raw_amazon(folder, "w", data_dir, part="women", options=SMALL, force=True)
    assert again.data_hash == first.data_hash
    assert again.split_hash == first.split_hash


def line(user: object, item: object, seconds: object = 1) -> str:
    return json.dumps({"reviewerID": user, "asin": item, "unixReviewTime": seconds})


def edit_lines(path: Path, change: Callable[[list[str]], list[str]]) -> None:
    lines = gzip.decompress(path.read_bytes()).decode().splitlines()
    path.write_bytes(gzip.compress("".join(f"{text}\n" for text in change(lines)).encode()))


@pytest.mark.parametrize(
    ("bad", "match"),
    [
        ("{'reviewerID': open('x')}", "the name 'open' is not a literal"),
        ('{"asin": "w1", "reviewerID": "u"', "neither JSON nor"),
        ('{"asin": "w1", "reviewerID": "u"}', "it has no 'unixReviewTime'"),
        ('{"asin": "w1", "unixReviewTime": 1}', "it has no 'reviewerID'"),
        (line("u", None), "'asin' is NoneType, not str"),
        (line("u", "w1", "1"), "'unixReviewTime' is str, not int"),
        (line("u", "w1", 2**63), "no time in seconds"),
        (line(" ", "w1"), "' ' is no id of a user"),
        (line("a\nb", "w1"), "is no id of a user"),
        ("[]", "it holds list, not a record"),
    ],
)
def test_bad_reviews(folder: Path, data_dir: Path, bad: str, match: str) -> None:
    edit_lines(folder / REVIEWS, lambda lines: [*lines[:3], bad, *lines[3:]])
    refused(folder, data_dir, rf"{REVIEWS}: line 4 cannot be used: .*{match}")


@pytest.mark.parametrize(
    ("bad", "match"),
    [
        ("{'categories': []}", "it has no 'asin'"),
        ("{'asin': 'w9', 'categories': 'Women'}", "not a list of lists"),
        ("{'asin': 'w9', 'categories': ['Women']}", "not a list of lists"),
        ("{'asin': 'w9', 'categories': [[1]]}", "not a list of lists"),
        ("{'asin': '', 'categories': []}", "'' is no id of an item"),
        ("{'asin': 'w9', 'categories': [[", "neither JSON nor"),
    ],
)
def test_bad_metadata(folder: Path, data_dir: Path, bad: str, match: str) -> None:
    edit_lines(folder / META, lambda lines: [lines[0], bad, *lines[1:]])
    refused(folder, data_dir, rf"{META}: line 2 cannot be used: .*{match}")


@pytest.mark.parametrize("name", [REVIEWS, META, FEATURES])
def test_broken_and_missing_files(folder: Path, data_dir: Path, name: str) -> None:
    path = folder / name
    content = path.read_bytes()
    path.write_bytes(content[:-3])
    refused(folder, data_dir, f"{name}.* cut off")
    path.write_bytes(b"")
    refused(folder, data_dir, f"{name} is empty")
    path.unlink()
    plain = name.removesuffix(".gz")
    refused(
        folder, data_dir, f"has no {plain} or {plain}.gz; it is published at https://.*/{name}$"
    )
    path.write_bytes(content)
    (folder / (plain if plain != name else f"{name}.gz")).write_bytes(content)
    refused(folder, data_dir, "has both")


def test_files_of_other_data(folder: Path, data_dir: Path) -> None:
    meta = (folder / META).read_bytes()
    literal_file(folder / META, [{"asin": "a", "categories": [["Books"]]}, {"asin": "b"}])
    refused(folder, data_dir, "none of 2 items has a category path that starts with")
    literal_file(folder / META, [{"asin": "zz", "categories": [DRESS]}])
    refused(folder, data_dir, "none of 23 reviews is of an item of this part")
    (folder / META).write_bytes(meta)
    refused(folder, data_dir, "too few users left: none of 3 has 5 items", part="men")
    refused(
        folder,
        data_dir,
        "none of 4 has 7 items; .*--min-interactions",
        options=RawOptions(feature_dims=3, min_interactions=7),
    )
    published = folder / FEATURES
    content = published.read_bytes()
    published.write_bytes(content[: 22 * 2])  # w4 and w3 only
    refused(folder, data_dir, f"none of 4 has 5 items whose features are in {FEATURES}")
    published.write_bytes(content[22 * 5 : 22 * 6])
    refused(folder, data_dir, "a row for none of the 7 items")
    published.write_bytes(content)
    refused(folder, data_dir, "read it with 3 dimensions", options=RawOptions())


def test_wrong_options(folder: Path, data_dir: Path) -> None:
    refused(folder, data_dir, "unknown part 'kids'", part="kids")
    refused(folder, data_dir, "choose 3 or more", category_level=2)
    refused(folder / "nowhere", data_dir, "no such folder")
    with pytest.raises(BenchError, match="at least 3 interactions"):
        RawOptions(min_interactions=2)
    import_raw_amazon(folder, "w", data_dir, part="women", options=SMALL)
    refused(folder, data_dir, "--force replaces it")


def test_an_interrupt_leaves_nothing(
    folder: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(published_features, "_rows", interrupt)
    with pytest.raises(KeyboardInterrupt):
        import_raw_amazon(folder, "w", data_dir, part="women", options=SMALL)
    assert list(data_dir.iterdir()) == []


@pytest.mark.parametrize("part", ["women", "men"])
def test_published_files(shared_data: Path, data_dir: Path, part: str) -> None:
    """The whole route on the original layouts, against a reading in plain Python."""
    source = shared_data / "published"
    record = import_raw_amazon(source, part, data_dir, part=part)  # type: ignore[arg-type]
    dataset = open_dataset(data_dir / part)
    second = part.capitalize()
    rows = {}
    content = (source / FEATURES).read_bytes()
    for start in range(0, len(content), 16394):
        item = content[start : start + 10].decode().strip()
        rows[item] = np.frombuffer(content[start + 10 : start + 16394], "<f4")
    category = {}
    for text in gzip.decompress((source / META).read_bytes()).decode().splitlines():
        item = ast.literal_eval(text)
        for path in item["categories"]:
            if path[:2] == [ROOT, second]:
                category.setdefault(item["asin"], " > ".join(path[2:4]))
    bought = defaultdict(dict)
    for text in gzip.decompress((source / REVIEWS).read_bytes()).decode().splitlines():
        review = json.loads(text)
        item, time = review["asin"], review["unixReviewTime"]
        if item in rows and item in category:
            mine = bought[review["reviewerID"]]
            mine[item] = min(time, mine.get(item, time))
    active = {user: items for user, items in bought.items() if len(items) >= 5}
    assert len(active) > 10
    split = by_id(dataset)
    assert {u: train | {v, t} for u, (train, v, t) in split.items()} == {
        user: set(items) for user, items in active.items()
    }
    assert all(len(train) == len(active[user]) - 2 for user, (train, _, _) in split.items())
    assert list(dataset.item_ids) == sorted({item for items in active.values() for item in items})
    features, categories = dataset.training.need_features(), dataset.training.categories
    assert categories is not None
    for k, item in enumerate(dataset.item_ids):
        assert np.array_equal(features[k], rows[item])
        assert dataset.training.category_names[categories[k]] == category[item]
    table = pq.read_table(data_dir / part / "interactions.parquet").to_pylist()
    for row in table:
        user, item = dataset.user_ids[row["user"]], dataset.item_ids[row["item"]]
        assert row["timestamp"] == active[user][item]
    assert len(table) == sum(map(len, active.values())) == record.n_interactions
    assert read_record(data_dir / part) == record
    shutil.rmtree(data_dir / part)
    assert import_raw_amazon(source, part, data_dir, part=part).data_hash == record.data_hash  # type: ignore[arg-type]
