"""How far results from bundles differ on the same users, and why some are not compared."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from bench.evaluation.auc import Ties
from bench.experiment.export import paired_users
from bench.report.aggregate import METRICS, difference_interval
from bench.report.bundles import Result, sampled
from bench.report.comparison import SETTINGS
from bench.report.layout import Cell, Column, Notes, Row, Table
from bench.report.pair_cells import PAIR_COLUMNS, pair_cells, pair_lines, pair_values
from bench.report.pairs import PairedRow, compare_rows, pairs_of

__all__ = ["difference_table", "not_compared"]


def difference_table(results: Sequence[Result], *, metric: str, ties: Ties) -> Table | None:
    """Compare each two results on the same data, split, users and negatives; None without such two.

    Parameters
    ----------
    results
        In the order given; of each two the later is compared with the earlier.
    metric
        A metric's name, as "auc".
    ties
        "strict" or "half".
    """
    groups = [group for group in _comparable(results) if len(group) > 1]
    places = [(group, setting, title) for group in groups for setting, title in SETTINGS]
    paired = []
    for group, setting, _ in places:
        by_name = {name: one.values(setting, metric, ties) for name, one in group.items()}
        some = next(iter(group.values())).users(setting).any()
        asked = pairs_of(list(group)) if some else []
        paired.append(PairedRow(setting=setting, values=by_name, pairs=asked))
    family = compare_rows(paired)
    if not family.n_tests:
        return None
    notes = Notes()
    rows: list[Row] = []
    tidy: list[dict[str, Any]] = []
    for (group, setting, title), tested, pairs in zip(places, paired, family.rows, strict=True):
        for pair in pairs:
            one, other = group[pair.recommender], group[pair.other]
            values, others = tested.values[pair.recommender], tested.values[pair.other]
            interval = difference_interval(values, others, setting)
            dataset = one.first.manifest.dataset_title if setting == "all" else ""
            place = (dataset, title, f"{pair.n_users:,}") if pair is pairs[0] else ("", "", "")
            cells = (*place, pair.recommender, pair.other)
            rows.append(
                Row(
                    (*map(Cell, cells), *pair_cells(pair, interval, notes)),
                    rule_above=bool(rows) and bool(place[0]),
                )
            )
            tidy.append(
                {
                    "dataset": one.first.manifest.key.dataset,
                    "setting": setting,
                    "n_users": pair.n_users,
                    "result": pair.recommender,
                    "against": pair.other,
                    "bundles": one.names,
                    "against_bundles": other.names,
                    "seeds": one.seeds,
                    "against_seeds": other.seeds,
                    "metric": metric,
                    "ties": ties,
                    "value": float(values.mean(axis=1).mean()),
                    "against_value": float(others.mean(axis=1).mean()),
                    **pair_values(pair, interval),
                }
            )
    n_seeds = {name: len(one.bundles) for group in groups for name, one in group.items()}
    return Table(
        name="differences",
        caption=f"Differences in the {METRICS[metric].label} on the same users.",
        columns=(
            *(Column(title, align="left") for title in ("Dataset", "Setting")),
            Column("Users"),
            *(Column(title, align="left") for title in ("Result", "Against")),
            *PAIR_COLUMNS,
        ),
        rows=tuple(rows),
        foot=(f"Ties: {ties}.", *pair_lines(family, n_seeds), *not_compared(results)),
        notes=notes.texts(),
        wide=True,
        tidy=tuple(tidy),
        facts={"significance": family.facts()},
    )


def not_compared(results: Sequence[Result]) -> list[str]:
    """Say which results are not compared, a line for each two groups that do not go together."""
    lines = []
    for one, other in itertools.combinations(_comparable(results), 2):
        reason = _why_not(*(next(iter(group.values())) for group in (one, other)))
        lines.append(f"Not compared: {', '.join(one)} with {', '.join(other)}: {reason}.")
    return lines


def _comparable(results: Sequence[Result]) -> list[Mapping[str, Result]]:
    """Sort results, by a title each, into groups whose members can be compared."""
    titles = [result.title for result in results]
    groups: list[dict[str, Result]] = []
    for result in results:
        title = result.title
        if titles.count(title) > 1:
            title = f"{title} [{', '.join(result.names)}]"
        while any(title in group for group in groups):  # the same file name in two folders
            title += "'"
        for group in groups:
            if _why_not(next(iter(group.values())), result) is None:
                group[title] = result
                break
        else:
            groups.append({title: result})
    return list(groups)


def _why_not(one: Result, other: Result) -> str | None:
    """Say why two results cannot be compared; None if they can."""
    keys = one.first.manifest.key, other.first.manifest.key
    for what, hashes in (
        ("data", [key.data_hash for key in keys]),
        ("splits", [key.split_hash for key in keys]),
    ):
        if hashes[0] != hashes[1]:
            places = zip(keys, hashes, strict=True)
            return f"other {what} ({', '.join(f'{key.dataset} {h[:12]}' for key, h in places)})"
    if sampled(one) != sampled(other):
        counts = (sampled(one), sampled(other))
        ranked = ["exactly" if n is None else f"against {n} SAMPLED items" for n in counts]
        return f"ranked {ranked[0]} and {ranked[1]}"
    if not paired_users([one.first.row, other.first.row]):
        return "other users or test items"
    return None
