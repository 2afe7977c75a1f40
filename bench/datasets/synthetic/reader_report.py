"""How well style is read off pixels: figures, and the computation of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.datasets.synthetic.taste import STYLE_BLOCKS

__all__ = ["N_READ", "ReaderReport", "agreement", "explained", "read_blocks"]

N_READ = STYLE_BLOCKS["category"].start
"""So many of the 31 numbers of `embed_styles` are read; the rest is known with the category."""


@dataclass(frozen=True, kw_only=True)
class ReaderReport:
    """How well the reader reads.

    Attributes
    ----------
    n_train, n_held_out
        Drawings it learnt from, and drawings it was measured on.
    r2
        Share of the held-out drawings' variance that it explains, for all 23 numbers that it reads
        ("style") and each block of `STYLE_BLOCKS` that it reads.
    r2_softened
        The same for "style", of the same drawings blurred by a pixel.
    n_items, n_users
        The data set's items and users that the next figures are over; no item was trained on.
    correlation
        Of true and read utility over all pairs of these.
    correlation_within
        Of one user's true and read utility over the items of one category, mean over both; None
        where no category has three items.
    rms_error, rms_within
        Root mean square of the utility's error, and, to compare, of its spread around the mean of
        user and category; in units of the noise in the user's choice.
    """

    n_train: int
    n_held_out: int
    r2: Mapping[str, float]
    r2_softened: float
    n_items: int
    n_users: int
    correlation: float
    correlation_within: float | None
    rms_error: float
    rms_within: float

    def __str__(self) -> str:
        blocks = ", ".join(f"{name} {self.r2[name]:.2f}" for name in read_blocks())
        within = self.correlation_within
        return (
            f"style read off pixels by a CNN trained on {self.n_train:,} drawings outside the "
            f"catalogue: R2 {self.r2['style']:.2f} on {self.n_held_out:,} others ({blocks}; "
            f"softened {self.r2_softened:.2f}); true and read utility of {self.n_items:,} items "
            f"to {self.n_users:,} users correlate by "
            + (f"{within:.2f} within a category, " if within is not None else "")
            + f"{self.correlation:.2f} over all; error {self.rms_error:.2f} (rms) at a spread of "
            f"{self.rms_within:.2f} within a category"
        )


def read_blocks() -> dict[str, slice]:
    """Give the blocks of `STYLE_BLOCKS` that are read and not known with the category."""
    return {name: at for name, at in STYLE_BLOCKS.items() if at.stop <= N_READ}


def explained(truth: npt.NDArray[np.float32], read: npt.NDArray[np.float32]) -> float:
    """Give the share of the variance, summed over columns, that is explained; at most 1."""
    spread = float(((truth - truth.mean(axis=0)) ** 2).sum())
    return 1.0 - float(((truth - read) ** 2).sum()) / max(spread, 1e-12)


def agreement(
    truth: npt.NDArray[np.float32],
    read: npt.NDArray[np.float32],
    categories: npt.NDArray[np.integer[Any]],
) -> dict[str, Any]:
    """Compare utilities (n_users, n_items) that are true and that are read off images."""
    within, spread = [], 0.0
    for category in np.unique(categories):
        here = categories == category
        t, r = (
            (u - u.mean(axis=1, keepdims=True)).astype(np.float64)
            for u in (truth[:, here], read[:, here])
        )
        spread += float((t**2).sum())
        if here.sum() >= 3:
            scale = np.sqrt((t**2).sum(axis=1) * (r**2).sum(axis=1))
            within.append((t * r).sum(axis=1)[scale > 0] / scale[scale > 0])
    pairs = np.concatenate([np.empty(0), *within])
    return {
        "correlation": float(np.corrcoef(truth.ravel(), read.ravel())[0, 1]),
        "correlation_within": float(pairs.mean()) if len(pairs) else None,
        "rms_error": float(np.sqrt(((truth - read) ** 2).mean())),
        "rms_within": float(np.sqrt(spread / truth.size)),
    }
