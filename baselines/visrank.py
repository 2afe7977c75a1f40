"""VisRank: items ranked by their average distance to the user's items (paper, section IV-B (e)).

score(u, i) = -1 / |P_u| * sum over j in P_u of distance(f_i, f_j)
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from baselines.features import feature_blocks
from bench.datasets.dataset import TrainingSet
from bench.device import resolve_device, torch_threads
from bench.errors import BenchError
from bench.recommender import Recommender, State, Watch

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["VisRank", "VisRankParams"]


@dataclass(frozen=True, kw_only=True)
class VisRankParams:
    """Hyper-parameters of VisRank.

    Attributes
    ----------
    distance
        "euclidean" (the paper says distance and no more), "squared" (its square) or "cosine" (one
        minus the cosine; the same whether rows are normalised or not).
    normalize
        Bring each feature row to length 1 first. On raw rows, items with few or weak activations
        are near to everything and crowd the top: on 3,781 photographs of clothes AUC was 0.62 raw
        and 0.72 normalised.
    """

    distance: Literal["euclidean", "squared", "cosine"] = "euclidean"
    normalize: bool = True


class VisRank(Recommender):
    """Nearest neighbours in the space of the CNN features; learns nothing."""

    name: ClassVar[str] = "visrank"
    label: ClassVar[str] = "VisRank"
    source: ClassVar[str] = "Kang et al. 2017, IV-B (e)"
    Params: ClassVar[type[Any]] = VisRankParams
    grid: ClassVar[dict[str, tuple[object, ...]]] = {
        "distance": ("euclidean", "cosine"),
        "normalize": (True, False),
    }
    needs: ClassVar[frozenset[str]] = frozenset({"features"})

    @property
    def threads_used(self) -> int:
        """One when deterministic: the last bits of a product depend on how threads share it."""
        return 1 if self.runtime.deterministic else self.runtime.threads

    @property
    def device_used(self) -> str:
        """The CPU or a GPU, as the run says."""
        return resolve_device(self.runtime.device).type

    def state(self) -> State:
        """Give the users' items; the features stay with the data set."""
        return {"indptr": self._train.indptr.copy(), "indices": self._train.indices.copy()}

    def load_state(self, state: State, dataset: TrainingSet) -> None:
        """Take the users' items and the features from the data set it was fitted on."""
        self._fit(dataset, watch=None)

    def _fit(self, dataset: TrainingSet, watch: Watch | None) -> None:
        self._train = dataset.train
        self._features = dataset.need_features()
        if not any(block.any() for _, block in feature_blocks(self._features)):
            raise BenchError("the features are all zero: no item is nearer than another")
        self._center = self._mean_row()
        self._resident: Tensor | None = None

    def _score(self, users: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        import torch

        device = resolve_device(self.runtime.device)
        counts = np.diff(self._train.indptr)[users]
        pairs = np.concatenate([self._train.of(int(user)) for user in users])
        owners = np.repeat(np.arange(len(users)), counts)
        own_items, places = np.unique(pairs, return_inverse=True)
        # (B, n_own): row u holds 1 / |P_u| for each of the user's items.
        weights = torch.zeros(len(users), len(own_items), device=device)
        weights[torch.from_numpy(owners), torch.from_numpy(places)] = torch.from_numpy(
            (1.0 / counts[owners]).astype(np.float32)
        ).to(device)
        scores = np.empty((len(users), self.n_items), dtype=np.float32)
        with torch_threads(self.threads_used), torch.no_grad():
            own = self._prepared(torch.from_numpy(self._rows(own_items)).to(device))
            for part, block in self._blocks(device):
                scores[:, part] = self._similarity(weights, own, self._prepared(block)).cpu()
        return scores

    def _similarity(self, weights: "Tensor", own: "Tensor", block: "Tensor") -> "Tensor":
        """Give minus the average distance: (B, rows of block)."""
        if self.params.distance == "cosine":
            return (weights @ own) @ block.T - weights.sum(dim=1, keepdim=True)
        own_lengths = (own * own).sum(dim=1)  # (n_own,)
        lengths = (block * block).sum(dim=1)  # (rows,)
        if self.params.distance == "squared":
            # Linear in the user's items, so their mean vector will do.
            cross = 2.0 * ((weights @ own) @ block.T)
            total = weights.sum(dim=1, keepdim=True)
            return cross - (weights @ own_lengths)[:, None] - total * lengths
        squared = own @ block.T  # (n_own, rows)
        squared.mul_(-2.0).add_(own_lengths[:, None]).add_(lengths).clamp_(min=0.0)
        return -(weights @ squared.sqrt_())

    def _prepared(self, rows: "Tensor") -> "Tensor":
        """Normalise; centre unless for the cosine: distances stay and rounding shrinks."""
        rows = self._normalized(rows.float())
        return rows if self.params.distance == "cosine" else rows - self._center.to(rows.device)

    def _normalized(self, rows: "Tensor") -> "Tensor":
        from torch.nn.functional import normalize

        if self.params.normalize or self.params.distance == "cosine":
            return normalize(rows, dim=1)
        return rows

    def _rows(self, items: npt.NDArray[np.int32]) -> npt.NDArray[np.float32]:
        return np.asarray(self._features[items], dtype=np.float32)

    def _blocks(self, device: Any) -> "Iterator[tuple[slice, Tensor]]":
        """Go through the catalogue; on a GPU the features are moved there once, as stored."""
        import torch

        if device.type == "cpu":
            for part, block in feature_blocks(self._features):
                # A tensor of PyTorch's own is aligned, and products of it round alike every time.
                yield part, torch.from_numpy(block).clone()
            return
        if self._resident is None:
            self._resident = torch.from_numpy(np.array(self._features)).to(device)
        for start in range(0, self.n_items, _GPU_ROWS):
            part = slice(start, min(start + _GPU_ROWS, self.n_items))
            yield part, self._resident[part]

    def _mean_row(self) -> "Tensor":
        import torch

        total = torch.zeros(self._features.shape[1], dtype=torch.float64)
        for _, block in feature_blocks(self._features):
            total += self._normalized(torch.from_numpy(block)).sum(dim=0, dtype=torch.float64)
        return (total / max(self.n_items, 1)).float()


_GPU_ROWS = 65536
