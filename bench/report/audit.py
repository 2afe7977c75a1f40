"""The AUC audit as tables: every definition side by side, and AUC against training count."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.evaluation.auc import Ties, auc_per_user
from bench.evaluation.audit import DEFINITIONS, AuditCounts, Definition, Summary, summaries
from bench.evaluation.cold_curve import LEAST_USERS, Point, cold_curve
from bench.evaluation.significance import N_RESAMPLES
from bench.experiment.plan import COLD_BELOW
from bench.experiment.record import CellRecord
from bench.report.layout import DASH, Cell, Column, Notes, Row, Table

__all__ = ["Audited", "Curve", "curve_of", "curve_table", "definitions_table"]


@dataclass(frozen=True)
class Audited:
    """A fitted model's cell and its test items' ranks."""

    record: CellRecord
    counts: AuditCounts

    @property
    def title(self) -> str:
        """Name the model."""
        return self.record.label


@dataclass(frozen=True)
class Curve:
    """AUC of one model against the test item's training count."""

    title: str
    record: CellRecord
    ties: Ties
    points: tuple[Point, ...]


def curve_of(audited: Audited, ties: Ties) -> Curve:
    """Compute the curve of a model, with bootstrap intervals over users."""
    counts = audited.counts
    points = cold_curve(
        auc_per_user(counts.exact, ties), counts.test_item_counts, exact_below=counts.cold_below
    )
    return Curve(audited.title, audited.record, ties, points)


def definitions_table(audits: Sequence[Audited]) -> Table:
    """Lay out one row per definition of AUC, and All and Cold Items per model.

    A single model also gets the difference to the first row, the paper's definition. The notes say
    who uses a definition.

    Parameters
    ----------
    audits
        Models on one data set, at least one.
    """
    notes, rows, tidy = Notes(), [], []
    single = len(audits) == 1
    first = audits[0].counts
    references = [summaries(DEFINITIONS[0], audited.counts) for audited in audits]
    for definition in DEFINITIONS:
        note = notes.number(definition.text(definition.used_by, first))
        label = definition.text(definition.label, first)
        cells = [Cell(label, _rests_on(definition, first), note=note)]
        for audited, reference in zip(audits, references, strict=True):
            values = summaries(definition, audited.counts)
            cells.extend(map(_cell, values))
            differences = [
                None if value is None or before is None else value.mean - before.mean
                for value, before in zip(values, reference, strict=True)
            ]
            if single:
                cells.extend(_difference(d, definition) for d in differences)
            for setting, value, difference in zip(
                ("all", "cold"), values, differences, strict=True
            ):
                tidy.append(
                    {
                        **_whose(audited.record),
                        "definition": definition.name,
                        "setting": setting,
                        **_numbers(value),
                        "difference_to_strict": _number(difference),
                        "used_by": definition.text(definition.used_by, first),
                    }
                )
        rows.append(Row(tuple(cells), rule_above=definition.name in ("micro", "cold-at-most-5")))
    columns = [Column("Definition", align="left")]
    for audited in audits:
        group = "" if single else audited.title
        columns += [Column("All Items", group), Column("Cold Items", group)]
        if single:
            columns += [Column("Δ All"), Column("Δ Cold")]
    titles = ", ".join(audited.title for audited in audits)
    return Table(
        name="audit",
        caption=f"AUC of {titles} on {audits[0].record.dataset_title} under every definition in "
        "use.",
        columns=tuple(columns),
        rows=tuple(rows),
        foot=tuple(_definitions_foot(audits, single=single)),
        notes=notes.texts(),
        wide=len(audits) > 2,
        tidy=tuple(tidy),
    )


def curve_table(curves: Sequence[Curve]) -> Table:
    """Lay out one row per training count of the test item, and the AUC per model.

    Parameters
    ----------
    curves
        Models on one data set with one tie rule, at least one.
    """
    rows, tidy = [], []
    for points in zip(*(curve.points for curve in curves), strict=True):
        one = points[0].bin
        cells = [Cell(one.label), Cell(f"{points[0].interval.n_users:,}")]
        for curve, point in zip(curves, points, strict=True):
            cells.append(_interval_cell(point))
            interval = point.interval
            tidy.append(
                {
                    **_whose(curve.record),
                    "ties": curve.ties,
                    "count_low": one.low,
                    "count_high": one.high,
                    "n_users": interval.n_users,
                    "value": _number(interval.mean),
                    "ci_low": _number(interval.low),
                    "ci_high": _number(interval.high),
                }
            )
        rows.append(Row(tuple(cells), rule_above=one.low == COLD_BELOW))
    rule = "nothing" if curves[0].ties == "strict" else "one half"
    return Table(
        name="cold-curve",
        caption=f"AUC on {curves[0].record.dataset_title} against how often the test item was "
        "seen in training.",
        columns=(
            Column("Count"),
            Column("Users"),
            *(Column(curve.title, align="center") for curve in curves),
        ),
        rows=tuple(rows),
        foot=(
            f"Count: training interactions of the test item; counts from {COLD_BELOW} on in bins "
            "that double. What it is compared with is the whole catalogue outside the user's "
            f"training, validation and test items in every row; a tie earns {rule}.",
            f"Intervals: 95% percentile bootstrap over the users of the row, {N_RESAMPLES:,} "
            "resamples, the same users for all models, not adjusted for the number of rows; none "
            f"for fewer than {LEAST_USERS} users, where it would be far too narrow.",
            *(_made(curve.title, curve.record) for curve in curves),
        ),
        wide=len(curves) > 3,
        tidy=tuple(tidy),
    )


