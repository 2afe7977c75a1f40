from pathlib import Path

import numpy as np

from bench.datasets.synthetic.images import ImageSpool, draw_all
from bench.datasets.synthetic.style import sample_styles


def _drawn(n_workers: int, *, seed: int = 0, role: str = "catalogue") -> list[bytes]:
    styles = sample_styles(70, np.random.default_rng(2))
    chunks = draw_all(styles, pixels=48, seed=seed, role=role, n_workers=n_workers)
    return [image for chunk in chunks for image in chunk]


def test_number_of_workers_changes_nothing() -> None:
    alone = _drawn(1)
    assert len(alone) == 70
    assert _drawn(2) == alone


def test_seed_and_role_change_the_drawings_of_the_same_styles() -> None:
    alone = _drawn(1)
    assert all(a != b for a, b in zip(alone, _drawn(1, seed=1), strict=True))
    assert all(a != b for a, b in zip(alone, _drawn(1, role="classifier"), strict=True))


def test_spool_gives_back_what_it_was_given_in_any_order(tmp_path: Path) -> None:
    images = [bytes([k % 251]) * (k % 5) for k in range(600)]
    with ImageSpool(tmp_path / "spool") as spool:
        spool.append(images[:10])
        assert spool.read(8, 99) == images[8:10]
        spool.append(images[10:])
        assert len(spool) == 600
        assert spool.read(3, 6) == images[3:6]
        assert list(spool) == images
        assert list(spool) == images
        assert spool.n_bytes() == sum(map(len, images))
