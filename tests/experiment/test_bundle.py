"""The bundle's format: the same bytes every time, and nothing is believed that is read."""

import dataclasses
import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stored_cells import add_cell

from bench.errors import BenchError
from bench.experiment.bundle import Bundle, Manifest, read_bundle, write_bundle
from bench.experiment.export import export_ranks
from bench.experiment.store import ResultStore

Edit = Callable[[dict[str, Any]], Any]


@pytest.fixture
def ranks(tmp_path: Path) -> Bundle:
    store = ResultStore(tmp_path / "results")
    return export_ranks(add_cell(store, "poprank", [9, 8, 4, 1], equal=[0, 2, 4, 9]))


@pytest.fixture
def factors(ranks: Bundle) -> Bundle:
    rng = np.random.default_rng(0)
    manifest = dataclasses.replace(
        ranks.manifest,
        kind="factors",
        ids_hash="a" * 64,
        scale_exponents={"user": 3, "item": -2},
        before_rounding={"auc_strict.all": 0.5},
    )
    arrays = {
        "user_factors": rng.standard_normal((5, 3)).astype(np.float16),
        "item_factors": rng.standard_normal((7, 3)).astype(np.float16),
        "item_bias": rng.standard_normal(7).astype(np.float32),
    }
    return Bundle(manifest, arrays)


@pytest.mark.parametrize("kind", ["ranks", "factors"])
def test_what_is_written_is_read(request: pytest.FixtureRequest, tmp_path: Path, kind: str) -> None:
    bundle: Bundle = request.getfixturevalue(kind)
    write_bundle(tmp_path / "new" / "a.bundle", bundle)
    again = read_bundle(tmp_path / "new" / "a.bundle")
    assert again.manifest == bundle.manifest
    assert set(again.arrays) == set(bundle.arrays)
    for name, array in bundle.arrays.items():
        assert again.arrays[name].dtype == array.dtype
        np.testing.assert_array_equal(again.arrays[name], array)
    write_bundle(tmp_path / "b.bundle", again)
    assert (tmp_path / "b.bundle").read_bytes() == (tmp_path / "new" / "a.bundle").read_bytes()
    # An .npz for whoever has only NumPy.
    with np.load(tmp_path / "b.bundle", allow_pickle=False) as plain:
        np.testing.assert_array_equal(
            plain[next(iter(bundle.arrays))], next(iter(again.arrays.values()))
        )


def rewritten(
    path: Path,
    target: Path,
    *,
    edit: Edit | None = None,
    replace: Mapping[str, bytes] | None = None,
    more: Mapping[str, bytes] | None = None,
    drop: str = "",
    compression: int = zipfile.ZIP_STORED,
) -> Path:
    """Write a bundle anew with something changed, the checksums of zip in order."""
    with zipfile.ZipFile(path) as archive:
        contents = {name: archive.read(name) for name in archive.namelist() if name != drop}
    contents |= replace or {}
    if edit is not None:
        manifest = json.loads(contents["manifest.json"])
        edited = edit(manifest)
        contents["manifest.json"] = json.dumps(manifest if edited is None else edited).encode()
    with zipfile.ZipFile(target, "w", compression) as archive:
        for name, content in {**contents, **(more or {})}.items():
            archive.writestr(name, content)
    return target


def npy(array: np.ndarray[Any, Any], **changes: Any) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, **changes)
    return stream.getvalue()


def with_member(name: str, content: bytes) -> tuple[dict[str, bytes], Edit]:
    """Replace a member and put its size and hash in order, as a forger would."""

    def edit(manifest: dict[str, Any]) -> None:
        digest = hashlib.sha256(content).hexdigest()
        manifest["members"][name] = {"bytes": len(content), "sha256": digest}

    return {name: content}, edit


def set_in(*path: str, value: Any) -> Edit:
    def edit(manifest: dict[str, Any]) -> None:
        place = manifest
        for part in path[:-1]:
            place = place[part]
        place[path[-1]] = value

    return edit


def header_claiming(shape: str) -> bytes:
    """A .npy file of 8 bytes of data whose header claims more."""
    text = f"{{'descr': '<i4', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode() + b"\0" * 8


