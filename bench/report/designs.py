"""What was designed for one user beside the real items she likes best, and tailored images."""

import numpy as np
import numpy.typing as npt

from bench.datasets.dataset import NO_ITEM, Dataset
from bench.evaluation.retrieval import Retrieved
from bench.generator import Designs, Tailored
from bench.report.recommendations import bought, mark

__all__ = ["designs_to_text", "own_mark", "step_name", "tailored_to_text"]


def designs_to_text(
    dataset: Dataset,
    user: int,
    category: str,
    retrieved: Retrieved,
    designs: Designs,
    *,
    how: str,
) -> str:
    """Write the scores of one query's real and designed images.

    Parameters
    ----------
    dataset
        The data set.
    user
        Her row.
    category
        The category's name.
    retrieved, designs
        One query each: arrays of one row.
    how
        Models and options, in a line.
    """
    from tabulate import tabulate

    items = [int(item) for item in retrieved.items[0] if item != NO_ITEM]
    real = retrieved.scores[0, : len(items)]
    designed = designs.scores[0]
    lines = [
        [n, dataset.item_ids[item], f"{score:.4g}", own_mark(dataset, user, item)]
        for n, (item, score) in enumerate(zip(items, real, strict=True), start=1)
    ]
    texts = [
        f"{dataset.name}, user {dataset.user_ids[user]}, {category}: {how}",
        "\nReal items of the category with the highest preference (eq. 8)",
        tabulate(lines, headers=("", "item", "preference", ""), disable_numparse=True),
        "\nDesigned images (eq. 9 to 11)",
        tabulate(
            [
                [n, f"{score:.4g}", f"{value:.4g}"]
                for n, (score, value) in enumerate(
                    zip(designed, designs.objective[0], strict=True), start=1
                )
            ],
            headers=("", "preference", "objective"),
            disable_numparse=True,
        ),
    ]
    if len(items) < retrieved.items.shape[1]:
        of_all = "its only item" if len(items) == 1 else f"all of its {len(items)} items"
        texts.append(f"\n{category}: {of_all} shown" if items else f"\n{category} has no items")
    if items:
        texts.append(f"\nMean preference: {_comparison(real, designed)}")
    return "\n".join(texts) + "\n"


def _comparison(real: npt.NDArray[np.float32], designed: npt.NDArray[np.float32]) -> str:
    before, after = float(real.mean()), float(designed.mean())
    text = f"designed {after:.4g}, real {before:.4g}, difference {after - before:+.4g}"
    # A share of a mean that is not positive says nothing.
    return f"{text} ({(after - before) / before:+.1%})" if before > 0 else text


def tailored_to_text(
    dataset: Dataset, user: int, category: str, what: str, tailored: Tailored, *, how: str
) -> str:
    """Write the scores along the way of one tailored image.

    Parameters
    ----------
    dataset, user, category
        As `designs_to_text` takes them.
    what
        Names the image.
    tailored
        Of one image: arrays of one row.
    how
        Models and options, in a line.
    """
    from tabulate import tabulate

    lines = [["prototype", f"{tailored.prototype_scores[0]:.4g}"]]
    lines += [
        [step_name(step), f"{score:.4g}"]
        for step, score in zip(tailored.steps, tailored.scores[0], strict=True)
    ]
    gain = float(tailored.scores[0, -1] - tailored.prototype_scores[0])
    return "\n".join(
        [
            f"{dataset.name}, user {dataset.user_ids[user]}, {what} ({category}): {how}",
            tabulate(lines, headers=("image", "preference"), disable_numparse=True),
            f"\nThe approximation is {tailored.l1[0] * 127.5:.1f} of 255 levels away from the "
            f"prototype (mean over pixels and channels); the last image's preference, less the "
            f"prototype's: {gain:+.4g}",
            "",
        ]
    )


def step_name(step: int) -> str:
    """Name an iterate: the approximation (eq. 12), or the number of steps uphill."""
    return "approximation" if step == 0 else f"after {step} steps"


def own_mark(dataset: Dataset, user: int, item: int) -> str:
    """Say what an item is to the user: "bought", "test", "validation" or nothing."""
    return "bought" if item in bought(dataset, user) else mark(dataset, user, item)
