"""How good generated images are by a judge's probabilities: the inception score (paper, IV-C).

Arrays in, numbers out: the probabilities come from a judge (`bench.judge`), which is named with
every score.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from bench.errors import BenchError

__all__ = ["InceptionScore", "category_agreement", "inception_score"]


class InceptionScore(NamedTuple):
    """exp(mean KL divergence), over splits.

    Attributes
    ----------
    mean, std
        Over splits; the standard deviation divides by their number.
    n_images, n_classes
        What it rests on.
    scores
        float64 (splits,): one score per split, from 1 to n_classes.
    sizes
        int64 (splits,): images in each split.
    """

    mean: float
    std: float
    n_images: int
    n_classes: int
    scores: npt.NDArray[np.float64]
    sizes: npt.NDArray[np.int64]

    def __str__(self) -> str:
        low, high = int(self.sizes.min()), int(self.sizes.max())
        each = f"{low:,}" if low == high else f"{low:,} or {high:,}"
        return (
            f"{self.mean:.4g} ± {self.std:.2g} (N = {self.n_images:,} in {len(self.sizes)} splits "
            f"of {each} in the given order, {self.n_classes:,} classes)"
        )


def inception_score(
    probabilities: npt.NDArray[np.floating[Any]], *, splits: int = 10
) -> InceptionScore:
    """Score images by how sure the judge is of each and how varied its verdicts are.

    Parameters
    ----------
    probabilities
        (n, C): p(y | x) per image; rows are brought to a sum of exactly 1.
    splits
        Groups that are scored apart. Group g has the images from g n // splits on, in the order
        given: no image is lost, none is shuffled.

    Raises
    ------
    BenchError
        Fewer images than splits.
    ValueError
        Not a matrix of probabilities.

    Notes
    -----
    exp(E_x KL(p(y | x) || p(y))) with p(y) the mean of the group, in float64, natural logarithm.
    Source: Salimans et al. 2016, section 4. The value grows with the size of a group, and depends
    on the judge: scores of different judges or sizes do not compare.
    """
    if probabilities.ndim != 2 or not probabilities.shape[1]:
        raise ValueError(f"probabilities must be (n, C), got {probabilities.shape}")
    n_images, n_classes = probabilities.shape
    if not 1 <= splits <= n_images:
        raise BenchError(
            f"{n_images:,} images cannot be scored in {splits} splits; each needs one at least"
        )
    bounds = np.arange(splits + 1) * n_images // splits
    scores = np.empty(splits)
    for group in range(splits):
        # (m, C); one group at a time lies in memory in float64.
        p = probabilities[bounds[group] : bounds[group + 1]].astype(np.float64)
        total = p.sum(axis=1, keepdims=True)
        if not ((p >= 0).all() and (np.abs(total - 1) < 1e-2).all()):
            raise ValueError("rows must be probabilities: not negative, with a sum of 1")
        p /= total
        marginal = p.mean(axis=0)
        # 0 log 0 = 0; where the marginal is 0, so is every p.
        log_ratio = np.log(np.where(p > 0, p, 1.0)) - np.log(np.where(marginal > 0, marginal, 1.0))
        scores[group] = np.exp((p * log_ratio).sum(axis=1).mean())
    return InceptionScore(
        float(scores.mean()), float(scores.std()), n_images, n_classes, scores, np.diff(bounds)
    )


def category_agreement(
    probabilities: npt.NDArray[np.floating[Any]], categories: npt.NDArray[np.integer[Any]]
) -> float:
    """Give the share of images whose most probable class is the category they were made for.

    Parameters
    ----------
    probabilities
        (n, C), C the categories.
    categories
        int (n,).

    Returns
    -------
    0..1; NaN without images.
    """
    if len(probabilities) != len(categories):
        raise ValueError(f"{len(probabilities)} images do not pair with {len(categories)} labels")
    if not len(categories):
        return float("nan")
    return float(np.mean(probabilities.argmax(axis=1) == categories))
