"""BPR-MF: matrix factorisation under the BPR loss (eq. 1 and 5), trained by implicit.

The library draws negatives by popularity and never updates an item without training users. The
paper draws them uniformly (eq. 5). `negatives="uniform"` gets this from the unchanged library: one
more user is appended who has the whole catalogue, each item as often as
`baselines.sampling` says. A draw that takes that user's item as the positive is thrown away
by the library itself (every negative is one of her items), so she is never trained on; as a source
of negatives she evens out the draw.
"""

from contextlib import suppress
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from baselines.sampling import padding_items
from bench.datasets.dataset import TrainingSet
from bench.recommender import FactorRecommender, Factors, State, Watch
from bench.rng import child_generator

__all__ = ["BprMf", "BprMfParams"]


@dataclass(frozen=True, kw_only=True)
class BprMfParams:
    """Hyper-parameters of BPR-MF.

    Attributes
    ----------
    factors
        Latent factors K; the paper searches 10, 30, 50.
    regularization
        L2 weight per update; the paper searches 0 to 30.
    learning_rate
        SGD step.
    epochs
        At most; an epoch draws as many triples as there are training pairs.
    negatives
        "uniform" over the catalogue, as in eq. 5, or "observed": the library's own draw from the
        training pairs.
    """

    factors: int = 30
    regularization: float = 0.05
    learning_rate: float = 0.1
    epochs: int = 200
    negatives: Literal["uniform", "observed"] = "uniform"

    def __post_init__(self) -> None:
        if self.factors < 1 or self.epochs < 1:
            raise ValueError("factors and epochs must be at least 1")
        if self.regularization < 0 or self.learning_rate <= 0:
            raise ValueError("regularization must be >= 0 and learning_rate > 0")


class _StopFittingError(Exception):
    """Leaves the library's loop when the watch says stop."""


class BprMf(FactorRecommender):
    """BPR matrix factorisation with item bias."""

    name: ClassVar[str] = "bpr-mf"
    label: ClassVar[str] = "BPR-MF"
    source: ClassVar[str] = "Rendle et al. 2009; trained by implicit"
    Params: ClassVar[type[Any]] = BprMfParams
    grid: ClassVar[dict[str, tuple[object, ...]]] = {
        "factors": (10, 30, 50),
        "regularization": (0.0, 0.001, 0.01, 0.1, 1.0, 10.0, 30.0),
    }

    @property
    def threads_used(self) -> int:
        """One when deterministic: implicit's threads race for the factors."""
        return 1 if self.runtime.deterministic else self.runtime.threads

    def factors(self) -> Factors:
        """Split implicit's matrices, whose last column is the item bias."""
        items = self._model.item_factors[: self.n_items]
        return Factors(
            np.ascontiguousarray(self._model.user_factors[: self.n_users, :-1]),
            np.ascontiguousarray(items[:, :-1]),
            np.ascontiguousarray(items[:, -1]),
        )

    def state(self) -> State:
        """Copy both factor matrices, the bias as the item matrix's last column."""
        return {
            "user_factors": self._model.user_factors[: self.n_users].copy(),
            "item_factors": self._model.item_factors.copy(),
        }

    def load_state(self, state: State, dataset: TrainingSet) -> None:
        """Take over both factor matrices."""
        self._model = self._new_model(child_generator(self.runtime.seed, "bpr-mf"))
        self._model.user_factors = state["user_factors"]
        self._model.item_factors = state["item_factors"]

    def _fit(self, dataset: TrainingSet, watch: Watch) -> None:
        self._model = self._new_model(child_generator(self.runtime.seed, "bpr-mf"))

        def report(epoch: int, elapsed: float, correct: int, skipped: int) -> None:
            if not watch(epoch + 1):
                raise _StopFittingError

        with suppress(_StopFittingError):
            self._model.fit(self._pairs(dataset), show_progress=False, callback=report)

    def _new_model(self, generator: np.random.Generator) -> Any:
        from implicit.cpu.bpr import BayesianPersonalizedRanking

        return BayesianPersonalizedRanking(
            factors=self.params.factors,
            learning_rate=self.params.learning_rate,
            regularization=self.params.regularization,
            iterations=self.params.epochs,
            num_threads=self.threads_used,
            verify_negative_samples=True,
            random_state=generator,
        )

    def _pairs(self, dataset: TrainingSet) -> Any:
        """Give the training pairs as implicit takes them, with the padding user as last row."""
        from scipy.sparse import csr_matrix

        train = dataset.train
        if self.params.negatives == "observed":
            return train.matrix()
        padding = padding_items(train)
        indices: npt.NDArray[np.int32] = np.concatenate([train.indices, padding])
        indptr = np.append(train.indptr, len(indices)).astype(np.int32)
        ones = np.ones(len(indices), dtype=np.float32)
        return csr_matrix((ones, indices, indptr), shape=(train.n_users + 1, train.n_items))
