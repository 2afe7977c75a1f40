"""The suite's judges: what they give, and what is printed with it."""

import dataclasses
import functools
from pathlib import Path

import inception_reference as reference
import numpy as np
import pytest
import torch

import dvbpr.inception_weights
from bench.datasets.dataset import Images, TrainingSet
from bench.errors import BenchError
from bench.recommender import Runtime, parse_params
from bench.registry import Registry
from bench.testing import toy_training_set
from dvbpr.classifier import pretrain
from dvbpr.classifier_training import ClassifierSettings
from dvbpr.images import open_images
from dvbpr.inception import InceptionNet
from dvbpr.judge import (
    ClassifierJudge,
    ClassifierJudgeParams,
    InceptionJudge,
    InceptionJudgeParams,
)

ONE = Runtime(seed=3, device="cpu", threads=1)
QUICK = ClassifierJudgeParams(epochs=4)


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> TrainingSet:
    training = toy_training_set()
    assert training.images is not None
    encoded = [training.images.encoded(item) for item in range(training.n_items)]
    cache = tmp_path_factory.mktemp("cache") / "hash"
    return dataclasses.replace(training, images=Images(encoded, cache=cache))


@pytest.fixture(scope="module")
def judge(toy: TrainingSet) -> ClassifierJudge:
    return ClassifierJudge(QUICK, runtime=ONE).prepare(toy)


def test_the_classifier_knows_the_categories(judge: ClassifierJudge, toy: TrainingSet) -> None:
    images = open_images(toy, 64)
    judged = judge.judge(images)
    assert judged.probabilities.shape == (60, 3)
    np.testing.assert_allclose(judged.probabilities.sum(axis=1), 1, atol=1e-5)
    assert np.mean(judged.probabilities.argmax(axis=1) == toy.categories) > 0.9
    assert judged.features.shape == (60, 256)
    # Probabilities are the last layer's of these features.
    weights = judge._network.last
    logits = judged.features @ weights.weight.detach().numpy().T + weights.bias.detach().numpy()
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    expected = exponentials / exponentials.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(judged.probabilities, expected, atol=1e-4)


def test_images_of_any_size_are_judged_alone(judge: ClassifierJudge, toy: TrainingSet) -> None:
    small = np.ascontiguousarray(open_images(toy, 32)[:9])
    together = judge.judge(small)
    assert np.mean(together.probabilities.argmax(axis=1) == toy.categories[:9]) > 0.8
    alone = judge.judge(small[4:5])
    np.testing.assert_allclose(alone.features[0], together.features[4], rtol=1e-3, atol=1e-4)


def test_the_judge_is_the_same_for_all_seeds_and_none_that_a_model_starts_from(
    judge: ClassifierJudge, toy: TrainingSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = judge.facts()
    monkeypatch.setattr("dvbpr.classifier.train_classifier", lambda *a: pytest.fail("trained"))
    other = ClassifierJudge(QUICK, runtime=dataclasses.replace(ONE, seed=8)).prepare(toy)
    assert other.facts() == facts
    with pytest.raises(pytest.fail.Exception):
        pretrain(
            toy,
            "slim",
            runtime=dataclasses.replace(ONE, seed=0),
            settings=ClassifierSettings(epochs=4),
        )
    with pytest.raises(pytest.fail.Exception):
        ClassifierJudge(dataclasses.replace(QUICK, seed=1), runtime=ONE).prepare(toy)


def test_what_the_classifier_says_of_itself(judge: ClassifierJudge) -> None:
    facts = judge.facts()
    assert facts.score_label == "classifier score"
    assert not {"FID", "KID"} & {facts.frechet_label, facts.kernel_label}
    assert (facts.n_classes, facts.feature_dims, facts.n_held_out) == (3, 256, 6)
    assert facts.accuracy is not None
    assert "slim trained to name the 3 categories on 54 images of toy" in str(facts)
    assert "resized to 64 x 64 (Pillow, bilinear), x / 127.5 - 1" in str(facts)
    assert len(facts.weights_sha256) == 64


@pytest.mark.parametrize("part", ["images", "categories"])
def test_without_images_or_categories(toy: TrainingSet, part: str) -> None:
    with pytest.raises(BenchError, match=f"classifier needs {part}, which toy does not have"):
        ClassifierJudge(QUICK, runtime=ONE).prepare(dataclasses.replace(toy, **{part: None}))  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", [{"epochs": 0}, {"seed": -1}, {"pixels": 8}])
def test_settings_without_sense(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must be at least"):
        ClassifierJudgeParams(**wrong)


def test_the_inception_judge_wants_the_published_weights(toy: TrainingSet, tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=r"give --inception-weights FILE.* \(95,628,359 bytes\)"):
        InceptionJudge(runtime=ONE).prepare(toy)
    path = tmp_path / "other.pth"
    path.write_bytes(b"x" * 50)
    judge = InceptionJudge(InceptionJudgeParams(weights=str(path)), runtime=ONE)
    with pytest.raises(BenchError, match="cut off: it has 50 bytes"):
        judge.prepare(toy)
    with pytest.raises(BenchError, match="inception is not prepared"):
        judge.facts()


def test_the_inception_judge_gives_what_the_network_gives(
    toy: TrainingSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "random.pth"
    torch.save(reference.random_weights(InceptionNet()), path)
    load = functools.partial(dvbpr.inception_weights.load_inception, size=None, sha256=None)
    monkeypatch.setattr(dvbpr.inception_weights, "load_inception", load)
    judge = InceptionJudge(InceptionJudgeParams(weights=str(path)), runtime=ONE).prepare(toy)
    image = reference.images()[1]
    judged = judge.judge(image.permute(0, 2, 3, 1).numpy())
    with np.load(reference.STORED) as stored:
        features, logits = stored["features"][1], stored["logits"][1]
    np.testing.assert_allclose(judged.features[0], features, rtol=0, atol=2e-4 * features.std())
    expected = np.exp(logits - logits.max())
    np.testing.assert_allclose(
        judged.probabilities[0], expected / expected.sum(), rtol=0, atol=1e-4
    )
    facts = judge.facts()
    assert facts.score_label == "inception score"
    assert (facts.frechet_label, facts.kernel_label) == ("FID", "KID")
    assert str(facts).startswith(
        "Inception of 2015-12-05 (ImageNet), softmax without bias; weights SHA-256 6726825d; "
        "resized to 299 x 299 (TensorFlow 1, bilinear)"
    )


def test_judges_are_found_by_name() -> None:
    registry = Registry()
    assert registry.judge_names() == ["classifier", "inception"]
    assert registry.judge("classifier") is ClassifierJudge
    found = registry.judge("inception")
    assert found is InceptionJudge
    assert parse_params(found, {"weights": "download"}).weights == "download"
