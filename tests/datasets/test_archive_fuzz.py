"""Mutated archives end in the clear error or a correct load: never a crash, hang, call or bomb."""

import random
import re
import struct
import sys
import time
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from published_files import archive_images
from python2_pickle import header, python2_archive

from bench.datasets.archive import Archive, read_archive
from bench.datasets.dataset import NO_ITEM
from bench.errors import BenchError

CANARY = Path("/tmp/bench_fuzz_canary")

_START = len(header(6))

# What Python reports when code of a file gets somewhere.
_CALLS = ("os.system", "os.exec", "os.posix_spawn", "os.fork", "subprocess.Popen", "exec")
_CALLS += ("pickle.find_class", "import", "socket.connect", "shutil.rmtree", "os.remove")


class Watch:
    """Sees calls through an audit hook, which cannot be taken away again, only put to rest."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self._on = False
        sys.addaudithook(self._hook)

    def _hook(self, event: str, args: tuple[Any, ...]) -> None:
        if self._on and event in _CALLS:
            self.seen.append(f"{event} {args[:1]}")

    @contextmanager
    def watching(self) -> Iterator[None]:
        self._on = True
        try:
            yield
        finally:
            self._on = False


@pytest.fixture(scope="module")
def watch() -> Watch:
    return Watch()


def small_archive(path: Path) -> Path:
    """An archive of some kilobytes with all that the published ones have."""
    rng = np.random.default_rng(5)

    def bought(user: int, item: int) -> dict[str | bytes, Any]:
        return {
            "reviewerID": f"A{user}",
            "unixReviewTime": 1_400_000_000 + item,
            "overall": 4.0,
            b"productid": item,
        }

    train = {user: [bought(user, (user + k) % 6) for k in range(3)] for user in range(4)}
    held_out = [{user: [bought(user, (user + k) % 6)] for user in range(4)} for k in (3, 4)]
    items = {
        item: {
            b"imgs": rng.bytes(70 + 60 * item),
            b"asin": f"B{item}".encode(),
            b"c": np.eye(6)[item],
            b"categories": [[b"Clothing", b"Men", f"kind {item % 2}".encode()]],
        }
        for item in range(6)
    }
    return python2_archive(path, [train, *held_out, items, 4, 6])


# --- mutations ----------------------------------------------------------------------------------


def flip_bits(content: bytearray, rng: random.Random) -> None:
    for _ in range(rng.choice((1, 1, 2, 5, 20))):
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)


def set_bytes(content: bytearray, rng: random.Random) -> None:
    for _ in range(rng.choice((1, 1, 3))):
        content[rng.randrange(_START, len(content))] = rng.randrange(256)


def truncate(content: bytearray, rng: random.Random) -> None:
    del content[rng.randrange(len(content)) :]


def cut_out(content: bytearray, rng: random.Random) -> None:
    at = rng.randrange(len(content))
    del content[at : at + rng.choice((1, 2, 4, 30, 300))]


def repeat_piece(content: bytearray, rng: random.Random) -> None:
    at = rng.randrange(len(content))
    piece = content[at : at + rng.choice((1, 5, 50))]
    content[at:at] = piece * rng.choice((1, 10, 100))


def move_piece(content: bytearray, rng: random.Random) -> None:
    start = rng.randrange(_START, len(content))
    piece = content[start : start + rng.randrange(1, 60)]
    to = rng.randrange(_START, len(content))
    content[to:to] = piece


SPLICES = [
    b"cposix\nsystem\nU\x1ftouch /tmp/bench_fuzz_canary    \x85R",
    b"c__builtin__\nexec\nU\x04pass\x85R",
    b"\x8c\x02os\x8c\x06system\x93",
    b"cnumpy\nload\nU\x01x\x85R",
    b"cnumpy.core.multiarray\n_reconstruct\n",
    b"cnumpy\ndtype\nU\x02f8K\x00K\x01\x87R",
    b"(iposix\nsystem\n",
    b"Pid\n",
    b"\x82\x01",
    b")\x81",
    b"X\xff\xff\xff\x7f",
    b"T\xff\xff\xff\xff",
    b"\x8e" + b"\xff" * 8,
    b"\x96" + struct.pack("<Q", 1 << 40),
    b"\x8b\xff\xff\xff\x7f",
    b"\x95" + b"\xff" * 8,
    b"r\xff\xff\xff\xff",
    b"r\x00\x00\x0f\x00",
    b"j\xff\xff\xff\xff",
    b"]" * 3000 + b"a" * 2999,
    b"]" * 3000,
    b"(" * 3000,
    b")" + b"\x85" * 3000,
    b")" + b"2\x86" * 60,
    b"}" * 3000,
    b"\x8f" * 3000,
    b"(" + b"h\x01" * 3000 + b"l",
    b"I" + b"9" * 5000 + b"\n",
    b"2a",
    b"2",
    b"0",
    b"1",
    b"(",
    b"u",
    b"e",
    b"s",
    b"N",
    b".",
    b"b",
    b"R",
]


def splice_opcodes(content: bytearray, rng: random.Random) -> None:
    for _ in range(rng.choice((1, 1, 2))):
        at = rng.randrange(_START, len(content))
        content[at:at] = rng.choice(SPLICES)


def change_size(content: bytearray, rng: random.Random) -> None:
    """Let a string, memo number or integer declare something else."""
    found = [match.start() for match in re.finditer(rb"[UTXrjJKM\x8a]", bytes(content[_START:]))]
    at = _START + rng.choice(found) + 1
    content[at : at + 4] = struct.pack("<I", rng.choice((0, 1, 255, 2**16, 2**31 - 1, 2**32 - 1)))


def swap_opcode(content: bytearray, rng: random.Random) -> None:
    """Put one opcode in another's place."""
    found = [m.start() for m in re.finditer(rb"[\x5d\x7d()ues.tbRqh\x85\x87]", bytes(content))]
    content[rng.choice([at for at in found if at >= _START])] = rng.choice(b"]}()ues.tbRqh012aNld")


