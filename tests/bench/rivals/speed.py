"""The plain rule that every rival runs, and the gauge that each of them carries.

The rule is the one that any first version has: a card's last believed sighting, the great-circle distance to the next
one, the speed between the two. It looks at no trust, no stated place, no order, no duplicate, and keeps no evidence.
"""

import json
import os
import time
from datetime import datetime
from math import asin, cos, radians, sin, sqrt
from pathlib import Path
from typing import Final, TypeAlias

FLOOR_KM: Final = 100.0
FASTEST_KM_H: Final = 900.0
_RADIUS_KM: Final = 6371.0
_NEAR_DEGREES: Final = 0.5

Sighting: TypeAlias = tuple[float, float, float]
"""Seconds since 1970, latitude, longitude."""


def sighting(occurred_at: str, lat: float, lon: float) -> Sighting:
    """A payment as the rule sees it."""
    return datetime.fromisoformat(occurred_at).timestamp(), lat, lon


def impossible(last: Sighting, now: Sighting) -> bool:
    """Whether nobody gets from the one to the other; a suspect is not to replace the last sighting."""
    at, lat, lon = last
    now_at, now_lat, now_lon = now
    if abs(now_lat - lat) < _NEAR_DEGREES and abs(now_lon - lon) < _NEAR_DEGREES:
        return False
    one, other = radians(lat), radians(now_lat)
    half = sin((other - one) / 2) ** 2 + cos(one) * cos(other) * sin(radians(now_lon - lon) / 2) ** 2
    distance_km = 2 * _RADIUS_KM * asin(sqrt(half))
    if distance_km < FLOOR_KM:
        return False
    return distance_km > FASTEST_KM_H * max(abs(now_at - at), 1.0) / 3600


class Gauge:
    """Counts a rival's rows; when all have passed, its figures are in the file that it was given.

    Rate and CPU (of the whole process) are taken from the first row on, so that its start is not in them.
    """

    def __init__(self) -> None:
        self.rows = int(os.environ["RIVAL_ROWS"])
        self.seen = 0
        self.alerts = 0
        self._half = self.rows // 2
        self._began = self._cpu_s = self._half_at = 0.0

    def tick(self) -> bool:
        """One more row; True after the last."""
        if not self.seen:
            self._began, self._cpu_s = time.perf_counter(), time.process_time()
        self.seen += 1
        if self.seen == self._half:
            self._half_at = time.perf_counter()
        return self.seen == self.rows

    def tell(self) -> None:
        """Writes the figures."""
        ended = time.perf_counter()
        status = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
        peak = next(int(line.split()[1]) / 1024 for line in status if "VmHWM" in line)
        figures = {
            "rows": self.seen,
            "seconds": ended - self._began,
            "second_half_s": ended - self._half_at,
            "cpu_s": time.process_time() - self._cpu_s,
            "peak_mb": peak,
            "alerts": self.alerts,
        }
        told = Path(os.environ["RIVAL_RESULT"])
        told.with_suffix(".part").write_text(json.dumps(figures), encoding="ascii")
        told.with_suffix(".part").rename(told)
