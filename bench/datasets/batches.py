"""Encoded images, a batch of bounded size at a time."""

from collections.abc import Iterable, Iterator

__all__ = ["batches_of"]


def batches_of(
    contents: Iterable[bytes], *, most_items: int, enough_bytes: int
) -> Iterator[list[bytes]]:
    """Gather contents, in order, into batches.

    Parameters
    ----------
    contents
        Taken one by one.
    most_items
        A batch that has so many is given.
    enough_bytes
        A batch that has so many bytes, or more by its last content, is given.
    """
    batch: list[bytes] = []
    n_bytes = 0
    for content in contents:
        batch.append(content)
        n_bytes += len(content)
        if len(batch) == most_items or n_bytes >= enough_bytes:
            yield batch
            batch, n_bytes = [], 0
    if batch:
        yield batch
