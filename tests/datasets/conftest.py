"""A small folder of one's own data, and a small stored data set."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.datasets.dataset import FeatureInfo, Interactions
from bench.datasets.store import Timestamps, write_dataset
from bench.recommender import Factors


def jpeg(number: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (16, 16), (number * 20 % 256, 90, 200)).save(buffer, "JPEG")
    return buffer.getvalue()


@pytest.fixture
def own_folder(tmp_path: Path) -> Path:
    """Four users with 5 distinct items, one with 4; 8 items, '07' is never bought.

    '00,1' is an id with a comma, and one pair is repeated.
    """
    folder = tmp_path / "own"
    (folder / "images").mkdir(parents=True)
    ids = ["00,1", "01", "02", "03", "04", "05", "06", "07"]
    lines = ["user,item,timestamp"]
    for user in range(4):
        lines += [f'u{user},"{ids[(user + k) % 7]}",{1000 + 10 * user + k}' for k in range(5)]
    lines += [f'few,"{ids[k]}",5' for k in range(4)]
    lines.append("u1,01,7")
    (folder / "interactions.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    rows = ["item,category,image"]
    for k, item in enumerate(ids):
        (folder / "images" / f"{k}.jpg").write_bytes(jpeg(k))
        rows.append(f'"{item}",{"hat" if k % 2 else "coat"},images/{k}.jpg')
    (folder / "items.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    features = np.arange(24, dtype=np.float16).reshape(8, 3)
    np.save(folder / "features.npy", features)
    return folder


@pytest.fixture
def stored(tmp_path: Path) -> Callable[..., Path]:
    """Write a data set of 3 users and 5 items with all parts, and give its folder."""

    def write(**changes: object) -> Path:
        folder = tmp_path / "data" / str(changes.get("name", "tiny"))
        parts: dict[str, object] = {
            "name": "tiny",
            "title": "Tiny",
            "source": "a test",
            "licence": "none",
            "train": Interactions.from_pairs(
                np.array([2, 0, 0, 1]), np.array([4, 3, 0, 1]), n_users=3, n_items=5
            ),
            "validation": np.array([1, -1, 0], np.int32),
            "test": np.array([2, 2, -1], np.int32),
            "user_ids": ["u0", "u1", "ü2"],
            "item_ids": ["00", "01", "02", "03", "0,4"],
            "split_rule": "by hand",
            "split_seed": None,
            "timestamps": Timestamps(np.array([2, 0]), np.array([0, 3]), np.array([77, 33])),
            "category_names": ("coat", "hat"),
            "categories": np.array([0, 1, 0, 1, 0], np.int16),
            "images": (jpeg(k) for k in range(5)),
            "features": np.arange(10, dtype=np.float16).reshape(5, 2),
            "feature_info": FeatureInfo("own", "by hand"),
            "report": {"pairs_read": 8},
            "oracle": Factors(
                np.ones((3, 2), np.float32), np.ones((5, 2), np.float32), np.zeros(5, np.float32)
            ),
        }
        write_dataset(folder, **(parts | changes))  # type: ignore[arg-type]
        return folder

    return write
