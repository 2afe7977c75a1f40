"""The points of a search: every combination of a grid's values, in the grid's order."""

import itertools
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.errors import BenchError
from bench.recommender import Recommender, build_params, parse_values

__all__ = ["Point", "combinations", "grid_points"]

Values = Mapping[str, object]


@dataclass(frozen=True)
class Point:
    """Hyper-parameters to be tried.

    Attributes
    ----------
    values
        Those of the grid, by name; every point of a search has the same names.
    params
        All of them, as the recommender's `Params`.
    """

    values: Values
    params: Any


def combinations(
    grid: Mapping[str, Sequence[object]],
    *,
    tied: Sequence[Sequence[str]] = (),
    pinned: Collection[str] = (),
) -> Iterator[dict[str, object]]:
    """Give every combination of a grid's values; the last parameter varies fastest.

    Parameters
    ----------
    grid
        Parameter to values.
    tied
        Groups of parameters that move together, see `Recommender.tied`.
    pinned
        Parameters that are not varied.
    """
    free = {name: values for name, values in grid.items() if name not in pinned}
    axes: list[list[dict[str, object]]] = []
    placed: set[str] = set()
    for name in free:
        if name in placed:
            continue
        group = next(([n for n in names if n in free] for names in tied if name in names), [name])
        placed.update(group)
        together = zip(*(free[member] for member in group), strict=True)
        axes.append([dict(zip(group, values, strict=True)) for values in together])
    for chosen in itertools.product(*axes):
        yield {name: value for part in chosen for name, value in part.items()}


def grid_points(
    recommender: type[Recommender],
    *,
    pinned: Mapping[str, str],
    own: Sequence[Mapping[str, Sequence[object]]] | None = None,
) -> tuple[Point, ...]:
    """Give the points of a recommender's grid, each once.

    Parameters
    ----------
    recommender
        Whose grid it is.
    pinned
        Hyper-parameters given as text, which are not searched.
    own
        Grids to search one after the other instead of the recommender's; none of them is tied.

    Raises
    ------
    BenchError
        There is no grid, a pinned setting is wrong, or a combination is none that the recommender
        takes.
    """
    fixed = parse_values(recommender, pinned)
    grids, tied = ([recommender.grid], recommender.tied) if own is None else (own, ())
    if not any(grids):
        raise BenchError(
            f"{recommender.name} has nothing to tune: its grid is empty; leave it out, or give a "
            "grid of your own with --grid"
        )
    names = dict.fromkeys(name for grid in grids for name in grid if name not in fixed)
    points: dict[str, Point] = {}
    for grid in grids:
        for chosen in combinations(grid, tied=tied, pinned=fixed):
            params = build_params(recommender, fixed | chosen)
            # All names, also those that only another grid varies.
            values = {name: getattr(params, name) for name in names}
            points.setdefault(
                json.dumps(values, sort_keys=True, default=repr), Point(values, params)
            )
    return tuple(points.values())
