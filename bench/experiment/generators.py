"""Training a generator, resumable, and finding trained ones again."""

import logging
import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bench.datasets.dataset import Dataset
from bench.datasets.lock import only_process
from bench.device import available_threads, resolve_device
from bench.errors import BenchError, one_line
from bench.experiment.checkpoint import Checkpoint
from bench.experiment.generator_store import (
    GeneratorKey,
    GeneratorRecord,
    GeneratorStore,
    StoredGenerator,
    images_hash,
)
from bench.experiment.generator_watcher import GeneratorWatcher
from bench.experiment.provenance import (
    describe_machine,
    generator_version,
    measured_peak_memory,
    utc_now,
)
from bench.generator import Generator
from bench.progress import Progress
from bench.recommender import Runtime
from bench.registry import Registry

__all__ = [
    "TrainOptions",
    "find_generator",
    "load_generator",
    "plan_generator",
    "train_generator",
]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """How a generator is trained.

    Attributes
    ----------
    seed
        Root seed.
    device
        `auto`, `cpu`, `cuda` or `cuda:N`.
    threads
        Processor threads.
    deterministic
        Same seed, same numbers, to the last bit on a CPU.
    checkpoint_seconds
        Least time between two checkpoints.
    force
        Train again what is stored.
    """

    seed: int = 0
    device: str = "auto"
    threads: int = field(default_factory=available_threads)
    deterministic: bool = True
    checkpoint_seconds: float = 60.0
    force: bool = False


def plan_generator(
    generator: type[Generator], params: Any, dataset: Dataset, options: TrainOptions
) -> tuple[GeneratorKey, Generator]:
    """Make the untrained generator and the key it is stored under.

    Raises
    ------
    BenchError
        The data set lacks images or categories.
    """
    if reason := generator.missing(dataset.training):
        raise BenchError(reason)
    runtime = Runtime(
        seed=options.seed,
        device=options.device,
        threads=options.threads,
        deterministic=options.deterministic,
    )
    settled = generator.settled(params, runtime)
    key = GeneratorKey(
        dataset=dataset.name,
        images_hash=images_hash(dataset.training),
        generator=generator.name,
        generator_version=generator_version(generator),
        params=asdict(settled),
        seed=options.seed,
        deterministic=options.deterministic,
        protocol={"device": resolve_device(options.device).type, "threads": options.threads},
    )
    return key, generator(settled, runtime=runtime)


def train_generator(
    generator: type[Generator],
    params: Any,
    dataset: Dataset,
    *,
    title: str,
    options: TrainOptions,
    store: GeneratorStore,
) -> tuple[StoredGenerator, bool]:
    """Train a generator and store it, or recall it; an interrupted training goes on.

    Of several processes that want the same one, one trains it and the others wait.

    Parameters
    ----------
    generator, params
        What to train.
    dataset
        With images and categories.
    title
        The data set's name for tables.
    options
        How.
    store
        Where it goes.

    Returns
    -------
    What is stored, and whether it was trained now.

    Raises
    ------
    BenchError
        The data set will not do; the training diverges; something cannot be written.
    """
    key, model = plan_generator(generator, params, dataset, options)
    if not options.force and (found := store.find(key)):
        return found, False
    unfinished = store.unfinished(key)
    lock = unfinished.with_name(f"{unfinished.name}.lock")
    with only_process(lock, f"train {key.generator} (seed {key.seed})", wait=True):
        if not options.force and (found := store.find(key)):  # made while this process waited
            return found, False
        return _train(key, model, dataset, title=title, options=options, store=store), True


