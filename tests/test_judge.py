"""What every judge gets from the interface: checks, batches, facts."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest

from bench.datasets.dataset import TrainingSet
from bench.errors import BenchError
from bench.judge import ImageJudge, JudgeFacts, Judgement
from bench.testing import toy_training_set


@dataclass(frozen=True)
class _Params:
    bad: bool = False


class Brightness(ImageJudge):
    """Two classes: the brighter an image, the surer it is the first."""

    name: ClassVar[str] = "brightness"
    score_label: ClassVar[str] = "brightness score"
    Params: ClassVar[type[Any]] = _Params
    needs: ClassVar[frozenset[str]] = frozenset({"images", "categories"})
    batch_size: ClassVar[int] = 3

    def _prepare(self, dataset: TrainingSet) -> JudgeFacts:
        self.seen: list[int] = []
        return JudgeFacts(
            score_label=self.score_label,
            frechet_label="distance of colours",
            kernel_label="kernel distance of colours",
            network=f"a mean, for {dataset.name}",
            weights_sha256="ab" * 32,
            preprocessing="none",
            n_classes=2,
            feature_dims=3,
            accuracy=0.875,
            n_held_out=1200,
        )

    def _judge(self, images: np.ndarray) -> Judgement:
        self.seen.append(len(images))
        bright = images.mean(axis=(1, 2, 3)) / 255
        features = images.mean(axis=(1, 2))
        if self.params.bad:
            features = features * np.nan
        return Judgement(np.stack([bright, 1 - bright], axis=1), features)


@pytest.fixture
def images(rng: np.random.Generator) -> np.ndarray:
    return rng.integers(0, 256, (7, 5, 6, 3), dtype=np.uint8)


def test_batches_are_put_together_in_order(images: np.ndarray) -> None:
    judge = Brightness().prepare(toy_training_set())
    found = judge.judge(images)
    assert judge.seen == [3, 3, 1]
    assert found.probabilities.dtype == found.features.dtype == np.float32
    np.testing.assert_allclose(found.probabilities[:, 0], images.mean(axis=(1, 2, 3)) / 255)
    np.testing.assert_allclose(found.features, images.mean(axis=(1, 2)), rtol=1e-6)
    np.testing.assert_array_equal(judge.probabilities(images), found.probabilities)
    np.testing.assert_array_equal(judge.features(images), found.features)
    nothing = judge.judge(images[:0])
    assert (nothing.probabilities.shape, nothing.features.shape) == ((0, 2), (0, 3))


def test_facts_are_what_is_printed() -> None:
    facts = Brightness().prepare(toy_training_set()).facts()
    assert str(facts) == (
        "a mean, for toy; weights SHA-256 abababab; none; accuracy 87.5% on 1,200 held-out images"
    )
    assert facts.score_label == "brightness score"


def test_what_is_refused(images: np.ndarray) -> None:
    judge = Brightness()
    with pytest.raises(BenchError, match="brightness is not prepared"):
        judge.judge(images)
    with pytest.raises(BenchError, match="brightness is not prepared"):
        judge.facts()
    bare = TrainingSet(name="bare", train=toy_training_set().train)
    with pytest.raises(BenchError, match="needs categories and images, which bare does not have"):
        judge.prepare(bare)
    judge.prepare(toy_training_set())
    with pytest.raises(ValueError, match=r"uint8 \(n, H, W, 3\)"):
        judge.judge(images.astype(np.float32))
    with pytest.raises(BenchError, match="not finite"):
        Brightness(_Params(bad=True)).prepare(toy_training_set()).judge(images)
