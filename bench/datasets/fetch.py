"""Published data sets from the web: everything that one takes, downloaded and converted.

What is downloaded stays in `downloads` of the data folder. Whatever went wrong, the same call again
goes on from there: files that are whole are not asked for again.
"""

import logging
from collections.abc import Sequence
from pathlib import Path

from bench.datasets.download import fetch_file
from bench.datasets.hosts import ARCHIVES, FEATURES, ORIGINAL_FILES, PublishedFile, check_mirror
from bench.datasets.licence import show_licence_once
from bench.datasets.own import check_name
from bench.datasets.published import FeatureDtype, import_archive
from bench.datasets.published_features import check_feature_file
from bench.datasets.published_sets import published_set
from bench.datasets.raw import RawOptions
from bench.datasets.raw_sets import check_raw, import_raw, raw_name
from bench.datasets.record import DatasetRecord
from bench.errors import BenchError

__all__ = ["DOWNLOADS", "fetch_archive", "fetch_raw"]

_log = logging.getLogger(__name__)

DOWNLOADS = "downloads"
"""The folder among the data sets that files are downloaded to."""


def fetch_archive(
    name: str,
    data_dir: Path,
    *,
    url: str | None = None,
    features: Path | None = None,
    with_features: bool = False,
    feature_dtype: FeatureDtype = "float32",
    category_level: int | None = None,
    force: bool = False,
) -> DatasetRecord:
    """Download a published archive, or go on with a download, and convert it.

    Parameters
    ----------
    name
        amazon_fashion, amazon_women, amazon_men or tradesy.
    data_dir
        Folder of the stored data sets; the archive stays in `downloads` there.
    url
        A mirror, see `bench.datasets.hosts.url_of`; of several files, their folder.
    with_features
        Download the published features too, and join them.
    features, feature_dtype, category_level, force
        As for `import_archive`.

    Raises
    ------
    BenchError
        A file cannot be had, is not the published one, or cannot be converted. What has arrived of
        a download is kept.
    """
    # A flaw of the call shows now and not after gigabytes.
    check_name(name, data_dir, force=force, source=name)
    published_set(name).check_category_level(category_level)
    if features is not None:
        if with_features:
            raise BenchError(
                "--features names a file that is here and --with-features downloads one; "
                "leave one of them out"
            )
        check_feature_file(features)
    files = [ARCHIVES[name], *([FEATURES[name]] if with_features else [])]
    archive, *further = _fetch(files, data_dir, url)
    return import_archive(
        archive,
        name,
        data_dir,
        as_name=name,
        features=further[0] if further else features,
        feature_dtype=feature_dtype,
        category_level=category_level,
        force=force,
    )


def fetch_raw(
    as_name: str,
    data_dir: Path,
    *,
    url: str | None = None,
    options: RawOptions | None = None,
    category_level: int | None = None,
    force: bool = False,
) -> DatasetRecord:
    """Download the original files of a data set, or go on with it, and make the data set of them.

    Parameters
    ----------
    as_name
        amazon_women, amazon_men or tradesy; it is stored under `raw_name` of that.
    data_dir
        Folder of the stored data sets; the files stay in `downloads` there.
    url
        The folder of a mirror that holds all of them, see `bench.datasets.hosts.url_of`.
    options, category_level, force
        As for `import_raw`.

    Raises
    ------
    BenchError
        The data set has no original files, or as for `fetch_archive`.
    """
    check_raw(as_name, category_level=category_level)
    name = raw_name(as_name)
    check_name(name, data_dir, force=force)
    _fetch(ORIGINAL_FILES[as_name], data_dir, url)
    return import_raw(
        data_dir / DOWNLOADS,
        name,
        data_dir,
        as_name=as_name,
        options=options,
        category_level=category_level,
        force=force,
    )


def _fetch(files: Sequence[PublishedFile], data_dir: Path, url: str | None) -> list[Path]:
    """Download what is not here yet, one after the other; give where each lies."""
    check_mirror(files, url)
    for licence in dict.fromkeys(published.licence for published in files):
        show_licence_once(data_dir, licence)
    return [_fetched(published, data_dir / DOWNLOADS, url) for published in files]


def _fetched(published: PublishedFile, folder: Path, url: str | None) -> Path:
    # Whoever unpacked or packed a file has it; beside a second one, the import would refuse both.
    # Archives are read as they are.
    target = folder / published.name
    other = target.with_suffix("") if target.suffix == ".gz" else folder / f"{target.name}.gz"
    if published not in ARCHIVES.values() and other.is_file() and not target.exists():
        _log.info("%s: taking %s, which is here", target.name, other.name)
        return other
    return fetch_file(published, folder, url=url).path
