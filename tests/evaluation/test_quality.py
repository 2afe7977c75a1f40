import json

import numpy as np
import pytest

from bench.errors import BenchError
from bench.evaluation.image import inception_score
from bench.evaluation.quality import judged_quality
from bench.judge import JudgeFacts, Judgement

FACTS = JudgeFacts(
    score_label="classifier score",
    frechet_label="classifier Fréchet distance",
    kernel_label="classifier kernel distance",
    network="slim trained to name the 6 categories on 90 images of toy",
    weights_sha256="12345678" * 8,
    preprocessing="resized to 64 x 64",
    n_classes=6,
    feature_dims=2,
    accuracy=0.9,
    n_held_out=10,
)


def judgement(rng: np.random.Generator, n: int) -> Judgement:
    return Judgement(
        rng.dirichlet(np.ones(6), n).astype(np.float32),
        rng.standard_normal((n, 2)).astype(np.float32),
    )


def test_a_score_carries_all_that_is_printed_with_it(rng: np.random.Generator) -> None:
    judged = judgement(rng, 40)
    quality = judged_quality(judged, FACTS, splits=4)
    expected = inception_score(judged.probabilities, splits=4)
    assert quality.score.mean == expected.mean
    text = str(quality)
    assert text.startswith("classifier score ")
    for part in (
        "N = 40 in 4 splits of 10 in the given order, 6 classes",
        "slim trained to name",
        "SHA-256 12345678",
        "resized to 64 x 64",
        "accuracy 90.0% on 10 held-out images",
    ):
        assert part in text
    content = json.loads(json.dumps(quality.to_json()))
    assert content["mean"] == pytest.approx(expected.mean)
    assert content["split_sizes"] == [10, 10, 10, 10]
    assert content["judge"]["weights_sha256"] == FACTS.weights_sha256


def test_fewer_images_than_splits(rng: np.random.Generator) -> None:
    with pytest.raises(BenchError, match="5 images cannot be scored in 10 splits"):
        judged_quality(judgement(rng, 5), FACTS)
