"""What stands under Table III: how the numbers were made, so that nobody has to guess."""

from collections.abc import Iterable, Sequence

from bench.evaluation.auc import Ties
from bench.experiment.plan import COLD_BELOW
from bench.experiment.record import CellRecord
from bench.report.aggregate import METRICS, Block, Entry, Setting, estimate
from bench.report.cost import cost_lines
from bench.report.layout import NOT_LOWER
from bench.report.pairs import Family
from bench.report.published import OTHER_ITEM_SET, Published
from bench.report.trials import budget
from bench.report.variation import (
    has_several_seeds,
    interval_line,
    marks_lines,
    seeds_line,
    seeds_of,
    users_line,
)

__all__ = ["is_other_item_set", "made_how", "opening_lines", "table3_foot"]


def table3_foot(
    blocks: Sequence[Block],
    *,
    metric: str,
    ties: Ties,
    ci: bool,
    family: Family | None,
    cost: bool,
    oracle: bool,
    published: Published,
) -> tuple[str, ...]:
    """Write the lines under Table III.

    Parameters
    ----------
    blocks
        What the table shows, in its order.
    metric, ties, ci, cost
        As `bench.report.tables.table3` was called.
    family
        The tests behind the marks; None if none were asked for.
    oracle
        Whether the table has a column for the best possible value.
    published
        The paper's tables and what is known of its data.
    """
    entries = [entry for block in blocks for entry in block.entries.values()]
    lines = opening_lines(blocks, metric=metric, ties=ties)
    if has_several_seeds(entries):
        lines.append(seeds_line(METRICS[metric].label))
    if ci or family is not None:
        lines.append(users_line(seeds_of(entries)))
    if ci:
        lines.append(
            f"{interval_line()} Below an improvement: of the difference (not in percent), the same "
            "users drawn for both; one without 0 in it is a difference at that level, were it the "
            "only one."
        )
    if family is not None:
        lines.extend(marks_lines(NOT_LOWER, family))
    if cost:
        lines.extend(cost_lines(entries))
    if oracle:
        lines.append(
            "Oracle: the best AUC any recommender can reach, known where the suite drew the users' "
            "taste itself; a reference, not a competitor."
        )
    lines.extend(made_how(entries))
    if metric == "auc":
        lines.extend(line for block in blocks for line in _paper_lines(block, published))
    differing = dict.fromkeys(b.dataset for b in blocks if is_other_item_set(b, published))
    lines.extend(published.notes[name] for name in differing if name in published.notes)
    if metric == "auc" and published.authors_log.dataset in {block.dataset for block in blocks}:
        lines.append(_log_line(published))
    return tuple(lines)


def opening_lines(blocks: Sequence[Block], *, metric: str, ties: Ties) -> list[str]:
    """Say what was measured, how, on which data, with which seeds and configurations."""
    entries = [entry for block in blocks for entry in block.entries.values()]
    return [
        f"{METRICS[metric].label}: {_definition(metric)}; {_tie_rule(metric, ties)}.",
        *_protocol(blocks),
        f"Cold Items: users whose test item has fewer than {COLD_BELOW} training interactions, "
        "ranked against the same items as for All Items.",
        *(line for block in blocks for line in _block_lines(block, metric, ties)),
        *_presets(entries),
        *_tuned(entries),
        *(entry.remark for entry in entries if entry.remark is not None),
    ]


def is_other_item_set(block: Block, published: Published) -> bool:
    """Say whether a block of one of the paper's data sets rests on other users or items."""
    facts = block.facts
    return published.is_other_item_set(block.dataset, facts.get("n_users"), facts.get("n_items"))


