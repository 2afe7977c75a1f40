"""From stored images to the numbers of Table IV and Figure 3, by one judge."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.stats

from bench.evaluation.image import category_agreement
from bench.evaluation.image_distance import frechet_distance, kernel_distance
from bench.evaluation.quality import judged_quality
from bench.evaluation.significance import bootstrap_difference
from bench.evaluation.similarity import opposite_mean_ssim
from bench.experiment.generation.make import eta_part
from bench.experiment.generation.options import ETAS, GenerationOptions
from bench.experiment.generation.parts import Arrays
from bench.experiment.generation.record import SOURCES, Source
from bench.experiment.generation.utility import UtilityReader
from bench.judge import ImageJudge, Judgement
from bench.rng import child_generator

__all__ = ["Measures", "Returned", "measure", "returned_by"]

_FEWEST_PER_SPLIT = 20
"""Images: with a handful, the mean of their probabilities is not that of the source."""

_KID_SUBSET = 1000
_PERCENTILES = (0, 5, 25, 50, 75, 95, 100)
_NEAR = 5
"""Percentile of the real distances below which a sample counts as near."""

_N_RESAMPLES = 2000


@dataclass(frozen=True)
class Returned:
    """What one source returned.

    Attributes
    ----------
    images
        uint8 (t, top, P, P, 3).
    scores
        float32 (t, top): preference, eq. 6.
    """

    images: npt.NDArray[np.uint8]
    scores: npt.NDArray[np.float32]

    @property
    def flat(self) -> npt.NDArray[np.uint8]:
        """All images in the order of the trials, (t * top, P, P, 3)."""
        return self.images.reshape(-1, *self.images.shape[2:])

    def first(self, n: int) -> "Returned":
        """Give what it returned to the first n trials."""
        return Returned(self.images[:n], self.scores[:n])


@dataclass(frozen=True)
class Measures:
    """What `bench.experiment.generation.record.Judged` holds of the numbers."""

    sources: dict[str, dict[str, Any]]
    improvement: dict[str, dict[str, Any]]
    etas: tuple[dict[str, Any], ...]
    neighbours: dict[str, Any]


def returned_by(
    parts: Mapping[str, Arrays],
    decode: Callable[[npt.NDArray[np.int64]], npt.NDArray[np.uint8]],
) -> dict[Source, Returned]:
    """Gather the images of the four sources; `decode` gives real ones at the generator's size."""
    trials, designed = parts["trials"], parts["designed"]
    return {
        "real": Returned(decode(trials["real_items"]), trials["real_scores"]),
        "generated": Returned(trials["generated_images"], trials["generated_scores"]),
        "retrieved": Returned(decode(trials["retrieved_items"]), trials["retrieved_scores"]),
        "designed": Returned(designed["images"], designed["scores"]),
    }


