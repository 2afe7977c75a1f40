"""Which items are a user's own, looked up on the device."""

import numpy as np
import torch
from torch import Tensor

from bench.datasets.dataset import Interactions

__all__ = ["KnownPairs"]


class KnownPairs:
    """The training pairs as sorted numbers, searched for many pairs at once.

    Parameters
    ----------
    train
        The training interactions.
    device
        Where they are looked up.
    """

    def __init__(self, train: Interactions, device: torch.device) -> None:
        self._n_items = train.n_items
        keys = train.users.astype(np.int64) * train.n_items + train.indices
        # One more entry, which no key equals, so that a search past the end needs no branch.
        self._keys = torch.from_numpy(np.append(keys, np.int64(-1))).to(device)
        shares = np.diff(train.indptr).astype(np.float32) / max(train.n_items, 1)
        self._shares = torch.from_numpy(shares).to(device)

    def of(self, users: Tensor, items: Tensor) -> tuple[Tensor, Tensor]:
        """Give `known` and `owned_share` as `dvbpr.objective.shared_losses` takes them.

        Parameters
        ----------
        users
            int64 (B,).
        items
            int64 (N,).

        Returns
        -------
        bool (B, N) and float32 (B,), on the device.
        """
        keys = users[:, None] * self._n_items + items[None, :]
        places = torch.searchsorted(self._keys[:-1], keys)
        return self._keys[places] == keys, self._shares[users]
