"""A result in one file: what its numbers are recomputed from, and a manifest that says what it is.

The file is a zip archive of `manifest.json` and NumPy arrays, uncompressed, so `numpy.load` opens
it as it opens an .npz. The same result gives the same bytes. Reading trusts nothing: only the
members that belong there, of the types, sizes and SHA-256 that the manifest gives, without pickles;
nothing is unpacked, so what is read into memory is no more than a few times the file's length.
"""

import dataclasses
import hashlib
import io
import json
import math
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NoReturn, Self

import numpy as np
import numpy.typing as npt

from bench.errors import BenchError, printable, user_io_errors
from bench.experiment.record import CellKey
from bench.files import atomic_file

__all__ = ["BUNDLE_SCHEMA_VERSION", "Bundle", "Kind", "Manifest", "read_bundle", "write_bundle"]

BUNDLE_SCHEMA_VERSION = 1

Kind = Literal["ranks", "factors"]

Arrays = Mapping[str, npt.NDArray[Any]]

_FORMAT = "dvbpr-bench bundle"
_MANIFEST = "manifest.json"
_MANIFEST_BYTES = 1 << 20
_LARGEST_EXPONENT = 200
_LONG_AGO = (1980, 1, 1, 0, 0, 0)
"""The earliest time a zip archive can give; the same in every bundle."""

_LAYOUTS: Mapping[str, Mapping[str, tuple[str, int]]] = {
    "ranks": dict.fromkeys(
        ("user", "test_item_count", "n_less", "n_equal", "n_negatives"), ("<i4", 1)
    ),
    "factors": {"user_factors": ("<f2", 2), "item_factors": ("<f2", 2), "item_bias": ("<f4", 1)},
}
"""Kind to its arrays: name to type and number of dimensions."""


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What a bundle says about itself.

    Attributes
    ----------
    kind
        "ranks": counts per test user; nothing else is needed. "factors": user and item factors in
        half precision; whoever evaluates them needs the data set.
    key
        The cell: data set and its hashes, recommender, hyper-parameters, seed, protocol.
    label, dataset_title
        Names in tables.
    metrics, n_users
        What the arrays of the bundle give, as in `CellRecord`.
    provenance
        The cell's: versions, git state, hardware of the fit.
    exported_with
        Versions of the suite and of NumPy that wrote the bundle.
    ids_hash
        SHA-256 of the outside names of users and items, so that rows mean the same; None for
        ranks.
    scale_exponents
        Factors are stored times 2 to these powers: "user", "item"; None for ranks.
    before_rounding
        `metrics` of the factors in single precision; None for ranks.
    """

    kind: Kind
    key: CellKey
    label: str
    dataset_title: str
    metrics: Mapping[str, float]
    n_users: Mapping[str, int]
    provenance: Mapping[str, Any]
    exported_with: Mapping[str, str]
    ids_hash: str | None = None
    scale_exponents: Mapping[str, int] | None = None
    before_rounding: Mapping[str, float] | None = None

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Read what `write_bundle` wrote, members left out.

        Raises
        ------
        TypeError, ValueError, KeyError
            It is no such manifest.
        """
        fields: dict[str, Any] = {f.name: value.get(f.name) for f in dataclasses.fields(cls)}
        if fields["kind"] not in _LAYOUTS:
            raise ValueError(f"unknown kind {fields['kind']!r}")
        fields["key"] = CellKey(**value["key"])
        key = fields["key"]
        texts = [fields["label"], fields["dataset_title"], key.dataset, key.recommender]
        texts += [key.data_hash, key.split_hash]
        if fields["kind"] == "factors":
            texts.append(fields["ids_hash"])
            _check_numbers(fields["scale_exponents"], ("user", "item"), int)
            if max(map(abs, fields["scale_exponents"].values())) > _LARGEST_EXPONENT:
                raise ValueError("a scale is beyond any single-precision number")
            _check_numbers(fields["before_rounding"], ("auc_strict.all",), float)
        else:
            _check_absent(fields, ("ids_hash", "scale_exponents", "before_rounding"))
        if not all(isinstance(text, str) for text in texts) or not isinstance(key.seed, int):
            raise TypeError("a name, a hash or the seed is missing")
        if not isinstance(key.protocol, dict) or not isinstance(fields["provenance"], dict):
            raise TypeError("the protocol or the provenance is missing")
        _check_numbers(fields["metrics"], ("auc_strict.all",), float)
        _check_numbers(fields["n_users"], ("all",), int)
        return cls(**fields)


