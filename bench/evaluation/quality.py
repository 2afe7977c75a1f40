"""The quality of images by a judge: scores and distances with all that is printed with them."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from bench.evaluation.image import InceptionScore, inception_score
from bench.evaluation.image_distance import (
    FrechetDistance,
    KernelDistance,
    frechet_distance,
    kernel_distance,
)
from bench.judge import JudgeFacts, Judgement

__all__ = ["Distances", "Quality", "judged_distances", "judged_quality"]


@dataclass(frozen=True)
class Quality:
    """A score of section IV-C and what is printed with it.

    Attributes
    ----------
    score
        Mean and standard deviation over splits, number of images and of splits.
    facts
        The judge: network, hash of its weights, preprocessing, accuracy.
    """

    score: InceptionScore
    facts: JudgeFacts

    def __str__(self) -> str:
        return f"{self.facts.score_label} {self.score}; {self.facts}"

    def compares_with(self, other: "Quality") -> bool:
        """Say whether two scores may be set beside each other: one judge, splits of one size."""
        sizes, others = self.score.sizes.tolist(), other.score.sizes.tolist()
        return self.facts == other.facts and bool(sizes == others)

    def to_json(self) -> Mapping[str, Any]:
        """Give the score and the facts as JSON holds them."""
        score = self.score
        return {
            "mean": score.mean,
            "std": score.std,
            "n_images": score.n_images,
            "scores": score.scores.tolist(),
            "split_sizes": score.sizes.tolist(),
            "judge": asdict(self.facts),
        }


@dataclass(frozen=True)
class Distances:
    """How far images are from real ones, and what is printed with it.

    Attributes
    ----------
    frechet, kernel
        FID and KID, where the judge is the Inception network.
    facts
        The judge; it says what the two are called.
    """

    frechet: FrechetDistance
    kernel: KernelDistance
    facts: JudgeFacts

    def __str__(self) -> str:
        f, k = self.frechet, self.kernel
        return (
            f"{self.facts.frechet_label} {f.value:.4g} ({f.n:,} images against {f.n_others:,}, "
            f"{f.dims:,} features), {self.facts.kernel_label} {k.mean:.3g} ± {k.std:.2g} "
            f"({k.n_subsets} subsets of {k.subset_size:,}); {self.facts}"
        )

    def to_json(self) -> Mapping[str, Any]:
        """Give the distances and the facts as JSON holds them."""
        return {
            "frechet": self.frechet._asdict(),
            "kernel": self.kernel._asdict(),
            "judge": asdict(self.facts),
        }


def judged_quality(judgement: Judgement, facts: JudgeFacts, *, splits: int = 10) -> Quality:
    """Score images that were judged.

    Parameters
    ----------
    judgement
        Of the images, in the order in which they are split.
    facts
        Those of the judge, from `ImageJudge.facts`.
    splits
        As for `inception_score`, which says what it raises.
    """
    return Quality(inception_score(judgement.probabilities, splits=splits), facts)


def judged_distances(
    judgement: Judgement,
    real: Judgement,
    facts: JudgeFacts,
    *,
    rng: np.random.Generator,
    n_subsets: int = 100,
    subset_size: int = 1000,
) -> Distances:
    """Compare images that were judged with real ones that the same judge saw.

    Parameters
    ----------
    judgement, real
        Of the two sides; order does not count.
    facts
        Those of the judge.
    rng, n_subsets, subset_size
        As for `kernel_distance`; a side with fewer images makes the subsets smaller.

    Raises
    ------
    BenchError
        A side has fewer than two images.
    """
    smallest = min(len(judgement.features), len(real.features))
    # The first refuses sides that are too small for either.
    frechet = frechet_distance(judgement.features, real.features)
    kernel = kernel_distance(
        judgement.features,
        real.features,
        rng=rng,
        n_subsets=n_subsets,
        subset_size=min(subset_size, smallest),
    )
    return Distances(frechet, kernel, facts)
