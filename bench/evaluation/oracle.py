"""The best AUC that can be expected where purchases are simulated and the utilities are known."""

from typing import Any

import numpy as np
import numpy.typing as npt

from bench.datasets.dataset import Interactions
from bench.evaluation.auc import TIES, cold_users, mean_auc
from bench.evaluation.fused import count_factors
from bench.recommender import Factors

__all__ = ["oracle_auc"]


def oracle_auc(
    oracle: Factors,
    test: npt.NDArray[np.integer[Any]],
    known: Interactions,
    train_item_counts: npt.NDArray[np.int64],
    *,
    device: str = "cpu",
    threads: int | None = None,
) -> dict[str, dict[str, float]]:
    """Rank by the true utilities, under the same protocol as any recommender.

    Parameters
    ----------
    oracle
        True utilities as factors.
    test
        int (n_users,): test items.
    known
        All items of each user.
    train_item_counts
        int64 (n_items,): decides which test items are cold.
    device, threads
        Where the ranks are counted.

    Returns
    -------
    The AUC by setting ("all", and "cold" if there are such users) and tie rule.
    """
    counts = count_factors(
        oracle, [test], known, device=device, threads=threads, name="the oracle"
    )[0]
    result: dict[str, dict[str, float]] = {}
    for setting, users in (("all", None), ("cold", cold_users(test, train_item_counts))):
        for ties in TIES:
            value = mean_auc(counts, ties, users)
            if value.n_users:
                result.setdefault(setting, {})[ties] = value.mean
    return result
