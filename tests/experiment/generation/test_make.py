"""The images of Table IV and the figures: what is asked of the models, and what a kill costs."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from toy_generation import PIXELS, SMALL, looks

from bench.datasets.dataset import Dataset, Images
from bench.datasets.pixels import decoded
from bench.errors import BenchError
from bench.experiment.generation.make import Makers, make_parts
from bench.experiment.generation.options import GenerationOptions
from bench.experiment.generation.parts import Arrays, Parts

Make = Callable[..., dict[str, Arrays]]


def categories_of(dataset: Dataset) -> np.ndarray:
    assert dataset.training.categories is not None
    return dataset.training.categories


def test_the_parts_there_are(make: Make) -> None:
    made = make()
    assert set(made) == {
        "trials",
        "designed",
        "eta-0",
        "eta-0.1",
        "eta-10",
        "samples",
        "picks",
        "tailored",
    }
    assert made["designed"]["images"].shape == (18, 3, PIXELS, PIXELS, 3)
    assert made["eta-10"]["images"].shape == (6, 3, PIXELS, PIXELS, 3)
    assert {array.dtype for array in (made["designed"]["images"], made["samples"]["images"])} == {
        np.dtype(np.uint8)
    }


def test_scores_are_the_users_own_for_the_images_beside_them(
    make: Make, makers: Makers, toy_dataset: Dataset
) -> None:
    made = make()
    trials, model = made["trials"], makers.recommender
    theta = model.factors().user_factors[trials["users"]]
    for name, part in (("generated", trials), ("designed", made["designed"])):
        prefix = "" if name == "designed" else "generated_"
        seen = looks(part[f"{prefix}images"].reshape(-1, PIXELS, PIXELS, 3)).reshape(18, 3, 3)
        expected = np.einsum("tf,tkf->tk", theta, seen)
        np.testing.assert_allclose(part[f"{prefix}scores"], expected, rtol=1e-5, atol=1e-6)
    catalogue = model.score(trials["users"])
    for name in ("real", "retrieved"):
        picked = np.take_along_axis(catalogue, trials[f"{name}_items"], axis=1)
        np.testing.assert_allclose(trials[f"{name}_scores"], picked, rtol=1e-5)


def test_the_retrieved_are_the_best_of_their_category(
    make: Make, makers: Makers, toy_dataset: Dataset
) -> None:
    trials = make()["trials"]
    kinds = categories_of(toy_dataset)
    scores = makers.recommender.score(trials["users"])
    for row, items in enumerate(trials["retrieved_items"]):
        masked = np.where(kinds == trials["categories"][row], scores[row], -np.inf)
        assert items.tolist() == np.argsort(-masked, kind="stable")[:3].tolist()


def test_random_ones_do_not_look_at_the_user(make: Make, toy_dataset: Dataset) -> None:
    trials = make()["trials"]
    kinds = categories_of(toy_dataset)
    assert (kinds[trials["real_items"]] == trials["categories"][:, None]).all()
    # The painter's line on the left says which category it was asked for.
    line = trials["generated_images"][:, :, 1, 0, 0]
    assert (line == 40 * trials["categories"][:, None]).all()
    codes = trials["generated_codes"].reshape(-1, 3)
    assert len(np.unique(codes, axis=0)) == len(codes)
    assert np.abs(codes.mean()) < 0.2


def test_every_eta_asks_the_same_queries_and_the_experiments_is_not_repeated(
    make: Make, makers: Makers
) -> None:
    made = make()
    asked = makers.generator.asked
    counts = {eta: sum(1 for _, e in asked if e == eta) for eta in (0.0, 0.1, 1.0, 10.0)}
    # Figure 5 asks six more with the experiment's own.
    assert counts == {0.0: 6, 0.1: 6, 1.0: 18 + 6, 10.0: 6}
    users = made["trials"]["users"]
    assert [user for user, eta in asked if eta == 10.0] == users[:6].tolist()
    least, most = made["eta-0"], made["eta-10"]
    assert least["scores"].mean() > most["scores"].mean()
    np.testing.assert_array_equal(least["objective"], least["scores"])


def test_no_eta_trials_no_figure_3(make: Make) -> None:
    made = make(replace(GenerationOptions(trials=4, starts=4, samples=1), eta_trials=0))
    assert not any(name.startswith("eta") for name in made)


def test_samples_and_their_neighbours(make: Make, toy_dataset: Dataset) -> None:
    samples = make()["samples"]
    kinds = categories_of(toy_dataset)
    assert samples["categories"].tolist() == [0] * 4 + [1] * 4 + [2] * 4
    real = decoded(toy_dataset.training, np.arange(60), PIXELS).astype(float)
    for row in range(12):
        away = np.abs(real - samples["images"][row]).mean(axis=(1, 2, 3))
        away[kinds != samples["categories"][row]] = np.inf
        assert samples["nearest_items"][row] == away.argmin()
        assert samples["distances"][row] == pytest.approx(away.min())
        assert (samples["nearest_images"][row] == real[away.argmin()]).all()
    for row, item in enumerate(samples["real_items"]):
        away = np.abs(real - real[item]).mean(axis=(1, 2, 3))
        away[(kinds != kinds[item]) | (np.arange(60) == item)] = np.inf
        assert samples["real_nearest_items"][row] == away.argmin()
        assert samples["real_distances"][row] == pytest.approx(away.min())


def test_six_users_of_as_many_categories_as_there_are(make: Make) -> None:
    made = make()
    picks = made["picks"]
    assert len(set(picks["users"].tolist())) == 6
    assert set(picks["categories"].tolist()) == {0, 1, 2}
    assert (np.diff(picks["categories"]) >= 0).all()
    # The best designed image of a user is the highest of her starts: no trial's is higher.
    trials = made["trials"]
    for user, scores in zip(picks["users"], picks["objective"], strict=True):
        (row,) = np.flatnonzero(trials["users"] == user)
        assert scores[0] >= made["designed"]["objective"][row].max() - 1e-6


def test_two_items_for_three_users_each(make: Make, toy_dataset: Dataset) -> None:
    tailored = make()["tailored"]
    items = tailored["items"].tolist()
    assert len(items) == 6
    assert len(set(items)) == 2
    assert items[:3] == [items[0]] * 3
    assert (categories_of(toy_dataset)[tailored["items"]] == tailored["categories"]).all()
    assert tailored["iterates"].shape[:2] == (6, 5)
    assert tailored["steps"].tolist() == [0, 10, 20, 40, 50]
    for start in (0, 3):
        assert len(set(tailored["users"][start : start + 3].tolist())) == 3


def test_a_corrupt_prototype_is_told_with_its_item(
    make: Make, makers: Makers, toy_dataset: Dataset, tmp_path: Path
) -> None:
    """The other parts lie stored; the broken image is only asked for in its own size."""
    item = int(make()["tailored"]["items"][0])
    images = toy_dataset.training.images
    assert images is not None
    encoded = [images.encoded(k) for k in range(toy_dataset.n_items)]
    encoded[item] = encoded[item][:200]
    broken = replace(toy_dataset, training=replace(toy_dataset.training, images=Images(encoded)))
    parts = Parts(tmp_path / "parts")
    (parts.folder / "tailored.npz").unlink()
    with pytest.raises(BenchError, match=f"^toy: the image of item i{item} cannot be decoded"):
        make_parts(broken, makers, SMALL.settled("cpu"), parts, seed=3, device="cpu", threads=1)
    assert not (parts.folder / "tailored.npz").exists()


def test_interrupted_and_resumed_it_gives_the_same_and_asks_nothing_twice(
    make: Make, makers: Makers, toy_dataset: Dataset
) -> None:
    undisturbed = make(folder="undisturbed")
    painter = makers.generator
    whole = list(painter.asked)
    painter.asked.clear()
    painter.fails_after = 11
    with pytest.raises(KeyboardInterrupt):
        make(folder="killed")
    painter.fails_after = None
    painter.asked.clear()
    resumed = make(folder="killed")
    # A chunk of eight was stored, the three queries after it were lost.
    assert painter.asked == whole[8:]
    assert_same(resumed, undisturbed)


def assert_same(first: dict[str, Arrays], second: dict[str, Arrays]) -> None:
    assert first.keys() == second.keys()
    for name, arrays in first.items():
        assert arrays.keys() == second[name].keys()
        for key, array in arrays.items():
            np.testing.assert_array_equal(array, second[name][key], err_msg=f"{name}.{key}")


def test_a_damaged_part_is_made_again(make: Make, makers: Makers, tmp_path: Path) -> None:
    undisturbed = make(folder="undisturbed")
    make(folder="damaged")
    stored = sorted((tmp_path / "damaged").glob("designed-*.npz"))
    assert [path.name for path in stored] == [
        "designed-000000.npz",
        "designed-000008.npz",
        "designed-000016.npz",
    ]
    stored[1].write_bytes(stored[1].read_bytes()[:-40])
    makers.generator.asked.clear()
    assert_same(make(folder="damaged"), undisturbed)
    users = undisturbed["trials"]["users"]
    assert [user for user, _ in makers.generator.asked] == users[8:16].tolist()


def test_another_seed_other_images(
    make: Make, makers: Makers, toy_dataset: Dataset, tmp_path: Path
) -> None:
    first = make()
    second, _ = make_parts(
        toy_dataset,
        makers,
        replace(GenerationOptions(trials=18, samples=4), starts=20).settled("cpu"),
        Parts(tmp_path / "other"),
        seed=4,
        device="cpu",
        threads=1,
    )
    for part, name in (("trials", "users"), ("trials", "generated_codes"), ("designed", "codes")):
        assert not np.array_equal(first[part][name], second[part][name])
    assert not np.array_equal(first["samples"]["codes"], second["samples"]["codes"])
