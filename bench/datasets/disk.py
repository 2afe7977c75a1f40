"""Room on the disk, asked for before long work starts and not when it is nearly over."""

import shutil
from pathlib import Path

from bench.errors import StorageError, user_io_errors

__all__ = ["bytes_text", "need_disk_space"]

_MARGIN_BYTES = 100_000_000
"""What stays free besides: other programs write too, and a file system slows down when full."""


def bytes_text(n_bytes: int) -> str:
    """Write a number of bytes as a reader takes it in: "812 bytes", "3.50 GB" (powers of 1000)."""
    if n_bytes < 1000:
        return f"{n_bytes} bytes"
    # 999,995 and above would be written as 1000.00 of the smaller unit.
    power = next((p for p in (1, 2, 3) if n_bytes < 999.995 * 1000**p), 4)
    return f"{n_bytes / 1000**power:.2f} {('kB', 'MB', 'GB', 'TB')[power - 1]}"


def need_disk_space(folder: Path, n_bytes: int, doing: str, *, margin: int = _MARGIN_BYTES) -> None:
    """Make sure that `n_bytes` more, and a margin, fit on the disk that `folder` is on.

    Parameters
    ----------
    folder
        Where is to be written; it need not exist yet.
    n_bytes
        How much is still to be written there.
    doing
        What is about to be done, as it reads in the message: "convert amazon_men".
    margin
        Bytes that must stay free afterwards.

    Raises
    ------
    StorageError
        There is less room; the message says how much is needed and how much there is.
    """
    place = folder.absolute()
    while not place.exists() and place != place.parent:
        place = place.parent
    with user_io_errors(doing, folder):
        free = shutil.disk_usage(place).free
    needed = n_bytes + margin
    if free < needed:
        raise StorageError(
            f"cannot {doing} at {folder}: the disk has {bytes_text(free)} free and "
            f"{bytes_text(needed)} are needed; free some space or choose another folder"
        )
