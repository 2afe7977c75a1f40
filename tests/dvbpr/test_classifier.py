import dataclasses
import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from bench.datasets.dataset import Images, TrainingSet
from bench.errors import BenchError
from bench.recommender import Runtime
from bench.testing import toy_training_set
from dvbpr import classifier as module
from dvbpr.backbones import build_backbone
from dvbpr.classifier import ClassifierSettings, pretrain
from dvbpr.classifier_training import augment
from dvbpr.features import features_of
from dvbpr.images import DeviceImages, open_images

QUICK = ClassifierSettings(epochs=6, batch_size=12, held_out=0.25)
ONE = Runtime(seed=3, device="cpu", threads=1)


def slim(seed: int = 0, outputs: int = 3) -> torch.nn.Module:
    generator = torch.Generator().manual_seed(seed)
    return build_backbone("slim", outputs, dropout=0.0, generator=generator)


@pytest.fixture
def toy(tmp_path: Path) -> TrainingSet:
    """The kit's 60 images, whose category is the colour that is added; with a cache folder."""
    training = toy_training_set()
    assert training.images is not None
    encoded = [training.images.encoded(item) for item in range(training.n_items)]
    return dataclasses.replace(training, images=Images(encoded, cache=tmp_path / "c" / "hash"))


def test_it_learns_the_categories_and_says_how_well(toy: TrainingSet) -> None:
    report = pretrain(toy, "slim", runtime=ONE, settings=QUICK).report
    assert (report.n_train, report.n_held_out, report.n_categories) == (45, 15, 3)
    assert report.accuracy >= 0.9
    assert report.most_frequent <= 0.6
    assert report.loss < 1.0
    assert f"{report.accuracy:.1%} of 15 held-out photographs right" in str(report)