def made_how(entries: Sequence[Entry]) -> list[str]:
    """Say with what: determinism, version, hardware; each once, however many cells share it."""
    records = [run.record for entry in entries for run in entry.runs]
    free = dict.fromkeys(r.label for r in records if not r.key.deterministic)
    on_gpu = dict.fromkeys(
        r.label for r in records if r.key.deterministic and not r.provenance.get("repeatable", True)
    )
    how = []
    if free:
        how.append(f"Not deterministic (libraries with several threads race): {', '.join(free)}.")
    if on_gpu:
        how.append(
            f"Not repeatable to the last bit (a GPU adds in no fixed order): {', '.join(on_gpu)}."
        )
    if records and not how:
        how.append("All fits were deterministic.")
    made = [record.provenance for record in records]
    versions = dict.fromkeys(str(p["suite_version"]) for p in made if "suite_version" in p)
    machines = dict.fromkeys(
        f"{p.get('cpu', 'unknown processor')}, device {p.get('device', 'unknown')}" for p in made
    )
    lines = how + _unconverged(records)
    if made:
        lines.append(
            f"Made with dvbpr-bench {', '.join(versions) or 'unknown'} on {'; '.join(machines)}."
        )
    return lines


def _paper_lines(block: Block, published: Published) -> list[str]:
    """Give the paper's row for the recommenders shown."""
    texts = []
    settings: tuple[tuple[Setting, str], ...] = (("all", "All"), ("cold", "Cold"))
    for setting, title in settings:
        known = {
            entry.label: value
            for name, entry in block.entries.items()
            if (value := published.auc(block.dataset, setting, name)) is not None
        }
        if known:
            values = ", ".join(f"{label} {value:.4f}" for label, value in known.items())
            texts.append(f"{title}: {values}")
    if not texts:
        return []
    mark = f" ({OTHER_ITEM_SET})" if is_other_item_set(block, published) else ""
    return [f"{block.title}: the paper's Table III{mark} has {'; '.join(texts)}."]


def _log_line(published: Published) -> str:
    log = published.authors_log
    best = log.best
    title = published.table2[log.dataset].title
    return (
        f"{title}: the authors' log for the published archive has DVBPR (K={log.factors}, "
        f"{log.sampled} sampled items) at {best.test:.4f} on the test items, in epoch "
        f"{best.epoch}, whose validation AUC {best.validation:.4f} is its best; "
        f"`--sampled {log.sampled}` evaluates alike."
    )


def _protocol(blocks: Sequence[Block]) -> list[str]:
    exact = any(block.sampled is None for block in blocks)
    against = (
        "exact, against the whole catalogue outside the user's training, validation and test "
        "items (P, V, T)"
        if exact
        else "SAMPLED, not exact"
    )
    lines = [
        f"Protocol: leave-one-out, one validation and one test item per user; {against}; of each "
        "fit the state with the best validation AUC is reported."
    ]
    if any(block.sampled for block in blocks):
        lines.append(
            'Rows marked "sampled" rank the test item among that many drawn items only: they are '
            "not comparable with exact rows or with the paper."
        )
    return lines


def _definition(metric: str) -> str:
    name, _, cutoff = metric.partition("@")
    return {
        "auc": "mean over test users of the share of items outside P, V and T that score lower "
        "than the user's test item (IV-A)",
        "recall": f"share of test users whose test item ranks among the first {cutoff}",
        "ndcg": f"mean over test users of 1/log2(1 + rank) of the test item, 0 after rank {cutoff}",
        "mrr": "mean over test users of 1/rank of the test item",
    }[name]


def _tie_rule(metric: str, ties: Ties) -> str:
    if metric == "auc":
        earned = "nothing (strict, the paper's definition)" if ties == "strict" else "one half"
        return f"a tie earns {earned}"
    if ties == "strict":
        return "items tied with the test item rank above it (strict)"
    return "the mean over the ranks that ties leave open (half credit)"


def _block_lines(block: Block, metric: str, ties: Ties) -> list[str]:
    """Say where a block's data come from, with which seeds, and what ties do to PopRank."""
    entries = list(block.entries.values())
    rule = block.facts.get("split_rule")
    lines = [
        f"{block.title}: data {block.data_hash[:12]}, split {block.split_hash[:12]} ({rule}); "
        f"{_seeds(entry for entry in entries if entry.runs)}."
    ]
    lines.extend(_repeats(block))
    if without := block.facts.get("n_users_without_negatives"):
        lines.append(
            f"{block.title}: {without:,} users own the whole catalogue, so no metric is defined "
            "for them: left out."
        )
    visual = [entry.label for entry in entries if "features" in entry.newest.needs]
    features = block.facts.get("features")
    if visual and features:
        lines.append(f"{block.title}: features of {', '.join(visual)}: {features}.")
    popularity = block.entries.get("poprank")
    if popularity is not None and popularity.runs:
        other: Ties = "half" if ties == "strict" else "strict"
        values = []
        settings: tuple[tuple[Setting, str], ...] = (("all", "All"), ("cold", "Cold"))
        for setting, title in settings:
            value = estimate(popularity, setting, metric=metric, ties=other)
            if value is not None:
                values.append(f"{title} {value.value:.4f}")
        rule = "half credit" if other == "half" else "the strict rule"
        lines.append(
            f"{block.title}: {popularity.label} under {rule} for ties: {', '.join(values)}."
        )
    return lines


