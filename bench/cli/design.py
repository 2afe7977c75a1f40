"""`bench design`: images that a user would like best, beside the real ones she likes best."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from bench.cli.designing import check_scores_images, design_options, load_models, made
from bench.cli.options import check_output, data_option, plugin_option, results_option
from bench.errors import BenchError

if TYPE_CHECKING:
    from bench.datasets.dataset import Dataset

__all__ = ["design"]


@click.command()
@click.option("--dataset", "name", required=True, metavar="NAME", help="Data set.")
@click.option("--user", "user_id", required=True, metavar="ID", help="The user's id.")
@click.option(
    "--category", metavar="NAME", help="What to design.  [default: that of her test item]"
)
@click.option(
    "--top", type=click.IntRange(min=1), default=3, show_default=True, help="Images to design."
)
@click.option(
    "--starts",
    type=click.IntRange(min=1),
    default=64,
    show_default=True,
    help="Random initial points.",
)
@click.option(
    "--steps", type=click.IntRange(min=0), default=50, show_default=True, help="Of the ascent."
)
@click.option(
    "--selection",
    type=click.Choice(["sample", "best"]),
    default="sample",
    show_default=True,
    help="Draw the images by eq. 11, or take the best.",
)
@design_options
@plugin_option
@results_option
@data_option
def design(
    name: str,
    user_id: str,
    category: str | None,
    top: int,
    starts: int,
    steps: int,
    selection: str,
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
    """Design images of a category for one user, and print her preference for them.

    Above them stand the real items of the category that she likes best. Both need a finished fit
    of the recommender and a trained generator.
    """
    import numpy as np

    from bench.datasets.library import default_data_dir, find
    from bench.device import available_threads, resolve_device
    from bench.evaluation.retrieval import retrieve
    from bench.generator import DesignOptions
    from bench.recommender import FactorRecommender
    from bench.registry import Registry
    from bench.report.designs import designs_to_text
    from bench.report.recommendations import find_category, find_user

    check_output(output, "the picture", ".png")
    options = made(
        DesignOptions,
        eta=eta,
        starts=starts,
        steps=steps,
        learning_rate=learning_rate,
        top=top,
        selection=selection,
    )
    registry = Registry(plugins)
    resolve_device(device)
    check_scores_images(recommender, registry)
    dataset = find(name, data_dir or default_data_dir(), registry)
    user = find_user(dataset, user_id)
    number = _of_test_item(dataset, user) if category is None else find_category(dataset, category)
    assert dataset.training.categories is not None
    label = dataset.training.category_names[number]
    if not (dataset.training.categories == number).any():
        raise BenchError(f"{name} has no item of the category {label!r} to learn from")
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
    model = models.recommender
    if not isinstance(model, FactorRecommender):
        raise BenchError(f"{recommender}: real items are retrieved by factors, which it has not")
    users, categories = np.array([user]), np.array([number])
    retrieved = retrieve(model.factors(), users, categories, dataset.training.categories, top=top)
    designs = models.generator.design(model, users, categories, options, seed=seed)
    how = f"{models.label}; eta {eta:g}, {starts} starts, {steps} steps, seed {seed}"
    click.echo(designs_to_text(dataset, user, label, retrieved, designs, how=how), nl=False)
    if output is not None:
        from bench.report.design_sheet import design_sheet
        from bench.report.png import write_png

        write_png(design_sheet(dataset, user, label, retrieved, designs, pixels=pixels), output)


def _of_test_item(dataset: "Dataset", user: int) -> int:
    """Give the category of the user's test item, as the paper's trials do."""
    from bench.datasets.dataset import NO_ITEM

    categories, item = dataset.training.categories, int(dataset.test[user])
    if categories is None:
        raise BenchError(f"{dataset.name} has no categories, and images are designed of a category")
    if item == NO_ITEM:
        names = ", ".join(dataset.training.category_names)
        raise BenchError(
            f"user {dataset.user_ids[user]} has no test item whose category could be taken; "
            f"give --category ({names})"
        )
    return int(categories[item])
