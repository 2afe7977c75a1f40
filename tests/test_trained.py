import json
import logging
from pathlib import Path

import numpy as np
import pytest

from bench.trained import Trained, recall_or_train

MADE = Trained({"w": np.arange(6.0).reshape(2, 3), "n": np.array(4)}, {"accuracy": 0.25})


def fail() -> Trained:
    pytest.fail("trained again")


def test_it_is_trained_once(tmp_path: Path) -> None:
    folder = tmp_path / "cache" / "net-1"
    first = recall_or_train(folder, lambda: MADE, what="the net")
    assert first is MADE
    again = recall_or_train(folder, fail, what="the net")
    assert again.report == MADE.report
    assert again.weights.keys() == MADE.weights.keys()
    for name, array in MADE.weights.items():
        np.testing.assert_array_equal(again.weights[name], array)
        assert again.weights[name].dtype == array.dtype
    with pytest.raises(pytest.fail.Exception):
        recall_or_train(tmp_path / "cache" / "net-2", fail, what="the net")


def test_nothing_is_kept_without_a_folder() -> None:
    assert recall_or_train(None, lambda: MADE, what="the net") is MADE
    with pytest.raises(pytest.fail.Exception):
        recall_or_train(None, fail, what="the net")


def test_training_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def broken() -> Trained:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        recall_or_train(tmp_path / "net", broken, what="the net")
    assert [path.name for path in tmp_path.iterdir()] == ["net.lock"]
    assert recall_or_train(tmp_path / "net", lambda: MADE, what="the net") is MADE


@pytest.mark.parametrize("damage", ["weights", "cut", "report", "no report", "gone"])
def test_what_is_damaged_is_trained_anew(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: str
) -> None:
    folder = tmp_path / "net"
    recall_or_train(folder, lambda: MADE, what="the net")
    weights, report = folder / "weights.npz", folder / "report.json"
    content = bytearray(weights.read_bytes())
    if damage == "weights":
        content[len(content) // 2] ^= 1
        weights.write_bytes(content)
    elif damage == "cut":
        weights.write_bytes(content[:40])
    elif damage == "report":
        told = json.loads(report.read_text())
        report.write_text(json.dumps(told | {"report": {"accuracy": 1.0}}))
    elif damage == "no report":
        report.write_text("[]")
    else:
        weights.unlink()
    other = Trained({"w": np.ones(2)}, {"accuracy": 0.5})
    with caplog.at_level(logging.WARNING):
        assert recall_or_train(folder, lambda: other, what="the net") is other
    assert "training the net again" in caplog.text
    assert recall_or_train(folder, fail, what="the net").report == {"accuracy": 0.5}
