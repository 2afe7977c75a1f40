"""The images of one's own data: found for every item, decoded once to be sure, stored verbatim."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from joblib import Parallel, delayed

from bench.datasets.decoding import try_to_decode
from bench.device import available_threads
from bench.errors import BenchError
from bench.progress import Progress

__all__ = ["checked_images", "image_paths"]

_FOLDER = "images"
_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp")
# So many encoded images lie in memory at a time.
_CHUNK = 256


def image_paths(
    source: Path, item_ids: Sequence[str], named: Sequence[str] | None
) -> list[Path] | None:
    """Find the image file of every item.

    Parameters
    ----------
    source
        The folder that paths are relative to.
    item_ids
        The catalogue.
    named
        Path per item as the items file gives it; None: look for `images/<item id>.jpg` and the
        like.

    Returns
    -------
    One path per item; None if there are no images at all.

    Raises
    ------
    BenchError
        An item has no image.
    """
    if named is not None:
        paths: list[Path | None] = [source / path for path in named]
        shown = [str(path) for path in named]
        remedy = "mend the 'image' column or add the files"
    else:
        folder = source / _FOLDER
        if not folder.is_dir():
            return None
        by_stem = {
            path.stem: path
            for path in sorted(folder.iterdir())
            if path.suffix.lower() in _SUFFIXES and not path.name.startswith(".")
        }
        paths = [by_stem.get(item) for item in item_ids]
        shown = [f"{_FOLDER}/{item}.jpg" for item in item_ids]
        remedy = "add the files, or name the paths in an 'image' column of the items file"
    missing = [k for k, path in enumerate(paths) if path is None or not path.is_file()]
    if missing:
        raise BenchError(
            f"{source}: image missing for {len(missing)} of {len(item_ids)} items, the first is "
            f"{shown[missing[0]]!r} of item {item_ids[missing[0]]!r}; {remedy}"
        )
    return [path for path in paths if path is not None]


def checked_images(paths: Sequence[Path], item_ids: Sequence[str]) -> Iterator[bytes]:
    """Read images in item order, and decode each one to see that it is whole.

    Raises
    ------
    BenchError
        After the last image, if any could not be decoded; the first one and their number are named.
    """
    broken: list[tuple[int, str]] = []
    with (
        Progress("images", len(paths), unit="image") as progress,
        Parallel(n_jobs=available_threads(), backend="threading") as parallel,
    ):
        for start in range(0, len(paths), _CHUNK):
            chunk = paths[start : start + _CHUNK]
            for k, (content, flaw) in enumerate(parallel(delayed(_read)(path) for path in chunk)):
                if flaw is not None:
                    broken.append((start + k, flaw))
                yield content
            progress.advance(len(chunk))
    if broken:
        k, flaw = broken[0]
        raise BenchError(
            f"{paths[k]}: image broken for {len(broken)} of {len(paths)} items, the first is item "
            f"{item_ids[k]!r} ({flaw}); replace the file"
        )


def _read(path: Path) -> tuple[bytes, str | None]:
    """Give the file's bytes, and what is wrong with it as an image."""
    try:
        content = path.read_bytes()
    except OSError as error:
        return b"", error.strerror or str(error)
    return content, try_to_decode(content).flaw
