"""`bench tune`: choose hyper-parameters on the validation items, and show every trial."""

import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bench.cli.options import (
    data_option,
    deterministic_option,
    device_option,
    fitted_datasets_option,
    importable,
    json_option,
    plugin_option,
    results_option,
    set_option,
    split_names,
    stopping_options,
)
from bench.cli.tuning import plan_tuning
from bench.cli.tuning_options import TuningOptions, tuning_options
from bench.errors import BenchError
from bench.files import check_writable, remove_leftovers

if TYPE_CHECKING:
    from bench.experiment.tuning.tune import SearchResult
    from bench.registry import Registry

__all__ = ["tune"]

_log = logging.getLogger(__name__)


@click.command()
@fitted_datasets_option
@click.option(
    "--recommenders",
    multiple=True,
    metavar="NAMES",
    help="Recommenders, comma-separated.  [default: all that have a grid and can run]",
)
@tuning_options
@click.option(
    "--seed",
    type=int,
    default=0,
    show_default=True,
    help="Of every fit, and of what random search draws.",
)
@device_option
@click.option("--threads", type=int, help="Processor threads of each trial.  [default: 1]")
@deterministic_option
@set_option("Pin a hyper-parameter, for example vbpr.epochs=20: it is not searched; repeatable.")
@stopping_options
@click.option(
    "--drop-repeats",
    is_flag=True,
    help="Leave out users whose validation item is one of their training items.",
)
@click.option("--force", is_flag=True, help="Make again what is finished.")
@json_option
@plugin_option
@results_option
@data_option
def tune(
    datasets: tuple[str, ...],
    recommenders: tuple[str, ...],
    asked: TuningOptions,
    seed: int,
    device: str,
    threads: int | None,
    deterministic: bool,
    settings: tuple[str, ...],
    patience: int | None,
    validate_every: int | None,
    drop_repeats: bool,
    force: bool,
    as_json: bool,
    plugins: tuple[Path, ...],
    results: Path,
    data_dir: Path | None,
) -> int:
    """Search for the hyper-parameters with the best validation AUC; print all trials.

    The paper's grid (section IV-B) by default. No trial sees the test items. Finished trials are
    kept, so a killed search goes on, and searches that overlap share them, also while they run at
    the same time; failed ones are tried again. `bench run --tune` searches the same way and fits
    the winners.
    """
    from bench.datasets.library import check_available, default_data_dir, find
    from bench.device import resolve_device
    from bench.experiment.plan import RunOptions, parse_settings
    from bench.registry import Registry
    from bench.report.text import to_json, to_text
    from bench.report.trials import trials_in_one, trials_table

    options = RunOptions(
        seeds=(seed,),
        device=device,
        threads=1 if threads is None else threads,
        deterministic=deterministic,
        patience=patience,
        validate_every=validate_every,
        drop_repeats=drop_repeats,
        force=force,
    )
    pinned = parse_settings(settings)
    registry = Registry(plugins)
    data_dir = data_dir or default_data_dir()
    own = asked.own_grids(registry)
    named = split_names(recommenders)
    candidates = named or list(own) or _with_a_grid(registry)
    for name in pinned:
        if name not in candidates:
            registry.recommender(name)  # an unknown name gets its own message
            raise BenchError(f"--set {name}.…: {name} is not tuned in this call")
    tuning = plan_tuning(
        candidates,
        registry,
        pinned,
        asked=asked,
        own=own,
        options=options,
        plugins=plugins,
        data_dir=data_dir,
        results=results,
    )
    names = split_names(datasets) or ["synthetic_fashion"]
    for name in names:
        check_available(name, data_dir, registry)
    resolve_device(device)
    check_writable("store trials", results)
    remove_leftovers(results)
    outcomes: list[SearchResult] = []
    with tuning.workers.open(threads=options.threads) as pool:
        for name in names:
            dataset = find(name, data_dir, registry)
            able = []
            for recommender in candidates:
                if not (reason := registry.recommender(recommender).missing(dataset.training)):
                    able.append(recommender)
                elif named:
                    raise BenchError(f"{reason}; leave it out of --recommenders")
                else:
                    _log.info("left out: %s", reason)
            for recommender in able:
                outcomes.extend(tuning.on(dataset, [recommender], pool).values())
                if not as_json:
                    made = trials_table(outcomes[-1].record)
                    click.echo(to_text(made, styled=sys.stdout.isatty()))
    if as_json:
        click.echo(to_json(trials_in_one([outcome.record for outcome in outcomes])), nl=False)
    return _conclude(outcomes, results)


def _with_a_grid(registry: "Registry") -> list[str]:
    """Give all recommenders that bring a grid."""
    return [name for name in importable(registry) if registry.recommender(name).grid]


def _conclude(outcomes: "Sequence[SearchResult]", results: Path) -> int:
    """Say how many trials failed; exit code 1 if any did, or nothing was won."""
    failed = sum(len(outcome.failed) for outcome in outcomes)
    won = [outcome for outcome in outcomes if outcome.won]
    _log.info("%d of %d tuned; trials in %s", len(won), len(outcomes), results / "tuning")
    if failed:
        many = failed > 1
        _log.error(
            "%d %s failed; the same command tries %s again",
            failed,
            "trials" if many else "trial",
            "them" if many else "it",
        )
    return 0 if all(outcome.well for outcome in outcomes) else 1
