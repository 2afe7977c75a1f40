"""Random generators derived by name from one root seed.

A child depends on the root and its own names only, so neither the order of work nor the company of
other models changes a number.
"""

import hashlib

import numpy as np

__all__ = ["child_generator", "child_seed"]


def child_seed(root: int, *names: str | int) -> int:
    """Derive a 63-bit seed from `root` and a path of names by SHA-256."""
    text = "\x1f".join(str(part) for part in (root, *names))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def child_generator(root: int, *names: str | int) -> np.random.Generator:
    """Give the NumPy generator (PCG64) seeded with `child_seed(root, *names)`."""
    return np.random.Generator(np.random.PCG64(child_seed(root, *names)))
