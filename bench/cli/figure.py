"""`bench figure`: one of the paper's Figures 3 to 6 from stored designs."""

from pathlib import Path

import click

from bench.cli.options import results_option, set_option
from bench.errors import BenchError

__all__ = ["figure"]


@click.command("figure")
@click.argument("number", type=click.Choice(["3", "4", "5", "6"]))
@click.option(
    "--dataset",
    "name",
    metavar="NAME",
    help="Data set.  [default: the only one with designs]",
)
@set_option(
    "Of several stored sets of designs show the one with this setting, for example "
    "design.trials=1000; repeatable."
)
@results_option
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="PNG or PDF file.  [default: both, under RESULTS/figures/NAME]",
)
def figure(
    number: str, name: str | None, settings: tuple[str, ...], results: Path, output: Path | None
) -> None:
    """Draw a figure of the paper from what `bench run` made.

    3: preference, quality and diversity against eta. 4: samples and their nearest real images. 5:
    the best real and designed images of six users. 6: items changed step by step for a user.
    """
    from bench.cli.generating import figure_path
    from bench.cli.table import stored_designs
    from bench.report.figures import FIGURES, write_figure

    if output is not None and output.suffix.lower() not in (".png", ".pdf"):
        raise BenchError(f"--output {output}: figures are written as .png or .pdf")
    found = stored_designs(results, () if name is None else (name,), settings)
    if len(found) > 1:
        names = sorted({one.record.key.dataset for one in found})
        if len(names) > 1:
            raise BenchError(f"several data sets have designs: give --dataset ({', '.join(names)})")
        hashes = ", ".join(f"design.data_hash={one.record.key.data_hash}" for one in found)
        raise BenchError(f"several contents of {names[0]} have designs: give --set ({hashes})")
    (shown,) = found
    drawn = FIGURES[int(number)](shown)
    dataset = shown.record.key.dataset
    paths = (
        [figure_path(results, dataset, int(number), suffix) for suffix in (".png", ".pdf")]
        if output is None
        else [output]
    )
    for path in paths:
        write_figure(drawn, path)
        click.echo(path)
