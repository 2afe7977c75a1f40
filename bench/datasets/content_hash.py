"""The data hash: SHA-256 over what makes a data set what it is, in whatever files it is stored."""

import hashlib
import json
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from bench.datasets.hashed_file import ThreadedHash
from bench.files import sha256_of_arrays

__all__ = ["ContentHashes"]


class ContentHashes:
    """Gathers the hashes of a data set's parts, in the order in which they come along.

    Parameters
    ----------
    split
        Hash of the three parts of the split.
    item_ids
        Outside names of the items.
    """

    def __init__(self, *, split: str, item_ids: Sequence[str]) -> None:
        self._parts = {"split": split, "items": _hash_of_texts(item_ids)}
        self._images: ThreadedHash | None = None

    def add_categories(self, categories: npt.NDArray[np.int16], names: Sequence[str]) -> None:
        """Take in the categories."""
        numbers = sha256_of_arrays(categories.astype(np.int16))
        self._parts["categories"] = _hash_of_texts(names) + numbers

    def add_features(self, content_hash: str) -> None:
        """Take in the features, hashed as `bench.datasets.feature_file` does."""
        self._parts["features"] = content_hash

    def has_images(self) -> None:
        """Say that there are images, if only for the items to come."""
        self._images = self._images or ThreadedHash()

    def add_images(self, images: Sequence[bytes]) -> None:
        """Take in the next items' images; of many at a time the hash is computed in a thread."""
        self.has_images()
        assert self._images is not None
        parts = (part for image in images for part in (len(image).to_bytes(8, "little"), image))
        self._images.update(b"".join(parts))

    def data_hash(self) -> str:
        """Give the hash over all parts."""
        parts = dict(self._parts)
        if self._images is not None:
            parts["images"] = self._images.hexdigest()
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _hash_of_texts(texts: Sequence[str]) -> str:
    digest = hashlib.sha256()
    for text in texts:
        content = text.encode()
        digest.update(len(content).to_bytes(8, "little") + content)
    return digest.hexdigest()
