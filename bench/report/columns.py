"""What the columns of a table are called, and what JSON says of the blocks behind its rows."""

import string
from collections.abc import Sequence
from typing import Any

from bench.report.aggregate import Block
from bench.report.published import Published

__all__ = ["block_facts", "column_labels", "column_letters", "place_facts"]


def column_letters(blocks: Sequence[Block], published: Published) -> dict[str, str]:
    """Give the shown recommenders letters: the paper's keep theirs, others follow (i), (j)."""
    present = {name for block in blocks for name in block.entries}
    letters = {
        column.recommender: column.letter
        for column in published.columns
        if column.recommender in present
    }
    for number, name in enumerate(sorted(present - letters.keys())):
        letters[name] = _letter(len(published.columns) + number)
    return letters


def column_labels(blocks: Sequence[Block]) -> dict[str, str]:
    """Name the columns; where two recommenders bear one label, their names tell them apart."""
    labels = {name: entry.label for block in blocks for name, entry in block.entries.items()}
    shared = [label for label in labels.values() if list(labels.values()).count(label) > 1]
    return {
        name: f"{label} [{name}]" if label in shared else label for name, label in labels.items()
    }


def place_facts(block: Block) -> dict[str, Any]:
    """Name a block, as each line of CSV and JSON does."""
    return {
        "dataset": block.dataset,
        "title": block.title,
        "data_hash": block.data_hash,
        "split_hash": block.split_hash,
        "sampled": block.sampled,
        "drop_repeats": block.drop_repeats,
    }


def block_facts(block: Block) -> dict[str, Any]:
    """Say where a block's numbers come from, entry by entry."""
    return {
        **place_facts(block),
        "facts": dict(block.facts),
        "recommenders": {
            name: {
                "label": entry.label,
                "version": entry.newest.key.recommender_version,
                "params": dict(entry.newest.key.params),
                "deterministic": entry.newest.key.deterministic,
                "protocol": dict(entry.newest.key.protocol),
                "provenance": dict(entry.newest.provenance),
                "seeds": list(entry.seeds),
                "failures": list(entry.failures),
            }
            for name, entry in block.entries.items()
        },
    }


def _letter(index: int) -> str:
    """Count a, b, ..., z, aa, ab, ..."""
    text = ""
    index += 1
    while index:
        index, rest = divmod(index - 1, 26)
        text = string.ascii_lowercase[rest] + text
    return text
