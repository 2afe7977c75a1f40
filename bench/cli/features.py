"""`bench features`: features computed of a data set's images, as a file or as a new data set."""

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bench.cli.options import (
    data_option,
    device_option,
    plugin_option,
    results_option,
)
from bench.errors import BenchError, unknown_name

if TYPE_CHECKING:
    from bench.datasets.dataset import Dataset
    from bench.datasets.feature_source import ComputedFeatures
    from bench.experiment.store import ResultStore
    from bench.recommender import Runtime
    from bench.registry import Registry

__all__ = ["features"]

_log = logging.getLogger(__name__)


@click.command()
@click.option("--dataset", "name", required=True, metavar="NAME", help="Data set.")
@click.option(
    "--from",
    "source",
    required=True,
    metavar="SOURCE",
    help="`classifier` (trained on the data set's categories), a recommender that learns features "
    "and has a finished cell, or a .npy file with a row per item.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write a .npy file, rows in item order, and a .json beside it.",
)
@click.option(
    "--as",
    "new_name",
    metavar="NEW",
    help="Store the data set again under this name, with these features.",
)
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="NAME.PARAM=VALUE",
    help="Setting of the source, for example classifier.backbone=cnn-f; repeatable.",
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    help="Seed of the classifier, or of the cell.  [default: 0, or the newest cell]",
)
@device_option
@click.option(
    "--threads", type=click.IntRange(min=1), default=None, help="Threads.  [default: all]"
)
@click.option("--force", is_flag=True, help="Replace a data set of the name NEW.")
@plugin_option
@results_option
@data_option
def features(
    name: str,
    source: str,
    output: Path | None,
    new_name: str | None,
    settings: tuple[str, ...],
    seed: int | None,
    device: str,
    threads: int | None,
    force: bool,
    plugins: tuple[Path, ...],
    results: Path,
    data_dir: Path | None,
) -> None:
    """Compute features of a data set's images, for VBPR, FM and VisRank.

    Features of a recommender are learnt from the training interactions: what is built on them is
    not independent of them, and the new data set's tables say so.
    """
    from bench.datasets.derive import derive_with_features
    from bench.datasets.library import default_data_dir, find
    from bench.datasets.own import check_name
    from bench.datasets.record import read_record
    from bench.device import available_threads, resolve_device
    from bench.experiment.plan import parse_settings
    from bench.experiment.store import ResultStore
    from bench.recommender import Runtime, parse_params
    from bench.registry import Registry

    if output is None and new_name is None:
        raise BenchError("say where the features go: --output FILE.npy, --as NEW, or both")
    if output is not None and output.suffix != ".npy":
        raise BenchError(f"--output {output}: what is written is .npy; let the name end so")
    data_dir = data_dir or default_data_dir()
    if new_name is not None:
        check_name(new_name, data_dir, force=force)
        if new_name == name:
            raise BenchError(f"--as {new_name}: give another name than the data set has")
    registry = Registry(plugins)
    parsed = parse_settings(settings)
    for other in parsed:
        if other != source:
            raise BenchError(f"--set {other}.…: the features come from {source}")
    resolve_device(device)
    own_file = source.endswith(".npy")
    computes = source in registry.feature_source_names()
    params: Any = None
    if computes:
        params = parse_params(registry.feature_source(source), parsed.get(source, {}))
    elif parsed:
        raise BenchError(f"--set {source}.…: what {source} gives has no settings here")
    elif not own_file:
        _check_learns(source, registry)
    dataset = find(name, data_dir, registry)
    runtime = Runtime(seed=seed or 0, device=device, threads=threads or available_threads())
    if computes:
        found = registry.feature_source(source)(params).compute(dataset.training, runtime=runtime)
    elif own_file:
        found = _from_file(Path(source), dataset)
    else:
        found = _from_cell(source, registry, dataset, runtime, seed, ResultStore(results))
    how = {"from": source, "kind": found.info.kind, **found.how}
    written = []
    if output is not None:
        _write(output, found, dataset, how)
        written.append(str(output))
    if new_name is not None:
        label = Path(source).stem if own_file else source
        derive_with_features(
            data_dir / name,
            data_dir / new_name,
            title=f"{read_record(data_dir / name).title}, {label} features",
            features=found.values,
            feature_info=found.info,
            how=how,
        )
        written.append(f"data set {new_name}")
    n_items, dims = found.values.shape
    click.echo(f"{n_items:,} x {dims:,} {found.values.dtype} features: {found.info.description}")
    click.echo(f"written: {', '.join(written)}")


