"""One progress helper: a bar on a terminal, quiet log lines elsewhere."""

import logging
import sys
import time
from types import TracebackType
from typing import Self

from tqdm import tqdm

__all__ = ["Progress"]

_log = logging.getLogger("bench.progress")


# Narrower than tqdm's own: the note and a bar fit beside each other on 80 columns. The note brings
# its own comma.
_KNOWN_TOTAL = "{desc} |{bar}| {n_fmt}/{total_fmt} {unit} [{elapsed}<{remaining}{postfix}]"
_NO_TOTAL = "{desc}: {n_fmt} {unit} [{elapsed}{postfix}]"


class Progress:
    """Show how far long work has come, on stderr.

    Parameters
    ----------
    label
        What is being done.
    total
        Number of steps, None where it is not known.
    unit
        What one step is.
    every_seconds
        Off a terminal: the least time between two log lines.
    """

    def __init__(
        self, label: str, total: int | None = None, *, unit: str = "it", every_seconds: float = 30.0
    ) -> None:
        self._label = label
        self._total = total
        self._unit = unit
        self._every_seconds = every_seconds
        self._done = 0
        self._last_line = time.monotonic()
        self._note = ""
        self._bar: tqdm | None = None  # type: ignore[type-arg]  # the stubs make it generic, the class is not

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            self._bar = tqdm(
                total=self._total,
                desc=self._label,
                unit=self._unit,
                leave=False,
                dynamic_ncols=True,
                bar_format=_KNOWN_TOTAL if self._total is not None else _NO_TOTAL,
                file=sys.stderr,
            )
        return self

    def advance(self, steps: int = 1, note: str = "") -> None:
        """Count `steps` more; `note` (a loss, a validation AUC) is shown behind the count."""
        self._done += steps
        self._note = note or self._note
        if self._bar is not None:
            if note:
                self._bar.set_postfix_str(note, refresh=False)
            self._bar.update(steps)
        elif time.monotonic() - self._last_line >= self._every_seconds:
            self._last_line = time.monotonic()
            of = f"/{self._total}" if self._total is not None else ""
            _log.info("%s: %d%s %s %s", self._label, self._done, of, self._unit, self._note)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.close()
