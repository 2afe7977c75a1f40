"""Running the experiment of Table IV: what is stored is not made again, what is new is judged."""

import hashlib
import inspect
import logging
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.datasets.dataset import Dataset
from bench.datasets.pixels import decoded
from bench.device import resolve_device
from bench.errors import BenchError
from bench.evaluation import (
    image,
    image_distance,
    nearest,
    nearest_kernel,
    quality,
    retrieval,
    similarity,
)
from bench.experiment.generation import make, measure, trials
from bench.experiment.generation.make import Makers, make_parts
from bench.experiment.generation.options import GenerationOptions
from bench.experiment.generation.parts import Arrays
from bench.experiment.generation.record import DesignsRecord, GenerationKey, Judged
from bench.experiment.generation.store import GenerationStore, StoredDesigns
from bench.experiment.generation.utility import UtilityReader
from bench.experiment.generator_store import StoredGenerator
from bench.experiment.generators import load_generator
from bench.experiment.models import load_model
from bench.experiment.provenance import describe_machine, suite_version, utc_now
from bench.experiment.store import StoredCell, key_hash
from bench.judge import ImageJudge
from bench.recommender import FactorRecommender
from bench.registry import Registry

__all__ = ["Fitted", "make_designs", "judge_designs"]

_log = logging.getLogger(__name__)

_MEASURING = ("splits", "ssim_window", "ssim_colour", "ssim_size", "utility")
"""Options that make no image."""


@dataclass(frozen=True)
class Fitted:
    """The finished fits that an experiment rests on."""

    cell: StoredCell
    generator: StoredGenerator


def make_designs(
    dataset: Dataset,
    fitted: Fitted,
    options: GenerationOptions,
    *,
    title: str,
    registry: Registry,
    store: GenerationStore,
    seed: int,
    device: str,
    threads: int,
    force: bool = False,
) -> StoredDesigns:
    """Make the images of Table IV and the figures, or find them stored.

    Parameters
    ----------
    dataset
        With images, categories and test items.
    fitted
        A finished cell of a recommender that scores images, and a trained generator.
    options
        What is to be made.
    title
        The data set's name in tables.
    registry
        Knows the models' classes.
    store
        Where images go.
    seed
        Root seed.
    device, threads
        Where and with how many threads.
    force
        Make them again.

    Raises
    ------
    BenchError
        The models cannot be loaded or cannot design; the data set lacks something; an image cannot
        be decoded; something cannot be written.
    """
    kind = resolve_device(device).type
    settled = options.settled(kind)
    key = GenerationKey(
        dataset=dataset.name,
        data_hash=dataset.data_hash,
        split_hash=dataset.split_hash,
        recommender=fitted.cell.record.key.recommender,
        recommender_cell=key_hash(fitted.cell.record.key),
        generator=fitted.generator.record.key.generator,
        generator_cell=fitted.generator.folder.name.rpartition("-")[2],
        options={k: v for k, v in asdict(settled).items() if k not in _MEASURING},
        seed=seed,
        device=kind,
        threads=threads,
        version=_version(make, trials, retrieval, nearest, nearest_kernel),
    )
    found = None if force else store.find(key)
    if found is not None:
        return found
    parts = store.parts(key)
    if force:  # anew means from the start
        shutil.rmtree(parts.folder, ignore_errors=True)
    started = utc_now()
    makers = _load(dataset, fitted, registry, device=device, threads=threads)
    made, seconds = make_parts(
        dataset, makers, settled, parts, seed=seed, device=kind, threads=threads
    )
    n_eta = [len(arrays["scores"]) for name, arrays in made.items() if name.startswith("eta-")]
    record = DesignsRecord(
        key=key,
        dataset_title=title,
        dataset_facts={
            "n_users": dataset.n_users,
            "n_items": dataset.n_items,
            "n_interactions": dataset.n_interactions,
            "n_categories": len(dataset.training.category_names),
            "split_rule": dataset.split_rule,
        },
        category_names=dataset.training.category_names,
        recommender_label=fitted.cell.record.label,
        generator_label=fitted.generator.record.label,
        models=_model_facts(fitted),
        pixels=makers.generator.pixels,
        trials=len(made["trials"]["users"]),
        eta_trials=n_eta[0] if n_eta else 0,
        seconds=seconds,
        provenance=describe_machine() | {"started_at": started, "finished_at": utc_now()},
    )
    return store.write(record, made)


