import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from bench.datasets.dataset import NO_ITEM, Dataset, Images, Interactions, TrainingSet, split_hash
from bench.errors import BenchError, HeldOutError

N_USERS, N_ITEMS = 4, 5
pairs_strategy = st.lists(
    st.tuples(st.integers(0, N_USERS - 1), st.integers(0, N_ITEMS - 1)), max_size=40
)


def build(pairs: list[tuple[int, int]]) -> Interactions:
    rows = np.array(pairs, np.int64).reshape(-1, 2)
    return Interactions.from_pairs(rows[:, 0], rows[:, 1], n_users=N_USERS, n_items=N_ITEMS)


def small(
    validation: tuple[int, ...] = (1, -1), test: tuple[int, ...] = (2, 0), n_items: int = 3
) -> Dataset:
    train = Interactions.from_pairs(np.array([0, 1]), np.array([0, 1]), n_users=2, n_items=n_items)
    return Dataset(
        training=TrainingSet(name="small", train=train),
        validation=np.array(validation, np.int32),
        test=np.array(test, np.int32),
        user_ids=["a", "b"],
        item_ids=[str(k) for k in range(n_items)],
        data_hash="",
        split_hash="",
        split_rule="",
    )


@settings(deadline=None)
@given(pairs=pairs_strategy)
def test_interactions_equal_sets(pairs: list[tuple[int, int]]) -> None:
    interactions, unique = build(pairs), set(pairs)
    assert interactions.n_users == N_USERS
    assert interactions.n_pairs == len(unique)
    for user in range(N_USERS):
        assert interactions.of(user).tolist() == sorted(i for u, i in unique if u == user)
    assert list(zip(interactions.users, interactions.indices, strict=True)) == sorted(unique)
    assert interactions.item_counts.tolist() == [
        sum(i == item for _, i in unique) for item in range(N_ITEMS)
    ]
    grid = interactions.contains(np.arange(N_USERS)[:, None], np.arange(N_ITEMS))
    assert grid.shape == (N_USERS, N_ITEMS)
    assert set(zip(*map(np.ndarray.tolist, np.nonzero(grid)), strict=True)) == unique
    dense = interactions.matrix().toarray()
    assert dense.dtype == np.float32
    assert (dense == grid).all()


@settings(deadline=None)
@given(pairs=pairs_strategy, more=st.lists(st.integers(-1, N_ITEMS - 1), min_size=4, max_size=4))
def test_with_pairs_is_a_union_that_skips_no_item(
    pairs: list[tuple[int, int]], more: list[int]
) -> None:
    union = build(pairs).with_pairs(np.arange(N_USERS), np.array(more))
    expected = set(pairs) | {(u, i) for u, i in enumerate(more) if i != NO_ITEM}
    assert set(zip(union.users.tolist(), union.indices.tolist(), strict=True)) == expected


@pytest.mark.parametrize(
    ("users", "items", "match"),
    [
        ([0], [0, 1], "1 users do not pair with 2 items"),
        ([2], [0], r"user numbers must lie in 0\.\.1"),
        ([-1], [0], r"user numbers must lie in 0\.\.1"),
        ([0], [3], r"item numbers must lie in 0\.\.2"),
    ],
)
def test_numbers_out_of_range(users: list[int], items: list[int], match: str) -> None:
    with pytest.raises(BenchError, match=match):
        Interactions.from_pairs(np.array(users), np.array(items), n_users=2, n_items=3)


def test_known_is_the_union_of_the_parts_without_repeats() -> None:
    # User 1's test item 1 repeats a training item, as a tenth of Tradesy's do.
    dataset = small(test=(2, 1))
    assert [dataset.known.of(u).tolist() for u in (0, 1)] == [[0, 1, 2], [1]]
    assert dataset.n_interactions == 4


