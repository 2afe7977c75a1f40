"""When a published value counts as reproduced, and what of ours stands beside it."""

import math
from dataclasses import dataclass
from typing import Any, Literal

from bench.datasets.published_sets import ARCHIVE_PARTITION
from bench.evaluation.auc import Ties
from bench.report.aggregate import Block, Setting, estimate, user_values

__all__ = ["Ours", "judge", "knows_seeds", "our_auc", "our_facts", "verdict_lines"]

_ROUNDING = 0.00005
"""Half a unit of the last of four printed digits."""


_WITHOUT_SEED = ("poprank", "visrank")
"""Of the paper's recommenders those that draw nothing: one fit is as good as many."""


@dataclass(frozen=True, kw_only=True)
class Ours:
    """One of our values beside the paper's.

    Attributes
    ----------
    value
        Mean over seeds of the means over users.
    interval
        95 % bootstrap interval over users of each user's mean over seeds.
    n_users, n_seeds
        What it rests on.
    users_se
        Standard error over users, n_users^-1/2 times the sample standard deviation of each user's
        mean over seeds; 0 with one user.
    seed_sd
        Sample standard deviation over seeds of the mean over users; None with one seed.
    same_users
        Whether users and test items are the paper's own: the archive's partition. Whom one asks is
        then no source of variation between the paper and us.
    """

    value: float
    interval: tuple[float, float]
    n_users: int
    n_seeds: int
    users_se: float
    seed_sd: float | None
    same_users: bool

    @property
    def combined_sd(self) -> float:
        """How far one published fit may lie from our mean by chance.

        sqrt(users_se^2 + seed_sd^2 (1 + 1 / n_seeds)): the choice of users (0 if they are the
        same), the published fit's own noise of training, and what is left of ours in the mean over
        seeds. With one seed the noise of training is not known and counts as 0.
        """
        users = 0.0 if self.same_users else self.users_se
        seeds = 0.0 if self.seed_sd is None else self.seed_sd**2 * (1 + 1 / self.n_seeds)
        return math.sqrt(users**2 + seeds)


def judge(paper: float, ours: Ours) -> Literal["reproduced", "within noise", "differs"]:
    """Decide whether a printed value was reproduced, on equally many users and items.

    Parameters
    ----------
    paper
        As printed, with four digits: the value behind it lies within 0.00005.
    ours
        Our value.

    Returns
    -------
    "reproduced": the printed value, give or take its rounding, lies in our 95 % interval over
    users, or, on the same users and test items, is ours. "within noise": not so, but it lies within
    2 `Ours.combined_sd` plus the rounding of our value. "differs": neither.
    """
    low, high = (ours.value, ours.value) if ours.same_users else ours.interval
    if low - _ROUNDING <= paper <= high + _ROUNDING:
        return "reproduced"
    if abs(ours.value - paper) <= 2 * ours.combined_sd + _ROUNDING:
        return "within noise"
    return "differs"


def our_auc(block: Block, name: str, setting: Setting, ties: Ties) -> Ours | None:
    """Gather our value of a cell; None if there is none."""
    entry = block.entries.get(name)
    if entry is None:
        return None
    found = estimate(entry, setting, metric="auc", ties=ties, interval=True)
    values = user_values(entry, setting, "auc", ties)
    if found is None or found.interval is None or values is None:
        return None
    per_user = values.mean(axis=0)
    n = len(per_user)
    return Ours(
        value=found.value,
        interval=found.interval,
        n_users=n,
        n_seeds=len(values),
        users_se=float(per_user.std(ddof=1)) / math.sqrt(n) if n > 1 else 0.0,
        seed_sd=found.sd,
        same_users=block.facts.get("split_rule") == ARCHIVE_PARTITION,
    )


def knows_seeds(name: str, ours: Ours) -> bool:
    """Tell whether our value counts a recommender's noise of training, be there any."""
    return ours.seed_sd is not None or name in _WITHOUT_SEED


def our_facts(ours: Ours | None, paper: float) -> dict[str, Any]:
    """Give our side of a cell as CSV and JSON have it."""
    if ours is None:
        counted = ("value", "ci_low", "ci_high", "n_users", "n_seeds", "users_se", "seed_sd")
        return dict.fromkeys((*counted, "same_users", "combined_sd", "difference"))
    return {
        "value": ours.value,
        "ci_low": ours.interval[0],
        "ci_high": ours.interval[1],
        "n_users": ours.n_users,
        "n_seeds": ours.n_seeds,
        "users_se": ours.users_se,
        "seed_sd": ours.seed_sd,
        "same_users": ours.same_users,
        "combined_sd": ours.combined_sd,
        "difference": ours.value - paper,
    }


def verdict_lines() -> list[str]:
    """Say what each verdict means."""
    return [
        "reproduced: the paper's value, give or take the rounding of its four digits, lies in our "
        "95% interval over users.",
        "within noise: not so, but within 2 combined standard deviations of ours, plus the "
        "rounding: sqrt(se^2 + sd^2 (1 + 1/S)), se our standard error over users, sd the standard "
        "deviation over our S seeds (one seed: taken as 0).",
        "On the archive's own partition users and test items are the paper's, so that whom one "
        "asks is no noise between the two: there, reproduced means equal in the four digits "
        "printed, and se is taken as 0. On a split drawn anew it counts as above.",
        "differs: neither. The paper prints no spread: that of its own fits is taken to be ours. "
        "Settings are those stored with our cells, not always the paper's.",
        "other item set: other counts of users or items than Table II; other protocol: sampled, or "
        "users left out. The difference is shown, but is not one of reproduction: no verdict.",
    ]
