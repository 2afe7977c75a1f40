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
    """

    name: ClassVar[str]
    description: ClassVar[str]

    @abstractmethod
    def prepare(self, folder: Path) -> None:
        """Write the data set's store into `folder`, with progress on stderr.

        Raises
        ------
        BenchError
            It cannot be had; the message says why and what to do.
        """
