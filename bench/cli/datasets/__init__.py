"""`bench datasets`: what is at hand, what a data set holds, how to get, import and make one."""

import click

from bench.cli.datasets.fetching import fetch
from bench.cli.datasets.importing import import_command
from bench.cli.datasets.info import info
from bench.cli.datasets.listing import list_command
from bench.cli.datasets.making import make
from bench.cli.datasets.show import show

__all__ = ["datasets"]


@click.group()
def datasets() -> None:
    """List, describe, fetch, import and make data sets."""


for _command in (list_command, info, show, fetch, import_command, make):
    datasets.add_command(_command)