MUTATIONS: list[Callable[[bytearray, random.Random], None]] = [
    flip_bits,
    set_bytes,
    truncate,
    cut_out,
    repeat_piece,
    move_piece,
    splice_opcodes,
    change_size,
    swap_opcode,
]


# --- judging ------------------------------------------------------------------------------------


def check(archive: Archive) -> None:
    """See that what was loaded is an archive, whatever the mutation made of its values."""
    n_users, n_items = len(archive.user_ids), len(archive.item_ids)
    assert len(set(archive.user_ids)) == n_users
    assert len(set(archive.item_ids)) == n_items
    assert len(archive.train_users) == len(archive.train_items) > 0
    assert ((archive.train_users >= 0) & (archive.train_users < n_users)).all()
    assert ((archive.train_items >= 0) & (archive.train_items < n_items)).all()
    assert archive.train_seconds is None or len(archive.train_seconds) == len(archive.train_items)
    for held_out in (archive.validation, archive.test):
        assert held_out.shape == (n_users,)
        assert ((held_out == NO_ITEM) | ((held_out >= 0) & (held_out < n_items))).all()
    assert (
        archive.categories is None or ((archive.categories >= 0) & (archive.categories < 6)).all()
    )
    assert archive.category_paths is None or len(archive.category_paths) == n_items
    ends = archive.image_offsets + archive.image_lengths
    assert (ends <= archive.size).all()
    assert sum(map(len, archive_images(archive))) == int(archive.image_lengths.sum())


def outcome(path: Path, content: bytes) -> str:
    """Read a mutated archive; give what came out: "load", or the kind of error."""
    path.write_bytes(content)
    started = time.process_time()
    try:
        check(read_archive(path))
    except BenchError as error:
        message = str(error)
        assert message.startswith(f"{path}: ")
        assert "\n" not in message
        assert message.isascii()
        assert len(message) < len(str(path)) + 300
        return re.sub(
            r"0x\w+|\d+|'.*'|(?<=asks for )\S+|header .*", "_", message.removeprefix(f"{path}: ")
        )[:60]
    finally:
        assert time.process_time() - started < 2
    return "load"


