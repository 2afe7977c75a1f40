"""Table IV's numbers from known images, each against a computation of its own."""

from collections.abc import Callable
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from scipy.linalg import sqrtm
from skimage.metrics import structural_similarity
from toy_generation import PIXELS, SMALL, ColourJudge, OtherJudge, looks

from bench.datasets.dataset import Dataset
from bench.datasets.pixels import decoded
from bench.experiment.generation.measure import Measures, measure
from bench.experiment.generation.options import GenerationOptions
from bench.experiment.generation.parts import Arrays
from bench.experiment.generation.utility import UtilityReader


@pytest.fixture
def parts(make: Callable[..., dict[str, Arrays]]) -> dict[str, Arrays]:
    return make()


@pytest.fixture
def measured(toy_dataset: Dataset) -> Callable[..., Measures]:
    def run(
        parts: dict[str, Arrays],
        options: GenerationOptions = SMALL,
        classifier: bool = True,
        **others: Any,
    ) -> Measures:
        judge = ColourJudge().prepare(toy_dataset.training)
        given = {
            "judge": judge,
            "classifier": judge if classifier else None,
            "reader": None,
            "seed": 3,
            "threads": 1,
            **others,
        }
        decode = lambda items: decoded(toy_dataset.training, items, PIXELS)  # noqa: E731
        return measure(parts, options.settled("cpu"), decode=decode, **given)

    return run


def images_of(parts: dict[str, Arrays], dataset: Dataset, source: str) -> np.ndarray:
    trials = parts["trials"]
    if source == "designed":
        return parts["designed"]["images"]
    if source == "generated":
        return trials["generated_images"]
    return decoded(dataset.training, trials[f"{source}_items"], PIXELS)


def test_preference_is_the_mean_over_images_without_eta(
    parts: dict[str, Arrays], measured: Callable[..., Measures]
) -> None:
    sources = measured(parts).sources
    for source, scores in (
        ("real", parts["trials"]["real_scores"]),
        ("generated", parts["trials"]["generated_scores"]),
        ("retrieved", parts["trials"]["retrieved_scores"]),
        ("designed", parts["designed"]["scores"]),
    ):
        found = sources[source]["preference"]
        assert found["n_images"] == 54
        assert found["mean"] == pytest.approx(np.mean(scores), rel=1e-5)
        assert found["std"] == pytest.approx(np.std(scores), rel=1e-5)
    # What eta takes away is not in it.
    objective = parts["designed"]["objective"].mean()
    assert sources["designed"]["preference"]["mean"] > objective + 0.05


def test_diversity_as_scikit_image_sees_it(
    parts: dict[str, Arrays], measured: Callable[..., Measures], toy_dataset: Dataset
) -> None:
    found = measured(parts).sources
    for source in ("real", "designed"):
        grey = images_of(parts, toy_dataset, source) @ np.array([0.299, 0.587, 0.114])
        values = []
        for trial in grey:
            pairs = []
            for one, two in combinations(trial, 2):
                _, full = structural_similarity(
                    one,
                    two,
                    data_range=255,
                    gaussian_weights=True,
                    sigma=1.5,
                    use_sample_covariance=False,
                    full=True,
                )
                pairs.append(full[5:-5, 5:-5].mean())  # where the window fits
            values.append(1 - np.mean(pairs))
        assert found[source]["diversity"]["mean"] == pytest.approx(np.mean(values), abs=1e-6)
        assert found[source]["diversity"]["std"] == pytest.approx(np.std(values), abs=1e-6)
        assert found[source]["diversity"]["n_trials"] == 18


def test_quality_by_the_definition(
    parts: dict[str, Arrays], measured: Callable[..., Measures], toy_dataset: Dataset
) -> None:
    quality = measured(parts).sources["designed"]["quality"]
    seen = np.exp(3 * looks(images_of(parts, toy_dataset, "designed").reshape(-1, 12, 12, 3)))
    p = seen / seen.sum(axis=1, keepdims=True)
    scores = [
        np.exp((rows * np.log(rows / rows.mean(axis=0))).sum(axis=1).mean())
        for rows in (p[:27].astype(float), p[27:].astype(float))
    ]
    assert quality["n_images"] == 54
    assert quality["split_sizes"] == [27, 27]  # four would have fewer than 20
    assert quality["scores"] == pytest.approx(scores, rel=1e-5)
    assert quality["mean"] == pytest.approx(np.mean(scores), rel=1e-5)
    assert quality["std"] == pytest.approx(np.std(scores), rel=1e-4)


