"""Making the images of Table IV and Figures 3 to 6: the long part, which goes on after a kill."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bench.datasets.dataset import Dataset
from bench.datasets.pixels import decoded, whole_image
from bench.evaluation.nearest import RealImages, nearest_images
from bench.evaluation.retrieval import retrieve
from bench.experiment.generation.options import ETAS, GenerationOptions
from bench.experiment.generation.parts import Arrays, Parts
from bench.experiment.generation.trials import (
    Trials,
    draw_trials,
    reference_items,
    sample_items,
)
from bench.generator import Designs, Generator
from bench.recommender import FactorRecommender, Factors
from bench.rng import child_generator

__all__ = ["Makers", "eta_part", "make_parts"]

_log = logging.getLogger(__name__)

_CHUNK = {"cpu": 8, "cuda": 64}
"""Queries between two stored parts, by type of device: with the defaults, seconds on a CPU."""

_PICKS = 6
"""Users of Figure 5."""

_USERS_PER_ITEM = 3
"""Of Figure 6, which has two items."""

_BATCH_BYTES = 64 << 20
"""Of real images that are decoded at once to be compared."""


@dataclass(frozen=True)
class Makers:
    """A fitted recommender that scores images, and a trained generator."""

    recommender: FactorRecommender
    generator: Generator


def eta_part(eta: float) -> str:
    """Name the part of the designs under another weight: "eta-0.1"."""
    return f"eta-{eta:g}"


def make_parts(
    dataset: Dataset,
    makers: Makers,
    options: GenerationOptions,
    parts: Parts,
    *,
    seed: int,
    device: str,
    threads: int,
) -> tuple[dict[str, Arrays], dict[str, float]]:
    """Make all images; see `bench.experiment.generation.store` for what the parts are.

    Parameters
    ----------
    dataset
        With images, categories and test items.
    makers
        What was fitted on it.
    options
        Settled ones.
    parts
        Where what is made is kept until all is.
    seed
        Root seed of everything that is drawn.
    device
        Type of the device.
    threads
        For what is not the generator's.

    Returns
    -------
    The arrays by part, and the seconds by stage.

    Raises
    ------
    BenchError
        See `draw_trials`, `bench.generator.Generator.design` and `bench.datasets.pixels.decoded`.
    """
    assert options.trials is not None
    assert options.eta_trials is not None
    assert options.eta is not None
    trials = draw_trials(dataset, trials=options.trials, top=options.top, seed=seed)
    if len(trials) < options.trials:
        _log.info(
            "%s: %s of %s trials, for no more users can be asked",
            dataset.name,
            f"{len(trials):,}",
            f"{options.trials:,}",
        )
    work = _Work(dataset, makers, options, trials, parts, seed, device, threads)
    made: dict[str, Arrays] = {}
    seconds: dict[str, float] = {}

    @contextmanager
    def stage(name: str) -> Iterator[None]:
        began = time.perf_counter()
        yield
        seconds[name] = seconds.get(name, 0.0) + time.perf_counter() - began

    with stage("trials"):
        made["trials"] = parts.get("trials", work.trials_part)
    with stage("designed"):
        made["designed"] = work.designed(options.eta, len(trials), "designed")
    n_eta = min(options.eta_trials, len(trials))
    for eta in ETAS if n_eta else ():
        if eta != options.eta:
            with stage("figure 3"):
                made[eta_part(eta)] = work.designed(eta, n_eta, eta_part(eta))
    with stage("figure 4"):
        made["samples"] = parts.get("samples", work.samples)
    with stage("figure 5"):
        made["picks"] = parts.get("picks", work.picks)
    with stage("figure 6"):
        made["tailored"] = parts.get("tailored", work.tailored)
    return made, seconds


@dataclass(frozen=True)
class _Work:
    """What every part needs."""

    dataset: Dataset
    makers: Makers
    options: GenerationOptions
    trials: Trials
    parts: Parts
    seed: int
    device: str
    threads: int

    @property
    def generator(self) -> Generator:
        return self.makers.generator

    @property
    def categories(self) -> npt.NDArray[np.int16]:
        categories = self.dataset.training.categories
        assert categories is not None
        return categories

    def trials_part(self) -> Arrays:
        """X_c, G(·, c) and delta, with their preferences."""
        trials, top = self.trials, self.options.top
        factors = self.makers.recommender.factors()
        retrieved = retrieve(factors, trials.users, trials.categories, self.categories, top=top)
        codes = np.concatenate(
            [
                self.generator.codes(top, child_generator(self.seed, "random codes", int(user)))
                for user in trials.users
            ]
        )
        images = self.generator.generate(codes, np.repeat(trials.categories, top))
        scores = self.makers.recommender.score_images(np.repeat(trials.users, top), images)
        shape = (len(trials), top)
        return {
            "users": trials.users,
            "categories": trials.categories,
            "real_items": trials.items,
            "real_scores": _scores(factors, trials.users, trials.items),
            "reference_items": reference_items(self.categories, trials, self.seed),
            "retrieved_items": retrieved.items,
            "retrieved_scores": retrieved.scores,
            "generated_images": images.reshape(*shape, *images.shape[1:]),
            "generated_codes": codes.reshape(*shape, -1),
            "generated_scores": scores.reshape(shape),
        }

    def designed(self, eta: float, n: int, name: str) -> Arrays:
        """Give delta-hat of the first n trials."""
        trials = self.trials

        def chunk(rows: slice) -> Arrays:
            designs = self.generator.design(
                self.makers.recommender,
                trials.users[rows],
                trials.categories[rows],
                self.options.design(eta=eta),
                seed=self.seed,
            )
            return _arrays(designs)

        doing = f"designing with eta {eta:g}"
        return self.parts.in_chunks(name, n, _CHUNK[self.device], chunk, doing=doing)

    def samples(self) -> Arrays:
        """Give samples of every category, random real images, and the nearest of either."""
        per_category = self.options.samples
        n_categories = len(self.dataset.training.category_names)
        real = sample_items(self.categories, n_categories, per_category, self.seed)
        # No images are sampled of a category that has none.
        kinds = np.repeat(np.unique(self.categories[real]), per_category).astype(np.int64)
        codes = self.generator.codes(len(kinds), child_generator(self.seed, "samples"))
        images = self.generator.generate(codes, kinds)
        queries = np.concatenate([images, self._decoded(real)])
        own = np.concatenate([np.full(len(images), -2), real])
        query_kinds = np.concatenate([kinds, self.categories[real].astype(np.int64)])
        near = nearest_images(
            queries, query_kinds, self._real_images(), own_items=own, threads=self.threads
        )
        n = len(images)
        return {
            "images": images,
            "codes": codes,
            "categories": kinds,
            "nearest_items": near.items[:n],
            "nearest_images": self._decoded(np.maximum(near.items[:n], 0)),
            "distances": near.distances[:n],
            "real_items": real,
            "real_nearest_items": near.items[n:],
            "real_distances": near.distances[n:],
        }

    def picks(self) -> Arrays:
        """Figure 5: the best real and designed images for six users, as many categories as can."""
        trials = self.trials
        _, first = np.unique(trials.categories, return_index=True)
        others = np.setdiff1d(np.arange(len(trials)), first)
        chosen = np.concatenate([first[:_PICKS], others])[:_PICKS]
        chosen = chosen[np.argsort(trials.categories[chosen], kind="stable")]
        users, categories = trials.users[chosen], trials.categories[chosen]
        options = self.options.design(best=True)
        designs = self.generator.design(
            self.makers.recommender, users, categories, options, seed=self.seed
        )
        retrieved = retrieve(
            self.makers.recommender.factors(), users, categories, self.categories, top=options.top
        )
        return {
            "users": users,
            "categories": categories,
            "retrieved_items": retrieved.items,
            "retrieved_images": self._decoded(retrieved.items),
            "retrieved_scores": retrieved.scores,
            **_arrays(designs),
        }

    def tailored(self) -> Arrays:
        """Figure 6: a random item of each of two categories, changed for three users."""
        trials, options = self.trials, self.options.tailoring()
        images = self.dataset.training.images
        assert images is not None
        asked = np.unique(trials.categories)
        rows = []
        for category in asked[[0, len(asked) // 2]]:
            of_category = np.flatnonzero(trials.categories == category)
            others = np.setdiff1d(np.arange(len(trials)), of_category)
            users = trials.users[np.concatenate([of_category, others])[:_USERS_PER_ITEM]]
            rng = child_generator(self.seed, "prototype", int(category))
            item = int(rng.choice(np.flatnonzero(self.categories == category)))
            # In its own size: its preference is that of the photograph.
            image = self._photograph(item)
            tailored = self.generator.tailor(
                self.makers.recommender,
                users,
                np.full(len(users), category),
                np.repeat(image[None], len(users), axis=0),
                options,
                seed=self.seed,
            )
            rows.append(
                {
                    "users": users,
                    "items": np.full(len(users), item),
                    "categories": np.full(len(users), category),
                    "prototypes": tailored.prototypes,
                    "prototype_scores": tailored.prototype_scores,
                    "iterates": tailored.iterates,
                    "scores": tailored.scores,
                    "l1": tailored.l1,
                }
            )
        made = {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}
        return {**made, "steps": np.array(options.iterates)}

    def _decoded(self, items: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
        return decoded(self.dataset.training, items, self.generator.pixels, threads=self.threads)

    def _photograph(self, item: int) -> npt.NDArray[np.uint8]:
        images = self.dataset.training.images
        assert images is not None
        named = str(self.dataset.item_ids[item])
        return np.array(whole_image(self.dataset.name, images, item, item_id=named))

    def _real_images(self) -> Iterator[RealImages]:
        n_items = self.dataset.n_items
        size = max(1, _BATCH_BYTES // (3 * self.generator.pixels**2))
        for start in range(0, n_items, size):
            items = np.arange(start, min(start + size, n_items))
            yield RealImages(items, self.categories[items].astype(np.int64), self._decoded(items))


def _arrays(designs: Designs) -> Arrays:
    return {
        "images": designs.images,
        "scores": designs.scores,
        "objective": designs.objective,
        "codes": designs.codes,
    }


def _scores(
    factors: Factors, users: npt.NDArray[np.int64], items: npt.NDArray[np.int64]
) -> npt.NDArray[np.float32]:
    """Give the preference of user t for each of `items` (t, k): float32 (t, k)."""
    theta, phi = factors.user_factors[users], factors.item_factors[items]
    found: npt.NDArray[np.float32] = np.einsum("tf,tkf->tk", theta, phi) + factors.item_bias[items]
    return found
