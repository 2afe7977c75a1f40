"""The points of a search: every combination of a grid's values, in the grid's order."""

import bisect
import dataclasses
import itertools
import json
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.errors import BenchError
from bench.experiment.tuning.search import SearchOptions, drawn_points
from bench.recommender import Recommender, build_params, is_required, parse_values

__all__ = ["Point", "Product", "RefusedPointError", "grid_points"]

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


class RefusedPointError(BenchError):
    """A recommender does not take a combination of values.

    Attributes
    ----------
    part
        Which of the grids it is from, counted from 0.
    name
        The hyper-parameter that alone is refused; None where values do not go together.
    """

    def __init__(self, message: str, part: int, name: str | None) -> None:
        super().__init__(message)
        self.part = part
        self.name = name


class Product:
    """Every combination of a grid's values, made when it is asked for; the last varies fastest.

    Parameters
    ----------
    grid
        Parameter to values.
    tied
        Groups of parameters that move together, see `Recommender.tied`.
    pinned
        Parameters that are not varied.

    Attributes
    ----------
    size
        How many there are.
    """

    def __init__(
        self,
        grid: Mapping[str, Sequence[object]],
        *,
        tied: Sequence[Sequence[str]] = (),
        pinned: Collection[str] = (),
    ) -> None:
        free = {name: values for name, values in grid.items() if name not in pinned}
        self._axes: list[list[dict[str, object]]] = []
        placed: set[str] = set()
        for name in free:
            if name in placed:
                continue
            group = next(
                ([n for n in names if n in free] for names in tied if name in names), [name]
            )
            placed.update(group)
            together = zip(*(free[member] for member in group), strict=True)
            self._axes.append([dict(zip(group, values, strict=True)) for values in together])
        self.size = math.prod(len(axis) for axis in self._axes)

    def __getitem__(self, number: int) -> dict[str, object]:
        parts = []
        for axis in reversed(self._axes):
            number, place = divmod(number, len(axis))
            parts.append(axis[place])
        return {name: value for part in reversed(parts) for name, value in part.items()}


def grid_points(
    recommender: type[Recommender],
    *,
    pinned: Mapping[str, str],
    own: Sequence[Mapping[str, Sequence[object]]] | None = None,
    options: SearchOptions | None = None,
) -> tuple[Point, ...]:
    """Give the points of a recommender's grid that a search tries, each once, in the grid's order.

    Parameters
    ----------
    recommender
        Whose grid it is.
    pinned
        Hyper-parameters given as text, which are not searched.
    own
        Grids to search one after the other instead of the recommender's; none of them is tied.
    options
        How it is searched; every point by default.

    Raises
    ------
    BenchError
        There is no grid, or a pinned setting is wrong.
    RefusedPointError
        A combination is none that the recommender takes.
    """
    options = options or SearchOptions()
    fixed = parse_values(recommender, pinned)
    grids, tied = ([recommender.grid], recommender.tied) if own is None else (own, ())
    if not any(grids):
        raise BenchError(
            f"{recommender.name} has nothing to tune: its grid is empty; leave it out, or give a "
            "grid of your own with --grid"
        )
    names = dict.fromkeys(name for grid in grids for name in grid if name not in fixed)
    products = [Product(grid, tied=tied, pinned=fixed) for grid in grids]
    ends = list(itertools.accumulate(product.size for product in products))
    found: dict[str, tuple[int, Point]] = {}
    for number in drawn_points(ends[-1], options, recommender.name):
        part = bisect.bisect_right(ends, number)
        chosen = products[part][number - ends[part] + products[part].size]
        params = _params(recommender, fixed, chosen, part)
        # All names, also those that only another grid varies.
        values = {name: getattr(params, name) for name in names}
        text = json.dumps(values, sort_keys=True, default=repr)
        # Among equal points the first of the grid counts.
        if text not in found or number < found[text][0]:
            found[text] = (number, Point(values, params))
        if len(found) == options.trials:
            break
    return tuple(point for _, point in sorted(found.values(), key=lambda entry: entry[0]))


def _params(
    recommender: type[Recommender],
    fixed: Mapping[str, object],
    chosen: Mapping[str, object],
    part: int,
) -> Any:
    """Build the `Params` of a point; of one that is refused say which value it is, if it is one."""
    try:
        return build_params(recommender, {**fixed, **chosen})
    except BenchError as error:
        refused = None
        for name, value in chosen.items():
            # What has no default stays, or that would be what is refused.
            needed = {f.name for f in dataclasses.fields(recommender.Params) if is_required(f)}
            rest = {n: v for n, v in chosen.items() if n in needed}
            try:
                build_params(recommender, {**fixed, **rest, name: value})
            except BenchError as alone:
                if str(alone) == str(error):
                    refused = name
                    break
        raise RefusedPointError(str(error), part, refused) from None