def _definitions_foot(audits: Sequence[Audited], *, single: bool) -> list[str]:
    first = audits[0]
    counts, key = first.counts, first.record.key
    n_cold = int((counts.cold & counts.exact.present).sum())
    lines = [
        f"All Items: {int(counts.exact.present.sum()):,} users; Cold Items: {n_cold:,} users whose "
        f"test item has fewer than {counts.cold_below} training interactions, where a row says "
        "nothing else. The model is the same in every row, fitted once.",
        f"Data {key.data_hash[:12]}, split {key.split_hash[:12]}.",
        *(_made(audited.title, audited.record) for audited in audits),
    ]
    if single:
        lines.insert(1, "Δ: the difference to the first row.")
    for audited in audits:
        lines.extend(_against_record(audited))
    return lines


def _against_record(audited: Audited) -> list[str]:
    """Say whether the stored value is found again; cells that were sampled have no such value."""
    stored = audited.record.metrics.get("auc_strict.all")
    if stored is None or audited.record.key.protocol.get("sampled"):
        return []
    everyone, _ = summaries(DEFINITIONS[0], audited.counts)
    assert everyone is not None
    if math.isclose(stored, everyone.mean, abs_tol=5e-5):
        return [f"{audited.title}: the first row is the stored result."]
    return [
        f"{audited.title}: the stored result is {stored:.4f}, not the first row's "
        f"{everyone.mean:.4f}: it was made by other code or on other hardware."
    ]


def _made(title: str, record: CellRecord) -> str:
    provenance = record.provenance
    return (
        f"{title}: seed {record.key.seed}, fitted with dvbpr-bench "
        f"{provenance.get('suite_version', 'unknown')} on {provenance.get('cpu', 'unknown')}, "
        f"device {provenance.get('device', 'unknown')}."
    )


def _rests_on(definition: Definition, counts: AuditCounts) -> tuple[str, ...]:
    """Say on how many items or users a row rests, where it is not on those of the others."""
    everyone, cold = summaries(definition, counts)
    if definition.name == "per-item" and everyone is not None:
        return (f"{everyone.n:,} items, {cold.n:,} of them cold",)
    return () if definition.cold is None else (f"{cold.n:,} users",)


def _cell(value: Summary | None) -> Cell:
    if value is None or math.isnan(value.mean):
        return Cell(DASH)
    return Cell(f"{value.mean:.4f}", () if value.sd is None else (f"±{value.sd:.4f}",))


def _difference(value: float | None, definition: Definition) -> Cell:
    if value is None or math.isnan(value) or definition is DEFINITIONS[0]:
        return Cell("" if definition is DEFINITIONS[0] else DASH)
    text = f"{value:+.4f}".replace("-", "\N{MINUS SIGN}")
    return Cell("0.0000" if float(f"{value:.4f}") == 0 else text)


def _interval_cell(point: Point) -> Cell:
    interval = point.interval
    if not interval.n_users:
        return Cell(DASH)
    if math.isnan(interval.low):
        return Cell(f"{interval.mean:.4f}")
    return Cell(f"{interval.mean:.4f}", (f"{interval.low:.3f}\N{EN DASH}{interval.high:.3f}",))


def _whose(record: CellRecord) -> Mapping[str, Any]:
    key = record.key
    return {
        "dataset": key.dataset,
        "split_hash": key.split_hash,
        "recommender": key.recommender,
        "seed": key.seed,
    }


def _numbers(value: Summary | None) -> Mapping[str, Any]:
    if value is None:
        return {"value": None, "sd_draws": None, "n": None}
    return {"value": _number(value.mean), "sd_draws": _number(value.sd), "n": value.n}


def _number(value: float | None) -> float | None:
    """Give None for what JSON has no number for."""
    return None if value is None or math.isnan(value) else value