@pytest.mark.parametrize("part", ["validation", "test"])
def test_held_out_items_are_checked(part: str) -> None:
    with pytest.raises(BenchError, match=f"{part} must hold one item per user"):
        small(**{part: (1,)})  # type: ignore[arg-type]
    for items in ((3, 0), (0, -2)):
        with pytest.raises(BenchError, match=rf"{part} items must lie in -1\.\.2"):
            small(**{part: items})  # type: ignore[arg-type]


def test_training_code_may_not_read_held_out_items() -> None:
    training = small().training
    with pytest.raises(HeldOutError, match="may not read the validation items; use watch"):
        _ = training.validation
    with pytest.raises(HeldOutError, match="may not read the test items"):
        _ = training.test
    assert "test" not in vars(training)


def test_what_a_data_set_offers() -> None:
    training = small().training
    assert training.offers == frozenset()
    with pytest.raises(BenchError, match="small has no features"):
        training.need_features()
    rich = TrainingSet(
        name="rich",
        train=training.train,
        features=np.zeros((3, 1), np.float32),
        images=Images([b""] * 3),
    )
    assert rich.offers == {"features", "images"}
    assert rich.need_features().shape == (3, 1)


def test_the_split_hash_tells_the_parts_apart() -> None:
    dataset = small()
    train, a, b = dataset.training.train, dataset.validation, dataset.test
    assert split_hash(train, a, b) == split_hash(train, a.copy(), b.copy())
    assert split_hash(train, a, b) != split_hash(train, b, a)


@pytest.mark.parametrize(
    ("form", "mode"),
    [("JPEG", "L"), ("JPEG", "RGB"), ("JPEG", "CMYK"), ("PNG", "P"), ("PNG", "RGBA"), ("GIF", "P")],
)
def test_images_of_any_kind_decode_to_rgb(form: str, mode: str) -> None:
    buffer = io.BytesIO()
    Image.new("L", (3, 2), 255).convert("RGB").convert(mode).save(buffer, form)
    images = Images([b"", buffer.getvalue()])
    assert len(images) == 2
    decoded = images.decoded(1)
    assert (decoded.mode, decoded.size) == ("RGB", (3, 2))
    assert decoded.getpixel((0, 0)) == (255, 255, 255)


class TestRepeats:
    @pytest.fixture
    def dataset(self) -> Dataset:
        # User 0 repeats an item in validation, 1 in test, 2 in neither, 3 has nothing held out.
        train = Interactions.from_pairs(
            np.array([0, 0, 1, 2, 3]), np.array([0, 1, 2, 0, 4]), n_users=4, n_items=5
        )
        validation = np.array([1, 0, 1, NO_ITEM], np.int32)
        test = np.array([3, 2, 3, NO_ITEM], np.int32)
        return Dataset(
            training=TrainingSet(name="r", train=train),
            validation=validation,
            test=test,
            user_ids=list("abcd"),
            item_ids=list("vwxyz"),
            data_hash="d",
            split_hash=split_hash(train, validation, test),
            split_rule="by hand",
        )

    def test_are_found_in_either_part(self, dataset: Dataset) -> None:
        assert dataset.repeats.tolist() == [True, True, False, False]

    def test_are_counted_once_and_are_no_negatives(self, dataset: Dataset) -> None:
        assert dataset.n_interactions == 3 + 2 + 3 + 1
        assert dataset.known.of(1).tolist() == [0, 2]

    def test_left_out_they_are_trained_on_and_not_evaluated(self, dataset: Dataset) -> None:
        rest = dataset.without_repeats()
        assert rest.training is dataset.training
        assert rest.validation.tolist() == [NO_ITEM, NO_ITEM, 1, NO_ITEM]
        assert rest.test.tolist() == [NO_ITEM, NO_ITEM, 3, NO_ITEM]
        assert not rest.repeats.any()
        assert rest.test.dtype == np.int32
        # The others' negatives are what they were.
        assert rest.known.of(2).tolist() == dataset.known.of(2).tolist()
        assert rest.split_hash == dataset.split_hash
