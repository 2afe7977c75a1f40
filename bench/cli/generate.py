"""`bench generate`: train a generator on a data set's images, and look at what it makes."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from bench.cli.options import (
    data_option,
    device_option,
    plugin_option,
    results_option,
    set_option,
)
from bench.errors import BenchError

if TYPE_CHECKING:
    from bench.experiment.generator_store import GeneratorRecord

__all__ = ["generate"]

_COLUMNS = 8


@click.group()
def generate() -> None:
    """Train an image generator and draw samples from it."""


@generate.command()
@click.option("--dataset", "name", required=True, metavar="NAME", help="Data set.")
@click.option("--generator", default="lsgan", show_default=True, help="Which generator.")
@set_option("Hyper-parameter, for example lsgan.preset=slim; repeatable.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Root seed.")
@device_option
@click.option("--threads", type=click.IntRange(min=1), help="Threads.  [default: all]")
@click.option(
    "--checkpoint-seconds",
    type=click.FloatRange(min=0),
    default=60.0,
    show_default=True,
    help="Least time between two checkpoints.",
)
@click.option("--force", is_flag=True, help="Train again what is stored.")
@plugin_option
@results_option
@data_option
def train(
    name: str,
    generator: str,
    settings: tuple[str, ...],
    seed: int,
    device: str,
    threads: int | None,
    checkpoint_seconds: float,
    force: bool,
    plugins: tuple[Path, ...],
    results: Path,
    data_dir: Path | None,
) -> None:
    """Train a generator on the images and categories of a data set.

    What is trained already is not trained again, and an interrupted training goes on. Beside the
    weights stand the curve of the losses and, for each epoch, a page of samples.
    """
    from bench.datasets.library import default_data_dir, find
    from bench.datasets.record import read_record
    from bench.device import available_threads, resolve_device
    from bench.experiment.generator_store import GeneratorStore
    from bench.experiment.generators import TrainOptions, train_generator
    from bench.experiment.plan import parse_settings
    from bench.files import check_writable, remove_leftovers
    from bench.recommender import parse_params
    from bench.registry import Registry

    registry = Registry(plugins)
    chosen = registry.generator(generator)
    parsed = parse_settings(settings)
    for other in parsed:
        if other != generator:
            raise BenchError(f"--set {other}.…: the generator is {generator}")
    params = parse_params(chosen, parsed.get(generator, {}))
    resolve_device(device)
    check_writable("store results", results)
    data_dir = data_dir or default_data_dir()
    dataset = find(name, data_dir, registry)
    remove_leftovers(results)
    stored, trained = train_generator(
        chosen,
        params,
        dataset,
        title=read_record(data_dir / name).title,
        options=TrainOptions(
            seed=seed,
            device=device,
            threads=threads or available_threads(),
            checkpoint_seconds=checkpoint_seconds,
            force=force,
        ),
        store=GeneratorStore(results),
    )
    click.echo(_told(stored.record, trained=trained))
    click.echo(f"stored: {stored.folder}")


@generate.command()
@click.option("--dataset", "name", required=True, metavar="NAME", help="Data set.")
@click.option("--category", required=True, metavar="NAME", help="Of what.")
@click.option(
    "--count", type=click.IntRange(min=1, max=10_000), default=24, show_default=True, help="Images."
)
@click.option(
    "--output",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="PNG file to draw them into, side by side.",
)
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Which samples."
)
@click.option("--generator", default="lsgan", show_default=True, help="Which generator.")
@click.option("--fit-seed", type=int, help="Only a training of this seed.  [default: the newest]")
@device_option
@click.option("--threads", type=click.IntRange(min=1), help="Threads.  [default: all]")
@plugin_option
@results_option
@data_option
def sample(
    name: str,
    category: str,
    count: int,
    output: Path,
    seed: int,
    generator: str,
    fit_seed: int | None,
    device: str,
    threads: int | None,
    plugins: tuple[Path, ...],
    results: Path,
    data_dir: Path | None,
) -> None:
    """Draw samples of one category from a trained generator.

    The same seed gives the same codes, so the same images from the same generator.
    """
    import numpy as np

    from bench.datasets.library import default_data_dir, find
    from bench.device import available_threads, resolve_device
    from bench.experiment.generator_store import GeneratorStore
    from bench.experiment.generators import find_generator, load_generator
    from bench.experiment.sample_page import write_page
    from bench.files import check_writable
    from bench.registry import Registry
    from bench.report.recommendations import find_category
    from bench.rng import child_generator

    registry = Registry(plugins)
    registry.generator(generator)
    resolve_device(device)
    check_writable("write samples", output.parent)
    dataset = find(name, data_dir or default_data_dir(), registry)
    number = find_category(dataset, category)
    stored = find_generator(GeneratorStore(results), dataset, registry, generator, seed=fit_seed)
    assert dataset.training.categories is not None
    if not (dataset.training.categories == number).any():
        raise BenchError(f"{name} has no item of the category {category!r} to learn from")
    model = load_generator(
        stored, dataset, registry, device=device, threads=threads or available_threads()
    )
    codes = model.codes(count, child_generator(seed, "generate", "sample"))
    images = model.generate(codes, np.full(count, number))
    write_page(images, min(count, _COLUMNS), output)
    label = dataset.training.category_names[number]
    made = "1 image" if count == 1 else f"{count} images"
    click.echo(
        f"{made} of {label} by {stored.record.label} (trained with seed "
        f"{stored.record.key.seed}): {output}"
    )


def _told(record: "GeneratorRecord", *, trained: bool) -> str:
    """Say in a line what was trained, or what was there."""
    key = record.key
    last = record.history[-1]
    losses = ", ".join(
        f"{name.replace('_', ' ')} {value:.3f}"
        for name, value in last.items()
        if name.endswith("_loss")
    )
    what = f"{record.label} ({key.params.get('preset', 'no preset')}, seed {key.seed})"
    epochs = "1 epoch" if record.epochs == 1 else f"{record.epochs} epochs"
    how = f"{record.n_images:,} images, {epochs} in {record.fit_seconds:.0f} s"
    return f"{what}: {'trained now' if trained else 'was trained already'}, {how}; {losses}"
