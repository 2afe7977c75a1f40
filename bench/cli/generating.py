"""What `bench run` does after its fits: the generator, Table IV and Figures 3 to 6."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from bench.cli.options import inception_option
from bench.datasets.lock import only_process
from bench.errors import BenchError

if TYPE_CHECKING:
    from bench.datasets.dataset import Dataset
    from bench.experiment.generation.options import GenerationOptions
    from bench.experiment.generation.store import StoredDesigns
    from bench.experiment.plan import RunOptions
    from bench.experiment.run import RunSummary
    from bench.experiment.store import StoredCell
    from bench.generator import Generator
    from bench.judge import ImageJudge
    from bench.recommender import Runtime
    from bench.registry import Registry

__all__ = ["DESIGN", "Generating", "figure_path", "generating_options", "plan_generating"]

_log = logging.getLogger(__name__)

_Command = TypeVar("_Command", bound=Callable[..., Any])

DESIGN = "design"
"""`--set design.starts=64` sets a number of Table IV's experiment."""


def generating_options(command: _Command) -> _Command:
    """Add the options of what follows the fits."""
    for option in (
        inception_option,
        click.option(
            "--trials",
            type=click.IntRange(min=1),
            metavar="N",
            help="Trials of Table IV; --set design.starts=N and the like change the rest.  "
            "[default: 1000 on a GPU, fewer on a CPU]",
        ),
        click.option(
            "--generator",
            default="lsgan",
            show_default=True,
            help="Generator of the images in Table IV; it is trained if it is not.",
        ),
        click.option(
            "--generate/--no-generate",
            default=True,
            show_default=True,
            help="End with Table IV and Figures 3 to 6, where there are images and categories.",
        ),
    ):
        command = option(command)
    return command


@dataclass(frozen=True)
class Outcome:
    """What came of one data set.

    Attributes
    ----------
    designs
        What is stored; None where there is nothing to design, or it failed.
    well
        Whether nothing failed.
    """

    designs: "StoredDesigns | None" = None
    well: bool = True


