"""The quality of images by a judge: a score with all that is printed with it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from bench.evaluation.image import InceptionScore, inception_score
from bench.judge import JudgeFacts, Judgement

__all__ = ["Quality", "judged_quality"]


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
