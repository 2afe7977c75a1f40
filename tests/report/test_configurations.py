import pytest

from bench.errors import BenchError
from bench.report.configurations import choose, configurations


@pytest.fixture
def cells(add_cell):
    return [
        add_cell("vbpr", [1] * 4, params={"k": 10, "lr": 0.1, "dims": None}, made="2025-01-01"),
        add_cell("vbpr", [2] * 4, params={"k": 20, "lr": 0.1, "dims": None}, made="2025-01-02"),
        add_cell("vbpr", [3] * 4, params={"k": 20, "lr": 0.2, "dims": 64}, made="2025-01-03"),
        add_cell("fm", [4] * 4, params={"k": 10}),
    ]


@pytest.mark.parametrize(
    ("wanted", "kept"),
    [
        ({}, [0, 1, 2, 3]),
        ({"vbpr": {"k": "10"}}, [0, 3]),
        ({"vbpr": {"k": "20"}}, [1, 2, 3]),
        ({"vbpr": {"k": "20", "lr": "0.10"}}, [1, 3]),
        ({"vbpr": {"dims": "none"}}, [0, 1, 3]),
        ({"vbpr": {"deterministic": "true"}}, [0, 1, 2, 3]),
        ({"vbpr": {"protocol.patience": "5", "lr": "2e-1"}}, [2, 3]),
        ({"fm": {"k": "10"}}, [0, 1, 2, 3]),
    ],
)
def test_cells_with_the_settings_asked_for_and_all_others(cells, wanted, kept):
    assert choose(cells, wanted) == [cells[number] for number in kept]


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"vbrp": {"k": "1"}}, r"unknown stored recommender 'vbrp': did you mean 'vbpr'"),
        ({"vbpr": {"dim": "1"}}, r"unknown setting of vbpr 'dim': did you mean 'dims'"),
        (
            {"vbpr": {"k": "30"}},
            r"no stored cell of vbpr has k=30; there is dims=64, k=20, lr=0.2; dims=None, k=20, ",
        ),
        ({"vbpr": {"k": "ten"}}, "no stored cell of vbpr has k=ten"),
        ({"fm": {"k": "30"}}, "no stored cell of fm has k=30; there is k=10"),
    ],
)
def test_what_is_not_stored_is_told_with_what_is(cells, wanted, message):
    with pytest.raises(BenchError, match=message):
        choose(cells, wanted)


def test_many_alternatives_are_counted(add_cell):
    cells = [add_cell("vbpr", params={"k": k}, made=f"2025-01-{k:02}") for k in range(1, 9)]
    with pytest.raises(BenchError, match=r"k=8; k=7; k=6; k=5; 4 more \(bench table 3 --conf"):
        choose(cells, {"vbpr": {"k": "30"}})


def test_the_configuration_to_show_comes_first_and_has_its_seeds(add_cell):
    found = configurations(
        [
            add_cell("vbpr", None, params={"k": 1}, made="2025-01-09"),
            add_cell("vbpr", params={"k": 2}, seed=1, made="2025-01-02"),
            add_cell("vbpr", params={"k": 2}, seed=0, made="2025-01-03"),
            add_cell("vbpr", params={"k": 3}, made="2025-01-01"),
        ]
    )
    assert [(one.settings["k"], one.finished_seeds) for one in found] == [
        (2, [0, 1]),
        (3, [0]),
        (1, []),
    ]