@dataclass(frozen=True)
class Bundle:
    """A bundle in memory.

    Attributes
    ----------
    manifest
        What it says about itself.
    arrays
        By name, as the kind demands: "ranks" has int32 (n,) each of `user` (row numbers,
        ascending), `test_item_count`, `n_less`, `n_equal`, `n_negatives`; "factors" has float16
        (n_users, K) `user_factors`, float16 (n_items, K) `item_factors` and float32 (n_items,)
        `item_bias`.
    """

    manifest: Manifest
    arrays: Arrays


def write_bundle(path: Path, bundle: Bundle) -> None:
    """Write a bundle, whole or not at all; equal bundles give equal bytes.

    Raises
    ------
    BenchError
        The place cannot be written.
    """
    contents: dict[str, bytes] = {}
    members = {}
    for name, (dtype, _) in _LAYOUTS[bundle.manifest.kind].items():
        stream = io.BytesIO()
        array = np.ascontiguousarray(bundle.arrays[name]).astype(dtype, casting="no", copy=False)
        np.lib.format.write_array(stream, array, version=(1, 0), allow_pickle=False)
        contents[f"{name}.npy"] = stream.getvalue()
        members[f"{name}.npy"] = {
            "bytes": len(stream.getvalue()),
            "sha256": hashlib.sha256(stream.getvalue()).hexdigest(),
        }
    manifest = {
        "format": _FORMAT,
        "schema_version": BUNDLE_SCHEMA_VERSION,
        **dataclasses.asdict(bundle.manifest),
        "members": members,
    }
    text = json.dumps(manifest, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    with atomic_file(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for name, content in {_MANIFEST: f"{text}\n".encode(), **contents}.items():
            info = zipfile.ZipInfo(name, _LONG_AGO)
            info.create_system = 3  # Unix, wherever it is written
            info.external_attr = 0o644 << 16
            archive.writestr(info, content, zipfile.ZIP_STORED)


def read_bundle(path: Path) -> Bundle:
    """Read and check a bundle.

    Raises
    ------
    BenchError
        It cannot be read, is no bundle, of another schema version, cut off, altered, or its arrays
        make no sense.
    """
    with user_io_errors("read the bundle", path), path.open("rb") as file:
        try:
            with zipfile.ZipFile(file) as archive:
                return _read(archive)
        except BenchError as error:
            raise BenchError(f"{path}: {error}; get the bundle again") from None
        except zipfile.BadZipFile as error:
            raise BenchError(
                f"{path}: no bundle, or cut off or altered ({printable(str(error))}); "
                "`bench export` writes bundles"
            ) from None
        except Exception as error:  # whatever a hostile file makes a parser raise
            raise BenchError(
                f"{path}: no bundle ({type(error).__name__}: {printable(str(error))[:200]})"
            ) from None


def _read(archive: zipfile.ZipFile) -> Bundle:
    infos = {info.filename: info for info in archive.infolist()}
    if _MANIFEST not in infos or len(infos) != len(archive.infolist()):
        _refuse("no bundle: it has no manifest, or a member twice")
    for info in infos.values():
        # What is not compressed cannot unpack to more than the file is long.
        if info.compress_type != zipfile.ZIP_STORED or info.file_size != info.compress_size:
            _refuse(f"{printable(info.filename)} is compressed, which no bundle is")
    if infos[_MANIFEST].file_size > _MANIFEST_BYTES:
        _refuse(f"its manifest is longer than {_MANIFEST_BYTES:,} bytes")
    value = json.loads(archive.read(_MANIFEST), parse_constant=_refuse_constant)
    if not isinstance(value, dict) or value.get("format") != _FORMAT:
        _refuse("no bundle of this suite")
    version = value.get("schema_version")
    if version != BUNDLE_SCHEMA_VERSION:
        _refuse(f"schema version {version!r}, this suite reads {BUNDLE_SCHEMA_VERSION}")
    try:
        manifest, members = Manifest.from_json(value), dict(value["members"])
    except (TypeError, ValueError, KeyError) as error:
        _refuse(f"its manifest makes no sense ({printable(str(error))[:200]})")
    layout = _LAYOUTS[manifest.kind]
    expected = {f"{name}.npy" for name in layout}
    if set(members) != expected or set(infos) != expected | {_MANIFEST}:
        _refuse(f"other members than a bundle of {manifest.kind} has")
    arrays = {}
    for name, (dtype, n_dimensions) in layout.items():
        content = archive.read(f"{name}.npy")
        said = members[f"{name}.npy"]
        if (len(content), hashlib.sha256(content).hexdigest()) != (said["bytes"], said["sha256"]):
            _refuse(f"{name}.npy is not what the manifest says: altered")
        arrays[name] = _array(content, name, dtype, n_dimensions)
    if manifest.kind == "ranks":
        _check_ranks(arrays)
    else:
        _check_factors(arrays)
    return Bundle(manifest, arrays)


def _array(content: bytes, name: str, dtype: str, n_dimensions: int) -> npt.NDArray[Any]:
    """Read a .npy member of known type; its size is checked before anything is made of it."""
    stream = io.BytesIO(content)
    if np.lib.format.read_magic(stream) != (1, 0):
        _refuse(f"{name}.npy is of another version of the format")
    shape, by_columns, found = np.lib.format.read_array_header_1_0(stream)
    n_values = 1
    for length in shape:
        n_values *= max(int(length), 0)
    if (
        found != np.dtype(dtype)
        or by_columns
        or len(shape) != n_dimensions
        or min(shape) < 0
        or n_values * found.itemsize != len(content) - stream.tell()
    ):
        _refuse(f"{name}.npy is not {dtype} in {n_dimensions} dimensions, or cut off")
    return np.frombuffer(content, dtype=found, offset=stream.tell()).reshape(shape)


def _check_ranks(arrays: Arrays) -> None:
    columns = [arrays[name].astype(np.int64) for name in _LAYOUTS["ranks"]]
    user, item_count, n_less, n_equal, n_negatives = columns
    if not len(user) or len({len(column) for column in columns}) != 1:
        _refuse("its columns are empty or not of one length")
    sound = user[0] >= 0 and (np.diff(user) > 0).all() and (item_count >= 0).all()
    sound = sound and (n_less >= 0).all() and (n_equal >= 0).all() and (n_negatives > 0).all()
    if not sound or (n_less + n_equal > n_negatives).any():
        _refuse("its counts cannot be: negative, more than there are negatives, or users twice")


def _check_factors(arrays: Arrays) -> None:
    users, items, bias = (arrays[name] for name in _LAYOUTS["factors"])
    if users.shape[1] != items.shape[1] or len(items) != len(bias):
        _refuse("its factors do not fit each other")
    if not all(np.isfinite(array).all() for array in (users, items, bias)):
        _refuse("its factors are not all finite")


def _check_numbers(value: Any, needed: tuple[str, ...], kind: type) -> None:
    accepted: tuple[Any, ...] = (int, float) if kind is float else (kind,)
    if not isinstance(value, dict) or not set(needed) <= set(value):
        raise TypeError(f"numbers are missing: {', '.join(needed)}")
    for number in value.values():
        if not isinstance(number, accepted) or isinstance(number, bool):
            raise TypeError(f"{number!r} is no number")
        if not math.isfinite(number):
            raise ValueError("a number is infinite")


def _check_absent(fields: Mapping[str, Any], names: tuple[str, ...]) -> None:
    for name in names:
        if fields[name] is not None:
            raise ValueError(f"a bundle of ranks has no {name}")


def _refuse(reason: str) -> NoReturn:
    raise BenchError(reason)


def _refuse_constant(text: str) -> NoReturn:
    _refuse(f"its manifest has {text}, which JSON does not know")
