"""Grids of one's own, and mistakes in them."""

from pathlib import Path

import pytest

from bench.errors import BenchError
from bench.experiment.tuning.grid_file import read_grids
from bench.registry import Registry

TOML = """# what to try
[vbpr]
regularization = [0.01,
                  1e-3]   # goes on
epochs = 30

[[fm]]
factors = [5]
feature_dims = ["none", 8]
[[fm]]
factors = [6]
"""

YAML = """
vbpr:
  regularization: [0.01, 1e-3]
  epochs: 30
fm:
  - {factors: [5], feature_dims: [null, 8]}
  - factors:
      - 6
"""

SAME = {
    "vbpr": ({"regularization": (0.01, 0.001), "epochs": (30,)},),
    "fm": ({"factors": (5,), "feature_dims": (None, 8)}, {"factors": (6,)}),
}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("g.toml", TOML),
        ("g.yaml", YAML),
        ("G.YML", YAML),
        ("g.toml", "\ufeff" + TOML),
        ("g.toml", TOML.replace("\n", "\r\n")),
    ],
)
def test_both_formats_say_the_same(tmp_path: Path, name: str, text: str) -> None:
    path = tmp_path / name
    path.write_bytes(text.encode())
    grids = read_grids(path, Registry())
    found = {name: tuple(dict(part.values) for part in parts) for name, parts in grids.items()}
    assert found == SAME


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("g.toml", "[vbpr]\nepochs = 3\n\n# x\nfactrs = [\n1,\n2]\n",
         "line 5: unknown hyper-parameter of vbpr 'factrs': did you mean 'factors'?"),
        ("g.toml", "[[vbpr]]\nfactors = 3\n[[vbpr]]\nfactors = [1, 'two']\n",
         "line 4: vbpr.factors must be of type int, got 'two'"),
        ("g.toml", "\n[vbrp]\nfactors = 3\n",
         "line 2: unknown recommender 'vbrp': did you mean 'vbpr'?"),
        ("g.toml", "[vbpr]\nfactors = [1, 2\n", "line 2: not TOML: Unclosed array"),
        ("g.toml", "[vbpr]\nfactors = [[1], [2]]\n", "line 2: vbpr.factors: values must be"),
        ("g.toml", "[vbpr]\nfactors = [1.5]\n", "line 2: vbpr.factors must be of type int"),
        ("g.toml", "[vbpr]\nlearning_rate = [inf]\n", "line 2: .*learning_rate must be a finite"),
        ("g.toml", "[vbpr]\nfactors = []\n", "line 2: vbpr.factors has no values"),
        ("g.toml", "[vbpr]\n", "line 1: vbpr has no hyper-parameters"),
        ("g.toml", "vbpr = 3\n", "line 1: 'vbpr' must be a recommender with hyper-parameters"),
        ("g.toml", "", "names no recommender"),
        ("g.yaml", "", "names no recommender"),
        ("g.yaml", "vbpr:\n  epochs: 3\n  factrs: [1]\n", "line 3: .*did you mean 'factors'"),
        ("g.yaml", "fm: {factors: 3}\n\nvbrp:\n  factors: 3\n", "line 3: .*did you mean 'vbpr'"),
        ("g.yaml", "vbpr:\n  factors: [true]\n", "line 2: vbpr.factors must be of type int"),
        ("g.yaml", "vbpr:\n  factors: [1]\n  factors: [2]\n", "line 3: 'factors' is given twice"),
        ("g.yaml", "vbpr:\n  factors: [1\n", "line 3: not plain YAML"),
        ("g.yaml", "vbpr:\n  factors: !!python/object/apply:os.getcwd []\n",
         "line 2: not plain YAML: could not determine a constructor"),
        ("g.yaml", "vbpr: 3\n", "line 1: 'vbpr' must be a recommender"),
        ("g.yaml", "- vbpr\n", "line 1: expected recommenders"),
        ("g.yaml", "vbpr: {factors: [\x00]}\n", "not YAML"),
        ("g.toml", "[fm]\nepochs = 1\n[vbpr]\nfactors = [\n" + "1" * 5000 + "]\n",
         "line 4: not TOML: .*digits"),
        ("g.toml", "[vbpr]\nfactors = [0x" + "f" * 5000 + "]\n", "line 2: a value is not what"),
        ("g.toml", "[vbpr]\nfactors = " + "[" * 3000 + "]" * 3000, "line 2: not TOML"),
        ("g.toml", "[fm]\nepochs = 1\n[vbpr]\nfactors = 2001-99-99\n", "line 4: not TOML"),
        ("g.toml", "vbpr = []\n[fm]\nepochs = 1\n", "line 1: 'vbpr' must be a recommender"),
        ("g.yaml", "vbpr: []\nfm: {epochs: 1}\n", "line 1: 'vbpr' must be a recommender"),
        ("g.yaml", "vbpr:\n  factors: [1,\n   2001-99-99]\n",
         "line 3: a value is not what it is written as .month must be"),
        ("g.yaml", "vbpr:\n  factors: !!bool x\n", "line 2: a value is not what"),
        ("g.yaml", "vbpr:\n  factors: !!int x\n", "line 2: a value is not what"),
        ("g.yaml", "vbpr:\n  factors: !!float [x]\n", "line 2: "),
        ("g.yaml", "vbpr:\n  factors: !!timestamp x\n", "line 2: a value is not what"),
        ("g.yaml", "vbpr:\n  factors: 0x_\n", "line 2: a value is not what"),
        ("g.yaml", "vbpr:\n  0x_: 1\n", "line 2: a value is not what"),
        ("g.yaml", "vbpr:\n  factors: " + "1" * 5000, "line 2: a value is not what"),
        ("g.yaml", "vbpr:\n  factors: " + "[" * 3000 + "]" * 3000, "nested too deeply"),
        ("g.yaml", "vbpr: &a\n  factors: *a\n", "line 1: "),
        ("g.yaml", "vbpr:\n  factors: [1, 010]\n", "line 2: YAML reads 010 as 8; write that"),
        ("g.yaml", "vbpr:\n  factors: 1:30\n", "line 2: YAML reads 1:30 as 90; write that"),
        ("g.json", "{}", "must end in .toml, .yaml or .yml"),
        ("g.toml", None, "cannot read the grid .*no such file"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_line(
    tmp_path: Path, name: str, text: str | None, message: str
) -> None:
    path = tmp_path / name
    if text is not None:
        path.write_text(text)
    with pytest.raises(BenchError, match=message) as caught:
        read_grids(path, Registry())
    assert str(path) in str(caught.value)


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "g.toml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(BenchError, match="not UTF-8 text"):
        read_grids(path, Registry())


def test_numbers_that_yaml_reads_as_they_look(tmp_path: Path) -> None:
    path = tmp_path / "g.yaml"
    path.write_text(
        "vbpr:\n  factors: [0, 10, 0x10, 1_000]\n  regularization: [0.05, 0, .5, 1e1]\n"
    )
    (part,) = read_grids(path, Registry())["vbpr"]
    assert part.values == {
        "factors": (0, 10, 16, 1000),
        "regularization": (0.05, 0.0, 0.5, 10.0),
    }
    assert part.where() == f"grid {path}, line 1"
    assert part.where("regularization") == f"grid {path}, line 3"
