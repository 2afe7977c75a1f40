"""Batches: nothing lost, nothing reordered, each as full as it may be."""

from hypothesis import given
from hypothesis import strategies as st

from bench.datasets.batches import batches_of


@given(st.lists(st.binary(max_size=9)), st.integers(1, 4), st.integers(1, 20))
def test_batches_hold_all_in_order_and_end_when_full(
    contents: list[bytes], most_items: int, enough_bytes: int
) -> None:
    batches = list(batches_of(iter(contents), most_items=most_items, enough_bytes=enough_bytes))
    assert [content for batch in batches for content in batch] == contents
    for number, batch in enumerate(batches):
        full = len(batch) == most_items or sum(map(len, batch)) >= enough_bytes
        assert full or number == len(batches) - 1
        before_its_last = batch[:-1]
        assert len(before_its_last) < most_items
        assert sum(map(len, before_its_last)) < enough_bytes
