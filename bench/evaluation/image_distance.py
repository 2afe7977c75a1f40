"""How far generated images are from real ones as a network sees them: FID and KID."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from bench.errors import BenchError

__all__ = ["FrechetDistance", "KernelDistance", "frechet_distance", "kernel_distance"]

_BLOCK_ROWS = 8192


class FrechetDistance(NamedTuple):
    """The distance and what it rests on.

    Attributes
    ----------
    value
        At least 0; 0 for equal means and covariances.
    n, n_others, dims
        Images on either side, and features per image. With fewer images than features the
        covariances are singular; the value is defined, but far from its limit.
    """

    value: float
    n: int
    n_others: int
    dims: int


class KernelDistance(NamedTuple):
    """The distance over subsets.

    Attributes
    ----------
    mean, std
        Over subsets; the standard deviation divides by their number. The estimate has no bias, so
        it can be slightly negative where both sides are alike.
    n_subsets, subset_size
        Subsets, and images on either side in each.
    """

    mean: float
    std: float
    n_subsets: int
    subset_size: int


def frechet_distance(
    features: npt.NDArray[np.floating[Any]], others: npt.NDArray[np.floating[Any]]
) -> FrechetDistance:
    """Give the Fréchet distance between Gaussians fitted to two sets of features (FID).

    Parameters
    ----------
    features, others
        (n, d) and (m, d), n and m at least 2.

    Raises
    ------
    BenchError
        Fewer than two images on a side.
    ValueError
        Shapes that do not fit, or features that are not finite.

    Notes
    -----
    |mu_1 - mu_2|^2 + tr(S_1 + S_2 - 2 (S_1 S_2)^(1/2)), covariances with n - 1. Source: Heusel et
    al. 2017, (6).

    With S_k = R_k^T R_k the trace of the root is the sum of the singular values of R_1 R_2^T:
    neither a covariance nor the root of a matrix that is singular up to rounding is ever formed.
    The R_k come from QR decompositions of blocks of centred rows, in float64.
    """
    _check(features, others)
    for side in (features, others):
        if len(side) < 2:
            raise BenchError(f"the Fréchet distance needs 2 images at least, got {len(side)}")
    (mean, root), (mean_others, root_others) = (_gaussian(side) for side in (features, others))
    shift = float(((mean - mean_others) ** 2).sum())
    common = float(np.linalg.svd(root @ root_others.T, compute_uv=False).sum())
    value = shift + float((root**2).sum()) + float((root_others**2).sum()) - 2 * common
    return FrechetDistance(max(value, 0.0), len(features), len(others), features.shape[1])


def kernel_distance(
    features: npt.NDArray[np.floating[Any]],
    others: npt.NDArray[np.floating[Any]],
    *,
    rng: np.random.Generator,
    n_subsets: int = 100,
    subset_size: int = 1000,
) -> KernelDistance:
    """Give the unbiased squared maximum mean discrepancy under a cubic kernel (KID).

    Parameters
    ----------
    features, others
        (n, d) and (m, d).
    rng
        Draws the subsets, without replacement within one.
    n_subsets, subset_size
        How many, and how many images of either side in each, 2 at least.

    Raises
    ------
    BenchError
        A side has fewer images than a subset.
    ValueError
        Shapes that do not fit, features that are not finite, or less than one subset of two.

    Notes
    -----
    Kernel (x . y / d + 1)^3. Source: Bińkowski, Sutherland, Arbel, Gretton 2018, section 4; the
    estimator is Gretton et al. 2012, (3).
    """
    _check(features, others)
    if n_subsets < 1 or subset_size < 2:
        raise ValueError("n_subsets must be at least 1 and subset_size at least 2")
    fewest = min(len(features), len(others))
    if fewest < subset_size:
        raise BenchError(
            f"subsets of {subset_size:,} images cannot be drawn from {fewest:,}; "
            "choose smaller subsets"
        )
    values = np.empty(n_subsets)
    for number in range(n_subsets):
        x, y = (
            side[rng.choice(len(side), subset_size, replace=False)].astype(np.float64)
            for side in (features, others)
        )
        values[number] = _mmd2(x, y)
    return KernelDistance(float(values.mean()), float(values.std()), n_subsets, subset_size)


def _check(features: npt.NDArray[np.floating[Any]], others: npt.NDArray[np.floating[Any]]) -> None:
    if features.ndim != 2 or others.ndim != 2 or features.shape[1] != others.shape[1]:
        raise ValueError(
            f"features must be matrices of one width, got {features.shape} and {others.shape}"
        )
    if not features.shape[1]:
        raise ValueError("images without features cannot be compared")
    for side in (features, others):
        for start in range(0, len(side), _BLOCK_ROWS):
            if not np.isfinite(side[start : start + _BLOCK_ROWS]).all():
                raise ValueError("features must be finite")


def _gaussian(
    features: npt.NDArray[np.floating[Any]],
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Give the mean (d,) and R (at most d, d) with R^T R the covariance, row blocks at a time."""
    n, dims = features.shape
    mean = features.mean(axis=0, dtype=np.float64)
    root = np.empty((0, dims))
    for start in range(0, n, _BLOCK_ROWS):
        centred = features[start : start + _BLOCK_ROWS] - mean
        stacked = np.concatenate([root, centred])
        root = np.linalg.qr(stacked, mode="r")  # type: ignore[assignment]  # an array in this mode
    return mean, root / np.sqrt(n - 1)


def _mmd2(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> float:
    m = len(x)
    within = 0.0
    for side in (x, y):
        kernel = _cubic(side, side)
        within += float(kernel.sum() - np.trace(kernel)) / (m * (m - 1))
    return within - 2 * float(_cubic(x, y).mean())


def _cubic(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    inner = x @ y.T
    inner /= x.shape[1]
    inner += 1.0
    cubed: npt.NDArray[np.float64] = inner * inner * inner
    return cubed
