"""`bench tailor`: an item or a photograph of one's own, changed towards a user's taste."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from bench.cli.designing import check_scores_images, design_options, load_models, made
from bench.cli.options import check_output, data_option, plugin_option, results_option
from bench.errors import BenchError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from bench.datasets.dataset import Dataset

__all__ = ["tailor"]


@click.command()
@click.option("--dataset", "name", required=True, metavar="NAME", help="Data set.")
@click.option("--user", "user_id", required=True, metavar="ID", help="The user's id.")
@click.option("--item", "item_id", metavar="ID", help="The item to tailor.")
@click.option(
    "--image",
    type=click.Path(path_type=Path),
    help="Or a photograph of your own; give its --category.",
)
@click.option("--category", metavar="NAME", help="What the photograph shows.")
@click.option(
    "--starts",
    type=click.IntRange(min=1),
    default=16,
    show_default=True,
    help="Random initial points of the approximation.",
)
@click.option(
    "--fit-steps",
    type=click.IntRange(min=0),
    default=200,
    show_default=True,
    help="Of the approximation.",
)
@click.option(
    "--iterates",
    default="0,10,20,40,50",
    show_default=True,
    metavar="STEPS",
    help="Numbers of steps after which the image is shown; 0 is the approximation.",
)
@design_options
@plugin_option
@results_option
@data_option
def tailor(
    name: str,
    user_id: str,
    item_id: str | None,
    image: Path | None,
    category: str | None,
    starts: int,
    fit_steps: int,
    iterates: str,
    eta: float,
    learning_rate: float,
    seed: int,
    recommender: str,
    generator: str,
    fit_seed: int | None,
    output: Path | None,
    pixels: int,
    device: str,
    threads: int | None,
    plugins: tuple[Path, ...],
    results: Path,
    data_dir: Path | None,
) -> None:
    """Change an image step by step to what one user would rather have.

    The generator's nearest image to the given one (eq. 12) is taken uphill on the user's
    preference (eq. 10). A photograph should show one product on white, as the catalogue's do; it
    is brought to a square, as theirs are.
    """
    import numpy as np

    from bench.datasets.library import default_data_dir, find
    from bench.device import available_threads, resolve_device
    from bench.generator import TailorOptions
    from bench.registry import Registry
    from bench.report.designs import tailored_to_text
    from bench.report.recommendations import find_user

    check_output(output, "the picture", ".png")
    options = made(
        TailorOptions,
        starts=starts,
        fit_steps=fit_steps,
        eta=eta,
        learning_rate=learning_rate,
        iterates=_numbers(iterates),
    )
    _check_source(item_id, image, category)
    registry = Registry(plugins)
    resolve_device(device)
    check_scores_images(recommender, registry)
    dataset = find(name, data_dir or default_data_dir(), registry)
    user = find_user(dataset, user_id)
    what, number, prototype = _prototype(dataset, item_id, image, category)
    models = load_models(
        dataset,
        registry,
        results,
        recommender=recommender,
        generator=generator,
        fit_seed=fit_seed,
        device=device,
        threads=threads or available_threads(),
    )
    tailored = models.generator.tailor(
        models.recommender,
        np.array([user]),
        np.array([number]),
        prototype[None],
        options,
        seed=seed,
    )
    label = dataset.training.category_names[number]
    how = f"{models.label}; eta {eta:g}, {starts} starts, {fit_steps} fitting steps, seed {seed}"
    click.echo(tailored_to_text(dataset, user, label, what, tailored, how=how), nl=False)
    if output is not None:
        from bench.report.design_sheet import tailor_sheet
        from bench.report.png import write_png

        write_png(tailor_sheet(dataset, user, label, what, tailored, pixels=pixels), output)


def _numbers(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise BenchError(f"--iterates takes whole numbers, as 0,10,50, got {text!r}") from None


def _check_source(item_id: str | None, image: Path | None, category: str | None) -> None:
    """See that there is one image, and that its category is known from one place."""
    if (item_id is None) == (image is None):
        raise BenchError("say what to tailor: either --item ID or --image FILE")
    if image is not None and category is None:
        raise BenchError(f"--image {image}: give --category NAME, what the photograph shows")
    if item_id is not None and category is not None:
        raise BenchError("--category goes with --image; an item is of its own category")


def _prototype(
    dataset: "Dataset", item_id: str | None, image: Path | None, category: str | None
) -> "tuple[str, int, npt.NDArray[np.uint8]]":
    """Give the image's name, its category's number, and its pixels."""
    import numpy as np

    from bench.datasets.photograph import read_photograph
    from bench.datasets.pixels import whole_image
    from bench.report.recommendations import find_category, find_item

    if image is not None:
        assert category is not None
        number = find_category(dataset, category)
        return image.name, number, read_photograph(image)
    assert item_id is not None
    item = find_item(dataset, item_id)
    training = dataset.training
    for part in ("images", "categories"):
        if part not in training.offers:
            raise BenchError(f"{dataset.name} has no {part}: nothing to tailor")
    assert training.images is not None
    assert training.categories is not None
    pixels = np.array(whole_image(dataset.name, training.images, item, item_id=item_id))
    return f"item {item_id}", int(training.categories[item]), pixels
