"""Generators by name: the same from one release to the next, and independent of each other."""

import hashlib

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.rng import child_generator, child_seed


def test_child_seed_is_half_of_sha256() -> None:
    digest = hashlib.sha256(b"7\x1fclothing\x1fvbpr\x1f3").hexdigest()
    assert child_seed(7, "clothing", "vbpr", 3) == int(digest[:16], 16) // 2


@settings(deadline=None)  # a busy machine is no failure
@given(root=st.integers(-(2**70), 2**70), name=st.text())
def test_child_seeds_fit_an_int64(root: int, name: str) -> None:
    assert 0 <= child_seed(root, name) < 2**63


def test_root_names_and_their_order_decide() -> None:
    paths: list[tuple[int | str, ...]] = [
        ("a", "b"), ("b", "a"), ("ab",), ("a", "", "b"), ("a",), (), ("a", 1), ("a", 11), ("a1",)
    ]  # fmt: skip
    seeds = [child_seed(root, *path) for root in (0, 1) for path in paths]
    assert len(set(seeds)) == len(seeds)


def test_generators_repeat_and_differ() -> None:
    first, again, other = (child_generator(0, name).random(1000) for name in ("a", "a", "b"))
    np.testing.assert_array_equal(first, again)
    assert abs(np.corrcoef(first, other)[0, 1]) < 5 / np.sqrt(1000)
    # PCG64 seeded with the child's seed: what a reader of the record can rebuild.
    rebuilt = np.random.Generator(np.random.PCG64(child_seed(0, "a"))).random(1000)
    np.testing.assert_array_equal(first, rebuilt)
