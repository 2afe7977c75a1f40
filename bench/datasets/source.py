"""Where a data set that the suite knows by name comes from."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar

__all__ = ["DatasetSource"]


class DatasetSource(ABC):
    """Makes or fetches one data set; named in the entry-point group `bench.datasets`.

    Attributes
    ----------
    name
        The name on the command line.
    description
        One line for `bench datasets list`.
    on_request
        How to get it, on one line, if no other command may start on it unasked: it is large, or
        its licence is to be read first. None: it is made when it is first used.
    """

    name: ClassVar[str]
    description: ClassVar[str]
    on_request: ClassVar[str | None] = None

    @abstractmethod
    def prepare(self, folder: Path) -> None:
        """Write the data set's store into `folder`, with progress on stderr.

        Raises
        ------
        BenchError
            It cannot be had; the message says why and what to do.
        """