def test_agreement_with_the_category_asked_for(
    parts: dict[str, Arrays], measured: Callable[..., Measures], toy_dataset: Dataset
) -> None:
    found = measured(parts).sources
    kinds = np.repeat(parts["trials"]["categories"], 3)
    for source in ("real", "generated"):
        seen = looks(images_of(parts, toy_dataset, source).reshape(-1, 12, 12, 3))
        assert found[source]["agreement"] == {
            "share": float(np.mean(seen.argmax(axis=1) == kinds)),
            "n_images": 54,
        }
    assert found["real"]["agreement"]["share"] == 1.0  # toy's categories are colours
    without = measured(parts, classifier=False).sources
    assert all(row["agreement"] is None for row in without.values())


def test_frechet_distance_to_other_real_images(
    parts: dict[str, Arrays], measured: Callable[..., Measures], toy_dataset: Dataset
) -> None:
    sources = measured(parts).sources
    judge = ColourJudge().prepare(toy_dataset.training)
    reference = decoded(toy_dataset.training, parts["trials"]["reference_items"], PIXELS)
    other = judge.features(reference).astype(float)
    for source in ("real", "designed"):
        images = images_of(parts, toy_dataset, source).reshape(-1, 12, 12, 3)
        mine = judge.features(images).astype(float)
        cov1, cov2 = np.cov(mine.T), np.cov(other.T)
        shift = ((mine.mean(axis=0) - other.mean(axis=0)) ** 2).sum()
        expected = shift + np.trace(cov1 + cov2 - 2 * np.real(sqrtm(cov1 @ cov2)))
        assert sources[source]["frechet"]["value"] == pytest.approx(expected, rel=1e-3)
        assert sources[source]["frechet"]["n_others"] == len(reference)
        assert sources[source]["kernel"]["n_subsets"] == 100
    # Other real images are nearer than what was painted.
    assert sources["real"]["frechet"]["value"] < sources["designed"]["frechet"]["value"]


def test_no_reference_no_distance(
    parts: dict[str, Arrays], measured: Callable[..., Measures]
) -> None:
    none = {**parts["trials"], "reference_items": np.empty(0, np.int64)}
    sources = measured({**parts, "trials": none}).sources
    assert all(row["frechet"] is None and row["kernel"] is None for row in sources.values())


def test_improvement_trial_by_trial(
    parts: dict[str, Arrays], measured: Callable[..., Measures]
) -> None:
    found = measured(parts)
    after, before = parts["designed"]["scores"], parts["trials"]["retrieved_scores"]
    gain = found.improvement["preference"]
    assert gain["difference"] == pytest.approx(float(after.mean() - before.mean()), rel=1e-4)
    assert gain["percent"] == pytest.approx(100 * (after.mean() / before.mean() - 1), rel=1e-4)
    assert gain["ci_low"] < gain["difference"] < gain["ci_high"]
    quality = found.improvement["quality"]
    sources = found.sources
    assert quality["percent"] == pytest.approx(
        100 * (sources["designed"]["quality"]["mean"] / sources["retrieved"]["quality"]["mean"] - 1)
    )
    assert quality["ci_low"] is None
    assert "utility" not in found.improvement


def test_no_percentage_of_what_is_not_positive(
    parts: dict[str, Arrays], measured: Callable[..., Measures]
) -> None:
    sad = {**parts["trials"], "retrieved_scores": parts["trials"]["retrieved_scores"] - 50}
    gain = measured({**parts, "trials": sad}).improvement["preference"]
    assert gain["percent"] is None
    assert gain["difference"] > 40


def test_figure_3_is_measured_over_the_same_trials(
    parts: dict[str, Arrays], measured: Callable[..., Measures]
) -> None:
    etas = measured(parts).etas
    assert [point["eta"] for point in etas] == [None, 0.0, 0.1, 1.0, 10.0]
    for point in etas:
        assert point["preference"]["n_images"] == 18
        assert point["quality"]["n_images"] == 18
        assert point["diversity"]["n_trials"] == 6
    scores = [
        parts["trials"]["retrieved_scores"][:6],
        parts["eta-0"]["scores"],
        parts["eta-0.1"]["scores"],
        parts["designed"]["scores"][:6],
        parts["eta-10"]["scores"],
    ]
    means = [point["preference"]["mean"] for point in etas]
    assert means == pytest.approx([float(s.mean()) for s in scores], rel=1e-5)
    per_trial = scores[1].mean(axis=1)
    assert etas[1]["preference"]["standard_error"] == pytest.approx(
        per_trial.std(ddof=1) / np.sqrt(6), rel=1e-5
    )


def test_without_other_etas_no_figure_3(
    make: Callable[..., dict[str, Arrays]], measured: Callable[..., Measures]
) -> None:
    options = replace(SMALL, eta_trials=0)
    assert measured(make(options), options).etas == ()