@dataclass(frozen=True)
class Generating:
    """What is to be generated, checked before anything runs.

    Attributes
    ----------
    generator, params
        The generator's class and hyper-parameters.
    options
        Of the experiment, not settled yet.
    inception_weights
        The file of the published weights, or "download"; None without.
    registry
        Knows the models and the judges.
    data_dir
        Folder of the data sets.
    results
        Folder of the results.
    run
        Device, threads, seeds and the like.
    """

    generator: "type[Generator]"
    params: Any
    options: "GenerationOptions"
    inception_weights: str | None
    registry: "Registry"
    data_dir: Path
    results: Path
    run: "RunOptions"

    def check_weights(self, dataset: "Dataset") -> None:
        """See that the Inception network can be had, if it is wanted: before hours of fits.

        Raises
        ------
        BenchError
            Its weights are not there, are not the published ones, or cannot be fetched.
        """
        if (inception := self._inception()) is not None:
            inception.prepare(dataset.training)

    def check(self, dataset: "Dataset") -> str | None:
        """Say why a data set has no Table IV, or None if it can have one."""
        from bench.experiment.generation.trials import draw_trials

        if reason := self.generator.missing(dataset.training):
            return reason
        try:
            draw_trials(dataset, trials=1, top=self.options.top, seed=0)
        except BenchError as error:
            return str(error)
        return None

    def after(self, dataset: "Dataset", summary: "RunSummary") -> "Outcome":
        """Train, design, judge, and draw the figures of one data set; what goes wrong is told."""
        cells = [*summary.made, *summary.skipped]
        able = [cell for cell in cells if self._scores_images(cell)]
        if not able:  # a run of others, which nobody would expect to design
            return Outcome()
        if reason := self.check(dataset):
            _log.info("no Table IV: %s", reason)
            return Outcome()
        cell = self._first_finished(able)
        if cell is None:
            _log.error("no Table IV on %s: the recommender it needs failed", dataset.name)
            return Outcome(well=False)
        lock = self.results / "unfinished" / f"designs-{dataset.name}.lock"
        try:
            # Of several runs on one results folder one makes everything, the others find it.
            with only_process(lock, f"make Table IV of {dataset.name}", wait=True):
                designs = self._make(dataset, cell)
                _draw(designs, self.results)
        except BenchError as error:
            _log.error("Table IV on %s failed: %s", dataset.name, error)
            return Outcome(well=False)
        return Outcome(designs)

    def _make(self, dataset: "Dataset", cell: "StoredCell") -> "StoredDesigns":
        from bench.device import resolve_device
        from bench.experiment.generation.run import Fitted, judge_designs, make_designs
        from bench.experiment.generation.store import GenerationStore
        from bench.experiment.generation.utility import utility_reader
        from bench.experiment.generator_store import GeneratorStore
        from bench.experiment.generators import (
            TrainOptions,
            plan_generator,
            train_generator,
        )

        run, seed, title = self.run, cell.record.key.seed, cell.record.dataset_title
        judges = self._judges(dataset)
        how = TrainOptions(
            seed=seed,
            device=run.device,
            threads=run.threads,
            deterministic=run.deterministic,
            checkpoint_seconds=run.checkpoint_seconds,
            force=run.force,
        )
        generators = GeneratorStore(self.results)
        key, _ = plan_generator(self.generator, self.params, dataset, how)
        if run.force or generators.find(key) is None:
            _log.info("training %s on the images of %s first", key.generator, dataset.name)
        stored, trained = train_generator(
            self.generator, self.params, dataset, title=title, options=how, store=generators
        )
        if trained:
            _log.info("%s trained in %.0f s", stored.record.label, stored.record.fit_seconds)
        designs = make_designs(
            dataset,
            Fitted(cell, stored),
            self.options,
            title=title,
            registry=self.registry,
            store=GenerationStore(self.results),
            seed=seed,
            device=run.device,
            threads=run.threads,
            force=run.force,
        )
        judge_designs(
            designs,
            dataset,
            self.options.settled(resolve_device(run.device).type),
            judges,
            classifier=judges[0],
            reader=lambda: (
                utility_reader(dataset, threads=run.threads) if self.options.utility else None
            ),
            threads=run.threads,
            force=run.force,
        )
        return designs

    def _judges(self, dataset: "Dataset") -> "list[ImageJudge]":
        """Give the classifier, and the Inception network if there are weights, made ready."""
        classifier = self.registry.judge("classifier")
        judges = [classifier(runtime=self._runtime(), data_dir=self.data_dir), self._inception()]
        return [judge.prepare(dataset.training) for judge in judges if judge is not None]

    def _inception(self) -> "ImageJudge | None":
        if self.inception_weights is None:
            return None
        inception = self.registry.judge("inception")
        params = inception.Params(weights=self.inception_weights)
        return inception(params, runtime=self._runtime(), data_dir=self.data_dir)

    def _runtime(self) -> "Runtime":
        from bench.recommender import Runtime

        return Runtime(device=self.run.device, threads=self.run.threads)

    def _scores_images(self, cell: "StoredCell") -> bool:
        return self.registry.recommender(cell.record.key.recommender).scores_images

    def _first_finished(self, cells: "list[StoredCell]") -> "StoredCell | None":
        """Give the cell of the run's first seed, if it is finished."""
        finished = [cell for cell in cells if cell.record.status == "finished"]
        order = {seed: place for place, seed in enumerate(self.run.seeds)}
        return min(finished, key=lambda cell: order[cell.record.key.seed], default=None)


def plan_generating(
    settings: Mapping[str, Mapping[str, str]],
    *,
    generator: str,
    trials: int | None,
    inception_weights: str | None,
    registry: "Registry",
    data_dir: Path,
    results: Path,
    run: "RunOptions",
) -> Generating:
    """Check and gather what is to be generated.

    Parameters
    ----------
    settings
        Those of `--set` that are for the generator and for `design`.

    Raises
    ------
    BenchError
        An unknown generator, hyper-parameter or option, or a value that will not do.
    """
    from bench.experiment.generation.options import GenerationSettings
    from bench.recommender import parse_params

    chosen = registry.generator(generator)
    params = parse_params(chosen, settings.get(generator, {}))
    wanted = dict(settings.get(DESIGN, {}))
    if trials is not None:
        if "trials" in wanted:
            raise BenchError("--trials and --set design.trials say the same: give one of them")
        wanted["trials"] = str(trials)
    options = parse_params(GenerationSettings, wanted)
    return Generating(chosen, params, options, inception_weights, registry, data_dir, results, run)


def figure_path(results: Path, dataset: str, number: int, suffix: str) -> Path:
    """Say where a figure lies unless the user says otherwise."""
    return results / "figures" / dataset / f"figure{number}{suffix}"


def _draw(designs: "StoredDesigns", results: Path) -> None:
    """Draw all figures as PNG and PDF."""
    from bench.report.figures import FIGURES, write_figure
    from bench.report.shown_designs import Shown

    shown = Shown(designs, designs.judged(), 0)
    name = designs.record.key.dataset
    for number, draw in FIGURES.items():
        if number == 3 and not designs.record.eta_trials:
            continue
        figure = draw(shown)
        for suffix in (".png", ".pdf"):
            write_figure(figure, figure_path(results, name, number, suffix))
    _log.info("figures in %s", figure_path(results, name, 3, ".png").parent)
