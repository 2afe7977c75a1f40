"""Which real image is nearest to a generated one: whether a generator copies (Figure 4).

Distances are the mean absolute difference over pixels and channels, the L1 norm of the paper's
Figure 4 divided by the number of values, in levels of 0 to 255.
"""

import itertools
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bench.device import available_threads

__all__ = ["Nearest", "RealImages", "nearest_images"]

NONE = -1
"""Stands where the query's category has no other image."""


class RealImages(NamedTuple):
    """Some of the images that may be nearest.

    Attributes
    ----------
    items
        int64 (m,): their item numbers.
    categories
        int (m,).
    images
        uint8 (m, P, P, 3).
    """

    items: npt.NDArray[np.int64]
    categories: npt.NDArray[np.int64]
    images: npt.NDArray[np.uint8]


class Nearest(NamedTuple):
    """The nearest image of each query.

    Attributes
    ----------
    items
        int64 (n,): item numbers; -1 where the category has no other image.
    distances
        float64 (n,): mean absolute difference in levels, 0 to 255; NaN where there is none.
    """

    items: npt.NDArray[np.int64]
    distances: npt.NDArray[np.float64]


def nearest_images(
    queries: npt.NDArray[np.uint8],
    categories: npt.NDArray[np.integer],
    batches: Iterable[RealImages],
    *,
    own_items: npt.NDArray[np.integer] | None = None,
    threads: int | None = None,
) -> Nearest:
    """Find for each image the nearest in L1 among the images of its category.

    Parameters
    ----------
    queries
        uint8 (n, P, P, 3).
    categories
        int (n,).
    batches
        The images to compare with, in item order if of equally near ones the first is to be given.
    own_items
        int (n,): the item each query is the image of, which is not its own neighbour; None for
        images of no item.
    threads
        Threads that compare; all cores by default. They change nothing but the time.
    """
    from joblib import Parallel, delayed

    from bench.evaluation.nearest_kernel import nearest_tile

    n = len(queries)
    flat = np.ascontiguousarray(queries).reshape(n, int(np.prod(queries.shape[1:])))
    groups = np.ascontiguousarray(categories, dtype=np.int64)
    own = np.full(n, NONE - 1) if own_items is None else np.asarray(own_items, dtype=np.int64)
    totals = np.full(n, np.iinfo(np.int64).max)
    items = np.full(n, NONE, dtype=np.int64)
    threads = threads or available_threads()
    bounds = np.linspace(0, n, min(threads, max(n, 1)) + 1).astype(int)
    parts = [slice(low, high) for low, high in itertools.pairwise(bounds)]
    with Parallel(n_jobs=threads, backend="threading") as parallel:
        for batch in batches:
            rows = np.ascontiguousarray(batch.images).reshape(len(batch.images), flat.shape[1])
            kinds = np.ascontiguousarray(batch.categories, dtype=np.int64)
            numbers = np.ascontiguousarray(batch.items, dtype=np.int64)
            parallel(
                delayed(nearest_tile)(
                    flat[part],
                    groups[part],
                    own[part],
                    rows,
                    kinds,
                    numbers,
                    totals[part],
                    items[part],
                )
                for part in parts
            )
    found = items != NONE
    distances = np.full(n, np.nan)
    distances[found] = totals[found] / flat.shape[1]
    return Nearest(items, distances)
