"""Speed and memory of converting a published archive, against reading it and writing the same.

    python benchmarks/archive.py --photographs FOLDER

An archive of 2 GB or more is made from a folder of photographs, repeated under new item ids, in the
form the published ones have: six objects in an `.npy` file, pickled as Python 2 did. `bench
datasets import` converts it in a process of its own. The floor is reading the archive from front to
back and writing as many bytes as the store has, synced.

Floor and conversion take turns, and both find the archive in the same state: written out and
dropped from the system's page cache; a first conversion that does not count has it in any cache
below the system (of a virtual disk, say) for all of them. Each pair gives a ratio; the median
counts. Needs about three times the archive's size on the disk; nothing stays.
"""

import argparse
import io
import json
import os
import platform
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
PAIRS_PER_USER = 8
BLOCK = 8 << 20

CHILD = """
import resource, sys
from bench.cli.main import main
code = main(sys.argv[1:])
used = resource.getrusage(resource.RUSAGE_SELF)
sys.stderr.write(f"USED {used.ru_maxrss} {used.ru_utime + used.ru_stime}\\n")
sys.exit(code)
"""


def photographs(folder: Path, pixels: int, quality: int) -> list[bytes]:
    """Read photographs and encode them at the size of the published ones (about 20 kB each)."""
    found = []
    for path in sorted(folder.iterdir()):
        with Image.open(path) as image:
            buffer = io.BytesIO()
            resized = image.convert("RGB").resize((pixels, pixels), Image.Resampling.BICUBIC)
            resized.save(buffer, "JPEG", quality=quality)
        found.append(buffer.getvalue())
    return found


class Python2Pickle:
    """Writes the few things such an archive holds, as Python 2's cPickle does under protocol 2.

    As there, everything gets a memo number, and a key that was written before is fetched by it.
    """

    def __init__(self, out: BinaryIO) -> None:
        self.out = out
        self._n_memo = 0
        self._keys: dict[bytes, int] = {}

    def put(self) -> None:
        """Give what was just written the next memo number."""
        self._n_memo += 1
        self.out.write(self._numbered(b"q", b"r", self._n_memo))

    def text(self, value: bytes) -> None:
        """Write a `str` of Python 2."""
        short = len(value) < 256
        head = b"U" + bytes([len(value)]) if short else b"T" + struct.pack("<i", len(value))
        self.out.write(head + value)
        self.put()

    def key(self, name: bytes) -> None:
        """Write a key, or fetch it."""
        if name in self._keys:
            self.out.write(self._numbered(b"h", b"j", self._keys[name]))
        else:
            self.text(name)
            self._keys[name] = self._n_memo

    def number(self, value: int) -> None:
        """Write an int that fits 32 bits."""
        self.out.write(b"J" + struct.pack("<i", value))

    def begin(self, kind: bytes) -> None:
        """Begin a dict, `}`, or a list, `]`, and what is put into it."""
        self.out.write(kind)
        self.put()
        self.out.write(b"(")

    def user(self, entries: list[tuple[int, bytes, bytes]]) -> None:
        """Write a user's entries: item, reviewerID, asin."""
        self.begin(b"]")
        for item, reviewer, asin in entries:
            self.begin(b"}")
            self.key(b"productid")
            self.number(item)
            self.key(b"reviewerID")
            self.text(reviewer)
            self.key(b"asin")
            self.text(asin)
            self.out.write(b"u")
        self.out.write(b"e")

    def item(self, asin: bytes, image: bytes) -> None:
        """Write an item."""
        self.begin(b"}")
        self.key(b"asin")
        self.text(asin)
        self.key(b"imgs")
        self.text(image)
        self.out.write(b"u")

    @staticmethod
    def _numbered(short: bytes, long: bytes, number: int) -> bytes:
        return short + bytes([number]) if number < 256 else long + struct.pack("<i", number)


