"""Where trials run, through joblib: this process, local processes, or a Dask cluster."""

import logging
import re
import signal
import warnings
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, get_args

from bench.errors import BenchError, one_line
from bench.experiment.tuning.trial import Outcome, Trial, run_trial

__all__ = ["BACKENDS", "Pool", "Workers"]

_log = logging.getLogger(__name__)

BackendName = Literal["local", "dask"]
BACKENDS: tuple[BackendName, ...] = get_args(BackendName)

_SECONDS_TO_CONNECT = 30
_SECONDS_FOR_WORKERS = 600
"""A batch system may start the workers minutes after the command."""


@dataclass(frozen=True, kw_only=True)
class Workers:
    """Where trials run.

    Attributes
    ----------
    backend
        "local" or "dask".
    jobs
        Local processes; None for one, this one. Dask uses all workers of its cluster.
    scheduler
        Address of the Dask scheduler, such as tcp://host:8786, or the file it wrote its address to.
    """

    backend: BackendName = "local"
    jobs: int | None = None
    scheduler: str | None = None

    def __post_init__(self) -> None:
        if self.jobs is not None and self.jobs < 1:
            raise BenchError(f"--jobs must be at least 1, got {self.jobs}")
        if self.backend == "local" and self.scheduler is not None:
            raise BenchError("--scheduler is Dask's: add --backend dask")
        if self.backend == "dask":
            if self.scheduler is None:
                raise BenchError(
                    "--backend dask: say where the scheduler is, with --scheduler tcp://HOST:8786 "
                    "(`dask scheduler` prints it) or the file of `dask scheduler --scheduler-file`"
                )
            if self.jobs is not None:
                raise BenchError(
                    "--jobs counts local processes; a Dask cluster uses all of its workers: leave "
                    "it out"
                )
            if find_spec("distributed") is None:
                raise BenchError(
                    "--backend dask: Dask is not installed; "
                    "`pip install 'dvbpr-bench[dask]'` installs it"
                )

    @contextmanager
    def open(self, *, threads: int) -> Iterator["Pool"]:
        """Reach the workers, and let go of them after the block.

        Parameters
        ----------
        threads
            Processor threads of one trial.

        Raises
        ------
        BenchError
            There is no such scheduler, or its workers cannot be used.
        """
        if self.backend == "dask":
            assert self.scheduler is not None
            with _dask_client(self.scheduler) as client:
                yield Pool({"backend": _dask_backend(client)}, pre_dispatch="all")
            return
        try:
            yield Pool(
                {
                    "backend": "loky",
                    "n_jobs": self.jobs or 1,  # one is this process
                    "inner_max_num_threads": threads,
                    "initializer": _ignore_ctrl_c,
                }
            )
        finally:
            if self.jobs not in (None, 1):
                from joblib.externals.loky import get_reusable_executor

                get_reusable_executor(reuse=True).shutdown(wait=True)


@dataclass(frozen=True)
class Pool:
    """Workers that can be given trials.

    Attributes
    ----------
    config
        Arguments of joblib's `parallel_config`.
    pre_dispatch
        How many trials wait for a worker, see `joblib.Parallel`: on a cluster all, so that workers
        that join later find some; else none, so that what another search finishes is not redone.
    """

    config: Mapping[str, Any]
    pre_dispatch: str = "n_jobs"

    def run(self, trials: Iterable[Trial]) -> Iterator[Outcome]:
        """Run trials; give the outcomes as they come.

        Raises
        ------
        BenchError
            The workers are lost: a process was killed, the cluster is gone, or nothing can be
            run there.
        """
        from joblib import Parallel, delayed, parallel_config

        try:
            with parallel_config(**self.config):
                run = Parallel(
                    return_as="generator_unordered", batch_size=1, pre_dispatch=self.pre_dispatch
                )
            # What the generator raises is about workers: a trial's own error is an outcome.
            with _closed_quietly(run(delayed(_run)(trial) for trial in trials)) as outcomes:
                yield from outcomes
        except (BenchError, GeneratorExit):
            raise
        except Exception as error:
            text = one_line(error)[:300]
            raise BenchError(
                f"the workers failed ({type(error).__name__}: {text}); finished trials are stored, "
                "the same command goes on"
            ) from error


def _run(trial: Trial) -> Outcome:
    return run_trial(replace(trial, device=_own_gpu(trial.device)))


def _own_gpu(device: str) -> str:
    """Give each local process a GPU of its own, where there are several."""
    if device != "cuda":
        return device
    import multiprocessing

    import torch

    # joblib numbers its processes from 1. A Dask worker has no such name: it sees the GPU that
    # CUDA_VISIBLE_DEVICES gives it.
    found = re.fullmatch(r"LokyProcess-(\d+)", multiprocessing.current_process().name)
    n_gpus = torch.cuda.device_count()
    return f"cuda:{(int(found[1]) - 1) % n_gpus}" if found and n_gpus > 1 else device


def _ignore_ctrl_c() -> None:
    """Leave Ctrl-C to the command, which ends its workers itself."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextmanager
def _closed_quietly(
    outcomes: Generator[Outcome, None, None],
) -> Iterator[Generator[Outcome, None, None]]:
    """Close joblib's generator; that results are left in it is meant, where a search ends early."""
    with closing(outcomes):
        try:
            yield outcomes
        finally:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                outcomes.close()


@contextmanager
def _dask_client(scheduler: str) -> Iterator[Any]:
    from distributed import Client

    place = {"address": scheduler}
    if ":" not in scheduler:
        if not Path(scheduler).is_file():
            raise BenchError(
                f"--scheduler {scheduler}: no such file, and no address such as tcp://HOST:8786"
            )
        place = {"scheduler_file": scheduler}
    try:
        client = Client(  # type: ignore[no-untyped-call]
            **place, timeout=_SECONDS_TO_CONNECT, set_as_default=False
        )
    except (OSError, ValueError) as error:  # OSError: no answer; ValueError: no address
        raise BenchError(
            f"no Dask scheduler answers at {scheduler} "
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


def _dask_backend(client: Any) -> Any:
    from joblib._dask import DaskDistributedBackend

    class Cluster(DaskDistributedBackend):  # type: ignore[misc]  # joblib has no types
        """joblib's Dask backend, which takes a cluster of one worker for no cluster.

        For one job `Parallel` calls the functions itself; of a cluster that is starting up only
        one worker may be there yet.
        """

        def effective_n_jobs(self, n_jobs: int) -> int:
            found: int = super().effective_n_jobs(n_jobs)
            return max(2, found)

    return Cluster(client=client, wait_for_workers_timeout=_SECONDS_FOR_WORKERS)


def _check_workers(client: Any) -> None:
    workers = client.scheduler_info(n_workers=-1)["workers"]
    for name, worker in workers.items():
        if worker["nthreads"] > 1:
            raise BenchError(
                f"the Dask worker {name} runs {worker['nthreads']} trials at once in one process, "
                "where they get in each other's way; start workers with `--nthreads 1`, as many "
                "as there are cores to use"
            )
    _log.info("%d Dask worker%s at the moment", len(workers), "" if len(workers) == 1 else "s")