def _check_learns(source: str, registry: "Registry") -> None:
    """See that `source` is a recommender that learns features, before any work begins."""
    from bench.recommender import Recommender

    learning = [
        name
        for name in registry.recommender_names()
        if registry.recommender(name).item_features is not Recommender.item_features
    ]
    if source in learning:
        return
    known = [*registry.feature_source_names(), *learning]
    if source in registry.recommender_names():
        raise BenchError(
            f"{source} learns no features of images; --from takes {', '.join(known)}, "
            "or a .npy file"
        )
    raise unknown_name("source of features", source, known, see="bench features --help")


def _from_cell(
    source: str,
    registry: "Registry",
    dataset: "Dataset",
    runtime: "Runtime",
    seed: int | None,
    store: "ResultStore",
) -> "ComputedFeatures":
    """Take the features that a finished cell's model learnt."""
    from bench.datasets.dataset import FeatureInfo
    from bench.datasets.feature_source import ComputedFeatures
    from bench.experiment.models import finished_cells, load_model

    (cell,) = finished_cells(store, dataset, registry, names=[source], seed=seed)
    loaded = load_model(cell, dataset, registry, device=runtime.device, threads=runtime.threads)
    values = loaded.model.item_features(dataset.training)
    if values is None:
        raise BenchError(f"{source} with these hyper-parameters learns no features of images")
    key = cell.record.key
    return ComputedFeatures(
        values,
        FeatureInfo(
            "learnt",
            f"{values.shape[1]}-d activations of {cell.record.label} (seed {key.seed}), learnt "
            "from the training interactions, so not independent of them",
        ),
        {
            "recommender_version": key.recommender_version,
            "params": dict(key.params),
            "seed": key.seed,
        },
    )


def _from_file(path: Path, dataset: "Dataset") -> "ComputedFeatures":
    """Take the features of a .npy file; what is written beside it says what they are."""
    from bench.datasets.dataset import FeatureInfo
    from bench.datasets.feature_file import open_features
    from bench.datasets.feature_source import ComputedFeatures
    from bench.files import sha256_of_file

    values = open_features(path)
    if len(values) != dataset.n_items:
        raise BenchError(
            f"{path} has {len(values):,} rows, {dataset.name} has {dataset.n_items:,} items; "
            "row k must belong to item k"
        )
    digest = sha256_of_file(path)
    how: dict[str, Any] = {"file": path.name, "sha256": digest}
    info = FeatureInfo("own", f"own features, {values.shape[1]}-d, given as {path.name}")
    beside = path.with_suffix(".json")
    if beside.is_file():
        try:
            content = json.loads(beside.read_text(encoding="utf-8"))
            matches = content["sha256"] == digest
            told = FeatureInfo(content["how"]["kind"], content["description"])
        except (OSError, ValueError, KeyError, TypeError):
            _log.warning("%s: not what `bench features` writes; not looked at", beside)
        else:
            if not matches:
                raise BenchError(
                    f"{beside} describes another {path.name} (their hashes differ); "
                    "remove it or write both anew"
                )
            if content.get("data_hash") != dataset.data_hash:
                _log.warning("%s: made of another data set than %s", beside, dataset.name)
            info, how = told, how | {"made": content["how"]}
    return ComputedFeatures(values, info, how)


def _write(
    output: Path, found: "ComputedFeatures", dataset: "Dataset", how: Mapping[str, Any]
) -> None:
    """Write the .npy file and, after it, the .json that describes it by its hash."""
    from bench.datasets.feature_file import write_features
    from bench.experiment.provenance import describe_machine, utc_now
    from bench.files import atomic_file, atomic_write_json, sha256_of_file

    with atomic_file(output) as temporary:
        write_features(temporary, found.values, dataset.item_ids)
    atomic_write_json(
        output.with_suffix(".json"),
        {
            "description": found.info.description,
            "dataset": dataset.name,
            "data_hash": dataset.data_hash,
            "shape": list(found.values.shape),
            "sha256": sha256_of_file(output),
            "how": dict(how),
            "made_at": utc_now(),
            "provenance": describe_machine(),
        },
    )