def test_neighbours(parts: dict[str, Arrays], measured: Callable[..., Measures]) -> None:
    near = measured(parts).neighbours
    assert near["generated"]["n_images"] == near["real"]["n_images"] == 12
    for name, key in (("generated", "distances"), ("real", "real_distances")):
        assert near[name]["percentiles"]["50"] == pytest.approx(np.median(parts["samples"][key]))
        assert near[name]["percentiles"]["0"] == parts["samples"][key].min()
    made, real = parts["samples"]["distances"], parts["samples"]["real_distances"]
    apart = near["median_difference"]
    assert apart["difference"] == pytest.approx(np.median(made) - np.median(real))
    assert near["near"] == (made < np.percentile(real, 5)).mean()
    # The interval, by resampling with loops and other random numbers.
    rng = np.random.default_rng(3)
    again = [
        np.median(rng.choice(made, len(made))) - np.median(rng.choice(real, len(real)))
        for _ in range(4000)
    ]
    width = apart["ci_high"] - apart["ci_low"]
    assert apart["ci_low"] == pytest.approx(np.percentile(again, 2.5), abs=0.15 * width)
    assert apart["ci_high"] == pytest.approx(np.percentile(again, 97.5), abs=0.15 * width)
    assert measured(parts).neighbours == near


def test_copies_are_near(parts: dict[str, Arrays], measured: Callable[..., Measures]) -> None:
    samples = parts["samples"]
    distances = samples["real_distances"] * np.linspace(0.0, 0.1, 12, dtype=np.float32)
    near = measured({**parts, "samples": {**samples, "distances": distances}}).neighbours
    assert near["near"] == 1.0
    assert near["median_difference"]["ci_high"] < 0


def test_one_distance_has_no_interval(
    parts: dict[str, Arrays], measured: Callable[..., Measures]
) -> None:
    samples = parts["samples"]
    distances = np.full_like(samples["distances"], np.inf)
    near = measured({**parts, "samples": {**samples, "distances": distances}}).neighbours
    assert near["generated"] is near["median_difference"] is near["near"] is None
    distances[0] = 3.0
    near = measured({**parts, "samples": {**samples, "distances": distances}}).neighbours
    assert near["generated"]["n_images"] == 1
    assert near["median_difference"] is near["near"] is None


def test_true_utility_by_a_reader(
    parts: dict[str, Arrays], measured: Callable[..., Measures], toy_dataset: Dataset
) -> None:
    seen: list[int] = []

    def read(users: np.ndarray, categories: np.ndarray, images: np.ndarray) -> np.ndarray:
        assert (categories == np.repeat(parts["trials"]["categories"], 3)).all()
        seen.append(len(users))
        return users + looks(images)[:, 0]

    def on_record(users: np.ndarray, items: np.ndarray) -> np.ndarray:
        return users + 100 * items

    reader = UtilityReader(read, on_record, {"description": "the red"})
    found = measured(parts, reader=reader)
    assert seen == [54] * 4
    users = parts["trials"]["users"]
    red = looks(images_of(parts, toy_dataset, "designed"))[..., 0] + users[:, None]
    row = found.sources["designed"]["utility"]
    assert row["mean"] == pytest.approx(float(red.mean()), rel=1e-5)
    assert row["std"] == pytest.approx(float(red.std()), rel=1e-5)
    assert row["on_record"] is None
    truth = parts["trials"]["real_items"] * 100 + users[:, None]
    assert found.sources["real"]["utility"]["on_record"] == pytest.approx(truth.mean())
    red_before = looks(images_of(parts, toy_dataset, "retrieved"))[..., 0] + users[:, None]
    assert found.improvement["utility"]["difference"] == pytest.approx(
        float(red.mean() - red_before.mean()), abs=1e-4
    )


def test_few_images_are_one_split(
    make: Callable[..., dict[str, Arrays]], measured: Callable[..., Measures]
) -> None:
    options = replace(SMALL, trials=2, splits=10, eta_trials=1)
    found = measured(make(options), options)
    assert found.sources["real"]["quality"]["split_sizes"] == [6]
    assert found.etas[0]["diversity"]["n_trials"] == 1


def test_another_judge_gives_quality_and_not_the_rest(
    parts: dict[str, Arrays], measured: Callable[..., Measures], toy_dataset: Dataset
) -> None:
    other = OtherJudge().prepare(toy_dataset.training)
    found, mine = measured(parts, judge=other), measured(parts)
    assert found.sources["real"]["agreement"] == mine.sources["real"]["agreement"]
    assert found.sources["real"]["preference"] == mine.sources["real"]["preference"]
