"""One fitted model under every definition of AUC in use, and who uses which.

The statements about other code were read in it: kang205/DVBPR, DVBPR/main.py; the C++ code of VBPR
and its successors, model.cpp; cornac/eval_methods/base_method.py and cornac/metrics/ranking.py;
lightfm/evaluation.py; implicit/evaluation.pyx; recbole/evaluator/metrics.py; Elliot's
accuracy/AUC/lauc.py; vbpr/trainer.py of aaossa/VBPR-PyTorch.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from bench.evaluation.auc import UserMean, auc_per_user, cold_users, mean_over_users
from bench.evaluation.auc_variants import auc_at_k, limited_auc, mean_over_items, micro_auc
from bench.evaluation.counts import RankCounts

__all__ = ["DEFINITIONS", "AuditCounts", "Definition", "Summary", "summaries"]

Users = npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class AuditCounts:
    """All that the definitions are computed from: the test items' ranks among various negatives.

    Attributes
    ----------
    exact
        Against the items outside P, V and T of the user (section IV-A).
    validation_in
        The user's validation item is a negative, too.
    known_in
        Every other item of the catalogue is a negative, the user's own too.
    pooled
        Against the negatives of all users.
    draws
        Against sampled items, one entry per draw.
    test
        int (n_users,): test items, `NO_ITEM` where there is none.
    train_item_counts
        int64 (n_items,): training interactions of each item.
    item_counts
        int64 (n_items,): interactions of each item in all three parts of the split.
    n_samples
        Items drawn per user and draw.
    k
        The cut-off of the definitions that look at the top of the ranking only.
    cold_below
        An item with fewer training interactions is cold.
    """

    exact: RankCounts
    validation_in: RankCounts
    known_in: RankCounts
    pooled: RankCounts
    draws: tuple[RankCounts, ...]
    test: npt.NDArray[np.integer[Any]]
    train_item_counts: npt.NDArray[np.int64]
    item_counts: npt.NDArray[np.int64]
    n_samples: int
    k: int
    cold_below: int

    @cached_property
    def cold(self) -> Users:
        """Which users have a cold test item: bool (n_users,)."""
        return cold_users(self.test, self.train_item_counts, self.cold_below)

    @cached_property
    def test_item_counts(self) -> npt.NDArray[np.int64]:
        """Training interactions of each user's test item: int64 (n_users,), -1 without one."""
        return np.where(self.test < 0, -1, self.train_item_counts[self.test])


class Summary(NamedTuple):
    """A definition's value.

    Attributes
    ----------
    mean
        NaN if nobody has one.
    n
        Users it rests on; of "per-item" the distinct test items.
    sd
        Sample standard deviation over draws; None where nothing is drawn, or drawn once.
    """

    mean: float
    n: int
    sd: float | None = None


@dataclass(frozen=True)
class Definition:
    """A definition of AUC.

    Attributes
    ----------
    name
        For programs.
    label, used_by
        For people; `{k}`, `{n}`, `{draws}` and `{cold}` stand for the options.
    value
        Counts and which users, bool (n_users,), to the value.
    cold
        Which users count as cold; None for the rule of the suite.
    """

    name: str
    label: str
    used_by: str
    value: Callable[[AuditCounts, Users], Summary]
    cold: Callable[[AuditCounts], Users] | None = None

    def text(self, template: str, counts: AuditCounts) -> str:
        """Fill the options into `label` or `used_by`."""
        return template.format(
            k=counts.k, n=counts.n_samples, draws=len(counts.draws), cold=counts.cold_below
        )


def summaries(definition: Definition, counts: AuditCounts) -> tuple[Summary | None, Summary]:
    """Give a definition's value for All Items and Cold Items, over the users that have an AUC.

    The former is None for a definition that differs in what is cold only.
    """
    present = counts.exact.present
    cold = counts.cold if definition.cold is None else definition.cold(counts)
    everyone = None if definition.cold else definition.value(counts, present)
    return everyone, definition.value(counts, present & cold)


def _strict(counts: AuditCounts, users: Users) -> Summary:
    return _mean(auc_per_user(counts.exact, "strict"), users)


def _half(counts: AuditCounts, users: Users) -> Summary:
    return _mean(auc_per_user(counts.exact, "half"), users)


