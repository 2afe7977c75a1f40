import dataclasses

import numpy as np
import pytest

from bench.datasets.dataset import Dataset
from bench.errors import BenchError
from bench.report.recommendation_sheet import _COLOURS, recommendation_sheet
from bench.report.recommendations import Rank, Recommendations, find_user, recommend, to_text


@pytest.fixture
def scores(toy_dataset: Dataset) -> np.ndarray:
    """Scores with many ties."""
    drawn = np.random.default_rng(1).integers(12, size=(toy_dataset.n_users, toy_dataset.n_items))
    return drawn.astype(np.float32)


def picks(dataset: Dataset, user: int, row: np.ndarray, top: int = 10) -> Recommendations:
    return recommend(dataset, user, row, label="M", seed=0, top=top)


def test_ranks_agree_with_counting_by_hand(toy_dataset: Dataset, scores: np.ndarray) -> None:
    for user in range(toy_dataset.n_users - 1):
        own = {int(item) for item in toy_dataset.training.train.of(user)}
        test, validation = int(toy_dataset.test[user]), int(toy_dataset.validation[user])
        row = scores[user]
        others = [i for i in range(60) if i not in own and i not in (test, validation)]
        rank = picks(toy_dataset, user, row).rank
        assert rank is not None
        assert rank.n_negatives == len(others)
        assert rank.n_greater == sum(row[i] > row[test] for i in others)
        assert rank.n_equal == sum(row[i] == row[test] for i in others)
        assert rank.auc == pytest.approx(np.mean([row[i] < row[test] for i in others]))


def test_the_best_items_that_are_not_in_training(toy_dataset: Dataset, scores: np.ndarray) -> None:
    own = {int(item) for item in toy_dataset.training.train.of(4)}
    row = scores[4]
    ordered = sorted((i for i in range(60) if i not in own), key=lambda i: (-row[i], i))
    found = picks(toy_dataset, 4, row)
    assert found.items.tolist() == ordered[:10]
    np.testing.assert_array_equal(found.scores, row[ordered[:10]])
    assert len(picks(toy_dataset, 4, row, top=500).items) == len(ordered)


def test_a_user_without_held_out_items(toy_dataset: Dataset, scores: np.ndarray) -> None:
    last = toy_dataset.n_users - 1
    found = picks(toy_dataset, last, scores[last])
    assert found.rank is None
    assert "no test item" in to_text(toy_dataset, last, [found])
    assert recommendation_sheet(toy_dataset, last, [found]).width > 0


@pytest.mark.parametrize(
    ("rank", "text"),
    [
        (Rank(0, 0, 9), "1 of 10"),
        (Rank(4, 0, 2000), "5 of 2,001"),
        (Rank(4, 2, 9), "5 to 7 of 10"),
    ],
)
def test_a_rank_in_words(rank: Rank, text: str) -> None:
    assert str(rank) == text


def test_the_text_marks_what_was_held_out(toy_dataset: Dataset) -> None:
    row = np.zeros(60, np.float32)
    row[toy_dataset.test[3]], row[toy_dataset.validation[3]] = 2.0, 1.0
    text = to_text(toy_dataset, 3, [picks(toy_dataset, 3, row, top=3)])
    lines = text.splitlines()
    assert lines[0] == "toy, user u3: bought"
    assert "M (seed 0): test item at rank 1 of" in text
    best = [line.split() for line in lines if line.startswith(("1 ", "2 "))]
    assert best[0] == ["1", f"i{toy_dataset.test[3]}", "red", "2", "test"]
    assert best[1] == ["2", f"i{toy_dataset.validation[3]}", "red", "1", "validation"]
    for item in toy_dataset.training.train.of(3):
        assert f"i{item} " in text


def test_a_data_set_without_categories(toy_dataset: Dataset, scores: np.ndarray) -> None:
    training = dataclasses.replace(toy_dataset.training, categories=None, category_names=())
    plain = dataclasses.replace(toy_dataset, training=training)
    assert "M (seed 0)" in to_text(plain, 0, [picks(plain, 0, scores[0])])


