"""Look-up of a user's own items against sets in Python."""

import numpy as np
import torch

from bench.datasets.dataset import Interactions
from dvbpr.known_pairs import KnownPairs

CPU = torch.device("cpu")


def test_against_sets(rng: np.random.Generator) -> None:
    owned = [{0, 3}, set(), {4}, {0, 1, 2, 3, 4}]  # the last pair of all is the greatest there is
    users = np.repeat(np.arange(4), [len(own) for own in owned])
    items = np.array([item for own in owned for item in sorted(own)])
    known = KnownPairs(Interactions.from_pairs(users, items, n_users=4, n_items=5), CPU)
    asked, drawn = rng.integers(4, size=9), rng.integers(5, size=7)
    found, share = known.of(torch.from_numpy(asked), torch.from_numpy(drawn))
    assert found.tolist() == [[int(j) in owned[u] for j in drawn] for u in asked]
    np.testing.assert_allclose(share.numpy(), [len(owned[u]) / 5 for u in asked])


def test_nobody_owns_anything() -> None:
    none = np.zeros(0, dtype=np.int64)
    known = KnownPairs(Interactions.from_pairs(none, none, n_users=2, n_items=3), CPU)
    found, share = known.of(torch.tensor([0, 1]), torch.tensor([0, 2]))
    assert not found.any()
    assert share.tolist() == [0.0, 0.0]