def measure(
    parts: Mapping[str, Arrays],
    options: GenerationOptions,
    *,
    decode: Callable[[npt.NDArray[np.int64]], npt.NDArray[np.uint8]],
    judge: ImageJudge,
    classifier: ImageJudge | None,
    reader: UtilityReader | None,
    seed: int,
    threads: int,
) -> Measures:
    """Measure the images of all sources.

    Parameters
    ----------
    parts
        As `bench.experiment.generation.make.make_parts` gives them.
    options
        Those they were made with, settled.
    decode
        Items of any shape to their images at the generator's size, which all sources are judged in.
    judge
        Prepared; gives quality, FID and KID.
    classifier
        Prepared; names the data set's categories. It may be the judge. None: no agreement.
    reader
        Tells the true utility; None where nobody can.
    seed
        Of the bootstrap and the subsets of KID.
    threads
        For SSIM.
    """
    returned = returned_by(parts, decode)
    trials = parts["trials"]
    reference = decode(trials["reference_items"])
    real_features = judge.features(reference) if len(reference) else None
    judgements = {source: judge.judge(returned[source].flat) for source in SOURCES}
    kinds = np.repeat(trials["categories"], options.top)
    users = np.repeat(trials["users"], options.top)
    sources: dict[str, dict[str, Any]] = {}
    per_trial: dict[str, dict[str, npt.NDArray[np.float64]]] = {}
    for source in SOURCES:
        mine, judgement = returned[source], judgements[source]
        diversity = opposite_mean_ssim(mine.images, options.ssim(), threads=threads)
        per_trial[source] = {
            "preference": mine.scores.mean(axis=1, dtype=np.float64),
            "diversity": diversity.values,
        }
        row = {
            "preference": _spread(mine.scores),
            "quality": _quality(judgement, judge, options.splits),
            "diversity": {
                "mean": diversity.mean,
                "std": diversity.std,
                "n_trials": diversity.n_queries,
                "n_images": diversity.n_images,
            },
            **_distances(judgement.features, real_features, seed),
            "agreement": None,
            "utility": None,
        }
        if classifier is not None:
            named = judgement if classifier is judge else classifier.judge(mine.flat)
            row["agreement"] = {
                "share": category_agreement(named.probabilities, kinds),
                "n_images": len(kinds),
            }
        if reader is not None:
            utility = np.asarray(reader.read(users, kinds, mine.flat), np.float64)
            per_trial[source]["utility"] = utility.reshape(mine.scores.shape).mean(axis=1)
            items = trials.get(f"{source}_items")
            on_record = None if items is None else reader.on_record(users, items.reshape(-1))
            row["utility"] = _spread(utility) | {
                "on_record": None if on_record is None else float(on_record.mean(dtype=np.float64))
            }
        sources[source] = row
    improvement = _improvement(sources, per_trial, seed)
    etas = _etas(parts, returned, judgements, judge, options, threads)
    return Measures(sources, improvement, etas, _neighbours(parts["samples"], seed))


def _spread(values: npt.NDArray[np.floating[Any]]) -> dict[str, Any]:
    """Mean and standard deviation over images; the deviation divides by their number."""
    exact = values.astype(np.float64)
    return {"mean": float(exact.mean()), "std": float(exact.std()), "n_images": exact.size}


def _standard_error(values: npt.NDArray[np.float64]) -> float:
    """Give the standard error of a mean, over trials or splits; 0 where there is but one."""
    return float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else 0.0