def test_users_by_id(toy_dataset: Dataset) -> None:
    assert find_user(toy_dataset, "u17") == 17
    with pytest.raises(BenchError, match=r"unknown user 'u177' of toy: did you mean 'u17'\?"):
        find_user(toy_dataset, "u177")
    with pytest.raises(BenchError, match=r"toy: it has 40 users, among them 'u0', 'u1', 'u2'"):
        find_user(toy_dataset, "###")


def frames(image: np.ndarray, part: str) -> np.ndarray:
    return (image == np.array(_COLOURS[part], np.uint8)).all(axis=2)


def test_the_picture_shows_each_item_and_frames_the_held_out_ones(toy_dataset: Dataset) -> None:
    """Every product of the toy set has one strongest channel, its category's."""
    test = int(toy_dataset.test[3])
    row = np.zeros(60, np.float32)
    row[test] = 1.0
    found = picks(toy_dataset, 3, row, top=8)
    without = np.full(60, 1.0, np.float32)
    without[test] = 0.0
    missed = picks(toy_dataset, 3, without, top=8)
    image = np.asarray(recommendation_sheet(toy_dataset, 3, [found, missed], pixels=64))
    gap, label = 5, 22  # of 64 pixels
    step = label + 64 + 2 * gap

    def tile(row: int, column: int) -> np.ndarray:
        top, left = 2 * gap + row * step + label, 2 * gap + column * (64 + gap)
        return image[top + 8 : top + 56, left + 8 : left + 56]

    for place, model in enumerate((found, missed), start=1):
        for column, item in enumerate(model.items):
            strongest = tile(place, column).astype(int).sum(axis=(0, 1)).argmax()
            assert strongest == item % 3
    framed = frames(image, "test")
    rows = np.flatnonzero(framed.any(axis=1))
    # In the first row (what she bought), in the hit's row, in the legend; not in the miss's.
    assert framed[: 2 * gap + step].any()
    hit = framed[2 * gap + step : 2 * gap + 2 * step]
    assert hit.any()
    assert np.flatnonzero(hit.any(axis=0)).max() < 2 * gap + 64 + gap
    assert not framed[2 * gap + 2 * step + label : 2 * gap + 3 * step - 2 * gap].any()
    assert rows.max() > 2 * gap + 3 * step
    assert frames(image, "validation")[: 2 * gap + step].any()


def test_long_names_stay_inside_the_picture(toy_dataset: Dataset, scores: np.ndarray) -> None:
    ids = ["x" * 400, *toy_dataset.user_ids[1:]]
    long = dataclasses.replace(toy_dataset, user_ids=ids)
    model = dataclasses.replace(picks(long, 0, scores[0]), label="M" * 300)
    image = np.asarray(recommendation_sheet(long, 0, [model], pixels=48))
    margin = 8  # twice the gap of 4
    assert (image[:, -margin:] == 255).all() or not frames(image, "test")[:, -margin:].any()
    assert (image[:, -margin + 1 :] == 255).all()


def test_a_large_user_shows_some_of_what_she_bought(
    toy_dataset: Dataset, scores: np.ndarray
) -> None:
    user = int(np.argmax(np.diff(toy_dataset.training.train.indptr)))
    wide = recommendation_sheet(toy_dataset, user, [picks(toy_dataset, user, scores[user])])
    few = recommendation_sheet(toy_dataset, user, [picks(toy_dataset, user, scores[user], top=1)])
    assert few.width < wide.width


def test_no_images_no_picture(toy_dataset: Dataset) -> None:
    training = dataclasses.replace(toy_dataset.training, images=None)
    with pytest.raises(BenchError, match="no images to draw"):
        recommendation_sheet(dataclasses.replace(toy_dataset, training=training), 0, [])