HOSTILE: dict[str, tuple[dict[str, Any], str]] = {
    "another format": ({"edit": set_in("format", value="x")}, "no bundle of this suite"),
    "a list": ({"edit": lambda manifest: [1]}, "no bundle of this suite"),
    "a later version": ({"edit": set_in("schema_version", value=2)}, "schema version 2"),
    "another kind": ({"edit": set_in("kind", value="model")}, "unknown kind 'model'"),
    "no metrics": ({"edit": set_in("metrics", value={})}, "numbers are missing"),
    "a text metric": ({"edit": set_in("metrics", "mrr_half.all", value="x")}, "'x' is no number"),
    "a NaN": ({"edit": set_in("metrics", "mrr_half.all", value=float("nan"))}, "NaN"),
    "an infinity": ({"replace": {"manifest.json": b'{"format": 1e999}'}}, "no bundle of this"),
    "an infinite metric": (
        {"edit": set_in("metrics", "mrr_half.all", value=10**400)},
        "no bundle",
    ),
    "a key of another time": ({"edit": set_in("key", "x", value=1)}, "makes no sense"),
    "a seed as text": ({"edit": set_in("key", "seed", value="0")}, "or the seed is missing"),
    "a protocol as text": ({"edit": set_in("key", "protocol", value="x")}, "protocol"),
    "names of ids": ({"edit": set_in("ids_hash", value="a" * 64)}, "ranks has no ids_hash"),
    "scales": ({"edit": set_in("scale_exponents", value={})}, "ranks has no scale_exponents"),
    "rounding": ({"edit": set_in("before_rounding", value=3)}, "ranks has no before_rounding"),
    "another size": ({"edit": set_in("members", "user.npy", "bytes", value=7)}, "user.npy is not"),
    "no size": ({"edit": set_in("members", "user.npy", value={})}, "no bundle"),
    "a member as text": ({"edit": set_in("members", "user.npy", value="x")}, "no bundle"),
    "no members": ({"edit": set_in("members", value={})}, "other members"),
    "members as numbers": ({"edit": set_in("members", value=3)}, "no sense|no bundle"),
    "deep nesting": ({"replace": {"manifest.json": b"[" * 100_000}}, "no bundle"),
    "a long manifest": ({"replace": {"manifest.json": b" " * (1 << 21)}}, "longer than"),
    "no manifest": ({"drop": "manifest.json"}, "no manifest"),
    "a member less": ({"drop": "user.npy"}, "other members"),
    "a member more": ({"more": {"../evil.py": b"x"}}, "other members"),
    "compressed": ({"compression": zipfile.ZIP_DEFLATED}, "is compressed"),
    "other values": ({"replace": {"n_less.npy": npy(np.zeros(4, np.int32))}}, "altered"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_manifest_or_archive_is_one_line(
    ranks: Bundle, tmp_path: Path, name: str
) -> None:
    changes, message = HOSTILE[name]
    write_bundle(tmp_path / "a", ranks)
    with pytest.raises(BenchError, match=message) as caught:
        read_bundle(rewritten(tmp_path / "a", tmp_path / "b", **changes))
    assert "\n" not in str(caught.value)
    assert str(tmp_path / "b") in str(caught.value)


FORGED: dict[str, tuple[str, bytes, str]] = {
    "pickles": ("n_less", npy(np.array([{}] * 4), allow_pickle=True), "no|not"),
    "another type": ("n_less", npy(np.zeros(4, np.int64)), "not <i4"),
    "big-endian": ("n_less", npy(np.zeros(4, ">i4")), "not <i4"),
    "two dimensions": ("n_less", npy(np.zeros((4, 1), np.int32)), "not <i4"),
    "a huge claim": ("n_less", header_claiming("(1 << 40,)"), "no bundle"),
    "a huger claim": ("n_less", header_claiming("(1099511627776,)"), "cut off"),
    "a negative length": ("n_less", header_claiming("(-2,)"), "cut off"),
    "code": ("n_less", header_claiming("__import__('os').abort()"), "no bundle"),
    "no array": ("n_less", b"x", "no bundle"),
    "nothing": ("n_less", b"", "no bundle"),
    "another length": ("n_less", npy(np.zeros(5, np.int32)), "not of one length"),
    "negative counts": ("n_less", npy(np.array([1, -1, 1, 1], np.int32)), "counts cannot be"),
    "more than there are": ("n_less", npy(np.full(4, 11, np.int32)), "counts cannot be"),
    "no negatives": ("n_negatives", npy(np.zeros(4, np.int32)), "counts cannot be"),
    "users twice": ("user", npy(np.array([0, 1, 1, 2], np.int32)), "users twice"),
}


@pytest.mark.parametrize("name", FORGED)
def test_forged_members_are_one_line(ranks: Bundle, tmp_path: Path, name: str) -> None:
    member, content, message = FORGED[name]
    write_bundle(tmp_path / "a", ranks)
    replace, edit = with_member(f"{member}.npy", content)
    with pytest.raises(BenchError, match=message) as caught:
        read_bundle(rewritten(tmp_path / "a", tmp_path / "b", replace=replace, edit=edit))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("member", "array", "message"),
    [
        ("item_factors", np.zeros((7, 4), np.float16), "do not fit each other"),
        ("item_bias", np.zeros(6, np.float32), "do not fit each other"),
        ("item_bias", np.full(7, np.inf, np.float32), "not all finite"),
    ],
)
def test_forged_factors(
    factors: Bundle, tmp_path: Path, member: str, array: np.ndarray[Any, Any], message: str
) -> None:
    write_bundle(tmp_path / "a", factors)
    replace, edit = with_member(f"{member}.npy", npy(array))
    with pytest.raises(BenchError, match=message):
        read_bundle(rewritten(tmp_path / "a", tmp_path / "b", replace=replace, edit=edit))


@pytest.mark.parametrize("value", [None, {}, {"auc_strict.cold": 0.5}, 3])
def test_factors_say_the_auc_before_rounding(factors: Bundle, tmp_path: Path, value: Any) -> None:
    write_bundle(tmp_path / "a", factors)
    edit = set_in("before_rounding", value=value)
    with pytest.raises(BenchError, match=r"numbers are missing: auc_strict\.all"):
        read_bundle(rewritten(tmp_path / "a", tmp_path / "b", edit=edit))


def test_scales_are_bounded(factors: Bundle, tmp_path: Path) -> None:
    write_bundle(tmp_path / "a", factors)
    edit = set_in("scale_exponents", "user", value=10**9)
    with pytest.raises(BenchError, match="beyond any single-precision number"):
        read_bundle(rewritten(tmp_path / "a", tmp_path / "b", edit=edit))


def test_cut_off_anywhere_is_one_line(ranks: Bundle, tmp_path: Path) -> None:
    write_bundle(tmp_path / "a", ranks)
    content = (tmp_path / "a").read_bytes()
    for length in [*range(0, len(content), 97), len(content) - 1]:
        (tmp_path / "cut").write_bytes(content[:length])
        with pytest.raises(BenchError, match="no bundle, or cut off or altered"):
            read_bundle(tmp_path / "cut")


def test_altered_bytes_are_noticed(ranks: Bundle, tmp_path: Path) -> None:
    """A byte of a member is covered by two checksums; of the archive's frame not all matter."""
    write_bundle(tmp_path / "a", ranks)
    content = bytearray((tmp_path / "a").read_bytes())
    rng = np.random.default_rng(0)
    n_noticed = 0
    for place in rng.choice(len(content), 150, replace=False):
        altered = bytearray(content)
        altered[place] ^= 0xFF
        (tmp_path / "b").write_bytes(altered)
        try:
            again = read_bundle(tmp_path / "b")
        except BenchError:
            n_noticed += 1
        else:  # a time stamp or a mode in the frame: what is read is what was written
            assert again.manifest == ranks.manifest
            for name, array in ranks.arrays.items():
                np.testing.assert_array_equal(again.arrays[name], array)
    assert n_noticed > 100


def test_files_that_are_no_bundle(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="no such file"):
        read_bundle(tmp_path / "none")
    with pytest.raises(BenchError, match="it is a folder"):
        read_bundle(tmp_path)
    (tmp_path / "text").write_text("hello")
    with pytest.raises(BenchError, match="no bundle"):
        read_bundle(tmp_path / "text")


def test_a_manifest_cannot_steer_the_terminal(ranks: Bundle, tmp_path: Path) -> None:
    write_bundle(tmp_path / "a", ranks)
    edit = set_in("kind", value="\x1b[2J\nerror: gone")
    with pytest.raises(BenchError) as caught:
        read_bundle(rewritten(tmp_path / "a", tmp_path / "b", edit=edit))
    assert "\x1b" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_manifest_reads_only_its_own_fields(ranks: Bundle) -> None:
    value = json.loads(json.dumps(dataclasses.asdict(ranks.manifest)))
    assert Manifest.from_json(value | {"more": 1}) == ranks.manifest
