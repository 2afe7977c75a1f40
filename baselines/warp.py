"""WARP: matrix factorisation under the weighted approximate-rank pairwise loss, by LightFM."""

from dataclasses import dataclass
from typing import Any, ClassVar

from baselines.lightfm_model import LightFMParams, LightFMRecommender

__all__ = ["Warp", "WarpParams"]


@dataclass(frozen=True, kw_only=True)
class WarpParams(LightFMParams):
    """Hyper-parameters of WARP, beside those of every LightFM model.

    Attributes
    ----------
    max_sampled
        How many negatives are tried before a triple counts as ranked well.
    """

    max_sampled: int = 10

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.max_sampled < 1:
            raise ValueError("max_sampled must be at least 1")


class Warp(LightFMRecommender):
    """Matrix factorisation for top-k performance (paper, section IV-B (c))."""

    name: ClassVar[str] = "warp"
    label: ClassVar[str] = "WARP"
    source: ClassVar[str] = "Weston et al. 2011; trained by LightFM"
    Params: ClassVar[type[Any]] = WarpParams

    def _loss(self) -> dict[str, Any]:
        return {"loss": "warp", "max_sampled": self.params.max_sampled}
