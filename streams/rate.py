"""How many requests one caller may make: a token bucket a caller, in the memory of the process."""

import math
from collections import OrderedDict
from collections.abc import Callable
from time import monotonic
from typing import NamedTuple


class _Bucket(NamedTuple):
    tokens: float
    at_s: float


class RateLimit:
    """Allows ``per_s`` requests a second to each caller, and ``burst`` at once after a pause.

    Remembers ``callers`` of them; beyond that the one not seen for longest is forgotten, and begins anew.

    Args:
        per_s: tokens that a bucket gains a second.
        burst: tokens that a bucket holds at most.
        callers: buckets that are kept at most.
        now_s: a monotonic clock in seconds.
    """

    def __init__(
        self, per_s: float, burst: float, *, callers: int = 10_000, now_s: Callable[[], float] = monotonic
    ) -> None:
        self._per_s = per_s
        self._burst = burst
        self._callers = callers
        self._now_s = now_s
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def take(self, caller: str) -> int:
        """Takes one token from the caller's bucket.

        Returns:
            0 when the request may be served; else the whole seconds after which it may be tried again.
        """
        now_s = self._now_s()
        bucket = self._buckets.pop(caller, _Bucket(self._burst, now_s))
        tokens = min(self._burst, bucket.tokens + (now_s - bucket.at_s) * self._per_s)
        allowed = tokens >= 1
        self._buckets[caller] = _Bucket(tokens - 1 if allowed else tokens, now_s)
        if len(self._buckets) > self._callers:
            self._buckets.popitem(last=False)
        return 0 if allowed else math.ceil((1 - tokens) / self._per_s)
