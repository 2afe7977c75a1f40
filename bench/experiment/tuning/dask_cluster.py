"""Reaching a Dask cluster that is there, and giving it trials one per worker."""

import json
import logging
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bench.errors import BenchError, check_readable, one_line
from bench.experiment.tuning.trial import UnfitWorkerError

__all__ = ["dask_client", "dask_config", "refuse_threaded_worker", "scheduler_address"]

_log = logging.getLogger(__name__)

_SECONDS_TO_CONNECT = 30
_SECONDS_FOR_WORKERS = 600
"""A batch system may start the workers minutes after the command."""


@contextmanager
def dask_client(scheduler: str) -> Iterator[Any]:
    """Connect to a scheduler.

    Parameters
    ----------
    scheduler
        Its address, or the file that it wrote its address to.

    Raises
    ------
    BenchError
        There is none, or its workers cannot be used.
    """
    from distributed import Client

    address = scheduler_address(scheduler)
    try:
        client = Client(  # type: ignore[no-untyped-call]
            address, timeout=_SECONDS_TO_CONNECT, set_as_default=False
        )
    # OSError: no answer; the others: a protocol that is unknown, not installed or not set up.
    except (OSError, ValueError, TypeError, ImportError, RuntimeError) as error:
        raise BenchError(
            f"no Dask scheduler answers at {address} "
            f"({one_line(error) or type(error).__name__}); "
            "start one with `dask scheduler`, and give the address it prints"
        ) from None
    log = logging.getLogger("distributed")
    level = log.level
    log.setLevel(logging.CRITICAL)  # a lost scheduler is told in one line, not in tracebacks
    try:
        with client:
            _check_workers(client)
            yield client
    finally:
        log.setLevel(level)


def dask_config(client: Any) -> Mapping[str, Any]:
    """Give joblib's configuration for a cluster."""
    # joblib registers this class under the name "dask" and has no public way to derive from it.
    from joblib._dask import DaskDistributedBackend

    class Cluster(DaskDistributedBackend):  # type: ignore[misc]  # joblib has no types
        """joblib's Dask backend, which takes a cluster of one worker for no cluster.

        For one job `Parallel` calls the functions itself; of a cluster that is starting up only
        one worker may be there yet.
        """

        def effective_n_jobs(self, n_jobs: int) -> int:
            found: int = super().effective_n_jobs(n_jobs)
            return max(2, found)

        def submit(self, func: Any, callback: Any = None) -> Any:
            # joblib tells `Parallel` of what a task gave, but not that Dask gave it up, as one
            # whose workers die again and again; `Parallel` would wait for it for ever.
            future = super().submit(func, callback)

            def told(done: Any) -> None:
                if callback and not done.cancelled() and (error := done.exception()):
                    callback(error)

            future.add_done_callback(told)
            return future

        def retrieve_result_callback(self, out: Any) -> Any:
            if isinstance(out, BaseException):
                raise out
            return super().retrieve_result_callback(out)

    return {"backend": Cluster(client=client, wait_for_workers_timeout=_SECONDS_FOR_WORKERS)}


def scheduler_address(scheduler: str) -> str:
    """Read where a scheduler is.

    Raises
    ------
    BenchError
        It is no address, and no file of a scheduler.
    """
    if not Path(scheduler).is_file():
        if ":" not in scheduler:
            raise BenchError(
                f"--scheduler {scheduler}: no such file, and no address such as tcp://HOST:8786"
            )
        if not _is_address(scheduler):
            raise BenchError(f"--scheduler {scheduler}: no address such as tcp://HOST:8786")
        return scheduler
    check_readable(Path(scheduler))
    try:
        address = json.loads(Path(scheduler).read_bytes())["address"]
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        address = None
    if not isinstance(address, str) or not _is_address(address):
        raise BenchError(
            f"--scheduler {scheduler}: not the file of a scheduler, which has its address; "
            "`dask scheduler --scheduler-file FILE` writes one as soon as it runs"
        )
    return address


def _is_address(text: str) -> bool:
    """Whether a text is an address with host and port; the protocol may be left out."""
    try:
        parts = urlsplit(text if "://" in text else f"tcp://{text}")
        is_whole = bool(parts.scheme and parts.hostname and parts.port)
        return is_whole and text.isprintable() and " " not in text
    except ValueError:
        return False


def refuse_threaded_worker() -> None:
    """See, on a Dask worker, that it runs one trial at a time; elsewhere do nothing.

    Raises
    ------
    UnfitWorkerError
        It runs several.
    """
    if "distributed" not in sys.modules:
        return
    from distributed import get_worker

    try:
        worker = get_worker()
    except ValueError:  # no Dask worker
        return
    if worker.state.nthreads > 1:
        raise UnfitWorkerError(_too_many_threads(worker.address, worker.state.nthreads))


def _check_workers(client: Any) -> None:
    """Refuse unfit workers before anything runs; those that join later refuse themselves."""
    workers = client.scheduler_info(n_workers=-1)["workers"]
    for name, worker in workers.items():
        if worker["nthreads"] > 1:
            raise BenchError(_too_many_threads(name, worker["nthreads"]))
    _log.info("%d Dask worker%s at the moment", len(workers), "" if len(workers) == 1 else "s")


def _too_many_threads(name: str, n_threads: int) -> str:
    return (
        f"the Dask worker {name} runs {n_threads} trials at once in one process, where they get in "
        "each other's way; start workers with `--nthreads 1`, as many as there are cores to use"
    )
