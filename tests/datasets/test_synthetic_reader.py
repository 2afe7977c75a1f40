"""Style read off pixels, and what it is worth; against the styles that were drawn."""

import dataclasses

import numpy as np
import pytest
import torch

import bench.datasets.synthetic.reader as module
from bench.datasets.dataset import Dataset, Images, Interactions, TrainingSet
from bench.datasets.synthetic.images import draw_all
from bench.datasets.synthetic.reader import (
    ReaderOptions,
    StyleReader,
    stores_style,
    style_reader,
)
from bench.datasets.synthetic.reader_network import ReaderNet, read_styles
from bench.datasets.synthetic.reader_report import ReaderReport, agreement, explained
from bench.datasets.synthetic.style import CATEGORIES, KINDS, KINDS_BY_CATEGORY, sample_styles
from bench.datasets.synthetic.taste import (
    STYLE_BLOCKS,
    TasteOptions,
    embed_categories,
    embed_styles,
    sample_taste,
)
from bench.errors import BenchError
from bench.recommender import Factors

QUICK = ReaderOptions(n_garments=700, n_held_out=80, n_epochs=12)
TINY = ReaderOptions(n_garments=100, n_held_out=20, n_epochs=1)
N_USERS = 12
SEED = 2


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Ninety garments at 48 pixels and a dozen users of known taste."""
    styles = sample_styles(90, np.random.default_rng(SEED))
    parts = draw_all(styles, pixels=48, seed=SEED, role="catalogue", n_workers=1)
    encoded = [image for part in parts for image in part]
    users = np.arange(N_USERS)
    train = Interactions.from_pairs(users, users, n_users=N_USERS, n_items=90)
    return Dataset(
        training=TrainingSet(
            name="drawn",
            train=train,
            images=Images(encoded, cache=tmp_path_factory.mktemp("cache") / "hash"),
            categories=styles.category,
            category_names=CATEGORIES,
        ),
        validation=np.full(N_USERS, -1, np.int32),
        test=np.full(N_USERS, -1, np.int32),
        user_ids=[f"u{k}" for k in users],
        item_ids=[f"i{k}" for k in range(90)],
        data_hash="d" * 64,
        split_hash="s" * 64,
        split_rule="by hand",
        oracle=sample_taste(embed_styles(styles), N_USERS, TasteOptions(), 5),
    )


@pytest.fixture(scope="module")
def reader(drawn: Dataset) -> StyleReader:
    found = style_reader(drawn, QUICK, threads=1)
    assert found is not None
    return found


def pixels(dataset: Dataset) -> np.ndarray:
    images = dataset.training.images
    assert images is not None
    return np.stack([np.asarray(images.decoded(k)) for k in range(len(images))])


def test_it_reads_styles_it_never_saw(drawn: Dataset, reader: StyleReader) -> None:
    assert drawn.oracle is not None
    categories = drawn.training.categories
    assert categories is not None
    read = reader.read(pixels(drawn), categories)
    assert read.dtype == np.float32
    assert read.shape == (90, 31)
    truth = drawn.oracle.item_factors
    np.testing.assert_array_equal(read[:, 23:], truth[:, 23:])
    for block in ("colours", "patterns"):
        np.testing.assert_allclose(read[:, STYLE_BLOCKS[block]].sum(axis=1), 1, atol=1e-4)
    # 700 drawings teach what is easy to see; by default there are 5,000.
    assert explained(truth[:, :23], read[:, :23]) > 0.5
    assert explained(truth[:, 20:23], read[:, 20:23]) > 0.7


def test_true_utility_is_the_stored_taste_times_what_is_read(
    drawn: Dataset, reader: StyleReader
) -> None:
    assert drawn.oracle is not None
    categories = drawn.training.categories
    assert categories is not None
    items, users = np.arange(90), np.arange(90) % N_USERS
    images = pixels(drawn)
    worth = reader.true_utility(images, users, categories)
    assert worth.dtype == np.float32
    read = reader.read(images, categories)
    weights = drawn.oracle.user_factors
    expected = [
        sum(float(w) * float(s) for w, s in zip(weights[u], read[k], strict=True))
        for k, u in enumerate(users)
    ]
    np.testing.assert_allclose(worth, expected, rtol=1e-4, atol=1e-4)
    stored = reader.stored_utility(users, items)
    # What the data set scores, but for popularity.
    scores = drawn.oracle.score(users)[items, items] - drawn.oracle.item_bias
    np.testing.assert_allclose(stored, scores, rtol=1e-4, atol=1e-4)
    assert np.corrcoef(worth, stored)[0, 1] > 0.85


def test_another_category_is_read_as_asked(drawn: Dataset, reader: StyleReader) -> None:
    images = pixels(drawn)[:5]
    for category in range(len(CATEGORIES)):
        read = reader.read(images, np.full(5, category))
        possible = np.array(
            [(KINDS[k].formal, KINDS[k].sporty, KINDS[k].cosy) for k in KINDS_BY_CATEGORY[category]]
        )
        use = read[:, STYLE_BLOCKS["use"]]
        assert (use >= possible.min(axis=0) - 1e-5).all()
        assert (use <= possible.max(axis=0) + 1e-5).all()


def test_how_well_it_reads_is_stated(reader: StyleReader) -> None:
    report = reader.report
    assert (report.n_train, report.n_held_out, report.n_items, report.n_users) == (700, 80, 90, 12)
    assert set(report.r2) == {"style", "colours", "patterns", "shape", "use"}
    assert 0.5 < report.r2["style"] < 1
    assert 0.2 < report.r2_softened <= report.r2["style"] + 0.1
    assert 0.85 < report.correlation < 1
    assert report.correlation_within is not None
    assert 0.4 < report.correlation_within < report.correlation
    assert 0 < report.rms_error < report.rms_within
    text = str(report)
    for part in ("trained on 700 drawings outside the catalogue", "on 80 others", "90 items to 12"):
        assert part in text


def test_it_is_trained_once_and_the_same_every_time(
    drawn: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    categories = drawn.training.categories
    assert categories is not None
    images = pixels(drawn)
    assert drawn.training.images is not None
    before = torch.get_rng_state()
    first = style_reader(drawn, TINY, threads=1)
    assert first is not None
    bare = dataclasses.replace(
        drawn,
        training=dataclasses.replace(drawn.training, images=Images(drawn.training.images._column)),
    )
    again = style_reader(bare, TINY, threads=2)  # nothing is kept, so it is trained
    assert again is not None
    np.testing.assert_array_equal(again.read(images, categories), first.read(images, categories))
    assert again.report == first.report
    assert torch.equal(torch.get_rng_state(), before)
    monkeypatch.setattr(module, "_train", lambda *a: pytest.fail("trained again"))
    recalled = style_reader(drawn, TINY)
    assert recalled is not None
    np.testing.assert_array_equal(recalled.read(images, categories), first.read(images, categories))
    assert recalled.report == first.report
    assert drawn.oracle is not None
    other = dataclasses.replace(
        drawn,
        oracle=dataclasses.replace(drawn.oracle, user_factors=2 * drawn.oracle.user_factors),
    )
    for dataset, options in ((other, TINY), (drawn, dataclasses.replace(TINY, seed=1))):
        with pytest.raises(pytest.fail.Exception):
            style_reader(dataset, options)


def test_none_of_its_drawings_is_in_a_catalogue(
    drawn: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the catalogue's own seed it has other styles, and the same style is drawn anew."""
    seen: list[np.ndarray] = []
    real = module._draw

    def noting(*a: object) -> np.ndarray:
        images = real(*a)  # type: ignore[arg-type]
        seen.append(images)
        return images

    monkeypatch.setattr(module, "_draw", noting)
    options = dataclasses.replace(TINY, seed=SEED)
    module._train(drawn, options, 1)
    module._draw(sample_styles(90, np.random.default_rng(SEED)), 48, options, 1)
    assert drawn.training.images is not None
    catalogue = module._decoded("drawn", drawn.training.images, np.arange(90))
    own, same_styles = seen
    assert own.shape == (120, 64, 64, 3)
    assert len({image.tobytes() for image in own}) == 120
    known = {image.tobytes() for image in catalogue}
    for images in (own, same_styles):
        assert not known & {image.tobytes() for image in images}


