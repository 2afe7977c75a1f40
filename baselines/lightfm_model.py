"""What WARP and FM share: a LightFM model trained epoch by epoch, and its factors.

LightFM sums the embeddings of an item's features; once trained this is one vector and one bias per
item, so scoring is a plain product and never goes through the library again.
"""

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_matrix, csr_matrix

from bench.datasets.dataset import TrainingSet
from bench.errors import NonFiniteScoreError
from bench.recommender import FactorRecommender, Factors, State, Watch
from bench.rng import child_seed

__all__ = ["LightFMParams", "LightFMRecommender"]


@dataclass(frozen=True, kw_only=True)
class LightFMParams:
    """Hyper-parameters of every model that LightFM trains.

    Attributes
    ----------
    factors
        Latent factors K; the paper searches 10, 30, 50.
    regularization
        L2 weight on users and items (LightFM's item_alpha and user_alpha); the paper searches 0 to
        30. LightFM applies it to every parameter at every step, so useful values are tiny.
    learning_rate
        Initial step of Adagrad.
    epochs
        At most; one epoch goes once over the training pairs.
    """

    factors: int = 30
    regularization: float = 0.0
    learning_rate: float = 0.05
    epochs: int = 50

    def __post_init__(self) -> None:
        if self.factors < 1 or self.epochs < 1:
            raise ValueError("factors and epochs must be at least 1")
        if self.regularization < 0 or self.learning_rate <= 0:
            raise ValueError("regularization must be >= 0 and learning_rate > 0")


class LightFMRecommender(FactorRecommender):
    """A recommender that LightFM trains; a subclass says with which loss, features and pairs."""

    Params: ClassVar[type[Any]] = LightFMParams
    grid: ClassVar[dict[str, tuple[object, ...]]] = {
        "factors": (10, 30, 50),
        "regularization": (0.0, 0.001, 0.01, 0.1, 1.0, 10.0, 30.0),
    }

    @property
    def threads_used(self) -> int:
        """One when deterministic: LightFM's threads race for the embeddings."""
        return 1 if self.runtime.deterministic else self.runtime.threads

    @abstractmethod
    def _loss(self) -> dict[str, Any]:
        """Give the arguments of `lightfm.LightFM` that are this model's own."""

    def _model(self, random_state: np.random.RandomState) -> Any:
        """Build the untrained `lightfm.LightFM`."""
        from lightfm import LightFM

        return LightFM(
            no_components=self.params.factors,
            learning_rate=self.params.learning_rate,
            item_alpha=self.params.regularization,
            user_alpha=self.params.regularization,
            random_state=random_state,
            **self._loss(),
        )

    def _item_features(self, dataset: TrainingSet) -> csr_matrix | None:
        """Give the item feature matrix, or None for one indicator per item."""
        return None

    def _pairs(self, dataset: TrainingSet) -> coo_matrix:
        """Give the interactions as LightFM takes them; extra users at the end are not scored."""
        return dataset.train.matrix().tocoo()

    def factors(self) -> Factors:
        """Give one vector and bias per item: the sums over its features."""
        return self._factors

    def state(self) -> State:
        """Copy the vectors and biases."""
        return {
            "user_factors": self._factors.user_factors.copy(),
            "item_factors": self._factors.item_factors.copy(),
            "item_bias": self._factors.item_bias.copy(),
        }

    def load_state(self, state: State, dataset: TrainingSet) -> None:
        """Take over the vectors and biases."""
        self._factors = Factors(state["user_factors"], state["item_factors"], state["item_bias"])

    def _fit(self, dataset: TrainingSet, watch: Watch) -> None:
        # LightFM takes NumPy's legacy generator only.
        seed = child_seed(self.runtime.seed, self.name) % 2**32
        model = self._model(np.random.RandomState(seed))
        pairs, item_features = self._pairs(dataset), self._item_features(dataset)
        for epoch in range(1, self.params.epochs + 1):
            try:
                # LightFM sums the parameters to find infinities; NumPy need not warn of them too.
                with np.errstate(over="ignore", invalid="ignore"):
                    model.fit_partial(
                        pairs, item_features=item_features, num_threads=self.threads_used
                    )
            except ValueError as error:  # LightFM's own check after each epoch
                if "Not all estimated parameters are finite" not in str(error):
                    raise
                raise NonFiniteScoreError(
                    f"{self.name} diverged in epoch {epoch}: some parameters are not finite; "
                    "lower learning_rate"
                ) from None
            self._factors = self._collapse(model, item_features)
            if not watch(epoch):
                break

    def _collapse(self, model: Any, item_features: csr_matrix | None) -> Factors:
        """Sum the embeddings of each item's features; a user's bias orders nothing: left out."""
        vectors: npt.NDArray[np.float32] = model.item_embeddings
        biases: npt.NDArray[np.float32] = model.item_biases
        if item_features is not None:
            vectors, biases = item_features @ vectors, item_features @ biases
        return Factors(
            np.array(model.user_embeddings[: self.n_users], dtype=np.float32),
            np.array(vectors, dtype=np.float32),
            np.array(biases, dtype=np.float32),
        )
