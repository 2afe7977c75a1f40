"""Where features come from that are computed of a data set's images: the interface of plug-ins."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from bench.datasets.dataset import FeatureInfo, TrainingSet

if TYPE_CHECKING:
    from bench.recommender import Runtime

__all__ = ["ComputedFeatures", "FeatureSource"]


@dataclass(frozen=True)
class ComputedFeatures:
    """Features and how they were made.

    Attributes
    ----------
    values
        float16 or float32 (n_items, d), rows in item order.
    info
        What they are and what they were learnt from, as a table's foot says it.
    how
        Settings and figures, as JSON holds them.
    """

    values: npt.NDArray[np.floating[Any]]
    info: FeatureInfo
    how: Mapping[str, Any]


class FeatureSource(ABC):
    """Computes features of a data set's images; named in the entry-point group `bench.features`.

    A trained recommender that learns features is a source as well, through
    `Recommender.item_features`, and needs no entry of its own here.

    Attributes
    ----------
    name
        The name on the command line.
    Params
        A frozen dataclass of settings with defaults.
    """

    name: ClassVar[str]
    Params: ClassVar[type[Any]]

    def __init__(self, params: Any = None) -> None:
        self.params = self.Params() if params is None else params

    @abstractmethod
    def compute(self, dataset: TrainingSet, *, runtime: "Runtime") -> ComputedFeatures:
        """Compute the features of all items.

        Raises
        ------
        BenchError
            The data set lacks what they are computed of.
        """
