"""What a fit cost: seconds, memory and device, from the records of its cells."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.report.aggregate import Block, Entry
from bench.report.layout import Cell, Row

__all__ = ["Cost", "Seconds", "cost_facts", "cost_lines", "cost_of", "cost_rows"]


@dataclass(frozen=True)
class Seconds:
    """Wall time: the mean over seeds and their sample standard deviation, None with one seed."""

    mean: float
    sd: float | None


@dataclass(frozen=True, kw_only=True)
class Cost:
    """The cost of one recommender in one block, over its finished cells.

    Attributes
    ----------
    fit, validation, evaluation
        Wall time of training alone, of choosing its best epoch, and of ranking validation and test
        items.
    peak_memory_bytes
        The largest peak resident memory of the process among the seeds.
    peak_gpu_memory_bytes
        The largest peak of PyTorch's memory on a GPU; None where none was used.
    device
        "cpu" or "cuda", as the recommender says what it trained on.
    card
        Which GPU that was, by its maker's name; None for a processor or where the record does not
        say.
    threads
        Processor threads of the training; None where the record does not say.
    """

    fit: Seconds
    validation: Seconds
    evaluation: Seconds
    peak_memory_bytes: int
    peak_gpu_memory_bytes: int | None
    device: str
    card: str | None
    threads: int | None


def cost_of(entry: Entry) -> Cost | None:
    """Gather the cost of an entry; None without a finished cell."""
    records = [run.record for run in entry.runs]
    if not records:
        return None
    gpu = [r.peak_gpu_memory_bytes for r in records if r.peak_gpu_memory_bytes is not None]
    made = entry.newest.provenance
    device = str(made.get("device_used", made.get("device", "unknown")))
    card = made.get("device") if device.startswith("cuda") else None
    return Cost(
        fit=_seconds([r.fit_seconds for r in records]),
        validation=_seconds([r.validation_seconds for r in records]),
        evaluation=_seconds([r.evaluation_seconds for r in records]),
        peak_memory_bytes=max(r.peak_memory_bytes for r in records),
        peak_gpu_memory_bytes=max(gpu, default=None),
        device=device,
        card=None if card in (None, "cpu", device) else str(card),
        threads=made.get("threads_used", made.get("threads")),
    )


def cost_rows(
    block: Block,
    names: Sequence[str],
    dash: Callable[[str], Cell],
    *,
    n_before: int,
    n_after: int,
) -> list[Row]:
    """Lay costs out below a data set's own rows: a row per quantity, a column per recommender.

    Parameters
    ----------
    block
        The data set.
    names
        Recommenders, in the order of their columns.
    dash
        Gives the cell of a recommender without a cost.
    n_before, n_after
        Columns before (the last but one has the quantity's name) and after them.
    """
    costs = {
        name: cost
        for name in names
        if name in block.entries and (cost := cost_of(block.entries[name])) is not None
    }
    quantities: dict[str, Callable[[Cost], Cell]] = {
        "Training [s]": lambda cost: _seconds_cell(cost.fit),
        "Validation [s]": lambda cost: _seconds_cell(cost.validation),
        "Evaluation [s]": lambda cost: _seconds_cell(cost.evaluation),
        "Peak memory [MB]": lambda cost: Cell(_megabytes(cost.peak_memory_bytes)),
    }
    if any(cost.peak_gpu_memory_bytes is not None for cost in costs.values()):
        quantities["Peak GPU memory [MB]"] = lambda cost: Cell(
            "none" if cost.peak_gpu_memory_bytes is None else _megabytes(cost.peak_gpu_memory_bytes)
        )
    quantities["Device"] = lambda cost: Cell(
        cost.device, (*(() if cost.card is None else (cost.card,)), *_threads(cost.threads))
    )
    rows = []
    for title, cell_of in quantities.items():
        cells = [cell_of(costs[name]) if name in costs else dash(name) for name in names]
        before = [Cell("")] * n_before
        before[-2] = Cell(title)
        rows.append(Row((*before, *cells, *[Cell("")] * n_after)))
    return rows


def cost_facts(cost: Cost | None) -> dict[str, Any]:
    """Give a cost as CSV and JSON have it, in seconds and bytes."""
    facts: dict[str, Any] = {}
    for name in ("fit", "validation", "evaluation"):
        seconds: Seconds | None = None if cost is None else getattr(cost, name)
        facts[f"{name}_seconds"] = None if seconds is None else seconds.mean
        facts[f"{name}_seconds_sd"] = None if seconds is None else seconds.sd
    for name in ("peak_memory_bytes", "peak_gpu_memory_bytes", "device", "card", "threads"):
        facts[name] = None if cost is None else getattr(cost, name)
    return facts


def cost_lines(entries: Sequence[Entry]) -> list[str]:
    """Say what the numbers of a cost are, and are not."""
    records = [run.record for entry in entries for run in entry.runs]
    if not records:
        return []
    lines = [
        "Cost: wall seconds, mean over seeds (± their standard deviation). Training is without "
        "validation; a fit that was interrupted counts all its parts, but not what it did between "
        "its last checkpoint and the interruption. Evaluation ranks validation and test items.",
        "Peak memory: resident memory of the process that ran the cell, the largest of the seeds "
        "(1 MB = 10^6 bytes): interpreter, libraries, what earlier cells left, and pages of "
        "memory-mapped data that were read are in it; other processes and the GPU's memory are "
        "not. Peak GPU memory: what PyTorch had allocated on one GPU, without its cache.",
    ]
    if whole := dict.fromkeys(r.label for r in records if r.peak_memory_scope != "cell"):
        lines.append(
            "Peak memory since the process began, so that of an earlier cell may be in it: "
            f"{', '.join(whole)}."
        )
    return lines


def _seconds(values: Sequence[float]) -> Seconds:
    sd = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return Seconds(float(np.mean(values)), sd)


def _seconds_cell(seconds: Seconds) -> Cell:
    digits = 1 if seconds.mean >= 10 else 2
    details = () if seconds.sd is None else (f"±{seconds.sd:,.{digits}f}",)
    return Cell(f"{seconds.mean:,.{digits}f}", details)


def _threads(n_threads: int | None) -> tuple[str, ...]:
    if n_threads is None:
        return ()
    return (f"{n_threads} thread{'' if n_threads == 1 else 's'}",)


def _megabytes(n_bytes: int) -> str:
    return f"{n_bytes / 1e6:,.0f}"
