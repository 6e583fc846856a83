"""How far a partition is behind, in records and in seconds, and whether it stands still.

A partition is stuck when records wait and none has been judged for `STUCK_S`: Redis or the topic of the alerts cannot
be written, or something hangs. Looked at every two seconds, while whoever reads waits for the judging too, that is seen
well within half a minute.
"""

from typing import Final, NamedTuple

STUCK_S: Final = 20.0


class Lag(NamedTuple):
    """What there is to say of a partition.

    Attributes:
        records: that are in the topic and not judged.
        behind_s: the age of the oldest of them, at most; 0 where there are none.
        still_s: for so long none has been judged, although some waited.
    """

    records: int
    behind_s: float
    still_s: float

    @property
    def stuck(self) -> bool:
        """Whether somebody should look."""
        return self.still_s >= STUCK_S


class Lagging:
    """One partition's lag, from one look to the next.

    Args:
        now_s: at the first look, on a clock that never goes back.
    """

    def __init__(self, now_s: float) -> None:
        self._position = -1
        self._moved_s = now_s
        self._even_s: float | None = None

    def look(self, *, position: int, end: int, applied_ms: int, now_ms: int, now_s: float) -> Lag:
        """What there is to say now.

        Args:
            position: of the next record to be judged.
            end: the offset behind the last record.
            applied_ms: the broker's time stamp of the newest record judged, 0 if none was: what waits is not older.
            now_ms: the present moment, on the broker's scale.
            now_s: the same on a clock that never goes back.
        """
        records = max(0, end - position)
        if not records:
            self._even_s = now_s
        if not records or position != self._position:
            self._moved_s = now_s
        self._position = position
        bounds = [] if self._even_s is None else [now_s - self._even_s]
        if applied_ms:
            bounds.append(max(0.0, (now_ms - applied_ms) / 1000))
        behind_s = min(bounds, default=now_s - self._moved_s) if records else 0.0
        return Lag(records, behind_s, now_s - self._moved_s)
