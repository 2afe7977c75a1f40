import numpy as np
import pytest
import torch

from bench.datasets.synthetic.classifier import (
    FEATURE_DIMS,
    decode_batch,
    extract,
    one_thread,
    train_classifier,
)
from bench.datasets.synthetic.images import draw_all
from bench.datasets.synthetic.style import sample_styles

_CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def drawn() -> tuple[list[bytes], np.ndarray, np.ndarray]:
    styles = sample_styles(420, np.random.default_rng(6))
    chunks = draw_all(styles, pixels=64, seed=6, role="classifier", n_workers=1)
    return [image for chunk in chunks for image in chunk], styles.kind, styles.pattern


def test_it_learns_and_is_the_same_every_time(
    drawn: tuple[list[bytes], np.ndarray, np.ndarray],
) -> None:
    encoded, kinds, patterns = drawn
    images = decode_batch(encoded)
    assert images.shape == (420, 64, 64, 3)
    global_state = torch.get_rng_state()
    features = []
    with one_thread():
        for _ in range(2):
            network, accuracy = train_classifier(
                images, kinds, patterns, n_held_out=120, n_epochs=4, seed=0, device=_CPU
            )
            out = np.zeros((40, FEATURE_DIMS), np.float16)
            extract(network, [encoded[:25], encoded[25:40]], out, _CPU)
            features.append(out)
    # Nineteen kinds: the most frequent one alone gives below 0.2.
    assert accuracy.kind > 0.45
    assert (accuracy.n_train, accuracy.n_held_out) == (300, 120)
    assert not network.training
    assert torch.equal(torch.get_rng_state(), global_state)
    np.testing.assert_array_equal(features[0], features[1])
    assert features[0].min() == 0
    assert 0.2 < (features[0] == 0).mean() < 0.98
    assert np.abs(features[0]).sum(axis=1).min() > 0


def test_one_thread_gives_the_threads_back() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with one_thread():
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
