"""How the worker's heap is kept: a process that lives long, grows to its cards, and must not pause.

- The cyclic collector looks at young objects alone. What lives here for long (cards, and what is imported) has no
  cycles, and to look through a million cards takes half a second, in which no payment is judged. Cycles that are not
  found while they are young stay: some exceptions with their frames, whenever a server was away.
- The C library gives nothing back to the system that is asked for again at once: fetched batches, packed flushes. Each
  page that is given back and asked for again is emptied by the kernel first, which cost an eighth of the processor.
"""

import ctypes
import gc
import sys
from typing import Final

_YOUNG: Final = 50_000
_MIDDLE: Final = 5
_NEVER: Final = 2**31 - 1
"""Between two looks at everything, as the collector counts them."""

_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
_M_ARENA_MAX: Final = -8
"""Of glibc's malloc.h."""
_KEPT_BYTES: Final = 32 * 1024 * 1024
"""As much as glibc allows for its threshold of separate mappings."""


def keep_heap() -> None:
    """To be called once, when everything is imported and loaded that lives as long as the process."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, _MIDDLE, _NEVER)
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt is not None:  # not in musl
            mallopt(_M_ARENA_MAX, 2)
            mallopt(_M_MMAP_THRESHOLD, _KEPT_BYTES)
            mallopt(_M_TRIM_THRESHOLD, 2 * _KEPT_BYTES)
