"""Every command of the README is run, and every file it names is there."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from http_host import http_host
from published_files import ROOT as CLOTHING
from published_files import amazon_folder, feature_file
from python2_pickle import python2_archive

from bench.datasets.published import FALLBACK_IMAGE
from bench.datasets.synthetic import SyntheticFashion, SyntheticOptions

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SET_UP = "python3 -m venv "


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, flags=re.MULTILINE | re.DOTALL)


COMMANDS = [line for block in blocks("bash") for line in block.splitlines()]
BENCH_COMMANDS = [line for line in COMMANDS if not line.startswith(SET_UP)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working folder with a small `synthetic_fashion`, photographs and the README's plug-in."""
    place = tmp_path_factory.mktemp("readme")
    options = SyntheticOptions(
        n_users=60, n_items=150, image_size=48, classifier_garments=120, classifier_epochs=1
    )
    SyntheticFashion(options).prepare(place / "data" / "synthetic_fashion")
    own = place / "my_photos"
    own.mkdir()
    rows = [f"u{user},{(user + 3 * k) % 20:02d}" for user in range(30) for k in range(6)]
    (own / "interactions.csv").write_text("user,item\n" + "\n".join(rows))
    (own / "items.csv").write_text("item\n" + "\n".join(f"{item:02d}" for item in range(20)))
    np.save(own / "features.npy", np.random.default_rng(0).random((20, 8)))
    (code,) = blocks("python")
    (place / "my_model.py").write_text(code)
    (grid,) = blocks("toml")
    (place / "my_grid.toml").write_text(grid)
    published_files(place)
    return place


def published_files(place: Path) -> None:
    """Write tiny files in the layouts of the published ones, under their names."""
    rng = np.random.default_rng(3)
    asins = [f"B{k:09d}" for k in range(20)]
    for name in ("AmazonFashion6ImgPartitioned.npy", "TradesyImgPartitioned.npy"):
        train, validation, test = {}, {}, {}
        for user in range(12):
            bought = [{b"productid": int(item)} for item in rng.choice(20, 6, replace=False)]
            train[user], validation[user], test[user] = bought[:4], bought[4:5], bought[5:]
        test[0] = train[0][:1]  # a repeat
        items = {
            k: {
                b"asin": asin.encode(),
                b"imgs": bytes(bytearray(FALLBACK_IMAGE)),
                b"c": np.eye(6)[k % 6],
            }
            for k, asin in enumerate(asins)
        }
        python2_archive(place / name, [train, validation, test, items, 12, 20])
    records = [(asin, rng.random(4096).tolist()) for asin in asins]
    feature_file(place / "image_features_Clothing_Shoes_and_Jewelry.b", records)
    reviews = [(f"u{u}", asins[(u + 3 * k) % 20], 1000 + k) for u in range(12) for k in range(6)]
    paths = {
        asin: [[CLOTHING, "Women", "Clothing", f"Kind {k % 3}"]] for k, asin in enumerate(asins)
    }
    amazon_folder(place / "amazon_2014", reviews, paths, records)


def test_the_set_up_commands_are_what_ci_runs() -> None:
    set_up = [line for line in COMMANDS if line.startswith(SET_UP)]
    assert [line.split()[3] for line in set_up] == [".venv", ".venv-test"]
    script = (ROOT / ".ci" / "run").read_text()
    assert "for environment in .venv .venv-test; do" in script
    assert 'grep "^python3 -m venv $environment " README.md' in script


def test_there_are_commands_to_run() -> None:
    assert len(BENCH_COMMANDS) >= 15
    assert all(line.startswith("bench ") for line in BENCH_COMMANDS)


@pytest.mark.parametrize("command", BENCH_COMMANDS)
def test_a_command_runs(folder: Path, command: str) -> None:
    """In the README's order, in one folder; `-x` style: later ones rest on earlier ones."""
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    }
    environment.pop("BENCH_DATA", None)
    words = shlex.split(command)
    with http_host() as host:
        if words[1:3] == ["datasets", "fetch"]:  # the real host is far away
            name = "TradesyImgPartitioned.npy"
            host.put(f"/{name}", (folder / name).read_bytes())
            words += ["--url", f"{host.root}/"]
        if words == ["bench", "check"]:  # golden values of the small data set
            made = [*words, "--recommenders", "poprank,bpr-mf", "--seed", "0", "--seed", "1"]
            made += ["--update", "--reason", "a small data set"]
            subprocess.run(made, cwd=folder, env=environment, capture_output=True, check=True)
        if words[1] == "run":  # as small as the data set is
            words += ["--trials", "2", "--set", "design.starts=4", "--set", "design.steps=3"]
        done = subprocess.run(
            words,
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert done.stdout or "--output" in command


def test_the_two_lines_of_pytest_run(folder: Path) -> None:
    (code,) = blocks("py")
    (folder / "test_mine.py").write_text(code)
    words = [sys.executable, "-m", "pytest", "-q", "-p", "bench.pytest_plugin", "test_mine.py"]
    words += ["--rootdir", str(folder), "-p", "no:cacheprovider"]
    environment = {name: value for name, value in os.environ.items() if name != "BENCH_DATA"}
    done = subprocess.run(
        words, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
    assert "1 passed" in done.stdout


def test_what_the_commands_write_is_there(folder: Path) -> None:
    assert (folder / "garments.png").read_bytes().startswith(b"\x89PNG")
    assert r"\toprule" in (folder / "table3.tex").read_text()
    assert {path.name for path in (folder / "results" / "runs").iterdir()} == {
        "amazon_fashion",
        "photos",
        "seen",
        "synthetic_fashion",
        "tradesy",
    }
    for name in ("user", "design", "tailor"):
        assert (folder / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    assert len(np.load(folder / "seen.npy")) == 150


def test_hyper_parameters_and_options_in_the_text_exist() -> None:
    from bench.recommender import parse_params
    from bench.registry import Registry

    registry = Registry()
    settings = re.findall(r"--set ([a-z-]+)\.(\w+)=([\w./-]+)", README)
    assert len(settings) >= 5
    for name, key, value in settings:
        generates = name in registry.generator_names()
        parse_params(
            (registry.generator if generates else registry.recommender)(name), {key: value}
        )


def test_linked_files_exist() -> None:
    links = re.findall(r"\]\(([^)]+)\)", README)
    assert links
    for link in links:
        assert (ROOT / link).is_file(), link
    for named in re.findall(r"`((?:baselines|bench|tests|benchmarks)/[\w./]*)`", README):
        assert (ROOT / named).exists(), named
