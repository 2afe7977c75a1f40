"""PopRank: items in order of their popularity (paper, section IV-B (b))."""

from typing import ClassVar

import numpy as np

from bench.datasets.dataset import TrainingSet
from bench.recommender import FactorRecommender, Factors, State, Watch

__all__ = ["PopRank"]


class PopRank(FactorRecommender):
    """The score of an item is its number of training users; ties are many and are kept as ties."""

    name: ClassVar[str] = "poprank"
    label: ClassVar[str] = "PopRank"
    source: ClassVar[str] = "Kang et al. 2017, IV-B (b)"

    def factors(self) -> Factors:
        """Give the counts as item bias, behind factors of width 0."""
        return Factors(
            np.zeros((self.n_users, 0), dtype=np.float32),
            np.zeros((self.n_items, 0), dtype=np.float32),
            self._counts,
        )

    def state(self) -> State:
        """Copy the counts."""
        return {"item_counts": self._counts.copy()}

    def load_state(self, state: State, dataset: TrainingSet) -> None:
        """Take over the counts."""
        self._counts = state["item_counts"]

    def _fit(self, dataset: TrainingSet, watch: Watch) -> None:
        # float32 holds every count up to 2**24 exactly.
        self._counts = dataset.train.item_counts.astype(np.float32)
