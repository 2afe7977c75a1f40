"""An independent reader of style: what a garment in an image would be worth to a simulated user.

On `synthetic_fashion` the true utility of a style to each user is known, but a generated image has
no style on record. A regressor that was trained on garments drawn for it alone, that knows no
purchase and no recommender, reads the style off the pixels; the stored taste turns it into the
true utility. So it can be told whether an image that a model prefers pleases the user, or only the
model. How well it reads is measured and stated.
"""

import hashlib
import json
import logging
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from bench.datasets.dataset import Dataset, Images
from bench.datasets.resizing import resized
from bench.datasets.synthetic.images import draw_all
from bench.datasets.synthetic.reader_report import (
    N_READ,
    ReaderReport,
    agreement,
    explained,
    read_blocks,
)
from bench.datasets.synthetic.style import (
    CATEGORIES,
    Styles,
    balance_patterns,
    concatenate_styles,
    sample_styles,
)
from bench.datasets.synthetic.taste import STYLE_BLOCKS, embed_categories, embed_styles
from bench.device import available_threads
from bench.errors import BenchError, one_line
from bench.files import sha256_of_arrays
from bench.progress import Progress
from bench.recommender import Factors
from bench.rng import child_generator
from bench.trained import Trained, recall_or_train

if TYPE_CHECKING:
    from bench.datasets.synthetic.reader_network import ReaderNet

__all__ = ["ReaderOptions", "StyleReader", "stores_style", "style_reader"]

_log = logging.getLogger(__name__)

_BALANCED_SHARE = 0.3  # of the drawings have all patterns alike: a shop has too few of the rare
_MOST_ITEMS, _MOST_USERS = 3000, 1000
_SOFT_RADIUS = 1.0  # pixels


@dataclass(frozen=True, kw_only=True)
class ReaderOptions:
    """How the reader is trained.

    Attributes
    ----------
    n_garments
        Drawings to learn from, none of them in a catalogue; at least 100.
    n_held_out
        Further drawings, in a shop's shares, to measure the error on; at least 20.
    n_epochs
        Passes over them.
    seed
        Of drawing and training. The reader of all runs is the same.
    """

    n_garments: int = 5000
    n_held_out: int = 1000
    n_epochs: int = 8
    seed: int = 0

    def __post_init__(self) -> None:
        if self.n_garments < 100 or self.n_held_out < 20:
            raise ValueError("n_garments must be at least 100 and n_held_out at least 20")
        if self.n_epochs < 1 or self.seed < 0:
            raise ValueError("n_epochs must be at least 1 and seed at least 0")


class StyleReader:
    """Reads the style of garments in images, and what it is worth to a data set's users.

    Parameters
    ----------
    network
        Trained, in evaluation mode.
    taste
        True user factors over the 31 numbers of `embed_styles`, true item factors.
    report
        How well the network reads.
    """

    def __init__(self, network: "ReaderNet", taste: Factors, report: ReaderReport) -> None:
        self._network, self._taste = network, taste
        self.report = report

    def read(
        self, images: npt.NDArray[np.uint8], categories: npt.NDArray[np.integer[Any]]
    ) -> npt.NDArray[np.float32]:
        """Read the numbers of `embed_styles` off images.

        Parameters
        ----------
        images
            uint8 (n, H, W, 3), of any size; they are read at 64 x 64 pixels.
        categories
            int (n,): what each image is to be read as.

        Returns
        -------
        float32 (n, 31): what is expected of each number, given pixels and category.
        """
        from bench.datasets.synthetic.classifier import one_thread
        from bench.datasets.synthetic.reader_network import READER_PIXELS, read_styles

        if len(images) != len(categories):
            raise ValueError(f"{len(images)} images do not pair with {len(categories)} categories")
        if len(categories) and not 0 <= categories.min() <= categories.max() < len(CATEGORIES):
            raise ValueError(f"categories must lie in 0..{len(CATEGORIES) - 1}")
        with one_thread():
            styles = read_styles(self._network, resized(images, READER_PIXELS), categories)
        return np.concatenate([styles, embed_categories(categories)], axis=1)

    def true_utility(
        self,
        images: npt.NDArray[np.uint8],
        users: npt.NDArray[np.integer[Any]],
        categories: npt.NDArray[np.integer[Any]],
    ) -> npt.NDArray[np.float32]:
        """Give what the style seen in each image is worth to a user: float32 (n,).

        Parameters
        ----------
        images, categories
            As for `read`.
        users
            int (n,): row numbers; image k is judged for user k.

        Notes
        -----
        Without popularity, which nothing visible explains: compare with `stored_utility`, in units
        of the noise in the user's choice.
        """
        return self._worth(users, self.read(images, categories))

    def stored_utility(
        self, users: npt.NDArray[np.integer[Any]], items: npt.NDArray[np.integer[Any]]
    ) -> npt.NDArray[np.float32]:
        """Give what the style on record of a real item is worth to a user: float32 (n,)."""
        return self._worth(users, self._taste.item_factors[items])

    def _worth(
        self, users: npt.NDArray[np.integer[Any]], styles: npt.NDArray[np.float32]
    ) -> npt.NDArray[np.float32]:
        if len(users) != len(styles):
            raise ValueError(f"{len(users)} users do not pair with {len(styles)} garments")
        worth: npt.NDArray[np.float32] = (self._taste.user_factors[users] * styles).sum(axis=1)
        return worth


