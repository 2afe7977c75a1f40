import dataclasses
import json
import math
from pathlib import Path

import pytest

from bench.errors import BenchError
from bench.registry import PAPER_COLUMNS
from bench.report.comparison import improvement_percent
from bench.report.published import load_published, read_published

PUBLISHED = load_published()


def test_columns_are_those_of_the_paper_in_its_order():
    assert [c.letter for c in PUBLISHED.columns] == list("abcdefgh")
    assert tuple(c.recommender for c in PUBLISHED.columns) == PAPER_COLUMNS
    assert [c.label for c in PUBLISHED.columns] == [
        "RAND", "PopRank", "WARP", "BPR-MF", "VisRank", "FM", "VBPR", "DVBPR",
    ]  # fmt: skip


def test_table2_counts():
    rows = {name: dataclasses.astuple(row)[1:] for name, row in PUBLISHED.table2.items()}
    assert rows == {
        "amazon_fashion": (64_583, 234_892, 513_367, 6),
        "amazon_women": (97_678, 347_591, 827_678, 53),
        "amazon_men": (34_244, 110_636, 254_870, 50),
        "tradesy": (33_864, 326_393, 655_409, None),
    }


def test_table3_has_every_cell():
    places = [(row.dataset, row.setting) for row in PUBLISHED.table3]
    assert places == [(name, s) for name in PUBLISHED.table2 for s in ("all", "cold")]
    for row in PUBLISHED.table3:
        assert tuple(row.auc) == PAPER_COLUMNS
        assert all(0.38 < value < 0.8 for value in row.auc.values())
        assert row.auc["rand"] == 0.5


@pytest.mark.parametrize("row", PUBLISHED.table3, ids=lambda row: f"{row.dataset}-{row.setting}")
def test_table3_improvements_follow_from_its_own_aucs(row):
    dvbpr = row.auc["dvbpr"]
    best_other = max(value for name, value in row.auc.items() if name != "dvbpr")
    # One decimal is printed, and the AUCs behind it have four: half a unit of each.
    tolerance = 0.05 + 100 * 2 * 0.00005 / min(row.auc["bpr-mf"], best_other)
    assert improvement_percent(dvbpr, row.auc["bpr-mf"]) == pytest.approx(
        row.improvement_percent["h vs. d"], abs=tolerance
    )
    assert improvement_percent(dvbpr, best_other) == pytest.approx(
        row.improvement_percent["h vs. best"], abs=tolerance
    )


@pytest.mark.parametrize(("setting", "mean"), [("all", 5.13), ("cold", 2.73)])
def test_table3_mean_improvements_are_those_the_text_names(setting, mean):
    # Section IV-C: "outperforms the second-best method by 5.13% ..., and 2.73% in cold-start".
    gains = [
        row.improvement_percent["h vs. best"] for row in PUBLISHED.table3 if row.setting == setting
    ]
    assert sum(gains) / 4 == pytest.approx(mean, abs=0.0051)


def test_table4_as_printed():
    flat = [
        tuple(pair for value in dataclasses.astuple(row)[3:] for pair in value)
        for row in PUBLISHED.table4
    ]
    assert flat == [
        (-1.9547, 3.8, 6.8685, 0.36, 0.5585, 0.09),
        (-1.9392, 3.7, 6.8121, 0.37, 0.5589, 0.09),
        (7.1876, 3.2, 7.6492, 0.27, 0.5393, 0.11),
        (7.6760, 4.1, 7.6524, 0.24, 0.5265, 0.12),
    ]
    # Section IV-C: the designed images gain 6.8% over the retrieved ones.
    retrieved, designed = (row.preference_score.value for row in PUBLISHED.table4[2:])
    assert improvement_percent(designed, retrieved) == pytest.approx(6.8, abs=0.05)


def test_the_published_archive_is_named_as_another_item_set():
    assert "45,184 users and 166,270 items" in PUBLISHED.notes["amazon_fashion"]
    assert "ICDM 2017" in PUBLISHED.source


def test_counts_of_the_published_archive_agree_with_the_released_checkpoint():
    archive = PUBLISHED.archives["amazon_fashion"]
    assert dataclasses.astuple(archive) == (45_184, 166_270, 358_003)
    # The checkpoint is called 39728: 19 epochs in steps of 128 training pairs.
    n_train = archive.n_interactions - 2 * archive.n_users
    assert math.ceil(19 * n_train / 128) == 39_728
    paper = PUBLISHED.table2["amazon_fashion"]
    assert all(
        math.ceil(epoch * (paper.n_interactions - 2 * paper.n_users) / 128) != 39_728
        for epoch in range(1, 31)
    )


def test_the_authors_log():
    log = PUBLISHED.authors_log
    assert (log.dataset, log.recommender, log.factors, log.sampled) == (
        "amazon_fashion", "dvbpr", 100, 100,
    )  # fmt: skip
    assert [line.epoch for line in log.epochs] == [1, 2, 3, 5, 8, 10, 13, 14, 19]
    assert dataclasses.astuple(log.best) == (14, 0.8011, 0.8023)
    validation = {line.epoch: line.validation for line in log.epochs}
    assert (validation[1], validation[19]) == (0.6547, 0.8003)
    assert all(abs(line.test - line.validation) < 0.005 for line in log.epochs)


def test_each_part_has_its_source():
    assert set(PUBLISHED.sources) == {"table2", "table3", "table4", "archives", "authors_log"}
    assert all(PUBLISHED.sources.values())


def test_auc_looks_up_one_cell():
    assert PUBLISHED.auc("tradesy", "cold", "fm") == 0.7730
    assert PUBLISHED.auc("tradesy", "cold", "my-model") is None
    assert PUBLISHED.auc("clothing", "all", "fm") is None


@pytest.mark.parametrize("content", ["{", "{}", "[]", json.dumps({"source": "x", "table2": 1})])
def test_a_damaged_file_is_one_clear_line(tmp_path: Path, content: str):
    path = tmp_path / "paper.json"
    path.write_text(content)
    with pytest.raises(BenchError, match=r"paper\.json: cannot read the published tables"):
        read_published(path)