def _repeats(block: Block) -> list[str]:
    """Say what became of the users whose held-out item is one of their training items."""
    count = block.facts.get("n_repeats") or 0
    whose = "whose validation or test item is one of their own training items"
    if block.drop_repeats:
        left_out = f"{count:,} {'user is' if count == 1 else 'users are'} left out"
        return [f"{block.title}: {left_out} {whose} (--drop-repeats)."]
    if not count:
        return []
    counted = f"{count:,} {'user is' if count == 1 else 'users are'} counted"
    return [f"{block.title}: {counted} {whose}; --drop-repeats leaves them out."]


def _presets(entries: Sequence[Entry]) -> list[str]:
    """Say which named preset a model ran with, and with which network on which images."""
    lines = []
    for entry in entries:
        params = entry.newest.key.params
        if "preset" not in params:
            continue
        details = [f"preset {params['preset']}"]
        if "backbone" in params and "pixels" in params:
            details.append(
                f"{params['backbone']} on {params['pixels']} x {params['pixels']} pixels"
            )
        if "factors" in params:
            details.append(f"K = {params['factors']}")
        if params.get("start", "random") != "random":
            details.append(f"started from {params['start']}")
        if params.get("refit_lambda"):
            details.append(
                "user rows fitted anew for the network's outputs with lambda_theta = "
                f"{params['refit_lambda']:g} (not in the paper)"
            )
        lines.append(f"{entry.label}: {', '.join(details)}.")
    return list(dict.fromkeys(lines))


def _tuned(entries: Sequence[Entry]) -> list[str]:
    """Say which hyper-parameters a search chose, and what it cost."""
    texts: dict[str, list[str]] = {}
    for entry in entries:
        record = entry.newest
        if record.tuning is not None:
            won = ", ".join(f"{name}={value}" for name, value in record.tuning["winner"].items())
            text = f"{entry.label} on {record.dataset_title} ({won})"
            texts.setdefault(budget(record.tuning), []).append(text)
    return [f"Tuned on validation: {'; '.join(what)}: {cost}." for cost, what in texts.items()]


def _seeds(entries: Iterable[Entry]) -> str:
    """List the seeds of the fits: once if all share them, else per group of recommenders."""
    groups: dict[tuple[int, ...], list[str]] = {}
    for entry in entries:
        groups.setdefault(entry.seeds, []).append(entry.label)
    texts = []
    for seeds, labels in groups.items():
        numbers = ", ".join(map(str, seeds))
        text = f"{len(seeds)} seeds ({numbers})" if len(seeds) > 1 else f"seed {numbers}"
        texts.append(text if len(groups) == 1 else f"{text} for {', '.join(labels)}")
    return f"fitted with {'; '.join(texts)}" if texts else "no fit finished"


def _unconverged(records: Sequence[CellRecord]) -> list[str]:
    """Name the fits that were best in the last epoch they were allowed."""
    seeds: dict[tuple[str, str], list[str]] = {}
    for record in records:
        if record.best_is_last:
            place = (record.label, record.dataset_title)
            seeds.setdefault(place, []).append(str(record.key.seed))
    fits = [
        f"{label} on {title} (seed{'s' if len(numbers) > 1 else ''} {', '.join(numbers)})"
        for (label, title), numbers in seeds.items()
    ]
    if not fits:
        return []
    return [
        f"Best in the last epoch allowed, so training may not have converged: {'; '.join(fits)}."
    ]
