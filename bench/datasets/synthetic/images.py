"""Drawing many garments: in parallel, in order, with bounded memory, kept in a scratch file."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from joblib import Parallel, delayed

from bench.datasets.synthetic.draw import draw_garment, encode_jpeg
from bench.datasets.synthetic.style import Garment, Styles
from bench.rng import child_generator

__all__ = ["ImageSpool", "draw_all"]

_CHUNK = 32  # garments per task: about 0.2 s of work
_CHUNKS_PER_WAVE = 8  # per worker; what one wave gives lies in memory, a few MB


def draw_all(
    styles: Styles, *, pixels: int, seed: int, role: str, n_workers: int
) -> Iterator[list[bytes]]:
    """Draw garments and encode them as JPEG, in order, some at a time.

    Each garment has a generator of its own, so the number of workers changes nothing.

    Parameters
    ----------
    styles
        What to draw.
    pixels
        Side of the images.
    seed, role
        Root seed, and what the garments are for: another role gives other drawings.
    n_workers
        Processes.

    Yields
    ------
    list of bytes
        The next images.
    """
    starts = range(0, len(styles), _CHUNK)
    if n_workers == 1 or len(starts) == 1:
        for start in starts:
            yield _draw_chunk(_garments(styles, start), start, pixels, seed, role)
        return
    wave = n_workers * _CHUNKS_PER_WAVE
    with Parallel(n_jobs=n_workers) as parallel:
        for first in range(0, len(starts), wave):
            chunks: list[list[bytes]] = parallel(
                delayed(_draw_chunk)(_garments(styles, start), start, pixels, seed, role)
                for start in starts[first : first + wave]
            )
            yield from chunks


def _garments(styles: Styles, start: int) -> list[Garment]:
    return [styles.garment(row) for row in range(start, min(start + _CHUNK, len(styles)))]


def _draw_chunk(
    garments: Sequence[Garment], start: int, pixels: int, seed: int, role: str
) -> list[bytes]:
    return [
        encode_jpeg(draw_garment(garment, pixels, child_generator(seed, "drawing", role, row)))
        for row, garment in enumerate(garments, start)
    ]


class ImageSpool:
    """Encoded images one behind the other in a scratch file: written once, read in any order.

    Parameters
    ----------
    path
        The file; made when the spool is entered.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._ends = [0]

    def __enter__(self) -> Self:
        self._file = self._path.open("w+b")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def __len__(self) -> int:
        return len(self._ends) - 1

    def append(self, encoded: Sequence[bytes]) -> None:
        """Add images at the end."""
        self._file.seek(self._ends[-1])
        for image in encoded:
            self._file.write(image)
            self._ends.append(self._ends[-1] + len(image))

    def read(self, start: int, stop: int) -> list[bytes]:
        """Give the images from `start` up to `stop`."""
        self._file.seek(self._ends[start])
        return [
            self._file.read(self._ends[row + 1] - self._ends[row])
            for row in range(start, min(stop, len(self)))
        ]

    def __iter__(self) -> Iterator[bytes]:
        for start in range(0, len(self), 256):
            yield from self.read(start, start + 256)

    def n_bytes(self) -> int:
        """Size of all images together."""
        return self._ends[-1]