def fuzz(original: Path, folder: Path, watch: Watch, *, rounds: int, seed: int) -> Counter[str]:
    """Read mutated copies of an archive, `rounds` for each kind of mutation."""
    content = original.read_bytes()
    read_archive(original)  # whatever is imported late is imported now
    outcomes: Counter[str] = Counter()
    path = folder / "mutated.npy"
    for mutate in MUTATIONS:
        rng = random.Random(f"{seed} {mutate.__name__}")
        for _ in range(rounds):
            mutated = bytearray(content)
            mutate(mutated, rng)
            with watch.watching():
                outcomes[outcome(path, bytes(mutated))] += 1
    assert not watch.seen
    assert not CANARY.exists()
    assert outcomes.total() == rounds * len(MUTATIONS)
    return outcomes


def test_the_watch_sees_calls(watch: Watch) -> None:
    import subprocess

    with watch.watching():
        subprocess.run(["true"], check=True)
    assert any("subprocess.Popen" in call for call in watch.seen)
    watch.seen.clear()


def test_thousands_of_mutated_archives(tmp_path: Path, watch: Watch) -> None:
    outcomes = fuzz(small_archive(tmp_path / "a.npy"), tmp_path, watch, rounds=500, seed=1)
    # Mutations went everywhere: into values, which load, and into each of the checks.
    assert outcomes["load"] > 300
    assert len(outcomes) > 40
    for part in (
        "ends at byte",
        "file asks for _",
        "file holds INST",
        "memo entry",
        "is not there",
        "no mapping",
        "usernum says",
        "category _ of item",
        "broken .npy",
    ):
        assert any(part in kind for kind in outcomes), part


def test_mutated_photographs(shared_data: Path, tmp_path: Path, watch: Watch) -> None:
    original = shared_data / "published" / "bad" / "broken_jpeg.npy"
    outcomes = fuzz(original, tmp_path, watch, rounds=60, seed=2)
    assert outcomes["load"] > 100


def test_every_truncation(tmp_path: Path) -> None:
    content = small_archive(tmp_path / "a.npy").read_bytes()
    path = tmp_path / "cut.npy"
    for end in range(_START, len(content), 7):
        path.write_bytes(content[:end])
        with pytest.raises(BenchError, match=f"ends at byte {end}, .* download it again"):
            read_archive(path)


def test_a_bit_of_an_image_changes_that_image_only(tmp_path: Path) -> None:
    path = small_archive(tmp_path / "a.npy")
    content = path.read_bytes()
    before = read_archive(path)
    images = list(archive_images(before))
    rng = random.Random(3)
    for _ in range(200):
        item = rng.randrange(6)
        at = int(before.image_offsets[item]) + rng.randrange(int(before.image_lengths[item]))
        mutated = bytearray(content)
        mutated[at] ^= 1 << rng.randrange(8)
        path.write_bytes(mutated)
        after = read_archive(path)
        changed = [k for k, encoded in enumerate(archive_images(after)) if encoded != images[k]]
        assert changed == [item]
        assert after.train_items.tolist() == before.train_items.tolist()
        assert after.test.tolist() == before.test.tolist()
        assert (after.item_ids, after.user_ids) == (before.item_ids, before.user_ids)
        assert after.category_paths == before.category_paths


@pytest.mark.parametrize("mutate", MUTATIONS, ids=lambda mutate: mutate.__name__)
def test_memory_stays_within_the_stated_bound(tmp_path: Path, mutate: Any) -> None:
    content = small_archive(tmp_path / "a.npy").read_bytes()
    rng = random.Random(f"memory {mutate.__name__}")
    for _ in range(40):
        mutated = bytearray(content)
        mutate(mutated, rng)
        tracemalloc.start()
        try:
            outcome(tmp_path / "mutated.npy", bytes(mutated))
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak < 300 * len(mutated) + (8 << 20)