def judge_designs(
    stored: StoredDesigns,
    dataset: Dataset,
    options: GenerationOptions,
    judges: Sequence[ImageJudge],
    *,
    classifier: ImageJudge | None,
    reader: Callable[[], UtilityReader | None],
    threads: int,
    force: bool = False,
) -> dict[str, Judged]:
    """Measure stored images by each judge, unless it has with the same weights and settings.

    Parameters
    ----------
    stored
        The images.
    dataset
        The data set they were made for.
    options
        How they are measured; settled for the device they were made on.
    judges
        Who judges, made ready. Each one's numbers are stored as soon as they are there.
    classifier
        Names the categories that it sees, made ready; it may be one of the judges. None: nobody.
    reader
        Gives who tells the true utility, or None; called only if it is needed.
    threads
        For what is not the judges'.
    force
        Measure again.

    Returns
    -------
    By the judge's name.

    Raises
    ------
    BenchError
        A judge is not ready; an image cannot be decoded; something cannot be written.
    """
    wanted = {k: v for k, v in asdict(options).items() if k in _MEASURING}
    version = _version(measure, image, image_distance, quality, similarity)
    known = {} if force else stored.judged()
    parts: dict[str, Arrays] | None = None
    found: dict[str, Judged] = {}

    def decode(items: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
        return decoded(dataset.training, items, stored.record.pixels, threads=threads)

    for judge in judges:
        facts = asdict(judge.facts())
        names = None if classifier is None else asdict(classifier.facts())
        earlier = known.get(judge.name)
        if earlier is not None and (
            (earlier.facts, earlier.agreement, earlier.options, earlier.version)
            == (facts, names, wanted, version)
        ):
            found[judge.name] = earlier
            continue
        if parts is None:
            parts = _all_parts(stored)
        started = time.perf_counter()
        told = reader()
        measures = measure.measure(
            parts,
            options,
            decode=decode,
            judge=judge,
            classifier=classifier,
            reader=told,
            seed=stored.record.key.seed,
            threads=threads,
        )
        judged = Judged(
            judge=judge.name,
            facts=facts,
            options=wanted,
            sources=measures.sources,
            improvement=measures.improvement,
            etas=measures.etas,
            neighbours=measures.neighbours,
            agreement=names,
            reader=None if told is None else told.facts,
            version=version,
            seconds=time.perf_counter() - started,
            provenance=describe_machine() | {"finished_at": utc_now()},
        )
        stored.add(judged)
        found[judge.name] = judged
    return found


def _load(
    dataset: Dataset, fitted: Fitted, registry: Registry, *, device: str, threads: int
) -> Makers:
    """Load both models, and see that the recommender can do what is asked of it."""
    loaded = load_model(fitted.cell, dataset, registry, device=device, threads=threads)
    model = loaded.model
    if not model.scores_images or not isinstance(model, FactorRecommender):
        raise BenchError(
            f"{model.name} cannot guide a design: Table IV needs a recommender that scores images "
            "and has factors"
        )
    generator = load_generator(fitted.generator, dataset, registry, device=device, threads=threads)
    return Makers(model, generator)


def _model_facts(fitted: Fitted) -> dict[str, Any]:
    """Give what a foot says of the models."""
    cell, generator = fitted.cell.record, fitted.generator.record
    return {
        "recommender": {
            "params": dict(cell.key.params),
            "seed": cell.key.seed,
            "auc": cell.metrics.get("auc_strict.all"),
        },
        "generator": {
            "params": dict(generator.key.params),
            "seed": generator.key.seed,
            "epochs": generator.epochs,
            "n_images": generator.n_images,
        },
    }


def _all_parts(stored: StoredDesigns) -> dict[str, Arrays]:
    return {path.stem: stored.arrays(path.stem) for path in sorted(stored.folder.glob("*.npz"))}


def _version(*modules: ModuleType) -> str:
    """Name the code: the suite's version and a hash of the modules."""
    digest = hashlib.sha256("".join(inspect.getsource(m) for m in modules).encode())
    return f"{suite_version()}+{digest.hexdigest()[:12]}"