def _sampled(counts: AuditCounts, users: Users) -> Summary:
    draws = [mean_over_users(auc_per_user(draw, "strict"), users) for draw in counts.draws]
    means = np.array([draw.mean for draw in draws])
    sd = float(means.std(ddof=1)) if len(means) > 1 else None
    return Summary(float(means.mean()), min(draw.n_users for draw in draws), sd)


def _validation_in(counts: AuditCounts, users: Users) -> Summary:
    return _mean(auc_per_user(counts.validation_in, "strict"), users)


def _known_in(counts: AuditCounts, users: Users) -> Summary:
    return _mean(auc_per_user(counts.known_in, "strict"), users)


def _at_k(counts: AuditCounts, users: Users) -> Summary:
    return _mean(auc_at_k(counts.exact, counts.k, len(counts.item_counts)), users)


def _limited(counts: AuditCounts, users: Users) -> Summary:
    return _mean(limited_auc(counts.exact, counts.k), users)


def _pooled(counts: AuditCounts, users: Users) -> Summary:
    return _mean(auc_per_user(counts.pooled, "half"), users)


def _micro(counts: AuditCounts, users: Users) -> Summary:
    return Summary(*micro_auc(counts.exact, "strict", users))


def _per_item(counts: AuditCounts, users: Users) -> Summary:
    return Summary(*mean_over_items(auc_per_user(counts.exact, "strict"), counts.test, users))


def _mean(values: npt.NDArray[np.float64], users: Users) -> Summary:
    mean: UserMean = mean_over_users(values, users)
    return Summary(*mean)


def _at_most_five(counts: AuditCounts) -> Users:
    return cold_users(counts.test, counts.train_item_counts, 6)


def _at_most_five_in_all_parts(counts: AuditCounts) -> Users:
    return cold_users(counts.test, counts.item_counts, 6)


DEFINITIONS: tuple[Definition, ...] = (
    Definition(
        "strict",
        "Exact, ties earn nothing",
        "The paper (section IV-A), the original C++ code of VBPR, VBPR-PyTorch, Cornac.",
        _strict,
    ),
    Definition(
        "half",
        "Exact, ties earn half",
        "RecBole's GAUC (tied items share their mean rank); scikit-learn's roc_auc_score, called "
        "per user.",
        _half,
    ),
    Definition(
        "sampled",
        "{n} sampled items",
        "The authors' released code, and so its log, with 100: items drawn from the catalogue, "
        "the user's training items and the test item skipped, the validation item not; ties earn "
        "nothing. Mean and standard deviation over {draws} draws: one draw is off by as much.",
        _sampled,
    ),
    Definition(
        "validation-in",
        "Validation item left in",
        "The full loop in the authors' released code, which stands there commented out; LightFM's "
        "auc_score if it is given the training interactions only. Ties earn nothing.",
        _validation_in,
    ),
    Definition(
        "known-in",
        "Training items left in, too",
        "LightFM's auc_score if its optional train_interactions are left out: what the user "
        "has already counts as negatives. Ties earn nothing.",
        _known_in,
    ),
    Definition(
        "at-k",
        "AUC@{k}",
        "implicit's AUC_at_k (10 is its default), given training and validation items as known: a "
        "test item below rank {k} earns about one half, wherever it stands.",
        _at_k,
    ),
    Definition(
        "limited",
        "Limited AUC@{k}",
        "Elliot's LAUC: a test item below rank {k} earns nothing.",
        _limited,
    ),
    Definition(
        "pooled",
        "Pooled over users",
        "RecBole's AUC: one ROC curve over the scores of all users, so that a user whose scores "
        "are high altogether counts for the model or against it; ties earn half.",
        _pooled,
    ),
    Definition(
        "micro",
        "Micro: over (user, negative) pairs",
        "No library that we read; the AUC of each user weighs as much as she has negatives.",
        _micro,
    ),
    Definition(
        "per-item",
        "Macro: over test items",
        "No library that we read; each distinct test item counts once, however many users it is "
        "held out of.",
        _per_item,
    ),
    Definition(
        "cold-at-most-5",
        "Cold: at most 5 in training",
        "The original C++ code of VBPR; the paper and this suite: fewer than {cold}. As the first "
        "row otherwise.",
        _strict,
        _at_most_five,
    ),
    Definition(
        "cold-all-parts",
        "Cold: at most 5 in all parts",
        "VBPR-PyTorch, which counts the held-out interactions, too. As the first row otherwise.",
        _strict,
        _at_most_five_in_all_parts,
    ),
)
"""From the paper's own on; every difference is to the first."""
