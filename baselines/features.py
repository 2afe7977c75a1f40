"""Item features made ready for a model: scaled, and projected where all of them cost too much."""

from collections.abc import Iterator
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from bench.errors import BenchError

__all__ = ["FeatureScaling", "VBPR_SCALE", "feature_blocks", "project", "scale_factor"]

FeatureScaling = Literal["unit", "max", "vbpr", "none"]
"""How feature rows are scaled: "unit" divides by the mean row length (Euclidean), "max" by the
largest absolute value, "vbpr" by the constant of the VBPR code, "none" leaves them."""

VBPR_SCALE = 58.388599
"""What the authors' VBPR code divides its CNN features by: the largest value in them (FACTS 2)."""

_BLOCK_ROWS = 4096


def feature_blocks(
    features: npt.NDArray[np.floating[Any]], rows: int = _BLOCK_ROWS
) -> Iterator[tuple[slice, npt.NDArray[np.float32]]]:
    """Go through memory-mapped features in blocks of float32 rows, so that few are in memory.

    Each block is a copy: a view of a read-only memory map makes PyTorch warn.
    """
    for start in range(0, len(features), rows):
        part = slice(start, min(start + rows, len(features)))
        yield part, np.array(features[part], dtype=np.float32)


def scale_factor(features: npt.NDArray[np.floating[Any]], scaling: FeatureScaling) -> float:
    """Give the one number by which every feature is multiplied.

    One number for all rows and columns keeps what the network expressed by the size of an
    activation; it moves the useful learning rates and regularisers to where they are for others.

    Raises
    ------
    BenchError
        An unknown scaling, or features that are all zero.
    """
    if scaling not in get_args(FeatureScaling):
        raise BenchError(
            f"unknown feature scaling {scaling!r}: choose {', '.join(get_args(FeatureScaling))}"
        )
    if scaling == "none":
        return 1.0
    if scaling == "vbpr":
        return 1.0 / VBPR_SCALE
    if scaling == "max":
        size = max(float(np.abs(block).max(initial=0)) for _, block in feature_blocks(features))
    else:
        lengths = [np.linalg.norm(block, axis=1) for _, block in feature_blocks(features)]
        size = float(np.concatenate(lengths).mean())
    if size == 0.0:
        raise BenchError("the features are all zero: there is nothing to scale")
    return 1.0 / size


def project(
    features: npt.NDArray[np.floating[Any]], dims: int, generator: np.random.Generator
) -> npt.NDArray[np.float32]:
    """Project features onto their `dims` strongest directions (uncentred principal components).

    Parameters
    ----------
    features
        (n, d), memory-mapped or not; read in blocks, three times.
    dims
        Directions to keep; `dims >= min(n, d)` keeps the rows' geometry whole.
    generator
        Where the random start comes from.

    Returns
    -------
    float32 (n, min(dims, n, d)), every inner product of two rows approximated from below.

    Source: the randomised range finder with two power iterations, Halko, Martinsson, Tropp,
    "Finding structure with randomness", SIAM Review 2011, algorithms 4.4 and 5.1.
    """
    n, d = features.shape
    kept = min(dims, n, d)
    width = min(kept + 16, n, d)
    basis: npt.NDArray[np.float64] = np.linalg.qr(generator.standard_normal((d, width)))[0]
    for _ in range(2):
        # One application of F^T F, block by block.
        product = np.zeros((d, width))
        for _, block in feature_blocks(features):
            product += block.T @ (block @ basis.astype(np.float32))
        basis = np.linalg.qr(product)[0]
    gram = np.zeros((width, width))
    for _, block in feature_blocks(features):
        inside = (block @ basis.astype(np.float32)).astype(np.float64)
        gram += inside.T @ inside
    directions = np.linalg.eigh(gram)[1][:, ::-1][:, :kept]
    projection = (basis @ directions).astype(np.float32)
    result = np.empty((n, kept), dtype=np.float32)
    for part, block in feature_blocks(features):
        result[part] = block @ projection
    return result
