"""Work that is shared out over processes; for one alone none is started: that takes longer than a small file."""

import gc
import os
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context, parent_process
from threading import Thread
from typing import Any, TypeVar

Result = TypeVar("Result")


class ProcessKilledError(Exception):
    """A process that helped was ended from outside, as a rule for want of memory."""


class OneByOne(Executor):
    """Does everything in the process that asks for it, each when its result is wanted."""

    def map(
        self, fn: Callable[..., Result], *iterables: Any, timeout: float | None = None, chunksize: int = 1
    ) -> Iterator[Result]:
        """The results in their order; of ``Executor.map``'s other arguments none means anything here."""
        del timeout, chunksize
        return map(fn, *iterables)


@contextmanager
def worker_processes(count: int) -> Iterator[Executor]:
    """So many processes with one thread of polars each, for ``map``.

    Raises:
        ProcessKilledError: one of them was killed.
    """
    if count == 1:
        yield OneByOne()
        return
    before = os.environ.get("POLARS_MAX_THREADS")
    os.environ["POLARS_MAX_THREADS"] = "1"
    try:
        with ProcessPoolExecutor(count, mp_context=get_context("spawn"), initializer=_settle) as pool:
            yield pool
    except BrokenProcessPool as error:
        raise ProcessKilledError(
            f"one of the {count} processes was killed, probably because memory ran out; try --processes 1"
        ) from error
    finally:
        if before is None:
            os.environ.pop("POLARS_MAX_THREADS", None)
        else:
            os.environ["POLARS_MAX_THREADS"] = before


def _settle() -> None:
    """What every process does first: long-lived objects are not looked at again and again; nobody stays behind."""
    gc.set_threshold(100_000, 50, 100)
    Thread(target=_end_with_the_parent, daemon=True).start()


def _end_with_the_parent() -> None:
    """Ends this process when whoever started it is killed: the pool's pipes never tell, since each holds both ends."""
    if (parent := parent_process()) is not None:
        parent.join()
        os._exit(1)
