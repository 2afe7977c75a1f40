"""`bench check --update`: measure, and write the golden file."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.device import resolve_device
from bench.errors import BenchError
from bench.experiment.provenance import utc_now
from bench.experiment.record import CellRecord
from bench.files import check_writable
from bench.registry import Registry
from bench.regression.check import CheckOptions, open_data, read_for
from bench.regression.fresh import Subject, fresh_cells
from bench.regression.golden import (
    METRICS,
    Golden,
    GoldenEntry,
    ToleranceRule,
    Update,
    golden_metric,
    params_hash,
    plain,
)
from bench.regression.golden_file import packaged_golden, write_golden

__all__ = ["update"]

DEFAULT_SEEDS = (0, 1, 2, 3, 4)
"""Of a recommender that the golden file does not have yet."""

_ORIGIN = ("suite_version", "suite_code", "git", "python", "platform", "cpu", "threads", "versions")
"""What of a cell's provenance an update keeps."""


def update(
    options: CheckOptions,
    registry: Registry,
    *,
    reason: str,
    settings: Mapping[str, Mapping[str, str]],
    device: str | None,
) -> tuple[Path, Golden]:
    """Measure recommenders and write their values into the golden file, which is made if need be.

    What is not measured keeps its values. A file of other data is made anew as a whole.

    Parameters
    ----------
    options
        As for `check`. Without names: those of the file; of a new file all that can run.
    registry
        Knows the recommenders.
    reason
        Why the values change; it is written into the file.
    settings
        By recommender, as `--set` takes them; a recommender without any keeps those of the file.
    device
        Where they are fitted; None: as in the file, and on the processor in a new one.

    Returns
    -------
    The file's path, and what it says now.

    Raises
    ------
    BenchError
        No reason, fewer than two seeds, an unknown name, a fit that failed; the file is then as it
        was.
    """
    if not reason.strip():
        raise BenchError("--update needs --reason TEXT: it is written into the golden file")
    target = options.golden or options.results / "golden" / f"{options.dataset}.json"
    base = _base(target, options)
    names = list(options.recommenders) or list(base.recommenders if base else ())
    for name in settings:
        registry.recommender(name)
        if names and name not in names:
            raise BenchError(f"--set {name}.…: {name} is not among the recommenders to update")
    subjects = [
        _subject(name, base, options, settings, device)
        for name in names or registry.recommender_names()
    ]
    for subject in subjects:
        subject.check(registry)
    check_writable("write the golden file", target.parent)
    dataset, title = open_data(options, registry)
    if base is not None and not base.is_of(dataset.data_hash, dataset.split_hash):
        missing = [name for name in base.recommenders if name not in names]
        if missing and target.is_file():
            raise BenchError(
                f"golden file {target} is of other data: all its recommenders are to be measured "
                f"anew; add {', '.join(missing)} to --recommenders, or leave the option out"
            )
        base = None
    if not names:  # without a choice: all that these data allow
        training = dataset.training
        subjects = [
            s for s in subjects if not registry.recommender(s.recommender).missing(training)
        ]
    rule = base.rule if base else ToleranceRule()
    entries = dict(base.recommenders) if base else {}
    record: CellRecord | None = None
    for subject in subjects:
        cells, _ = fresh_cells(
            subject,
            dataset,
            title=title,
            threads=options.threads,
            registry=registry,
            results=options.results,
        )
        record = cells[-1].record
        entries[subject.recommender] = _entry(subject, [cell.record for cell in cells], rule)
    assert record is not None, "at least one recommender"
    latest = Update(
        date=utc_now(),
        reason=reason.strip(),
        recommenders=tuple(subject.recommender for subject in subjects),
        provenance={name: record.provenance.get(name) for name in _ORIGIN},
    )
    golden = Golden(
        dataset=dataset.name,
        data_hash=dataset.data_hash,
        split_hash=dataset.split_hash,
        n_users=dict(record.n_users),
        rule=rule,
        recommenders={name: entries[name] for name in _in_column_order(entries, registry)},
        updates=(*(base.updates if base else ()), latest),
    )
    write_golden(target, golden)
    return target, golden


def _base(target: Path, options: CheckOptions) -> Golden | None:
    """Read what an update starts from: the file itself, for a local one else the suite's own."""
    if target.is_file():
        return read_for(target, options.dataset)
    packaged = None if options.golden else packaged_golden(options.dataset)
    return read_for(packaged, options.dataset) if packaged else None


def _subject(
    name: str,
    base: Golden | None,
    options: CheckOptions,
    settings: Mapping[str, Mapping[str, str]],
    device: str | None,
) -> Subject:
    entry = base.recommenders.get(name) if base else None
    seeds = options.seeds or (entry.seeds if entry else DEFAULT_SEEDS)
    if len(seeds) < 2:
        raise BenchError(
            "a tolerance comes from the spread over seeds: give --seed twice or more, or not at "
            "all for five"
        )
    chosen = settings.get(name) or (entry.settings if entry else {})
    kind = resolve_device(device or (entry.device if entry else "cpu")).type
    return Subject(recommender=name, settings=dict(chosen), device=kind, seeds=tuple(seeds))


def _entry(subject: Subject, records: Sequence[CellRecord], rule: ToleranceRule) -> GoldenEntry:
    """Make the golden values of one recommender.

    Raises
    ------
    BenchError
        A fit failed.
    """
    for record in records:
        if record.status == "failed":
            raise BenchError(
                f"{record.key.recommender} (seed {record.key.seed}) failed: {record.error}; the "
                "golden file is as it was"
            )
    first = records[0]
    params = plain(first.key.params)
    return GoldenEntry(
        label=first.label,
        device=subject.device,
        settings=subject.settings,
        params=params,
        params_hash=params_hash(params),
        recommender_version=first.key.recommender_version,
        seeds=subject.seeds,
        metrics={
            name: golden_metric([record.metrics[name] for record in records], rule)
            for name in METRICS
            if name in first.metrics
        },
    )


def _in_column_order(names: Mapping[str, Any], registry: Registry) -> list[str]:
    """Put the recommenders as tables do; one that is not installed comes last."""
    order = registry.recommender_names()
    return sorted(names, key=lambda name: order.index(name) if name in order else len(order))
