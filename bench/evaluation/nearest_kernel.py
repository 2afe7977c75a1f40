"""The compiled loop of the nearest images; import this where it is used, Numba loads slowly."""

import numpy as np
import numpy.typing as npt

from bench.compiled import compiled

__all__ = ["nearest_tile"]

_BLOCK = 1024
"""Values that are compared before it is asked whether the image can still be the nearest."""


@compiled
def _difference(
    first: npt.NDArray[np.uint8], second: npt.NDArray[np.uint8], start: int, stop: int
) -> np.int32:
    """Sum |first - second| from `start` to `stop`; narrow, so that it is done in vectors."""
    total = np.int32(0)
    for k in range(start, stop):
        total += abs(np.int32(first[k]) - np.int32(second[k]))
    return np.int32(total)


@compiled
def nearest_tile(
    queries: npt.NDArray[np.uint8],
    groups: npt.NDArray[np.int64],
    own: npt.NDArray[np.int64],
    images: npt.NDArray[np.uint8],
    kinds: npt.NDArray[np.int64],
    numbers: npt.NDArray[np.int64],
    totals: npt.NDArray[np.int64],
    items: npt.NDArray[np.int64],
) -> None:
    """Compare queries (n, d) with images (m, d); lower `totals` and set `items` where nearer."""
    width = queries.shape[1]
    for q in range(len(queries)):
        for i in range(len(images)):
            if kinds[i] != groups[q] or numbers[i] == own[q]:
                continue
            total = np.int64(0)
            start = 0
            while start < width and total < totals[q]:
                stop = min(start + _BLOCK, width)
                total += _difference(queries[q], images[i], start, stop)
                start = stop
            if start == width and total < totals[q]:
                totals[q] = total
                items[q] = numbers[i]