def _train(
    key: GeneratorKey,
    model: Generator,
    dataset: Dataset,
    *,
    title: str,
    options: TrainOptions,
    store: GeneratorStore,
) -> StoredGenerator:
    unfinished = store.unfinished(key)
    if options.force:  # anew means from the start
        shutil.rmtree(unfinished, ignore_errors=True)
    provenance = describe_machine() | {
        "started_at": utc_now(),
        "data_hash": dataset.data_hash,
        "threads": options.threads,
    }
    checkpoint = Checkpoint(unfinished / "checkpoint.npz", seconds=options.checkpoint_seconds)
    with Progress(f"{key.generator}, seed {key.seed}", model.max_epochs, unit="epoch") as bar:
        watcher = GeneratorWatcher(model, checkpoint, bar)
        try:
            with measured_peak_memory() as peak:
                model.fit(dataset.training, watch=watcher)
        except KeyboardInterrupt:  # Ctrl-C or SIGTERM: the next call goes on from here
            watcher.save_checkpoint()
            raise
    record = GeneratorRecord(
        key=key,
        label=model.label,
        dataset_title=title,
        n_images=dataset.n_items,
        category_names=model.category_names,
        pixels=model.pixels,
        epochs=len(watcher.history),
        history=tuple(watcher.history),
        fit_seconds=watcher.seconds,
        peak_memory_bytes=peak.n_bytes,
        peak_memory_scope=peak.scope,
        provenance=provenance
        | {
            "finished_at": utc_now(),
            "device_used": model.device_used,
            "repeatable": model.repeatable,
        },
    )

    def save_into(folder: Path) -> None:
        model.save_into(folder)
        if watcher.pages.is_dir():
            shutil.copytree(watcher.pages, folder / "samples")

    stored = store.write(record, save_into)
    checkpoint.forget()
    return stored


def find_generator(
    store: GeneratorStore,
    dataset: Dataset,
    registry: Registry,
    name: str = "lsgan",
    *,
    seed: int | None = None,
) -> StoredGenerator:
    """Pick the newest generator that was trained on just these images and categories.

    Parameters
    ----------
    store
        Where they lie.
    dataset
        The data set.
    registry
        Knows the names.
    name
        Which generator.
    seed
        Only one of this seed.

    Raises
    ------
    BenchError
        There is none; the message says what trains it.
    """
    generator = registry.generator(name)
    if reason := generator.missing(dataset.training):
        raise BenchError(reason)
    wanted = images_hash(dataset.training)
    newest: StoredGenerator | None = None
    others = False
    for stored in store.all(dataset.name):
        key = stored.record.key
        if key.generator != name or seed not in (None, key.seed):
            continue
        if key.images_hash != wanted:
            others = True
        elif newest is None or _made(stored) > _made(newest):
            newest = stored
    if newest is None:
        of_seed = "" if seed is None else f" with seed {seed}"
        train = f"bench generate train --dataset {dataset.name}"
        train += "" if name == "lsgan" else f" --generator {name}"
        train += "" if seed is None else f" --seed {seed}"
        there = "; what is stored for other images of that name does not count" if others else ""
        raise BenchError(
            f"no trained generator {name} on {dataset.name}{of_seed} under {store.root}{there}; "
            f"`{train}` trains it"
        )
    return newest


def load_generator(
    stored: StoredGenerator, dataset: Dataset, registry: Registry, *, device: str, threads: int
) -> Generator:
    """Make a stored generator again; one that other code trained is loaded with a warning.

    Raises
    ------
    BenchError
        Its hyper-parameters are others now, or the stored weights are missing or damaged.
    """
    key = stored.record.key
    generator = registry.generator(key.generator)
    if generator_version(generator) != key.generator_version:
        _log.warning(
            "%s (seed %d) was trained by other code (%s); `bench generate train` trains it anew",
            key.generator,
            key.seed,
            key.generator_version,
        )
    runtime = Runtime(
        seed=key.seed, device=device, threads=threads, deterministic=key.deterministic
    )
    try:
        model = generator(generator.Params(**key.params), runtime=runtime)
        return model.load(stored.folder, dataset.training)
    except BenchError:
        raise
    except Exception as error:  # a damaged file, or settings or weights of other code
        raise BenchError(
            f"{stored.folder}: the stored generator cannot be loaded ({type(error).__name__}: "
            f"{one_line(error)}); `bench generate train --force` trains it anew"
        ) from error


def _made(stored: StoredGenerator) -> str:
    return str(stored.record.provenance.get("finished_at", ""))
