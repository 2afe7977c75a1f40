"""Which points a grid has, and in which order."""

import itertools
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest

from baselines.poprank import PopRank
from bench.errors import BenchError
from bench.experiment.tuning.grid import Product, RefusedPointError, grid_points
from bench.experiment.tuning.search import SearchOptions
from bench.registry import Registry

REGULARISERS = (0.0, 0.001, 0.01, 0.1, 1.0, 10.0, 30.0)
PAPERS = {(factors, weight) for factors in (10, 30, 50) for weight in REGULARISERS}


@pytest.mark.parametrize("name", ["warp", "bpr-mf", "fm", "vbpr"])
def test_the_paper_s_grid(name: str) -> None:
    """Section IV-B; VBPR's factors are latent and visual ones, half each."""
    points = grid_points(Registry().recommender(name), pinned={})
    assert len(points) == 21
    searched = {
        (p.params.factors + getattr(p.params, "visual_factors", 0), p.params.regularization)
        for p in points
    }
    assert searched == PAPERS
    if name == "vbpr":
        assert {p.params.factors - p.params.visual_factors for p in points} == {0}


def combinations(grid: dict[str, tuple[object, ...]], **how: Any) -> list[dict[str, object]]:
    product = Product(grid, **how)
    return [product[number] for number in range(product.size)]


def test_every_combination_once_in_the_grid_s_order() -> None:
    grid: dict[str, tuple[object, ...]] = {"a": (3, 1), "b": ("x", "y"), "c": (True,)}
    points = [tuple(values.values()) for values in combinations(grid)]
    assert points == list(itertools.product(*grid.values()))
    assert len(points) == Product(grid).size == 4


def test_tied_parameters_move_together() -> None:
    grid: dict[str, tuple[object, ...]] = {"a": (1, 2), "x": (0, 9), "b": (10, 20)}
    points = combinations(grid, tied=[("a", "b")])
    assert points == [
        {"a": 1, "b": 10, "x": 0},
        {"a": 1, "b": 10, "x": 9},
        {"a": 2, "b": 20, "x": 0},
        {"a": 2, "b": 20, "x": 9},
    ]


def test_a_pinned_parameter_is_not_searched_and_unties_the_others() -> None:
    vbpr = Registry().recommender("vbpr")
    points = grid_points(vbpr, pinned={"factors": "7", "epochs": "3"})
    assert len(points) == 21
    assert {p.params.factors for p in points} == {7}
    assert {p.params.epochs for p in points} == {3}
    assert {p.params.visual_factors for p in points} == {5, 15, 25}
    assert all("factors" not in p.values for p in points)
    everything = dict.fromkeys(("factors", "visual_factors", "regularization"), "1")
    (only,) = grid_points(vbpr, pinned=everything)
    assert only.values == {}


def test_own_grids_are_joined_and_repeats_dropped() -> None:
    vbpr = Registry().recommender("vbpr")
    own = [{"factors": (1, 2), "epochs": (4,)}, {"epochs": (4,), "factors": (2, 3)}]
    points = grid_points(vbpr, pinned={}, own=own)
    assert [p.params.factors for p in points] == [1, 2, 3]
    own = [{"epochs": (4,)}, {"factors": (7,)}, {"factors": (10,), "epochs": (50,)}]
    points = grid_points(vbpr, pinned={}, own=own)
    # What a grid does not vary has its default: the last point is the second's.
    defaults = {"epochs": 50, "factors": 10}
    assert [p.values for p in points] == [
        defaults | {"epochs": 4},
        defaults | {"factors": 7},
        defaults,
    ]


@dataclass(frozen=True, kw_only=True)
class Odd:
    factors: int

    def __post_init__(self) -> None:
        if self.factors % 2 == 0:
            raise ValueError("factors must be odd")


class NeedsOdd(PopRank):
    name = "needs-odd"
    Params: ClassVar[type[Any]] = Odd
    grid: ClassVar[dict[str, tuple[object, ...]]] = {"factors": (3, 5)}


def test_a_parameter_without_a_default_may_come_from_the_grid() -> None:
    assert [p.params.factors for p in grid_points(NeedsOdd, pinned={})] == [3, 5]


@pytest.mark.parametrize(
    ("own", "pinned", "message"),
    [
        ([{"factors": (3, 4)}], {}, "needs-odd: factors must be odd"),
        ([{}], {}, "needs-odd has nothing to tune"),
        (None, {"factrs": "3"}, "did you mean 'factors'"),
    ],
)
def test_what_cannot_be_searched_is_told(own: Any, pinned: dict[str, str], message: str) -> None:
    with pytest.raises(BenchError, match=message):
        grid_points(NeedsOdd, pinned=pinned, own=own)


def test_a_recommender_without_hyper_parameters_has_nothing_to_tune() -> None:
    with pytest.raises(BenchError, match="rand has nothing to tune"):
        grid_points(Registry().recommender("rand"), pinned={})


def test_random_search_makes_the_points_it_draws_and_no_others() -> None:
    """Of a grid that no memory holds."""
    vbpr = Registry().recommender("vbpr")
    many = tuple(range(1, 100_001))
    own = [{"factors": many, "visual_factors": many, "epochs": many, "batch_size": many}] * 2
    few, more = (
        grid_points(vbpr, pinned={}, own=own, options=SearchOptions(kind="random", trials=n))
        for n in (3, 20)
    )
    assert (len(few), len(more)) == (3, 20)
    assert {repr(point) for point in few} < {repr(point) for point in more}


def test_what_is_drawn_stands_once_in_the_grid_s_order() -> None:
    own = [{"factors": (3, 5, 7)}, {"factors": (7, 5, 9)}]
    points = grid_points(
        NeedsOdd, pinned={}, own=own, options=SearchOptions(kind="random", trials=4)
    )
    assert [point.params.factors for point in points] == [3, 5, 7, 9]


@dataclass(frozen=True, kw_only=True)
class Pair:
    needed: int
    low: int = 0
    high: int = 9

    def __post_init__(self) -> None:
        if self.low < 0:
            raise ValueError("low must be at least 0")
        if self.low > self.high:
            raise ValueError("low must not be above high")


class NeedsPair(PopRank):
    name = "needs-pair"
    Params: ClassVar[type[Any]] = Pair


@pytest.mark.parametrize(
    ("grid", "name"),
    [({"high": (3,), "low": (1, -1)}, "low"), ({"low": (5,), "high": (9, 3)}, None)],
)
def test_a_refused_value_is_named_where_it_is_one(
    grid: dict[str, tuple[object, ...]], name: str | None
) -> None:
    own = [{"needed": (1,)}, {"needed": (1,), **grid}]
    with pytest.raises(RefusedPointError, match="needs-pair: low must") as caught:
        grid_points(NeedsPair, pinned={}, own=own)
    assert (caught.value.part, caught.value.name) == (1, name)
