"""Sets of designs made by hand, with numbers that are easily told apart."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bench.experiment.generation.parts import Arrays
from bench.experiment.generation.record import SOURCES, DesignsRecord, GenerationKey, Judged
from bench.experiment.generation.store import GenerationStore, StoredDesigns

CATEGORIES = ("shirts", "trousers & skirts", "shoes_$1^2")
PIXELS = 16


def a_record(
    *,
    dataset: str = "photos",
    title: str = "Photos",
    facts: Mapping[str, Any] | None = None,
    made: str = "2025-01-01",
    trials: int = 40,
    eta_trials: int = 20,
    categories: tuple[str, ...] = CATEGORIES,
    data_hash: str = "d" * 64,
    seed: int = 0,
    **options: Any,
) -> DesignsRecord:
    given = {
        "trials": trials,
        "eta_trials": eta_trials,
        "top": 3,
        "starts": 64,
        "steps": 50,
        "learning_rate": 0.05,
        "eta": 1.0,
        "fit_starts": 16,
        "fit_steps": 200,
        "samples": 5,
        **options,
    }
    return DesignsRecord(
        key=GenerationKey(
            dataset=dataset,
            data_hash=data_hash,
            split_hash="5" * 64,
            recommender="dvbpr",
            recommender_cell="abcdef0123456789",
            generator="lsgan",
            generator_cell="0123456789abcdef",
            options=given,
            seed=seed,
            device="cpu",
            threads=2,
            version="0.1.0+0",
        ),
        dataset_title=title,
        dataset_facts={"n_users": 50, "n_items": 90, **(facts or {})},
        category_names=categories,
        recommender_label="DVBPR",
        generator_label="LSGAN",
        models={
            "recommender": {"params": {}, "seed": 0, "auc": 0.7741},
            "generator": {"params": {"preset": "slim"}, "seed": 0, "epochs": 24, "n_images": 90},
        },
        pixels=PIXELS,
        trials=trials,
        eta_trials=eta_trials,
        seconds={"designed": 12.0},
        provenance={"suite_version": "0.1.0", "cpu": "Some CPU", "finished_at": made},
    )


def judged_by(
    judge: str = "classifier",
    *,
    label: str | None = None,
    preference: tuple[float, float] = (2.0, 2.5),
    utility: bool = False,
    agreement: bool = True,
    distances: bool = True,
    etas: bool = True,
) -> Judged:
    """Give numbers that grow from source to source: quality 1.1, 1.2, 1.3, 1.4, and so on."""
    means = {
        "real": -0.5,
        "generated": -0.25,
        "retrieved": preference[0],
        "designed": preference[1],
    }
    sources: dict[str, dict[str, Any]] = {}
    for number, source in enumerate(SOURCES, start=1):
        sources[source] = {
            "preference": {"mean": means[source], "std": 3.84, "n_images": 120},
            "quality": {
                "mean": 1 + number / 10 + (5 if judge == "inception" else 0),
                "std": 0.356,
                "n_images": 120,
                "scores": [1.0] * 10,
                "split_sizes": [12] * 10,
            },
            "diversity": {"mean": 0.6 - number / 100, "std": 0.0949, "n_trials": 40, "n_images": 3},
            "frechet": {"value": 10.0 * number, "n": 120, "n_others": 120, "dims": 64}
            if distances
            else None,
            "kernel": {"mean": 0.001 * number, "std": 0.0, "n_subsets": 100, "subset_size": 60}
            if distances
            else None,
            "agreement": {"share": 0.9 + number / 100, "n_images": 120} if agreement else None,
            "utility": {
                "mean": float(number),
                "std": 1.25,
                "n_images": 120,
                "on_record": number + 0.05 if source in ("real", "retrieved") else None,
            }
            if utility
            else None,
        }
    improvement: dict[str, dict[str, Any]] = {
        "preference": {
            "difference": preference[1] - preference[0],
            "ci_low": 0.125,
            "ci_high": 0.875,
            "percent": 100 * (preference[1] / preference[0] - 1) if preference[0] > 0 else None,
        },
        "quality": {"difference": 0.1, "ci_low": None, "ci_high": None, "percent": 100 / 13},
        "diversity": {"difference": -0.01, "ci_low": -0.02, "ci_high": 0.0, "percent": -1.754},
    }
    if utility:
        improvement["utility"] = {
            "difference": 1.0,
            "ci_low": 0.5,
            "ci_high": 1.5,
            "percent": 100 / 3,
        }
    points = [
        {
            "eta": eta,
            "preference": {"mean": mean, "std": 1.0, "n_images": 60, "standard_error": 0.2},
            "quality": {
                "mean": 1.5 - mean / 10,
                "std": 0.1,
                "n_images": 60,
                "standard_error": 0.02,
                "split_sizes": [6] * 10,
            },
            "diversity": {"mean": 0.5, "std": 0.1, "n_trials": 20, "standard_error": 0.01},
        }
        for eta, mean in ((None, 2.0), (0.0, 4.0), (0.1, 3.0), (1.0, 2.5), (10.0, 0.5))
    ]
    percentiles = {"0": 1.0, "5": 4.0, "25": 9.0, "50": 12.25, "75": 20.0, "95": 30.0, "100": 40.0}
    return Judged(
        judge=judge,
        facts={
            "score_label": label or f"{judge} score",
            "frechet_label": "FID" if judge == "inception" else f"{judge} Fréchet distance",
            "kernel_label": "KID" if judge == "inception" else f"{judge} kernel distance",
            "network": f"the network {judge}",
            "weights_sha256": "12345678" * 8,
            "preprocessing": "resized to 64 x 64",
            "n_classes": 3,
            "feature_dims": 64,
            "accuracy": 0.981 if judge == "classifier" else None,
            "n_held_out": 450 if judge == "classifier" else None,
        },
        options={
            "splits": 10,
            "ssim_window": "gaussian",
            "ssim_colour": "grey",
            "ssim_size": 0,
            "utility": True,
        },
        sources=sources,
        improvement=improvement,
        etas=tuple(points) if etas else (),
        neighbours={
            "generated": {"n_images": 15, "percentiles": percentiles},
            "real": {"n_images": 15, "percentiles": {**percentiles, "50": 11.5}},
            "median_difference": {"difference": 0.75, "ci_low": -0.25, "ci_high": 1.0},
            "near": 0.04,
        },
        agreement={} if agreement else None,
        reader={"description": "style read off pixels, error 0.4"} if utility else None,
        version="0.1.0+0",
        seconds=1.0,
        provenance={},
    )


def some_parts(n_categories: int = 3, users: int = 6) -> dict[str, Arrays]:
    """Give random images for Figures 4 to 6."""
    rng = np.random.default_rng(8)

    def images(*shape: int) -> np.ndarray:
        return rng.integers(0, 256, (*shape, PIXELS, PIXELS, 3), dtype=np.uint8)

    n = 5 * n_categories
    return {
        "samples": {
            "images": images(n),
            "categories": np.repeat(np.arange(n_categories), 5),
            "nearest_items": np.where(np.arange(n) == 3, -1, np.arange(n)),
            "nearest_images": images(n),
            "distances": np.full(n, 12.0),
        },
        "picks": {
            "users": np.arange(users),
            "categories": np.arange(users) % n_categories,
            "retrieved_images": images(users, 3),
            "retrieved_scores": rng.normal(size=(users, 3)),
            "images": images(users, 3),
            "scores": rng.normal(size=(users, 3)),
        },
        "tailored": {
            "users": np.arange(6),
            "items": np.repeat([7, 9], 3),
            "categories": np.repeat([0, 1], 3),
            "prototypes": images(6),
            "prototype_scores": np.full(6, -0.001),
            "iterates": images(6, 5),
            "scores": rng.normal(size=(6, 5)),
            "steps": np.array([0, 10, 20, 40, 50]),
        },
    }


def add_designs(root: Path, *judged: Judged, **changes: Any) -> StoredDesigns:
    """Store a set of designs with its judgements."""
    record = a_record(**changes)
    stored = GenerationStore(root).write(record, some_parts(len(record.category_names)))
    for one in judged:
        stored.add(one)
    return stored
