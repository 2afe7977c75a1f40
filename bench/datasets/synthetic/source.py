"""`synthetic_fashion`: the data set the suite draws itself."""

import logging
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.lib.format import open_memmap

from bench.datasets.dataset import FeatureInfo
from bench.datasets.preprocess import preprocess
from bench.datasets.source import DatasetSource
from bench.datasets.store import write_dataset
from bench.datasets.synthetic.images import ImageSpool, draw_all
from bench.datasets.synthetic.style import (
    CATEGORIES,
    Styles,
    balance_patterns,
    concatenate_styles,
    sample_styles,
)
from bench.datasets.synthetic.taste import (
    TasteOptions,
    embed_styles,
    sample_purchases,
    sample_taste,
)
from bench.device import available_threads, resolve_device
from bench.errors import BenchError, user_io_errors
from bench.evaluation.oracle import oracle_auc
from bench.files import temporary_prefix
from bench.progress import Progress
from bench.rng import child_generator

__all__ = ["SyntheticFashion", "SyntheticOptions"]

_log = logging.getLogger(__name__)
_EXTRACT_BATCH = 256


@dataclass(frozen=True, kw_only=True)
class SyntheticOptions:
    """Size and seed of the synthetic data set.

    Attributes
    ----------
    n_users, n_items
        At least 10 and 60; the paper's Amazon Fashion has 64,583 and 234,892.
    image_size
        Side of the square images in pixels, 32 to 512.
    seed
        Root seed of everything: the same seed gives the same data set bit for bit.
    n_workers
        Processes that draw; None takes every core. Changes nothing but the time.
    device
        Where the classifier runs: auto, cpu, cuda, cuda:N.
    classifier_garments
        Drawings for the classifier, none of them in the catalogue; one sixth is held out to
        measure its accuracy; at least 100.
    classifier_epochs
        Passes over them.
    taste
        How strongly each side of the style counts.
    """

    n_users: int = 1500
    n_items: int = 4500
    image_size: int = 96
    seed: int = 0
    n_workers: int | None = None
    device: str = "auto"
    classifier_garments: int = 3600
    classifier_epochs: int = 6
    taste: TasteOptions = field(default_factory=TasteOptions)

    def __post_init__(self) -> None:
        limits = {
            "n_users": (10, 10_000_000),
            "n_items": (60, 10_000_000),
            "image_size": (32, 512),
            "seed": (0, 2**63 - 1),
            "classifier_garments": (100, 1_000_000),
            "classifier_epochs": (1, 1000),
        }
        if self.n_workers is not None:
            limits["n_workers"] = (1, 1024)
        for name, (low, high) in limits.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
                raise BenchError(
                    f"synthetic_fashion: {name} must be a whole number from {low} to {high}, "
                    f"got {value!r}"
                )


