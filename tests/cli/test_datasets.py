import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from PIL import Image

from bench.cli.datasets import datasets
from bench.datasets.own import import_folder
from bench.datasets.source import DatasetSource
from bench.datasets.synthetic import SyntheticFashion, SyntheticOptions
from bench.errors import BenchError
from bench.registry import Registry


@pytest.fixture
def own(tmp_path: Path) -> Path:
    folder = tmp_path / "own"
    folder.mkdir()
    rows = [f"u{u},{(u + k) % 7:02d}" for u in range(4) for k in range(5)]
    (folder / "interactions.csv").write_text("user,item\n" + "\n".join([*rows, rows[0]]))
    return folder


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


def bench(*arguments: object, data: Path) -> Result:
    return CliRunner().invoke(
        datasets, [*map(str, arguments), "--data", str(data)], catch_exceptions=False
    )


def error_of(*arguments: object, data: Path) -> str:
    with pytest.raises(BenchError) as caught:
        bench(*arguments, data=data)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_import_list_info(own: Path, data: Path) -> None:
    result = bench("import", own, "--name", "mine", "--title", "Mine", "--seed", 3, data=data)
    assert result.exit_code == 0
    assert result.stdout.startswith("imported mine: 4 users, 7 items, 20 interactions; `bench")

    listed = bench("list", data=data).stdout
    line = next(line for line in listed.splitlines() if line.startswith("mine"))
    assert line.split()[1:5] == ["yes", "4", "7", "20"]
    line = next(line for line in listed.splitlines() if line.startswith("synthetic_fashion"))
    assert line.split()[1] == "no"

    lines = bench("info", "mine", "--verify", data=data).stdout.splitlines()
    info = {label: value.strip() for label, value in (line.split("  ", 1) for line in lines)}
    assert info["title"] == "Mine"
    assert info["interactions"] == "20 (density 0.714)"
    assert info["parts"] == "12 training, 4 validation, 4 test"
    assert (
        info["cold items"] == "4 of 4 test items (100.0%) have fewer than 5 training interactions"
    )
    assert info["preprocessing: repeated pairs merged"] == "1"
    assert info["split seed"] == "3"
    assert info["features"] == info["images"] == info["categories"] == "none"
    assert "not stated" in info["licence"]
    assert len(info["split hash"]) == len(info["data hash"]) == 64
    assert info["verified"] == "all 3 files match their SHA-256"


def test_json(own: Path, data: Path) -> None:
    bench("import", own, "--name", "mine", data=data)
    listed = json.loads(bench("list", "--json", data=data).stdout)
    assert {row["name"]: row["stored"] for row in listed}["mine"] == "yes"
    info = json.loads(bench("info", "mine", "--json", data=data).stdout)
    assert info["n_interactions"] == 20
    assert info["n_train"] == 12
    assert info["density"] == 20 / 28
    assert info["cold_test_share"] == 1.0
    assert info["report"]["preprocessing"]["repeated_pairs_merged"] == 1
    assert "verified" not in info
    assert json.loads(bench("info", "mine", "--json", "--verify", data=data).stdout)["verified"]


def test_a_name_of_digits_stays_as_it_is(own: Path, data: Path) -> None:
    bench("import", own, "--name", "007", data=data)
    assert "\n007 " in bench("list", data=data).stdout