def stores_style(dataset: Dataset) -> bool:
    """Tell whether a data set stores the true styles of its items, as `embed_styles` has them."""
    training, oracle = dataset.training, dataset.oracle
    if oracle is None or training.images is None or training.categories is None:
        return False
    if training.category_names != CATEGORIES:
        return False
    styles = oracle.item_factors
    category = STYLE_BLOCKS["category"]
    # Other simulated data could have factors of the same width that mean something else.
    return (
        styles.shape[1] == category.stop
        and np.array_equal(styles[:, category], embed_categories(training.categories))
        and bool(np.allclose(styles[:, STYLE_BLOCKS["colours"]].sum(axis=1), 1, atol=1e-3))
        and bool((styles[:, STYLE_BLOCKS["patterns"]].max(axis=1) == 1).all())
    )


def style_reader(
    dataset: Dataset, options: ReaderOptions | None = None, *, threads: int | None = None
) -> StyleReader | None:
    """Train the reader for a data set, or recall it; None where no true styles are stored.

    Parameters
    ----------
    dataset
        Its taste turns styles into utilities; its images say how large garments are drawn. The
        network learns from neither.
    options
        How; by default as `ReaderOptions` says.
    threads
        Processes that draw; all cores by default. They change nothing but the time.

    Raises
    ------
    BenchError
        An image cannot be decoded, or the cache cannot be written.
    """
    if not stores_style(dataset):
        return None
    from bench.datasets.synthetic.reader_network import restore_reader

    options = options or ReaderOptions()
    taste, images = dataset.oracle, dataset.training.images
    assert taste is not None
    assert images is not None
    folder = None
    if images.cache is not None:
        folder = images.cache / f"style-reader-{_key(taste, options)}"

    def train() -> Trained:
        made = _train(dataset, options, threads or available_threads())
        _log.info("style reader of %s: %s", dataset.name, ReaderReport(**made.report))
        return made

    made = recall_or_train(folder, train, what="the style reader")
    return StyleReader(restore_reader(made.weights), taste, ReaderReport(**made.report))


def _train(dataset: Dataset, options: ReaderOptions, threads: int) -> Trained:
    from bench.datasets.synthetic.classifier import one_thread
    from bench.datasets.synthetic.reader_network import read_styles, train_reader

    items, taste = dataset.training.images, dataset.oracle
    assert items is not None
    assert taste is not None
    rng = child_generator(options.seed, "reader", "styles")
    n_balanced = round(_BALANCED_SHARE * options.n_garments)
    learnt = concatenate_styles(
        sample_styles(options.n_garments - n_balanced, rng),
        balance_patterns(sample_styles(n_balanced, rng), rng),
    )
    held_out = sample_styles(options.n_held_out, rng)
    images = _draw(concatenate_styles(learnt, held_out), items.decoded(0).width, options, threads)
    unseen = images[options.n_garments :]
    rng = child_generator(options.seed, "reader", "agreement")
    rows, users = (
        np.sort(rng.permutation(n)[:most])
        for n, most in ((dataset.n_items, _MOST_ITEMS), (dataset.n_users, _MOST_USERS))
    )
    assert dataset.training.categories is not None
    categories = dataset.training.categories[rows]
    with one_thread():
        network = train_reader(
            images[: options.n_garments], learnt, n_epochs=options.n_epochs, seed=options.seed
        )
        read = read_styles(network, unseen, held_out.category)
        softened = read_styles(network, _softened(unseen), held_out.category)
        catalogue = read_styles(network, _decoded(dataset.name, items, rows), categories)
    truth = embed_styles(held_out)[:, :N_READ]
    full = np.concatenate([catalogue, embed_categories(categories)], axis=1)
    taste_of_some = taste.user_factors[users]
    agreed = agreement(
        taste_of_some @ taste.item_factors[rows].T, taste_of_some @ full.T, categories
    )
    report = ReaderReport(
        n_train=options.n_garments,
        n_held_out=options.n_held_out,
        r2={
            "style": explained(truth, read),
            **{name: explained(truth[:, at], read[:, at]) for name, at in read_blocks().items()},
        },
        r2_softened=explained(truth, softened),
        n_items=len(rows),
        n_users=len(users),
        **agreed,
    )
    weights = {name: tensor.numpy().copy() for name, tensor in network.state_dict().items()}
    return Trained(weights, asdict(report))


def _draw(
    styles: Styles, pixels: int, options: ReaderOptions, threads: int
) -> npt.NDArray[np.uint8]:
    """Draw garments as large as the data set's, and bring them to the reader's size."""
    from bench.datasets.synthetic.classifier import decode_batch

    parts = []
    with Progress("garments for the style reader", len(styles), unit="garment") as progress:
        for encoded in draw_all(
            styles, pixels=pixels, seed=options.seed, role="reader", n_workers=threads
        ):
            parts.append(decode_batch(encoded))
            progress.advance(len(encoded))
    return np.concatenate(parts)


def _decoded(
    name: str, images: Images, items: npt.NDArray[np.integer[Any]]
) -> npt.NDArray[np.uint8]:
    from bench.datasets.synthetic.classifier import decode_batch

    try:
        return decode_batch([images.encoded(int(item)) for item in items])
    except (OSError, ValueError, SyntaxError) as error:
        raise BenchError(
            f"{name}: an image cannot be decoded ({one_line(error)}); "
            f"`bench verify {name}` names it"
        ) from error


def _softened(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    from PIL import Image, ImageFilter

    blur = ImageFilter.GaussianBlur(_SOFT_RADIUS)
    return np.stack([np.asarray(Image.fromarray(image).filter(blur)) for image in images])


def _key(taste: Factors, options: ReaderOptions) -> str:
    """Hash everything that moves a weight or a figure, the drawing code included."""
    import PIL
    import torch

    code = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        code.update(path.read_bytes())
    content = {
        "taste": sha256_of_arrays(taste.user_factors, taste.item_factors),
        "options": asdict(options),
        "code": code.hexdigest(),
        "torch": torch.__version__,
        "pillow": PIL.__version__,
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]
