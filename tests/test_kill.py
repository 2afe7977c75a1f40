"""Kill -9 at random moments and run again: the tables equal an undisturbed run's."""

import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

CALL = "import sys; from bench.cli.main import main; sys.exit(main(sys.argv[1:]))"


def words(data_dir: Path, results: Path) -> list[str]:
    return [
        sys.executable,
        "-c",
        CALL,
        "run",
        "--no-generate",
        "--dataset",
        "toy",
        "--data",
        str(data_dir),
        "--results",
        str(results),
        "--checkpoint-seconds",
        "0",
        "--patience",
        "0",
        "--set",
        "vbpr.epochs=150",
        "--set",
        "vbpr.batch_size=8",
        "--set",
        "fm.epochs=300",
        "--set",
        "dvbpr.epochs=3",
    ]


def tables(results: Path) -> list[bytes]:
    made = []
    for number in ("2", "3"):
        call = [sys.executable, "-c", CALL, "table", number, "--format", "csv"]
        call += ["--results", str(results)] + (["--ci"] if number == "3" else [])
        made.append(subprocess.run(call, capture_output=True, check=True).stdout)
    return made


def test_a_killed_run_ends_with_the_tables_of_an_undisturbed_one(
    toy_data_dir: Path, tmp_path: Path
) -> None:
    undisturbed, killed = tmp_path / "undisturbed", tmp_path / "killed"
    started = time.monotonic()
    subprocess.run(words(toy_data_dir, undisturbed), check=True, capture_output=True)
    seconds = time.monotonic() - started
    rng = random.Random(4)
    kills = resumed = 0
    for _ in range(8):
        process = subprocess.Popen(
            words(toy_data_dir, killed),
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
        )
        try:
            process.wait(timeout=rng.uniform(0.3, 0.9) * seconds)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            kills += 1
        assert process.stderr is not None
        with process.stderr:
            resumed += "goes on after epoch" in process.stderr.read()
        process.wait()
    last = subprocess.run(
        words(toy_data_dir, killed), check=True, capture_output=True, text=True
    ).stderr
    if not kills:
        pytest.fail(f"nothing was ever killed: every run took less than 0.3 of {seconds:.1f} s")
    # Whether a kill falls into a fit that can be resumed is chance; test_cell.py resumes for sure.
    print(f"{kills} kills, {resumed} fits resumed")  # noqa: T201  # shown when the test fails
    assert tables(killed) == tables(undisturbed)
    assert not list(killed.rglob(".tmp-*")), last
    shutil.rmtree(killed)