def test_what_is_held_out_is_never_trained_on(
    toy: TrainingSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: set[int] = set()
    real = DeviceImages.batch

    def noting(self: DeviceImages, items: torch.Tensor) -> torch.Tensor:
        if not torch.is_inference_mode_enabled():
            seen.update(items.tolist())
        return real(self, items)

    monkeypatch.setattr(DeviceImages, "batch", noting)
    pretrain(toy, "slim", runtime=ONE, settings=QUICK)
    assert len(seen) == 45


def test_same_seed_same_weights_and_another_seed_others(toy: TrainingSet) -> None:
    settings = dataclasses.replace(QUICK, epochs=1)
    assert toy.images is not None
    bare = dataclasses.replace(toy, images=Images(toy.images._column))  # nothing is kept
    first, again = (pretrain(bare, "slim", runtime=ONE, settings=settings) for _ in range(2))
    other = pretrain(bare, "slim", runtime=dataclasses.replace(ONE, seed=4), settings=settings)
    assert first.report == again.report
    for name, array in first.weights.items():
        np.testing.assert_array_equal(array, again.weights[name])
    assert any((first.weights[name] != other.weights[name]).any() for name in first.weights)


def test_it_is_trained_once_per_setting(toy: TrainingSet, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = dataclasses.replace(QUICK, epochs=1)
    first = pretrain(toy, "slim", runtime=ONE, settings=settings)
    monkeypatch.setattr(module, "train_classifier", lambda *a: pytest.fail("trained again"))
    again = pretrain(toy, "slim", runtime=ONE, settings=settings)
    assert again.report == first.report
    assert again.weights.keys() == first.weights.keys()
    for name, array in first.weights.items():
        np.testing.assert_array_equal(again.weights[name], array)
    for changed in (
        {"settings": QUICK},
        {"runtime": dataclasses.replace(ONE, seed=4)},
        {"runtime": dataclasses.replace(ONE, threads=2)},
        {"pixels": 32},
    ):
        with pytest.raises(pytest.fail.Exception):
            pretrain(toy, "slim", **({"runtime": ONE, "settings": settings} | changed))  # type: ignore[arg-type]


@pytest.mark.parametrize("damage", ["flip", "cut", "record"])
def test_a_damaged_store_is_trained_anew(
    toy: TrainingSet, caplog: pytest.LogCaptureFixture, damage: str
) -> None:
    settings = dataclasses.replace(QUICK, epochs=1)
    first = pretrain(toy, "slim", runtime=ONE, settings=settings)
    assert toy.images is not None
    assert toy.images.cache is not None
    (weights,) = toy.images.cache.glob("classifier-slim-*/weights.npz")
    if damage == "record":
        (weights.parent / "report.json").write_text("{}")
    else:
        content = bytearray(weights.read_bytes())
        content[len(content) // 2] ^= 1
        weights.write_bytes(content if damage == "flip" else content[:100])
    with caplog.at_level(logging.WARNING):
        again = pretrain(toy, "slim", runtime=ONE, settings=settings)
    assert "training the classifier again" in caplog.text
    for name, array in first.weights.items():
        np.testing.assert_array_equal(again.weights[name], array)


def test_a_network_starts_from_the_weights_with_its_own_last_layer(toy: TrainingSet) -> None:
    learnt = pretrain(toy, "slim", runtime=ONE, settings=dataclasses.replace(QUICK, epochs=1))
    network = slim(outputs=7)
    last = network.last.weight.detach().clone()
    learnt.start(network)
    assert torch.equal(network.last.weight, last)
    state = network.state_dict()
    assert set(learnt.weights) == set(state)
    for name, array in learnt.weights.items():
        if not name.startswith("last."):
            np.testing.assert_array_equal(state[name].numpy(), array)
    generator = torch.Generator().manual_seed(0)
    other = build_backbone("resnet-18", 7, dropout=0.0, generator=generator)
    with pytest.raises(BenchError, match="another network"):
        learnt.start(other)


@pytest.mark.parametrize("pixels", [None, 32])
def test_the_whole_classifier_names_categories(toy: TrainingSet, pixels: int | None) -> None:
    for _ in range(2):  # trained, and recalled
        learnt = pretrain(toy, "slim", runtime=ONE, settings=QUICK, pixels=pixels)
        network = learnt.network()
        assert not network.training
        images = open_images(toy, pixels or 64).astype(np.float32) / 127.5 - 1
        with torch.inference_mode():
            logits = network(torch.from_numpy(images).permute(0, 3, 1, 2))
        assert logits.shape == (60, 3)
        assert float(np.mean(logits.argmax(1).numpy() == toy.categories)) > 0.9


def test_images_of_another_size(toy: TrainingSet) -> None:
    learnt = pretrain(
        toy, "slim", runtime=ONE, pixels=32, settings=dataclasses.replace(QUICK, epochs=1)
    )
    generator = torch.Generator().manual_seed(0)
    small = build_backbone("slim", 7, dropout=0.0, pixels=32, generator=generator)
    learnt.start(small)
    with pytest.raises(BenchError, match="another network"):
        learnt.start(slim())


@pytest.mark.parametrize("part", ["images", "categories"])
def test_without_images_or_categories(toy: TrainingSet, part: str) -> None:
    with pytest.raises(BenchError, match=f"needs {part}, which toy does not have"):
        pretrain(dataclasses.replace(toy, **{part: None}), "slim", runtime=ONE)  # type: ignore[arg-type]


def test_one_category_is_nothing_to_tell_apart(toy: TrainingSet) -> None:
    with pytest.raises(BenchError, match="one category"):
        pretrain(dataclasses.replace(toy, categories=np.zeros(60, np.int16)), "slim", runtime=ONE)


def test_a_loss_that_is_not_finite_is_an_error(toy: TrainingSet) -> None:
    settings = dataclasses.replace(QUICK, learning_rate=1e30)
    with pytest.raises(BenchError, match=r"loss is not finite in epoch \d"):
        pretrain(toy, "slim", runtime=ONE, settings=settings)


@pytest.mark.parametrize(
    "wrong",
    [{"epochs": 0}, {"learning_rate": 0.0}, {"held_out": 1.0}, {"dropout": 1.0}, {"shift": -0.1}],
)
def test_settings_without_sense(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"must be|shares"):
        ClassifierSettings(**wrong)  # type: ignore[arg-type]


def test_threads_of_the_process_are_as_before(toy: TrainingSet) -> None:
    before = torch.get_num_threads()
    pretrain(toy, "slim", runtime=ONE, settings=dataclasses.replace(QUICK, epochs=1))
    assert torch.get_num_threads() == before


def test_augmented_images_are_moved_and_mirrored_copies() -> None:
    """Each image's corner-free pattern is found again at the shift that was drawn."""
    rng = np.random.default_rng(0)
    batch = torch.zeros((64, 3, 20, 20), dtype=torch.uint8)
    batch[:, 0, 10, 6] = 255  # one point, left of the middle
    moved = augment(batch, rng, 0.1)
    assert moved.shape == batch.shape
    assert moved.is_contiguous(memory_format=torch.channels_last)
    points = moved[:, 0].nonzero()
    assert len(points) == 64
    rows, columns = points[:, 1], points[:, 2]
    assert set(rows.tolist()) == {8, 9, 10, 11, 12}
    # 6 or its mirror image 13, each up to two pixels away.
    assert set(columns.tolist()) == {4, 5, 6, 7, 8, 11, 12, 13, 14, 15}
    assert 16 < int((columns < 10).sum()) < 48
    assert not moved[:, 1:].any()


def test_no_shift_leaves_only_mirroring_and_edges_are_repeated() -> None:
    rng = np.random.default_rng(0)
    batch = torch.arange(8, dtype=torch.uint8).expand(30, 3, 8, 8).contiguous()
    for image in augment(batch, rng, 0.0):
        assert torch.equal(image, batch[0]) or torch.equal(image, batch[0].flip(2))
    for image in augment(batch, rng, 0.5):
        row = image[0, 0].tolist()
        assert row in (sorted(row), sorted(row, reverse=True))


def test_features_are_the_activations_before_the_last_layer(toy: TrainingSet) -> None:
    network = slim().eval()
    images = open_images(toy, 64)
    found = features_of(network, images, torch.device("cpu"), dtype=np.float32)
    assert found.dtype == np.float32
    assert found.shape == (60, 256)
    for item in (0, 17, 59):
        pixels = torch.from_numpy(images[item].astype(np.float32)).permute(2, 0, 1)[None]
        with torch.no_grad():
            expected = network.features(pixels / 127.5 - 1)[0]
            outputs = network(pixels / 127.5 - 1)[0]
        np.testing.assert_allclose(found[item], expected.numpy(), rtol=1e-4, atol=1e-5)
        by_hand = network.last.weight @ torch.from_numpy(found[item]) + network.last.bias
        np.testing.assert_allclose(by_hand.detach().numpy(), outputs.numpy(), rtol=1e-3, atol=1e-4)


def test_features_in_half_precision_stay_in_its_range(toy: TrainingSet) -> None:
    network = slim()
    with torch.no_grad():
        network.full.bias.fill_(1e6)
    found = features_of(network, open_images(toy, 64), torch.device("cpu"))
    assert found.dtype == np.float16
    assert float(found.max()) == np.finfo(np.float16).max


def test_several_blocks_and_dropout_are_off(
    toy: TrainingSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = torch.Generator().manual_seed(0)
    network = build_backbone("slim", 3, dropout=0.5, generator=generator).train()
    whole = features_of(network, open_images(toy, 64), torch.device("cpu"), dtype=np.float32)
    monkeypatch.setattr("dvbpr.features._ROWS", 7)
    parts = features_of(
        network.train(), open_images(toy, 64), torch.device("cpu"), dtype=np.float32
    )
    np.testing.assert_allclose(parts, whole, rtol=1e-4, atol=1e-5)


def test_real_photographs_are_told_apart_better_than_by_chance(
    shared_data: Path, with_images: Callable[..., TrainingSet]
) -> None:
    """150 each of two kinds of garment, six passes."""
    import csv

    with (shared_data / "clothing" / "items.csv").open(encoding="utf-8") as file:
        listed = list(csv.DictReader(file))
    kinds = ("t-shirt", "pants")
    rows = [row for kind in kinds for row in [r for r in listed if r["category"] == kind][:150]]
    encoded = [(shared_data / "clothing" / row["image"]).read_bytes() for row in rows]
    labels = np.array([row["category"] == "pants" for row in rows], dtype=np.int16)
    dataset = dataclasses.replace(with_images(encoded), categories=labels, category_names=kinds)
    settings = ClassifierSettings(epochs=6, batch_size=32, held_out=0.25)
    report = pretrain(dataset, "slim", runtime=ONE, settings=settings).report
    assert report.accuracy > report.most_frequent + 0.1
