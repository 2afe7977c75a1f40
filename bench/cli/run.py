"""`bench run`: fit and evaluate every recommender that is not finished, design, print tables."""

import logging
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bench.cli.generating import DESIGN, Generating, generating_options, plan_generating
from bench.cli.options import (
    data_option,
    deterministic_option,
    device_option,
    fitted_datasets_option,
    importable,
    plugin_option,
    results_option,
    seed_options,
    seeds_of,
    set_option,
    split_names,
    stopping_options,
    ties_option,
)
from bench.cli.tuning import Tuning, plan_tuning, tuned_names
from bench.cli.tuning_options import TuningOptions, refuse_options_of_tuning, tuning_options
from bench.errors import BenchError
from bench.evaluation.auc import Ties
from bench.files import check_writable, remove_leftovers

if TYPE_CHECKING:
    from bench.datasets.dataset import Dataset
    from bench.experiment.plan import Cell, RunOptions
    from bench.experiment.run import RunSummary
    from bench.experiment.tuning.tune import SearchResult
    from bench.registry import Registry

__all__ = ["run"]

_log = logging.getLogger(__name__)


@click.command()
@fitted_datasets_option
@click.option(
    "--recommenders",
    multiple=True,
    metavar="NAMES",
    help="Recommenders, comma-separated.  [default: all that can run]",
)
@seed_options
@device_option
@click.option("--threads", type=int, default=None, help="Processor threads.  [default: all]")
@deterministic_option
@set_option("Hyper-parameter, for example vbpr.factors=20; repeatable.")
@stopping_options
@click.option(
    "--sampled",
    type=int,
    default=None,
    metavar="N",
    help="Rank against N random items as the authors' code does (100), not the catalogue.",
)
@click.option(
    "--drop-repeats",
    is_flag=True,
    help="Evaluate without users whose validation or test item is one of their training items.",
)
@ties_option("Tie rule of the printed Table III; both are stored.")
@click.option("--ci", is_flag=True, help="Print 95% bootstrap intervals.")
@click.option(
    "--checkpoint-seconds",
    type=click.FloatRange(min=0),
    default=60.0,
    show_default=True,
    help="Least time between two checkpoints of a fit that can be resumed.",
)
@click.option("--force", is_flag=True, help="Make again what is finished.")
@click.option(
    "--tune",
    "tuned",
    is_flag=False,
    flag_value="all",
    default=None,
    metavar="[NAMES]",
    help="First choose hyper-parameters on the validation items as `bench tune` does, with the "
    "first seed: of these recommenders, or of all that have a grid.",
)
@tuning_options
@generating_options
@plugin_option
@results_option
@data_option
def run(
    datasets: tuple[str, ...],
    recommenders: tuple[str, ...],
    seeds: tuple[int, ...],
    n_seeds: int | None,
    device: str,
    threads: int | None,
    deterministic: bool,
    settings: tuple[str, ...],
    patience: int | None,
    validate_every: int | None,
    sampled: int | None,
    drop_repeats: bool,
    ties: Ties,
    ci: bool,
    checkpoint_seconds: float,
    force: bool,
    tuned: str | None,
    asked: TuningOptions,
    generate: bool,
    generator: str,
    trials: int | None,
    inception_weights: str | None,
    plugins: tuple[Path, ...],
    results: Path,
    data_dir: Path | None,
) -> int:
    """Fit and evaluate recommenders, design for their users; print Tables II, III and IV.

    Finished cells are skipped, failed ones are tried again. Without a data set the embedded
    synthetic_fashion is drawn and used. Where a data set has images and categories and one of the
    recommenders scores images (dvbpr), a generator is trained next, unless it is; Table IV and
    Figures 3 to 6 come last.

    Started by torchrun (torchrun --nproc-per-node N -m bench.cli.main run ...), several processes
    share the fits of models that can be split, DVBPR's among them.
    """
    from bench.datasets.library import check_available, default_data_dir
    from bench.datasets.record import read_record
    from bench.device import available_threads, resolve_device
    from bench.distributed import is_leader, process_group
    from bench.experiment.plan import RunOptions, parse_settings, plan_params
    from bench.experiment.run import dismiss, join_fits, run_plan
    from bench.experiment.store import ResultStore, key_hash
    from bench.registry import Registry

    options = RunOptions(
        seeds=seeds_of(seeds, n_seeds),
        device=device,
        threads=available_threads() if threads is None else threads,
        deterministic=deterministic,
        patience=patience,
        validate_every=validate_every,
        sampled=sampled,
        drop_repeats=drop_repeats,
        checkpoint_seconds=checkpoint_seconds,
        force=force,
    )
    parsed = parse_settings(settings)
    registry = Registry(plugins)
    data_dir = data_dir or default_data_dir()
    names = split_names(datasets) or ["synthetic_fashion"]
    # Every word of the call is checked before anything is drawn, fitted or written.
    named = split_names(recommenders)
    for name in named:
        registry.recommender(name)
    candidates = named or importable(registry)
    mine = {name: parsed.pop(name) for name in (DESIGN, generator) if name in parsed}
    if mine and not generate:
        raise BenchError(f"--set {next(iter(mine))}.…: --no-generate leaves out what it is for")
    tuning: Tuning | None = None
    to_tune: list[str] = []
    if tuned is None:
        refuse_options_of_tuning()
    else:
        own = asked.own_grids(registry)
        to_tune = tuned_names(tuned, candidates, registry, own)
        tuning = plan_tuning(
            to_tune,
            registry,
            {name: parsed.pop(name) for name in to_tune if name in parsed},
            asked=asked,
            own=own,
            options=replace(options, threads=1 if threads is None else threads),
            plugins=plugins,
            data_dir=data_dir,
            results=results,
        )
    # What is tuned gets its hyper-parameters later, and may have none without the search.
    given = plan_params([name for name in candidates if name not in to_tune], registry, parsed)
    params = {name: given.get(name) for name in candidates}
    generating = plan_generating(
        mine,
        generator=generator,
        trials=trials,
        inception_weights=inception_weights,
        registry=registry,
        data_dir=data_dir,
        results=results,
        run=options,
    )
    for name in names:
        check_available(name, data_dir, registry)
    resolve_device(device)
    if is_leader():
        check_writable("store results", results)
        remove_leftovers(results)
    with process_group(device):
        opened = _open(names, data_dir, registry, named, params, options)
        searched = {} if tuning is None else tuning.on_all(opened)
        plans = [
            (dataset, _cells(dataset, runnable, searched.get(dataset.name, {}), registry, options))
            for dataset, runnable in opened
        ]
        if not is_leader():
            join_fits({key_hash(c.key): (c, dataset) for dataset, cells in plans for c in cells})
            return 0
        if generate:
            generating.check_weights(plans[0][0])
        store = ResultStore(results)
        summaries = []
        for dataset, cells in plans:
            title = read_record(data_dir / dataset.name).title
            summaries.append(run_plan(cells, dataset, title=title, options=options, store=store))
        dismiss()
    _print_tables(summaries, ties=ties, ci=ci)
    well = not generate or _generate(
        generating, [dataset for dataset, _ in plans], summaries, ci=ci
    )
    well = well and all(found.well for results in searched.values() for found in results.values())
    return max(_conclude(summaries, results), 0 if well else 1)