def test_only_data_sets_that_store_the_style_have_a_reader(
    drawn: Dataset, toy_dataset: Dataset
) -> None:
    assert stores_style(drawn)
    assert style_reader(toy_dataset) is None
    oracle = drawn.oracle
    assert oracle is not None

    def with_styles(styles: np.ndarray) -> Dataset:
        users = np.zeros((N_USERS, styles.shape[1]), np.float32)
        return dataclasses.replace(drawn, oracle=Factors(users, styles, oracle.item_bias))

    styles = oracle.item_factors
    shuffled = styles[::-1].copy()  # categories of other items
    mixed = styles.copy()
    mixed[:, STYLE_BLOCKS["patterns"]] = 1 / 8
    dark = styles.copy()
    dark[:, STYLE_BLOCKS["colours"]] *= 0.5
    others = [with_styles(s) for s in (shuffled, mixed, dark, styles[:, :30].copy())]
    training = drawn.training
    changes = (
        {"images": None},
        {"categories": None},
        {"category_names": tuple(reversed(CATEGORIES))},
    )
    others += [
        dataclasses.replace(drawn, training=dataclasses.replace(training, **change))
        for change in changes
    ]
    others.append(dataclasses.replace(drawn, oracle=None))
    for other in others:
        assert not stores_style(other)
        assert style_reader(other, QUICK) is None