def _quality(judgement: Judgement, judge: ImageJudge, splits: int) -> dict[str, Any]:
    """Score the images; in fewer splits where each would have so few that the score says little."""
    n_images = len(judgement.probabilities)
    splits = min(splits, max(1, n_images // _FEWEST_PER_SPLIT))
    quality = judged_quality(judgement, judge.facts(), splits=splits)
    found = dict(quality.to_json())
    del found["judge"]  # said once, for all sources
    return found


def _distances(
    features: npt.NDArray[np.float32], real: npt.NDArray[np.float32] | None, seed: int
) -> dict[str, Any]:
    """FID and KID to the reference; None where too few real images are left to compare with."""
    if real is None or min(len(real), len(features)) < 4:
        return {"frechet": None, "kernel": None}
    frechet = frechet_distance(features, real)
    # Half of the smaller side, so that subsets differ.
    size = min(_KID_SUBSET, min(len(real), len(features)) // 2)
    rng = child_generator(seed, "kid")
    kernel = kernel_distance(features, real, rng=rng, subset_size=size)
    return {"frechet": frechet._asdict(), "kernel": kernel._asdict()}


def _improvement(
    sources: Mapping[str, Mapping[str, Any]],
    per_trial: Mapping[str, Mapping[str, npt.NDArray[np.float64]]],
    seed: int,
) -> dict[str, dict[str, Any]]:
    """Compare the designed images with the retrieved ones, trial by trial where that can be."""
    found: dict[str, dict[str, Any]] = {}
    for name in ("preference", "quality", "diversity", "utility"):
        after, before = sources["designed"][name], sources["retrieved"][name]
        if after is None or before is None:
            continue
        ends: tuple[float | None, float | None] = (None, None)
        if name in per_trial["designed"]:
            rng = child_generator(seed, "improvement", name)
            interval = bootstrap_difference(
                per_trial["designed"][name], per_trial["retrieved"][name], rng=rng
            )
            ends = (interval.low, interval.high)
        found[name] = {
            "difference": after["mean"] - before["mean"],
            "ci_low": ends[0],
            "ci_high": ends[1],
            # A share of a mean that is not positive says nothing.
            "percent": 100 * (after["mean"] / before["mean"] - 1) if before["mean"] > 0 else None,
        }
    return found


def _etas(
    parts: Mapping[str, Arrays],
    returned: Mapping[Source, Returned],
    judgements: Mapping[Source, Judgement],
    judge: ImageJudge,
    options: GenerationOptions,
    threads: int,
) -> tuple[dict[str, Any], ...]:
    """Measure Figure 3: every eta, and the retrieved images, over the same trials."""
    others = [eta for eta in ETAS if eta_part(eta) in parts]
    if not others:
        return ()
    assert options.eta is not None
    n = len(parts[eta_part(others[0])]["scores"])

    def point(eta: float | None, mine: Returned, judgement: Judgement) -> dict[str, Any]:
        diversity = opposite_mean_ssim(mine.images, options.ssim(), threads=threads)
        preference, quality = _spread(mine.scores), _quality(judgement, judge, options.splits)
        errors = {
            "preference": _standard_error(mine.scores.mean(axis=1, dtype=np.float64)),
            "quality": _standard_error(np.array(quality["scores"])),
            "diversity": _standard_error(diversity.values),
        }
        found = {"preference": preference, "quality": quality}
        found["diversity"] = {"mean": diversity.mean, "std": diversity.std, "n_trials": n}
        for name, error in errors.items():
            found[name]["standard_error"] = error
        return {"eta": eta, **found}

    def begun(source: Source) -> tuple[Returned, Judgement]:
        head = n * options.top
        return returned[source].first(n), Judgement(*(each[:head] for each in judgements[source]))

    points = [point(None, *begun("retrieved"))]
    for eta in sorted({*others, options.eta}):
        if eta == options.eta:
            points.append(point(eta, *begun("designed")))
        else:
            part = parts[eta_part(eta)]
            mine = Returned(part["images"], part["scores"])
            points.append(point(eta, mine, judge.judge(mine.flat)))
    return tuple(points)


def _neighbours(samples: Arrays, seed: int) -> dict[str, Any]:
    """Sum up how near samples are to real images, and real images to each other.

    Copies would be nearer than real images ever are. `median_difference`, the samples' median less
    the real images', has a 95 % percentile bootstrap interval over the images of both; `near` is
    the share of samples below the real images' 5th percentile, which for images as far from each
    other as real ones are is 5 %.
    """
    distances = {
        name: samples[key][np.isfinite(samples[key])].astype(np.float64)
        for name, key in (("generated", "distances"), ("real", "real_distances"))
    }
    found: dict[str, Any] = {name: _percentiles(each) for name, each in distances.items()}
    found |= {"median_difference": None, "near": None}
    made, real = distances["generated"], distances["real"]
    if len(made) > 1 and len(real) > 1:
        interval = scipy.stats.bootstrap(
            (made, real),
            lambda x, y, axis: np.median(x, axis=axis) - np.median(y, axis=axis),
            n_resamples=_N_RESAMPLES,
            method="percentile",
            rng=child_generator(seed, "neighbours"),
        ).confidence_interval
        found["median_difference"] = {
            "difference": float(np.median(made) - np.median(real)),
            "ci_low": float(interval.low),
            "ci_high": float(interval.high),
        }
        found["near"] = float((made < np.percentile(real, _NEAR)).mean())
    return found


def _percentiles(distances: npt.NDArray[np.float64]) -> dict[str, Any] | None:
    if not len(distances):
        return None
    levels = np.percentile(distances, _PERCENTILES)
    return {
        "n_images": len(distances),
        "percentiles": {str(p): float(v) for p, v in zip(_PERCENTILES, levels, strict=True)},
    }
