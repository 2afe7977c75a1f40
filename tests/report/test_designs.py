"""Designs and tailored images as text and as pictures."""

import dataclasses

import numpy as np
import pytest

from bench.datasets.dataset import NO_ITEM, Dataset
from bench.errors import BenchError
from bench.evaluation.retrieval import Retrieved
from bench.generator import Designs, Tailored
from bench.report.design_sheet import design_sheet, tailor_sheet
from bench.report.designs import designs_to_text, tailored_to_text
from bench.report.recommendations import find_item

RED, GREEN = (200, 20, 20), (20, 200, 20)


def flat(*colours: tuple[int, int, int], side: int = 16) -> np.ndarray:
    """Images of one colour each."""
    return np.stack([np.full((side, side, 3), colour, dtype=np.uint8) for colour in colours])


def retrieved(items: list[int], scores: list[float]) -> Retrieved:
    return Retrieved(items=np.array([items]), scores=np.array([scores], dtype=np.float32))


def designs(scores: list[float]) -> Designs:
    values = np.array([scores], dtype=np.float32)
    return Designs(
        images=flat(RED, GREEN, RED)[None, : len(scores)],
        scores=values,
        objective=values - 0.25,
        codes=np.zeros((1, len(scores), 2), dtype=np.float32),
    )


TAILORED = Tailored(
    prototypes=flat(GREEN),
    prototype_scores=np.array([-1.5], dtype=np.float32),
    iterates=flat(GREEN, GREEN, RED)[None],
    scores=np.array([[-1.25, 0.5, 2.0]], dtype=np.float32),
    codes=np.zeros((1, 3, 2), dtype=np.float32),
    l1=np.array([0.1], dtype=np.float32),
    steps=(0, 10, 50),
)


def test_scores_side_by_side(toy_dataset: Dataset) -> None:
    own, test = int(toy_dataset.training.train.of(3)[0]), int(toy_dataset.test[3])
    text = designs_to_text(
        toy_dataset,
        3,
        "red",
        retrieved([own, test, 57], [3, 2, 1]),
        designs([4.0, 3.0, 2.0]),
        how="DVBPR, LSGAN",
    )
    lines = [line.split() for line in text.splitlines()]
    assert text.startswith("toy, user u3, red: DVBPR, LSGAN\n")
    assert ["1", f"i{own}", "3", "bought"] in lines
    assert ["2", f"i{test}", "2", "test"] in lines
    assert ["3", "i57", "1"] in lines
    assert ["1", "4", "3.75"] in lines
    assert "Mean preference: designed 3, real 2, difference +1 (+50.0%)" in text


def test_no_share_of_a_mean_below_zero(toy_dataset: Dataset) -> None:
    found = designs([1.0])
    text = designs_to_text(toy_dataset, 3, "red", retrieved([0], [-2]), found, how="")
    assert text.endswith("Mean preference: designed 1, real -2, difference +3\n")


@pytest.mark.parametrize(
    ("items", "note"),
    [
        ([5, NO_ITEM, NO_ITEM], "red: its only item shown"),
        ([5, 6, NO_ITEM], "red: all of its 2 items shown"),
        ([NO_ITEM] * 3, "red has no items"),
    ],
)
def test_small_categories(toy_dataset: Dataset, items: list[int], note: str) -> None:
    scores = [float("nan") if item == NO_ITEM else 1.0 for item in items]
    found = designs([1.0, 1.0, 1.0])
    text = designs_to_text(toy_dataset, 3, "red", retrieved(items, scores), found, how="")
    assert note in text
    assert "nan" not in text
    assert design_sheet(toy_dataset, 3, "red", retrieved(items, scores), found).width > 0


def test_real_items_above_designed_ones(toy_dataset: Dataset) -> None:
    """Every product of the toy set has one strongest channel: here green and blue are real."""
    found = retrieved([1, 2, 4], [3, 2, 1])
    sheet = design_sheet(toy_dataset, 3, "red", found, designs([4.0, 3.0, 2.0]), pixels=64)
    image = np.asarray(sheet)
    gap, label, captions = 5, 22, 12  # of 64 pixels; no item is her own, so one line each
    step = label + 64 + captions + 2 * gap

    def tile(row: int, column: int) -> np.ndarray:
        top, left = 2 * gap + row * step + label, 2 * gap + column * (64 + gap)
        return image[top : top + 64, left : left + 64]

    def below(row: int, column: int) -> np.ndarray:
        top, left = 2 * gap + row * step + label + 64, 2 * gap + column * (64 + gap)
        return image[top : top + captions, left : left + 64]

    strongest = [[tile(r, c).astype(int).sum((0, 1)).argmax() for c in range(3)] for r in range(2)]
    assert strongest == [[1, 2, 1], [0, 1, 0]]
    assert (tile(1, 1)[8:-8, 8:-8] == GREEN).all()
    for row in range(2):
        for column in range(3):
            assert below(row, column).min() < 120  # a score is written there
        assert below(row, 3).min() == 255
    assert image.shape[0] == 4 * gap + 2 * step


def test_the_way_of_a_tailored_image(toy_dataset: Dataset) -> None:
    text = tailored_to_text(toy_dataset, 3, "red", "item i5", TAILORED, how="DVBPR")
    lines = [line.split() for line in text.splitlines()]
    assert text.startswith("toy, user u3, item i5 (red): DVBPR\n")
    for line in (["prototype", "-1.5"], ["approximation", "-1.25"], ["after", "50", "steps", "2"]):
        assert line in lines
    assert "12.8 of 255 levels away" in text
    assert "the last image's preference, less the prototype's: +3.5" in text
    image = np.asarray(tailor_sheet(toy_dataset, 3, "red", "item i5", TAILORED, pixels=64))
    row = image[10 + 22 + 32, 10 + 32 :: 64 + 5]  # the middle of each picture
    assert row[:4].tolist() == [list(GREEN), list(GREEN), list(GREEN), list(RED)]


def test_no_images_no_picture(toy_dataset: Dataset) -> None:
    training = dataclasses.replace(toy_dataset.training, images=None)
    bare = dataclasses.replace(toy_dataset, training=training)
    with pytest.raises(BenchError, match="toy has no images to draw"):
        design_sheet(bare, 0, "red", retrieved([0], [1]), designs([1.0]))


def test_items_by_id(toy_dataset: Dataset) -> None:
    assert find_item(toy_dataset, "i17") == 17
    with pytest.raises(BenchError, match=r"unknown item 'i177' of toy: did you mean 'i17'\?"):
        find_item(toy_dataset, "i177")
