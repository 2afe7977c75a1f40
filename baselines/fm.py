"""FM: a factorisation machine under the BPR loss, trained by LightFM (paper, section IV-B (f)).

As in the paper only the interactions (user, item) and (user, item's CNN feature) are modelled: an
item is the sum of its own embedding and of its features' embeddings. LightFM keeps one value and
one column number (8 bytes) per item and feature, and walks over all of them for every triple: 4,096
dense features of 234,892 items would take 7.7 GB and make an epoch 60 times slower. By default they
are therefore projected onto their 64 strongest directions (122 MB at that size), which is exactly
an FM whose feature embeddings lie in the span of these directions.
"""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from scipy.sparse import coo_matrix, csr_matrix, hstack, vstack

from baselines.features import FeatureScaling, feature_blocks, project, scale_factor
from baselines.lightfm_model import LightFMParams, LightFMRecommender
from baselines.sampling import padding_items
from bench.datasets.dataset import TrainingSet
from bench.rng import child_generator

__all__ = ["FactorizationMachine", "FmParams"]


@dataclass(frozen=True, kw_only=True)
class FmParams(LightFMParams):
    """Hyper-parameters of FM, beside those of every LightFM model.

    Attributes
    ----------
    feature_dims
        Directions the features are projected on; None keeps every feature, at 8 bytes per item and
        non-zero feature.
    feature_scaling
        How the features are scaled before that; unscaled ones make LightFM diverge.
    feature_weight
        The length an average item's feature vector is given after projection, beside the weight 1
        of the item's own indicator.
    negatives
        "uniform" over the catalogue, as in eq. 5, or "observed": the library's own draw from the
        training pairs.
    """

    epochs: int = 30
    feature_dims: int | None = 64
    feature_scaling: FeatureScaling = "unit"
    feature_weight: float = 4.0
    negatives: Literal["uniform", "observed"] = "uniform"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.feature_weight <= 0:
            raise ValueError("feature_weight must be > 0")
        if self.feature_dims is not None and self.feature_dims < 1:
            raise ValueError("feature_dims must be at least 1, or none for all features")


class FactorizationMachine(LightFMRecommender):
    """Factorisation machine over items and their CNN features."""

    name: ClassVar[str] = "fm"
    label: ClassVar[str] = "FM"
    source: ClassVar[str] = "Rendle et al. 2011; Kula 2015; trained by LightFM"
    Params: ClassVar[type[Any]] = FmParams
    needs: ClassVar[frozenset[str]] = frozenset({"features"})

    def _loss(self) -> dict[str, Any]:
        return {"loss": "bpr"}

    def _item_features(self, dataset: TrainingSet) -> csr_matrix:
        """Give [identity | scaled features] as CSR, float32 (n_items, n_items + dims)."""
        features = dataset.need_features()
        scale = self.params.feature_weight * scale_factor(features, self.params.feature_scaling)
        n_items = dataset.n_items
        if self.params.feature_dims is not None:
            generator = child_generator(self.runtime.seed, "fm", "projection")
            features = project(features, self.params.feature_dims, generator)
        blocks = []
        for part, block in feature_blocks(features):
            rows = np.arange(part.start, part.stop)
            own = csr_matrix(
                (np.ones(len(rows), np.float32), (rows - part.start, rows)),
                shape=(len(rows), n_items),
            )
            dense = csr_matrix(block * np.float32(scale))
            blocks.append(hstack([own, dense], format="csr", dtype=np.float32))
        return csr_matrix(vstack(blocks, format="csr", dtype=np.float32))

    def _pairs(self, dataset: TrainingSet) -> coo_matrix:
        """Give the training pairs; for uniform negatives, with padding that is never a positive.

        LightFM skips a pair whose value is not above 0 as a positive but still draws its item as a
        negative, so the padding user's pairs carry -1.
        """
        train = dataset.train
        if self.params.negatives == "observed":
            return super()._pairs(dataset)
        padding = padding_items(train)
        values = np.ones(train.n_pairs + len(padding), dtype=np.float32)
        values[train.n_pairs :] = -1.0
        users = np.concatenate([train.users, np.full(len(padding), train.n_users, np.int32)])
        items = np.concatenate([train.indices, padding])
        return coo_matrix((values, (users, items)), shape=(train.n_users + 1, train.n_items))
