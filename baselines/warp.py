"""WARP: matrix factorisation under the weighted approximate-rank pairwise loss, by LightFM."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from baselines.lightfm_model import LightFMRecommender

__all__ = ["Warp", "WarpParams"]


@dataclass(frozen=True, kw_only=True)
class WarpParams:
    """Hyper-parameters of WARP.

    Attributes
    ----------
    factors
        Latent factors K; the paper searches 10, 30, 50.
    regularization
        L2 weight on users and items (LightFM's item_alpha and user_alpha); the paper searches 0 to
        30. LightFM applies it to every parameter at every step, so useful values are tiny.
    learning_rate
        Initial step of Adagrad.
    max_sampled
        How many negatives are tried before a triple counts as ranked well.
    epochs
        At most; one epoch goes once over the training pairs.
    """

    factors: int = 30
    regularization: float = 0.0
    learning_rate: float = 0.05
    max_sampled: int = 10
    epochs: int = 50

    def __post_init__(self) -> None:
        if self.factors < 1 or self.epochs < 1 or self.max_sampled < 1:
            raise ValueError("factors, epochs and max_sampled must be at least 1")
        if self.regularization < 0 or self.learning_rate <= 0:
            raise ValueError("regularization must be >= 0 and learning_rate > 0")


class Warp(LightFMRecommender):
    """Matrix factorisation for top-k performance (paper, section IV-B (c))."""

    name: ClassVar[str] = "warp"
    label: ClassVar[str] = "WARP"
    source: ClassVar[str] = "Weston et al. 2011; trained by LightFM"
    Params: ClassVar[type[Any]] = WarpParams
    grid: ClassVar[dict[str, tuple[object, ...]]] = {
        "factors": (10, 30, 50),
        "regularization": (0.0, 0.001, 0.01, 0.1, 1.0, 10.0, 30.0),
    }

    def _model(self, random_state: np.random.RandomState) -> Any:
        from lightfm import LightFM

        return LightFM(
            no_components=self.params.factors,
            loss="warp",
            learning_rate=self.params.learning_rate,
            item_alpha=self.params.regularization,
            user_alpha=self.params.regularization,
            max_sampled=self.params.max_sampled,
            random_state=random_state,
        )
