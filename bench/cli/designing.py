"""What `bench design` and `bench tailor` share: the models they need, and options."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from bench.errors import BenchError

if TYPE_CHECKING:
    from bench.datasets.dataset import Dataset
    from bench.generator import Generator
    from bench.recommender import Recommender
    from bench.registry import Registry

__all__ = ["Models", "check_scores_images", "design_options", "load_models", "made"]

_Command = TypeVar("_Command", bound=Callable[..., Any])
_Options = TypeVar("_Options")


@dataclass(frozen=True)
class Models:
    """A fitted recommender, a trained generator, and their names for the reader."""

    recommender: "Recommender"
    generator: "Generator"
    label: str


def design_options(command: _Command) -> _Command:
    """Add the options of both verbs."""
    for option in (
        click.option("--threads", type=click.IntRange(min=1), help="Threads.  [default: all]"),
        click.option(
            "--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N."
        ),
        click.option(
            "--pixels",
            type=click.IntRange(min=32, max=1024),
            default=128,
            show_default=True,
            help="Side of an image in the picture.",
        ),
        click.option(
            "--output", type=click.Path(path_type=Path, dir_okay=False), help="Draw a PNG as well."
        ),
        click.option(
            "--fit-seed", type=int, help="Only models of this seed.  [default: the newest]"
        ),
        click.option(
            "--seed",
            type=click.IntRange(min=0),
            default=0,
            show_default=True,
            help="Of the random starts and draws.",
        ),
        click.option(
            "--learning-rate",
            type=click.FloatRange(min=0, min_open=True),
            default=0.05,
            show_default=True,
            help="Step of the ascent, Adam's.",
        ),
        click.option(
            "--eta",
            type=click.FloatRange(min=0),
            default=1.0,
            show_default=True,
            help="Weight of looking real (eq. 9).",
        ),
        click.option(
            "--generator", default="lsgan", show_default=True, help="Generator of the images."
        ),
        click.option(
            "--recommender", default="dvbpr", show_default=True, help="Whose preference counts."
        ),
    ):
        command = option(command)
    return command


def made(options: Callable[..., _Options], **values: Any) -> _Options:
    """Make options of values that may not go together."""
    try:
        return options(**values)
    except ValueError as error:
        raise BenchError(str(error)) from error


def check_scores_images(name: str, registry: "Registry") -> None:
    """See that a recommender can tell a preference for an image, before any work begins."""
    if registry.recommender(name).scores_images:
        return
    able = [n for n in registry.recommender_names() if registry.recommender(n).scores_images]
    raise BenchError(
        f"{name} scores items of the catalogue, not images; --recommender takes {', '.join(able)}"
    )


def load_models(
    dataset: "Dataset",
    registry: "Registry",
    results: Path,
    *,
    recommender: str,
    generator: str,
    fit_seed: int | None,
    device: str,
    threads: int,
) -> Models:
    """Load the newest finished fit of both.

    Raises
    ------
    BenchError
        One of them is not there; the message has the command that makes it.
    """
    from bench.experiment.generator_store import GeneratorStore
    from bench.experiment.generators import find_generator, load_generator
    from bench.experiment.models import finished_cells, load_model
    from bench.experiment.store import ResultStore

    # Both are looked for before one is loaded, which may take a while.
    (cell,) = finished_cells(
        ResultStore(results), dataset, registry, names=[recommender], seed=fit_seed
    )
    stored = find_generator(GeneratorStore(results), dataset, registry, generator, seed=fit_seed)
    loaded = load_model(cell, dataset, registry, device=device, threads=threads)
    made_by = load_generator(stored, dataset, registry, device=device, threads=threads)
    label = (
        f"{loaded.record.label} (seed {loaded.record.key.seed}), "
        f"{stored.record.label} (seed {stored.record.key.seed})"
    )
    return Models(loaded.model, made_by, label)
