"""The drift table of `bench check`."""

from collections.abc import Mapping

from bench.regression.check import CheckReport
from bench.regression.drift import Drift
from bench.report.layout import DASH, Cell, Column, Row, Table

__all__ = ["drift_table"]

_METRICS: Mapping[str, str] = {
    "auc_strict.all": "AUC",
    "auc_half.all": "AUC, half ties",
    "auc_strict.cold": "AUC, cold",
    "auc_half.cold": "AUC, cold, half ties",
}

_VERDICTS: Mapping[str, str] = {
    "same": "same",
    "within": "within",
    "better": "better: update?",
    "worse": "WORSE",
    "failed": "FAILED",
}

_COLUMNS = (
    Column("Recommender", align="left"),
    Column("Metric", align="left"),
    Column("Golden"),
    Column("Now"),
    Column("Drift"),
    Column("Tolerance"),
    Column("Verdict", align="left"),
)


def drift_table(report: CheckReport) -> Table:
    """Lay out a check: a row per recommender and metric, and how the numbers came about."""
    rows, above = [], ""
    for drift in report.drifts:
        new = drift.recommender != above
        rows.append(_row(drift, new=new, rule=new and bool(above)))
        above = drift.recommender
    regressed = [drift for drift in report.drifts if drift.regressed]
    return Table(
        name="check",
        caption=f"Drift of AUC on {report.dataset_title} since the golden values were measured.",
        columns=_COLUMNS,
        rows=tuple(rows),
        foot=tuple(_foot(report, regressed)),
        tidy=tuple(_tidy(report, drift) for drift in report.drifts),
        facts={
            "dataset": report.golden.dataset,
            "golden": str(report.path),
            "regressed": bool(regressed),
            "cells_fitted": report.n_fitted,
            "cells_stored": report.n_stored,
        },
    )


def _row(drift: Drift, *, new: bool, rule: bool) -> Row:
    now = DASH if drift.now is None else f"{drift.now:.4f}"
    change = DASH if drift.drift is None else f"{drift.drift:+.4f}"
    texts = (
        drift.label if new else "",
        _METRICS.get(drift.metric, drift.metric),
        f"{drift.golden:.4f}",
        now,
        change,
        f"{drift.tolerance:.4f}",
        _VERDICTS[drift.verdict],
    )
    return Row(tuple(Cell(text) for text in texts), rule_above=rule)


def _tidy(report: CheckReport, drift: Drift) -> dict[str, object]:
    return {
        "dataset": report.golden.dataset,
        "recommender": drift.recommender,
        "metric": drift.metric,
        "seeds": list(drift.seeds),
        "golden": drift.golden,
        "golden_sd": drift.sd,
        "now": drift.now,
        "drift": drift.drift,
        "tolerance": drift.tolerance,
        "verdict": drift.verdict,
    }


def _foot(report: CheckReport, regressed: list[Drift]) -> list[str]:
    seeds: dict[tuple[int, ...], list[str]] = {}
    for drift in report.drifts:
        labels = seeds.setdefault(drift.seeds, [])
        if drift.label not in labels:
            labels.append(drift.label)
    told = "; ".join(
        f"{', '.join(map(str, chosen))}" + (f" ({', '.join(labels)})" if len(seeds) > 1 else "")
        for chosen, labels in seeds.items()
    )
    lines = [
        f"Mean over seeds {told}, each compared with the golden value of the same seed; same: to "
        "the last bit.",
        f"Tolerance, written in the golden file: {report.golden.rule.in_words()}.",
        f"{report.n_fitted} fitted for this check, {report.n_stored} stored by this very code.",
    ]
    settings = [
        f"{entry.label} with {', '.join(f'{k}={v}' for k, v in entry.settings.items())}"
        for name, entry in report.golden.recommenders.items()
        if entry.settings and any(drift.recommender == name for drift in report.drifts)
    ]
    if settings:
        lines.append(f"Defaults but for {'; '.join(settings)}.")
    lines += report.remarks
    names = list(dict.fromkeys(drift.label for drift in regressed))
    lines.append(f"Regression: {', '.join(names)}." if names else "No regression.")
    return lines