def test_the_environment_says_where(
    own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BENCH_DATA", str(tmp_path / "env"))
    CliRunner().invoke(datasets, ["import", str(own), "--name", "m"], catch_exceptions=False)
    assert (tmp_path / "env" / "m" / "dataset.json").is_file()
    listed = CliRunner().invoke(datasets, ["list"], catch_exceptions=False).stdout
    assert "\nm " in listed


def test_import_refuses_and_forces(own: Path, data: Path) -> None:
    bench("import", own, "--name", "mine", data=data)
    assert "--force replaces it" in error_of("import", own, "--name", "mine", data=data)
    result = bench("import", own, "--name", "mine", "--force", data=data)
    assert result.exit_code == 0
    assert "only lower-case" in error_of("import", own, "--name", "A", data=data)
    error = error_of("import", own, "--name", "m", "--min-interactions", 6, data=data)
    assert "too few users left" in error


def test_wrong_use_is_click_s_own_error(own: Path, data: Path) -> None:
    for arguments, what in (
        (("import", own), "Missing option '--name'"),
        (("import", own, "--name", "m", "--min-interactions", 2), "2 is not in the range x>=3"),
        (("import", own, "--name", "m", "--sead", 1), "No such option"),
        (("make", "--users", 0), "0 is not in the range x>=1"),
    ):
        result = bench(*arguments, data=data)
        assert result.exit_code == 2
        assert what in result.stderr


def test_a_file_without_as(tmp_path: Path, data: Path) -> None:
    archive = tmp_path / "x.npy"
    archive.write_bytes(b"")
    for more in ((), ("--name", "m")):
        error = error_of("import", archive, *more, data=data)
        assert "is a file" in error
        assert "--as amazon_fashion, amazon_women, amazon_men, tradesy" in error


def test_info_of_what_is_not_there(own: Path, data: Path) -> None:
    bench("import", own, "--name", "mine", data=data)
    assert "did you mean 'mine'?" in error_of("info", "mien", data=data)
    assert "`bench datasets make synthetic_fashion` makes it" in error_of(
        "info", "synthetic_fashion", data=data
    )


def test_damage(own: Path, data: Path) -> None:
    bench("import", own, "--name", "mine", data=data)
    file = data / "mine" / "users.arrow"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    assert "users.arrow was altered" in error_of("info", "mine", "--verify", data=data)
    (data / "mine" / "dataset.json").write_text("{")
    listed = bench("list", data=data).stdout
    line = next(line for line in listed.splitlines() if line.startswith("mine"))
    assert line.split()[1] == "damaged"
    assert "dataset.json cannot be read" in line


class TestMake:
    @pytest.fixture(autouse=True)
    def _source(self, own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        class Source(DatasetSource):
            name = "elsewhere"
            description = "A source of the test"

            def prepare(self, folder: Path) -> None:
                import_folder(own, "stand-in", folder.parent, force=True)
                shutil.rmtree(folder, ignore_errors=True)
                (folder.parent / "stand-in").rename(folder)

        monkeypatch.setattr(Registry, "source_names", lambda self: ["elsewhere"])
        monkeypatch.setattr(Registry, "source", lambda self, name: Source())

    def test_by_name(self, data: Path) -> None:
        assert "A source of the test" in bench("list", data=data).stdout
        result = bench("make", "elsewhere", data=data)
        assert result.stdout.startswith("made elsewhere: 4 users, 7 items")
        assert "--force replaces it" in error_of("make", "elsewhere", data=data)
        assert bench("make", "elsewhere", "--force", data=data).exit_code == 0

    def test_under_another_name(self, data: Path) -> None:
        bench("make", "elsewhere", "--name", "copy", data=data)
        assert json.loads(bench("info", "copy", "--json", data=data).stdout)["name"] == "copy"

    def test_only_the_synthetic_one_has_a_scale(self, data: Path) -> None:
        error = error_of("make", "elsewhere", "--users", 5, data=data)
        assert "only synthetic_fashion can be made at another scale" in error


def test_the_synthetic_one_at_another_scale(
    own: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def prepare(self: SyntheticFashion, folder: Path) -> None:
        asked.append(self.options)
        import_folder(own, "stand-in", folder.parent)
        (folder.parent / "stand-in").rename(folder)

    monkeypatch.setattr(SyntheticFashion, "prepare", prepare)
    arguments = ("make", "synthetic_fashion", "--users", 50, "--items", 70, "--image-size", 40)
    result = bench(*arguments, "--seed", 2, data=data)
    name = "synthetic_fashion-users50-items70-pixels40-seed2"
    assert result.stdout.startswith(f"made {name}: ")
    expected = SyntheticOptions(n_users=50, n_items=70, image_size=40, seed=2)
    assert asked == [expected]
    info = json.loads(bench("info", name, "--json", data=data).stdout)
    assert info["name"] == info["title"] == name
    bench(*arguments, "--name", "small", data=data)
    assert json.loads(bench("info", "small", "--json", data=data).stdout)["title"] == "small"
    assert "--force replaces it" in error_of(*arguments, "--name", "small", data=data)
    # What is stored under the name itself is the default, which `bench run` takes.
    assert "belongs to a data set" in error_of(*arguments, "--name", "synthetic_fashion", data=data)


def test_help_imports_no_torch() -> None:
    script = (
        "import sys; from bench.cli.datasets import datasets\n"
        "try: datasets(['--help'])\n"
        "except SystemExit: pass\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)


def test_show_draws_a_page_of_products(toy_data_dir: Path, tmp_path: Path) -> None:
    file = tmp_path / "sheet.png"
    result = bench("show", "toy", "--output", file, "--per-category", 5, data=toy_data_dir)
    assert result.exit_code == 0
    with Image.open(file) as image:
        assert image.format == "PNG"
        assert image.width > 5 * 96
    assert "did you mean 'toy'" in error_of("show", "toyy", "--output", file, data=toy_data_dir)