def write_archive(path: Path, images: list[bytes], n_bytes: int) -> tuple[int, int]:
    """Write an archive of at least `n_bytes`; give its numbers of users and items."""
    mean = sum(map(len, images)) / len(images)
    n_items = int(n_bytes / mean) + 1
    n_users = max(10, n_items // 4)
    rng = np.random.default_rng(0)
    bought = rng.integers(0, n_items, (n_users, PAIRS_PER_USER))
    with path.open("wb") as out:
        np.lib.format.write_array_header_1_0(
            out, {"descr": "|O", "fortran_order": False, "shape": (6,)}
        )
        pickle = Python2Pickle(out)
        # numpy.core.multiarray._reconstruct(numpy.ndarray, (0,), "b"), then its state.
        out.write(b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\n")
        out.write(b"K\x00\x85U\x01b\x87R(K\x01K\x06\x85cnumpy\ndtype\nU\x02O8K\x00K\x01\x87R")
        out.write(b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK?tb\x89](")
        for part in (slice(0, PAIRS_PER_USER - 2), slice(-2, -1), slice(-1, None)):
            pickle.begin(b"}")
            for user in range(n_users):
                pickle.number(user)
                reviewer = b"A%013d" % user
                pickle.user([(int(k), reviewer, b"B%09d" % k) for k in bought[user, part]])
            out.write(b"u")
        pickle.begin(b"}")
        for item in range(n_items):
            pickle.number(item)
            pickle.item(b"B%09d" % item, images[item % len(images)])
        out.write(b"u")
        pickle.number(n_users)
        pickle.number(n_items)
        out.write(b"etb.")
        out.flush()
        os.fsync(out.fileno())
    return n_users, n_items


def blocks(path: Path) -> Iterator[bytes]:
    """Read a file from front to back."""
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            yield block


def settle(archive: Path) -> None:
    """Write out what is not yet, and drop the archive from the page cache."""
    os.sync()
    with archive.open("rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def seconds_of_floor(archive: Path, n_written: int, scratch: Path) -> tuple[float, float]:
    """Time reading the archive, and writing and syncing as many bytes as the store has."""
    settle(archive)
    started = time.perf_counter()
    for _ in blocks(archive):
        pass
    read = time.perf_counter() - started
    content = next(blocks(archive))
    started = time.perf_counter()
    with scratch.open("wb") as file:
        for start in range(0, n_written, len(content)):
            file.write(content[: n_written - start])
        file.flush()
        os.fsync(file.fileno())
    written = time.perf_counter() - started
    scratch.unlink()
    return read, written


def convert(archive: Path, data_dir: Path) -> tuple[float, float, int]:
    """Convert in a process of its own; give seconds, processor seconds and peak bytes.

    What stands at `data_dir` is removed before.
    """
    shutil.rmtree(data_dir, ignore_errors=True)
    settle(archive)
    words = ["datasets", "import", str(archive), "--as", "tradesy", "--name", "big"]
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", CHILD, *words, "--data", str(data_dir)],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    seconds = time.perf_counter() - started
    if done.returncode:
        sys.exit(done.stderr)
    peak, processor = done.stderr.rsplit("USED ", 1)[1].split()
    return seconds, float(processor), 1024 * int(peak)


def main() -> None:
    """Make, measure, print, and remove."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photographs", type=Path, required=True, help="Folder of images.")
    parser.add_argument("--gigabytes", type=float, default=2.1)
    parser.add_argument("--pixels", type=int, default=300)
    parser.add_argument("--quality", type=int, default=90)
    parser.add_argument("--pairs", type=int, default=3, help="Turns of floor and conversion.")
    parser.add_argument("--folder", type=Path, help="Where to work.  [default: a temporary one]")
    arguments = parser.parse_args()
    images = photographs(arguments.photographs, arguments.pixels, arguments.quality)
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        folder = Path(name)
        archive = folder / "archive.npy"
        n_users, n_items = write_archive(archive, images, round(arguments.gigabytes * 1e9))
        size = archive.stat().st_size
        print(f"archive: {size / 1e9:.2f} GB, {n_users:,} users, {n_items:,} items")
        print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores")
        print("times in seconds; the archive is dropped from the page cache before each")
        convert(archive, folder / "data")  # untimed; says how large the store is
        record = json.loads((folder / "data" / "big" / "dataset.json").read_text())
        stored = sum(record["file_sizes"].values())
        ratios = []
        for _ in range(arguments.pairs):
            read, written = seconds_of_floor(archive, stored, folder / "scratch")
            seconds, processor, peak = convert(archive, folder / "data")
            ratios.append(seconds / (read + written))
            print(
                f"floor: read {read:.1f}, write and sync {written:.1f}; conversion {seconds:.1f}, "
                f"{ratios[-1]:.2f} times the floor; processor {processor:.1f}; peak memory "
                f"{peak / 1e6:.0f} MB, {peak / size:.1%} of the archive; load average "
                f"{os.getloadavg()[0]:.1f}"
            )
        print(f"median ratio: {statistics.median(ratios):.2f}")


if __name__ == "__main__":
    main()
