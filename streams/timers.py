"""What the casework does when nothing happens.

Silence moves the ladder on, a quiet operator's task returns, a promised call comes near or is missed.
"""

import asyncio
from datetime import timedelta
from typing import Final

import structlog

from infra.clock import Clock
from infra.history.errors import Unavailable
from infra.history.store import History
from infra.metrics import TIMERS_FIRED
from infra.settings import Settings
from outreach.cases.commands import Command, MissCallBack, NoteCallBackDue, NoteSilence, ReturnTask
from outreach.cases.due import DueKind, DueRow, overdue, waits
from outreach.cases.errors import Busy, Refused
from outreach.cases.service import Cases
from outreach.desk.presence import last_seen

log = structlog.get_logger(__name__)

_KINDS: Final = (DueKind.SILENCE, DueKind.HAND_OVER, DueKind.PROMISE_DUE, DueKind.PROMISE_MISSED)
_LOOK_EVERY_S: Final = 1.0


class Timers:
    """Looks every second for what is overdue. Each firing is a command: twice is harmless, by two workers as well."""

    def __init__(self, history: History, cases: Cases, settings: Settings, clock: Clock) -> None:
        self._history = history
        self._cases = cases
        self._clock = clock
        self._waits = waits(settings)
        self._fired: dict[tuple[DueKind, str, int], float] = {}

    async def run(self) -> None:
        """Fires until it is cancelled."""
        every_s = min(_LOOK_EVERY_S, min(abs(self._waits[kind]) for kind in _KINDS).total_seconds() / 4)
        while True:
            try:
                await self.fire()
            except (Unavailable, Busy) as error:
                log.warning("timers wait", error=type(error).__name__)
            await asyncio.sleep(every_s)

    async def fire(self) -> int:
        """Fires what is overdue now; answers how many commands changed something.

        Raises:
            Unavailable, Busy: retryable.
        """
        now = self._clock()
        async with self._history.transaction() as conn:
            rows = await overdue(conn, now, self._waits, kinds=_KINDS)
        changed = 0
        for row in rows:
            if self._fired_lately(row, now.timestamp()) or await self._alive(row):
                continue
            changed += await self._command(row)
            # The read model needs a moment to know of it; a row that changes nothing is not tried every second.
            self._fired[row.kind, row.subject_id, row.position] = now.timestamp()
        return changed

    def _fired_lately(self, row: DueRow, now: float) -> bool:
        forget_before = now - max(self._waits[row.kind], timedelta(seconds=5)).total_seconds()
        if len(self._fired) > 10_000:  # noqa: PLR2004 - a bound on memory, no rule
            self._fired = {key: at for key, at in self._fired.items() if at > forget_before}
        return self._fired.get((row.kind, row.subject_id, row.position), 0.0) > forget_before

    async def _alive(self, row: DueRow) -> bool:
        if row.kind is not DueKind.HAND_OVER:
            return False
        async with self._history.transaction() as conn:
            seen = await last_seen(conn, row.operator, row.case_id)
        return seen is not None and seen > self._clock() - self._waits[DueKind.HAND_OVER]

    async def _command(self, row: DueRow) -> int:
        command = _command(row)
        cause = f"due:{row.kind}:{row.subject_id}:{row.position}"
        try:
            handled = await self._cases.handle(row.case_id, command, actor="system:casework", cause=cause)
        except Refused as refused:
            log.info("timer refused", case_id=row.case_id, kind=row.kind, code=refused.code)
            return 0
        if handled.events:
            TIMERS_FIRED.labels(row.kind.value).inc()
            log.info("timer fired", case_id=row.case_id, kind=row.kind)
        return int(bool(handled.events))


def _command(row: DueRow) -> Command:
    match row.kind:
        case DueKind.HAND_OVER:
            return ReturnTask(operator=row.operator, reason="hand_over")
        case DueKind.PROMISE_DUE:
            return NoteCallBackDue(call_back_id=row.subject_id)
        case DueKind.PROMISE_MISSED:
            return MissCallBack(call_back_id=row.subject_id)
        case _:
            return NoteSilence(contact_id=row.subject_id)
