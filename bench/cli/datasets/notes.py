"""What a reader should know about a data set, in a few lines."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from bench.datasets.record import DatasetRecord
from bench.errors import printable
from bench.report.published import OTHER_ITEM_SET, load_published

__all__ = ["notable", "report_lines"]

_SHOWN_IDS = 10


def notable(record: DatasetRecord) -> list[str]:
    """Say what was odd about a published archive, and how it compares with Table II.

    Nothing for data of other origin, and nothing about what was in order.
    """
    archive = record.report.get("archive")
    if not isinstance(archive, Mapping):
        return []
    found = {**archive, **record.report.get("partition", {}), **record.report.get("images", {})}
    found["items_without_a_row"] = record.report.get("features", {}).get("items_without_a_row", [])
    lines = _against_table2(record, str(archive.get("published_as")))
    for key, text in _COUNTED.items():
        if count := found.get(key):
            lines.append(text.format(count, "" if count == 1 else "s"))
    for key, text in _LISTED.items():
        if ids := found.get(key):
            lines.append(text.format(len(ids), "" if len(ids) == 1 else "s") + f": {_some(ids)}")
    return lines


def report_lines(report: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Give label and value of everything in a record's report; long lists are cut."""
    lines = []
    for part, value in report.items():
        inner = value.items() if isinstance(value, Mapping) else [("", value)]
        for key, found in inner:
            if key != "items_without_training":  # said elsewhere, for every data set alike
                label = f"{part}: {key}" if key else part
                lines.append((label.replace("_", " "), _plain(found)))
    return lines


_COUNTED = {
    "users_without_training_item": "{:,} user{} without a training item",
    "users_without_validation_item": "{:,} user{} without a validation item",
    "users_without_test_item": "{:,} user{} without a test item",
    "further_held_out_entries_ignored": "{:,} further held-out item{} of users who have one, "
    "ignored",
    "repeated_training_pairs_merged": "{:,} repeated training pair{} merged",
    "users_with_a_held_out_repeat": "{:,} user{} whose validation or test item is one of their "
    "training items; `bench run --drop-repeats` leaves them out",
    "validation_items_that_are_the_test_item": "{:,} user{} whose validation item is the test item",
    "items_never_in_training": "{:,} item{} never in training",
    "items_with_repeated_asin": "{:,} item{} with an id that came before, told apart by #2, #3",
    "items_without_asin": "{:,} item{} without an id, named by number",
    "training_pairs_whose_asin_is_another": "{:,} training pair{} whose asin is not the item's",
    "bytes_behind_the_pickle": "{:,} byte{} behind the archive's end, ignored",
    "grey": "{:,} grey image{}",
    "png": "{:,} PNG image{}",
}

_LISTED = {
    "replaced_because_broken": "{:,} image{} that cannot be decoded, a plain grey one instead",
    "replaced_because_missing": "{:,} item{} without an image, a plain grey one instead",
    "items_without_a_row": "{:,} item{} without a feature row, zeros instead",
}


def _against_table2(record: DatasetRecord, name: str) -> list[str]:
    """Put the paper's counts beside the data set's."""
    published = load_published()
    paper = published.table2.get(name)
    if paper is None:
        return []
    other = published.is_other_item_set(name, record.n_users, record.n_items)
    lines = [
        f"Table II has {paper.n_users:,} users, {paper.n_items:,} items, "
        f"{paper.n_interactions:,} interactions, {paper.n_categories or 'no'} categories"
        + (f" ({OTHER_ITEM_SET})" if other else "")
    ]
    if other:
        if name in published.notes:
            lines.append(published.notes[name].rstrip("."))
        verdict = published.archive_verdict(
            name, record.n_users, record.n_items, record.n_interactions
        )
        lines.extend([] if verdict is None else [verdict])
    return lines


def _some(ids: Sequence[str]) -> str:
    rest = f" and {len(ids) - _SHOWN_IDS:,} more" if len(ids) > _SHOWN_IDS else ""
    return ", ".join(map(printable, ids[:_SHOWN_IDS])) + rest


def _plain(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    if isinstance(value, list) and value and all(isinstance(entry, str) for entry in value):
        return _some(value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
