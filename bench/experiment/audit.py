"""Counting for the audit: one fitted model's test items among various negatives."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bench.datasets.dataset import NO_ITEM, Dataset, Interactions
from bench.errors import BenchError
from bench.evaluation.auc_variants import count_pooled
from bench.evaluation.audit import AuditCounts
from bench.evaluation.counts import RankCounts, count_ranks, count_sampled
from bench.experiment.plan import COLD_BELOW
from bench.recommender import Recommender
from bench.rng import child_generator

__all__ = ["AuditOptions", "N_STEPS", "audit_counts"]

N_STEPS = 5
"""How often `audit_counts` calls `step`."""


@dataclass(frozen=True, kw_only=True)
class AuditOptions:
    """How a model is audited.

    Attributes
    ----------
    n_samples
        Items drawn per user; 100 in the authors' released code.
    n_draws
        How often they are drawn.
    k
        Cut-off of the definitions that look at the top of the ranking only; 10 is the default of
        implicit.
    """

    n_samples: int = 100
    n_draws: int = 10
    k: int = 10

    def __post_init__(self) -> None:
        for name, option in (("n_samples", "samples"), ("n_draws", "draws"), ("k", "k")):
            if getattr(self, name) < 1:
                raise BenchError(f"--{option} must be at least 1, got {getattr(self, name)}")


def audit_counts(
    model: Recommender,
    dataset: Dataset,
    options: AuditOptions,
    *,
    step: Callable[[], None] = lambda: None,
) -> AuditCounts:
    """Count the ranks of a fitted model's test items under every definition.

    The catalogue is scored about six times, at the speed of a matrix product where the model has
    factors, and never as a whole. All models meet the same sampled items on one split.

    Parameters
    ----------
    model
        Fitted on `dataset.training`.
    dataset
        With its held-out items, as they are evaluated.
    options
        What is sampled and where rankings are cut off.
    step
        Called after each of the `N_STEPS` counts.

    Raises
    ------
    BenchError
        Nobody has a test item and negatives to compare it with; the scores are not finite.
    """
    train, test = dataset.training.train, dataset.test
    users = np.arange(dataset.n_users)
    nothing = np.empty(0, dtype=np.int64)
    nobody = Interactions.from_pairs(nothing, nothing, n_users=train.n_users, n_items=train.n_items)

    def ranks(known: Interactions) -> RankCounts:
        runtime = model.runtime
        (counts,) = count_ranks(
            model, [test], known, device=runtime.device, threads=runtime.threads
        )
        step()
        return counts

    exact = ranks(dataset.known)
    if not exact.present.any():
        raise BenchError(
            f"{dataset.name}: nobody has a test item and negatives, so there is no AUC"
        )
    validation_in = ranks(train.with_pairs(users, test))
    known_in = ranks(nobody.with_pairs(users, test))
    # One target per draw: all draws come from one pass over the scores.
    draws = count_sampled(
        model.score,
        [np.where(exact.present, test, NO_ITEM)] * options.n_draws,
        train,
        rng=child_generator(int(dataset.split_hash[:15], 16), "audit", options.n_samples),
        n_samples=options.n_samples,
        name=model.name,
    )
    step()
    pooled = count_pooled(model.score, test, dataset.known, name=model.name)
    step()
    return AuditCounts(
        exact=exact,
        validation_in=validation_in,
        known_in=known_in,
        pooled=pooled,
        draws=tuple(draws),
        test=test,
        train_item_counts=train.item_counts,
        item_counts=dataset.known.item_counts,
        n_samples=options.n_samples,
        k=options.k,
        cold_below=COLD_BELOW,
    )