def _open(
    names: "Sequence[str]",
    data_dir: Path,
    registry: "Registry",
    named: "Sequence[str]",
    params: "Mapping[str, Any]",
    options: "RunOptions",
) -> "list[tuple[Dataset, dict[str, Any]]]":
    """Open all data sets, in the order of `names`, and say what can run on each.

    Before anything runs, so that a mistake in the last one is told before hours of work on the
    first; those that are stored before any is drawn. The leader comes first: a data set that is yet
    to be made is made once.
    """
    from bench.datasets.library import find, stored_names
    from bench.distributed import from_leader, is_leader
    from bench.experiment.run import check_evaluable

    if not is_leader():
        from_leader(None)
    stored = stored_names(data_dir)
    opened = {}
    for name in sorted(names, key=lambda name: name not in stored):
        dataset = find(name, data_dir, registry)
        check_evaluable(options.evaluated(dataset), sampled=options.sampled)
        runnable = {}
        for recommender, chosen in params.items():
            if reason := registry.recommender(recommender).missing(dataset.training):
                if named:
                    raise BenchError(f"{reason}; leave it out of --recommenders")
                _log.info("left out: %s", reason)
            else:
                runnable[recommender] = chosen
        opened[name] = (dataset, runnable)
    if is_leader():
        from_leader(None)
    return [opened[name] for name in names]


def _cells(
    dataset: "Dataset",
    params: "Mapping[str, Any]",
    searched: "Mapping[str, SearchResult]",
    registry: "Registry",
    options: "RunOptions",
) -> "list[Cell]":
    """Plan the cells of a data set, with the winners of the searches; without a winner, none."""
    from bench.experiment.plan import plan_cells

    chosen, notes = dict(params), {}
    for name, found in searched.items():
        if not found.won:
            del chosen[name]
        else:
            chosen[name], notes[name] = found.params, found.record.note()
    return plan_cells(dataset, chosen, registry, options, tuning=notes)


def _print_tables(summaries: "Sequence[RunSummary]", *, ties: Ties, ci: bool) -> None:
    """Print Tables II and III of this run's cells, the skipped ones included."""
    from bench.report.tables import table2, table3
    from bench.report.text import to_text

    cells = [cell for summary in summaries for cell in (*summary.made, *summary.skipped)]
    if not cells:  # no search found a winner
        return
    styled = sys.stdout.isatty()
    click.echo(to_text(table2(cells), styled=styled))
    click.echo(to_text(table3(cells, ties=ties, ci=ci), styled=styled), nl=False)


def _generate(
    generating: "Generating",
    datasets: "Sequence[Dataset]",
    summaries: "Sequence[RunSummary]",
    *,
    ci: bool,
) -> bool:
    """Make and print Table IV of the data sets that can have one; say whether all went well."""
    from bench.report.shown_designs import Shown
    from bench.report.table4 import table4
    from bench.report.text import to_text

    made, well = [], True
    for dataset, summary in zip(datasets, summaries, strict=True):
        outcome = generating.after(dataset, summary)
        well = well and outcome.well
        if outcome.designs is not None:
            made.append(Shown(outcome.designs, outcome.designs.judged(), 0))
    if made:
        click.echo()
        click.echo(to_text(table4(made, ci=ci), styled=sys.stdout.isatty()), nl=False)
    return well


def _conclude(summaries: "Sequence[RunSummary]", results: Path) -> int:
    """Say what was made, skipped and failed; exit code 1 if anything failed."""
    made = [cell for summary in summaries for cell in summary.made]
    skipped = [cell for summary in summaries for cell in summary.skipped]
    failed = [cell for summary in summaries for cell in summary.failed]
    if skipped:
        _log.info(
            "skipped %d finished %s (--force redoes them)",
            len(skipped),
            "cell" if len(skipped) == 1 else "cells",
        )
    _log.info("%d made, %d failed; results in %s", len(made) - len(failed), len(failed), results)
    for cell in failed:
        key = cell.record.key
        _log.error("failed: %s on %s, seed %d", key.recommender, key.dataset, key.seed)
    return 1 if failed else 0
