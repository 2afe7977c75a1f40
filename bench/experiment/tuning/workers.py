"""Where trials run, through joblib: this process, local processes, or a Dask cluster."""

import logging
import os
import signal
import threading
import time
import warnings
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from importlib.util import find_spec
from typing import Any, Literal

from bench.device import resolve_device
from bench.errors import BenchError, one_line
from bench.experiment.tuning.dask_cluster import (
    dask_client,
    dask_config,
    refuse_threaded_worker,
    scheduler_address,
)
from bench.experiment.tuning.gpus import own_gpu
from bench.experiment.tuning.trial import Outcome, Trial, run_trial

__all__ = ["Pool", "Workers"]

_log = logging.getLogger(__name__)

BackendName = Literal["local", "dask"]

_ON_A_CLUSTER = 256
"""A lock file is open for each trial that is handed out; systems allow about a thousand."""

_SECONDS_BETWEEN_LOOKS = 1.0
"""How soon a local process notices that the command has gone."""


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
            scheduler_address(self.scheduler)  # a mistake in it is told now

    def check_device(self, device: str) -> None:
        """See that local processes that run at once have a GPU each, where they are to use one.

        Parameters
        ----------
        device
            `auto`, `cpu`, `cuda` or `cuda:N`.

        Raises
        ------
        BenchError
            There are fewer GPUs than jobs, or the device is not there.
        """
        if self.backend != "local" or self.jobs in (None, 1):
            return
        if resolve_device(device).type != "cuda":
            return
        import torch

        n_gpus = 1 if ":" in device else torch.cuda.device_count()
        if self.jobs is not None and self.jobs > n_gpus:
            raise BenchError(
                f"--jobs {self.jobs}: a trial takes a GPU of its own, and --device {device} has "
                f"{n_gpus}; give --jobs {n_gpus} or --device cpu"
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
            with dask_client(self.scheduler) as client:
                yield Pool(dask_config(client), pre_dispatch=_ON_A_CLUSTER)
            return
        try:
            yield Pool(
                {
                    "backend": "loky",
                    "n_jobs": self.jobs or 1,  # one is this process
                    "inner_max_num_threads": threads,
                    "initializer": partial(_begin_process, os.getpid()),
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
        How many trials have been handed out at a time, see `joblib.Parallel`: to local processes
        one each, so that another search finds some to do; to a cluster more than it may have
        workers, so that those that join later find some.
    """

    config: Mapping[str, Any]
    pre_dispatch: str | int = "n_jobs"

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
                # No `yield from`: an early end must reach this frame before joblib's generator.
                for outcome in outcomes:  # noqa: UP028
                    yield outcome
        except (BenchError, GeneratorExit):
            raise
        except Exception as error:
            text = one_line(error)[:300]
            raise BenchError(
                f"the workers failed ({type(error).__name__}: {text}); finished trials are stored, "
                "the same command goes on"
            ) from error


def _run(trial: Trial) -> Outcome:
    refuse_threaded_worker()
    with own_gpu(trial.device) as device:
        return run_trial(replace(trial, device=device))


def _begin_process(parent: int) -> None:
    """Leave Ctrl-C to the command, which ends its processes itself; where it is killed, end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: int) -> None:
    """End this process as soon as the one that started it is gone."""
    while os.getppid() == parent:
        time.sleep(_SECONDS_BETWEEN_LOOKS)
    os._exit(1)


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
