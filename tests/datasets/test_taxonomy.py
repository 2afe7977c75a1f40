import numpy as np
import pytest

from bench.datasets.taxonomy import (
    CLOTHING_ROOT,
    NO_CATEGORY,
    categories_at,
    category_counts,
    check_level,
    is_under,
)
from bench.errors import BenchError

ROOT = CLOTHING_ROOT
DRESS = [ROOT, "Women", "Clothing", "Dresses", "Casual"]
SKIRT = [ROOT, "Women", "Clothing", "Skirts"]
SHOE = [ROOT, "Women", "Shoes"]
ACTIVE = [ROOT, "Women", "Clothing", "Active"]
ACTIVE_SHOE = [ROOT, "Women", "Shoes", "Active"]
MAN = [ROOT, "Men", "Clothing", "Shirts"]
TOY = ["Toys", "Women", "Clothing", "Dolls"]


def named(paths: list[list[list[str]]], **options: object) -> list[str]:
    names, codes = categories_at(paths, **options)  # type: ignore[arg-type]
    assert codes.dtype == np.int16
    assert set(codes.tolist()) == set(range(len(names)))
    return [names[code] for code in codes]


def test_the_fourth_node_by_default() -> None:
    assert named([[DRESS], [SKIRT], [DRESS]]) == [
        "Clothing > Dresses",
        "Clothing > Skirts",
        "Clothing > Dresses",
    ]
    assert categories_at([[SKIRT], [DRESS]])[0] == ("Clothing > Dresses", "Clothing > Skirts")


def test_levels() -> None:
    assert named([[DRESS], [SHOE]], level=3) == ["Clothing", "Shoes"]
    assert named([[DRESS], [SKIRT]], level=5) == [
        "Clothing > Dresses > Casual",
        "Clothing > Skirts",
    ]


def test_a_short_path_gives_its_deepest_node() -> None:
    assert named([[SHOE]]) == ["Shoes"]
    # A longer path beats an earlier short one, and reaching the level beats everything.
    assert named([[SHOE, SKIRT, DRESS]]) == ["Clothing > Skirts"]
    assert named([[SHOE, SKIRT, DRESS]], level=5) == ["Clothing > Dresses > Casual"]
    assert named([[SHOE, SKIRT]], level=5) == ["Clothing > Skirts"]


def test_same_name_in_two_places_is_two_categories() -> None:
    assert named([[ACTIVE], [ACTIVE_SHOE]]) == ["Clothing > Active", "Shoes > Active"]


def test_other_roots_and_second_nodes_do_not_count() -> None:
    assert named([[MAN, DRESS], [TOY, SKIRT]]) == ["Clothing > Dresses", "Clothing > Skirts"]
    assert named([[MAN, DRESS]], second="Men") == ["Clothing > Shirts"]


def test_items_without_a_category_come_last() -> None:
    paths: list[list[list[str]]] = [[], [MAN], [DRESS], [[ROOT, "Women"]], [[]], [[ROOT]]]
    names, codes = categories_at(paths)
    assert names == ("Clothing > Dresses", NO_CATEGORY)
    assert codes.tolist() == [1, 1, 0, 1, 1, 1]


def test_no_items() -> None:
    names, codes = categories_at([])
    assert names == ()
    assert codes.shape == (0,)


def test_counts() -> None:
    paths = [[DRESS, SKIRT], [DRESS, DRESS], [SHOE], [SHOE, SKIRT], [MAN], []]
    assert category_counts(paths) == {
        "category_level": 4,
        "items_without_category": 2,
        "items_above_category_level": 1,
        "items_in_several_categories": 1,
    }


def test_membership() -> None:
    assert is_under([MAN, DRESS], ROOT, "Women")
    assert is_under([MAN, DRESS], ROOT, "Men")
    assert not is_under([TOY, [ROOT], []], ROOT, "Women")


@pytest.mark.parametrize("level", [2, 0, -1])
def test_levels_all_items_share_are_refused(level: int) -> None:
    with pytest.raises(BenchError, match="choose 3 or more"):
        check_level(level)
    with pytest.raises(BenchError, match="choose 3 or more"):
        categories_at([[DRESS]], level=level)


def test_too_many_categories() -> None:
    paths = [[[ROOT, "Women", str(k)]] for k in range(2**15)]
    with pytest.raises(BenchError, match="too many"):
        categories_at(paths)