class SyntheticFashion(DatasetSource):
    """Garments drawn by the suite, bought by simulated users whose taste is known.

    Parameters
    ----------
    options
        Size and seed; None for the defaults.
    """

    name: ClassVar[str] = "synthetic_fashion"
    description: ClassVar[str] = (
        "drawn garments in six categories, simulated purchases with a known best score; no download"
    )

    def __init__(self, options: SyntheticOptions | None = None) -> None:
        self.options = SyntheticOptions() if options is None else options

    def prepare(self, folder: Path) -> None:
        """Draw the garments, simulate the purchases, compute the features, and write the store.

        Raises
        ------
        BenchError
            The device is not there, or the folder cannot be written.
        """
        options = self.options
        device_name = str(resolve_device(options.device))
        seconds: dict[str, float] = {}
        clock = time.perf_counter()
        styles = sample_styles(options.n_items, child_generator(options.seed, "styles"))
        utility = sample_taste(embed_styles(styles), options.n_users, options.taste, options.seed)
        bought = sample_purchases(utility, options.taste.mean_purchases, options.seed)
        split = preprocess(bought.users, bought.indices, n_items=options.n_items, seed=options.seed)
        seconds["purchases"], clock = time.perf_counter() - clock, time.perf_counter()
        with user_io_errors("draw the garments", folder.parent):
            folder.parent.mkdir(parents=True, exist_ok=True)
            scratch = tempfile.TemporaryDirectory(prefix=temporary_prefix(), dir=folder.parent)
        with (
            scratch as scratch_name,
            user_io_errors("draw the garments", folder.parent),
            ImageSpool(Path(scratch_name) / "images") as spool,
        ):
            self._draw(styles, spool, role="catalogue")
            seconds["drawing"], clock = time.perf_counter() - clock, time.perf_counter()
            features = Path(scratch_name) / "features.npy"
            info, training = self._compute_features(spool, features, Path(scratch_name))
            seconds["classifier"], clock = time.perf_counter() - clock, time.perf_counter()
            known = split.train
            for held_out in (split.validation, split.test):
                known = known.with_pairs(np.arange(known.n_users), held_out)
            best = oracle_auc(
                utility,
                split.test,
                known,
                split.train.item_counts,
                device="cpu",
                threads=available_threads(),
            )
            write_dataset(
                folder,
                name=self.name,
                title="Synthetic Fashion",
                source=(
                    f"drawn by this suite: {options.n_users} users, {options.n_items} items, "
                    f"{options.image_size} pixels, seed {options.seed}"
                ),
                licence="made by this suite; use it as you like",
                train=split.train,
                validation=split.validation,
                test=split.test,
                user_ids=[f"user-{number:06d}" for number in split.users],
                item_ids=[f"item-{number:06d}" for number in split.items],
                split_rule=(
                    f"one random item per user for validation, one for test, seed {options.seed}"
                ),
                split_seed=options.seed,
                category_names=CATEGORIES,
                categories=styles.category,
                images=spool,
                features=features,
                feature_info=info,
                report={
                    "oracle_auc": best,
                    "preprocessing": split.counts.to_json(),
                    "classifier": {**training, "device": device_name},
                },
                oracle=utility,
            )
        seconds["writing"] = time.perf_counter() - clock
        _log.info(
            "synthetic_fashion: %s",
            ", ".join(f"{stage} {spent:.1f} s" for stage, spent in seconds.items()),
        )

    def _draw(self, styles: Styles, spool: ImageSpool, *, role: str) -> None:
        options = self.options
        with Progress(f"garments for the {role}", len(styles), unit="garment") as progress:
            for encoded in draw_all(
                styles,
                pixels=options.image_size,
                seed=options.seed,
                role=role,
                n_workers=options.n_workers or available_threads(),
            ):
                spool.append(encoded)
                progress.advance(len(encoded))

    def _compute_features(
        self, spool: ImageSpool, path: Path, scratch: Path
    ) -> tuple[FeatureInfo, Mapping[str, Any]]:
        """Train the classifier on drawings of its own and write the catalogue's features."""
        from bench.datasets.synthetic.classifier import (
            FEATURE_DIMS,
            decode_batch,
            extract,
            one_thread,
            train_classifier,
        )

        options = self.options
        device = resolve_device(options.device)
        n_garments = options.classifier_garments
        n_held_out = n_garments // 6
        rng = child_generator(options.seed, "classifier", "styles")
        # The held-out drawings keep a shop's shares of patterns, as the catalogue has them.
        styles = concatenate_styles(
            balance_patterns(sample_styles(n_garments - n_held_out, rng), rng),
            sample_styles(n_held_out, rng),
        )
        with ImageSpool(scratch / "classifier-images") as own:
            self._draw(styles, own, role="classifier")
            images = decode_batch(own.read(0, len(own)))
        out = open_memmap(path, "w+", np.float16, (len(spool), FEATURE_DIMS))
        batches = (
            spool.read(start, start + _EXTRACT_BATCH)
            for start in range(0, len(spool), _EXTRACT_BATCH)
        )
        with one_thread():
            network, accuracy = train_classifier(
                images,
                styles.kind,
                styles.pattern,
                n_held_out=n_held_out,
                n_epochs=options.classifier_epochs,
                seed=options.seed,
                device=device,
            )
            extract(network, batches, out, device)
        out.flush()
        info = FeatureInfo(
            "classifier",
            f"classifier features: {FEATURE_DIMS} activations of the suite's own CNN, trained to "
            f"tell garment types and patterns on {accuracy.n_train} drawings outside the catalogue "
            f"(held-out accuracy {accuracy.kind:.3f} and {accuracy.pattern:.3f} on "
            f"{accuracy.n_held_out}); not ImageNet features",
        )
        report = {
            "n_train": accuracy.n_train,
            "n_held_out": accuracy.n_held_out,
            "kind_accuracy": accuracy.kind,
            "pattern_accuracy": accuracy.pattern,
            "n_epochs": options.classifier_epochs,
        }
        return info, report
