"""Who tells what an image is truly worth to a user, where the data set knows its users' taste."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.datasets.dataset import Dataset

__all__ = ["UtilityReader", "utility_reader"]

Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class UtilityReader:
    """Tells the true utility of images and items.

    Attributes
    ----------
    read
        Users and categories int64 (n,), images uint8 (n, H, W, 3) to float (n,): by the style that
        is read off the pixels.
    on_record
        Users and items int64 (n,) to float (n,): by the style that the data set has on record.
    facts
        `description`: how well style is read, for tables' feet; and more for programs.
    """

    read: Callable[[Numbers, Numbers, npt.NDArray[np.uint8]], npt.NDArray[np.floating[Any]]]
    on_record: Callable[[Numbers, Numbers], npt.NDArray[np.floating[Any]]]
    facts: Mapping[str, Any]


def utility_reader(dataset: Dataset, *, threads: int) -> UtilityReader | None:
    """Train the reader of a data set, or recall it; None where no true taste is stored.

    Raises
    ------
    BenchError
        See `bench.datasets.synthetic.reader.style_reader`.
    """
    from bench.datasets.synthetic.reader import style_reader

    reader = style_reader(dataset, threads=threads)
    if reader is None:
        return None
    return UtilityReader(
        read=lambda users, categories, images: reader.true_utility(images, users, categories),
        on_record=reader.stored_utility,
        facts={"description": str(reader.report), **asdict(reader.report)},
    )
