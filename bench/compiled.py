"""Compiled loops; import this where such a loop is defined, Numba loads slowly."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

__all__ = ["compiled"]

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(function: Function, **options: Any) -> Function:
    """Compile without the interpreter lock, cached on disk where a cache can be written.

    Parameters
    ----------
    function
        What Numba can compile.
    options
        Further ones of `numba.njit`.
    """
    try:
        made = numba.njit(nogil=True, cache=True, **options)(function)
    except RuntimeError:  # neither the package's folder nor the user's cache folder is writable
        made = numba.njit(nogil=True, **options)(function)
    return cast(Function, made)
