"""Kill -9 at random moments of an import and do it again: the store is the same, byte for byte."""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

CALL = "import sys; from bench.cli.main import main; sys.exit(main(sys.argv[1:]))"


def words(published: Path, data_dir: Path) -> list[str]:
    archive = published / "AmazonFashion6ImgPartitioned.npy"
    features = published / "image_features_Clothing_Shoes_and_Jewelry.b"
    command = ["datasets", "import", str(archive), "--as", "amazon_fashion", "--force"]
    return [
        sys.executable,
        "-c",
        CALL,
        *command,
        "--features",
        str(features),
        "--data",
        str(data_dir),
    ]


def stored(data_dir: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(data_dir)): path.read_bytes()
        for path in sorted(data_dir.rglob("*"))
        if path.is_file()
    }


def test_a_killed_import_ends_with_the_bytes_of_an_undisturbed_one(
    shared_data: Path, tmp_path: Path
) -> None:
    published = shared_data / "published"
    undisturbed, killed = tmp_path / "undisturbed", tmp_path / "killed"
    started = time.monotonic()
    subprocess.run(words(published, undisturbed), check=True, capture_output=True)
    seconds = time.monotonic() - started
    rng = random.Random(8)
    kills = halves = 0
    for _ in range(8):
        process = subprocess.Popen(
            words(published, killed), stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
        )
        # The work itself begins when everything is imported; its first sign is a temporary folder.
        deadline = time.monotonic() + 10 * seconds
        while process.poll() is None and not list(killed.glob(".tmp-*")):
            if time.monotonic() > deadline:
                break
            time.sleep(0.002)
        time.sleep(rng.uniform(0, 0.25) * seconds)
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            kills += 1
        process.wait()
        halves += bool(list(killed.glob(".tmp-*")) or list(killed.glob(".old-*")))
    if not kills or not halves:
        pytest.fail(f"{kills} kills, {halves} of them in the middle of a write")
    subprocess.run(words(published, killed), check=True, capture_output=True)
    assert stored(killed) == stored(undisturbed)
    assert sorted(stored(killed)) == [
        f"amazon_fashion/{name}"
        for name in (
            "dataset.json",
            "features.npy",
            "interactions.parquet",
            "items.arrow",
            "users.arrow",
        )
    ]