def test_images_that_do_not_pair(reader: StyleReader) -> None:
    images = np.zeros((2, 8, 8, 3), np.uint8)
    with pytest.raises(ValueError, match="2 images do not pair with 1 categories"):
        reader.read(images, np.array([0]))
    with pytest.raises(ValueError, match=r"lie in 0\.\.5"):
        reader.read(images, np.array([0, 6]))
    with pytest.raises(ValueError, match="1 users do not pair with 2"):
        reader.true_utility(images, np.array([3]), np.array([0, 1]))
    assert reader.true_utility(images[:0], np.array([], int), np.array([], int)).shape == (0,)


def test_an_image_that_cannot_be_decoded_is_one_clear_line(drawn: Dataset) -> None:
    images = Images([b"no image"] * 90)
    with pytest.raises(BenchError, match=r"cannot be decoded .*`bench verify drawn`"):
        module._decoded("drawn", images, np.array([4]))


@pytest.mark.parametrize(
    "wrong", [{"n_garments": 99}, {"n_held_out": 5}, {"n_epochs": 0}, {"seed": -1}]
)
def test_options_without_sense(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must be at least"):
        ReaderOptions(**wrong)


def test_neither_batch_nor_company_changes_a_reading(reader: StyleReader, drawn: Dataset) -> None:
    categories = drawn.training.categories
    assert categories is not None
    images = pixels(drawn)
    whole = reader.read(images, categories)
    alone = np.concatenate([reader.read(images[k : k + 1], categories[k : k + 1]) for k in (0, 7)])
    np.testing.assert_allclose(alone, whole[[0, 7]], rtol=0, atol=1e-4)


def test_a_kind_that_hangs_on_no_rail_of_the_category_is_never_read() -> None:
    network = ReaderNet().eval()
    images = torch.zeros((6, 3, 64, 64))
    with torch.inference_mode():
        kinds = network(images, torch.arange(6)).kinds.exp().numpy()
    for category, possible in enumerate(KINDS_BY_CATEGORY):
        others = np.setdiff1d(np.arange(len(KINDS)), possible)
        assert kinds[category, others].max() == 0
        assert kinds[category].sum() == pytest.approx(1, abs=1e-5)
    assert read_styles(network, np.zeros((0, 64, 64, 3), np.uint8), np.zeros(0, int)).shape == (
        0,
        23,
    )


def test_categories_are_embedded_as_styles_are() -> None:
    styles = sample_styles(40, np.random.default_rng(3))
    np.testing.assert_array_equal(
        embed_styles(styles)[:, STYLE_BLOCKS["category"]], embed_categories(styles.category)
    )
    bounds = [(at.start, at.stop) for at in STYLE_BLOCKS.values()]
    assert [start for start, _ in bounds[1:]] == [stop for _, stop in bounds[:-1]]
    assert (bounds[0][0], bounds[-1][1]) == (0, 31)


def test_figures_are_their_definitions(rng: np.random.Generator) -> None:
    truth = rng.standard_normal((4, 10)).astype(np.float32)
    read = (truth + 0.5 * rng.standard_normal((4, 10))).astype(np.float32)
    categories = np.array([0, 0, 0, 0, 3, 3, 3, 3, 5, 5])
    found = agreement(truth, read, categories)
    within = [
        np.corrcoef(truth[u, categories == c], read[u, categories == c])[0, 1]
        for c in (0, 3)  # two items of category 5 say nothing
        for u in range(4)
    ]
    assert found["correlation_within"] == pytest.approx(np.mean(within))
    assert found["correlation"] == pytest.approx(np.corrcoef(truth.ravel(), read.ravel())[0, 1])
    assert found["rms_error"] == pytest.approx(np.sqrt(np.mean((truth - read) ** 2)))
    spread = sum(
        ((truth[u, categories == c] - truth[u, categories == c].mean()) ** 2).sum()
        for c in (0, 3, 5)
        for u in range(4)
    )
    assert found["rms_within"] == pytest.approx(np.sqrt(spread / 40))
    assert agreement(truth[:, :2], read[:, :2], categories[[0, 4]])["correlation_within"] is None
    residual = ((truth - read) ** 2).sum()
    total = ((truth - truth.mean(axis=0)) ** 2).sum()
    assert explained(truth, read) == pytest.approx(1 - residual / total, rel=1e-5)
    assert explained(truth, truth) == 1


def test_a_report_without_categories_large_enough() -> None:
    report = ReaderReport(
        n_train=1,
        n_held_out=1,
        r2={"style": 0.5, "colours": 0.5, "patterns": 0.5, "shape": 0.5, "use": 0.5},
        r2_softened=0.5,
        n_items=2,
        n_users=2,
        correlation=0.5,
        correlation_within=None,
        rms_error=1.0,
        rms_within=1.0,
    )
    assert "within a category, " not in str(report)
    assert "0.50 over all" in str(report)
