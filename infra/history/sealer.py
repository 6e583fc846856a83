"""Signs the end of the history at an interval, by one leader, as an event of the history and a line of a file.

Before it signs, the leader walks from the last seal to the end: what was rewritten since the last seal, and does not
follow from it, is never sealed. The last seal is the one that this process or the file remembers, not what the
database says.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Final

import psycopg
import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from infra.clock import Clock
from infra.history.cancellation import Cancellation
from infra.history.chain import Chain, Kind, Problem
from infra.history.errors import Conflict, HistoryError, Unavailable
from infra.history.event import NewEvent, derived_id
from infra.history.leadership import leading
from infra.history.registry import register
from infra.history.seal_file import append_seals, last_seal
from infra.history.seals import SEALS_STREAM, HistorySealed, PublicKeys, holds, key_id, sign
from infra.history.store import History, StreamWrite
from infra.history.walking import ranges, segments
from infra.metrics import HISTORY_SEAL_REFUSED, HISTORY_SEALED_POSITION

_PAUSE_S: Final = 5.0

log = structlog.get_logger(__name__)
register(HistorySealed)


class BrokenChain(HistoryError):
    """The history does not follow from its last seal: it is not sealed, and somebody has to look."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__(f"the history is not sealed: position {problems[0].position}: {problems[0].why}")


class Sealer:
    """Seals one history.

    Args:
        history: what is sealed.
        key: signs; its public half is what everybody checks by.
        clock: when it is sealed.
        file: a line a seal is added here, by whoever leads.
        trusted: who else may have signed: earlier keys.
    """

    def __init__(
        self, history: History, key: Ed25519PrivateKey, clock: Clock, file: Path, trusted: PublicKeys | None = None
    ) -> None:
        self._history = history
        self._key = key
        self._keys = {**(trusted or {}), key_id(key.public_key()): key.public_key()}
        self._clock = clock
        self._file = file
        self._last: HistorySealed | None = None

    async def run(self, every: timedelta, wait: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        """Leads, and seals at the interval whatever has come since; until it is cancelled.

        A chain that is broken is logged and counted each time, and never sealed.
        """
        cancellation = Cancellation()
        while True:
            try:
                async with leading(self._history.postgres_url, SEALS_STREAM) as leadership:
                    while True:
                        await wait(every.total_seconds())
                        leadership.check()
                        await self.seal()
            except BrokenChain as broken:
                cancellation.check()
                HISTORY_SEAL_REFUSED.inc()
                log.critical(
                    "history is not sealed: it does not follow from its last seal", position=broken.problems[0].position
                )
            except (Unavailable, Conflict, OSError) as away:
                cancellation.check()
                log.warning("seals wait", error=type(away).__name__)
            await wait(_PAUSE_S)

    async def seal(self) -> HistorySealed | None:
        """Seals the end, unless nothing has come since the last seal but that seal itself.

        Raises:
            BrokenChain: the history does not follow from its last seal.
            Conflict: another has sealed at this moment. Retryable.
            Unavailable: PostgreSQL is away. Retryable.
            OSError: the file cannot be written; the seal stands in the history, and is written next time.
        """
        newest = await self._history.read_stream(SEALS_STREAM, limit=1, backwards=True)
        stands = newest[0].event if newest and isinstance(newest[0].event, HistorySealed) else None
        last = self._remembered(stands)
        async with self._history.transaction() as conn:
            cursor = await conn.execute("SELECT position, hash, recorded_at FROM history.head")
            ((position, head_hash, recorded_at),) = await cursor.fetchall()
        await self._follow(last, position)
        if newest and newest[0].position == position:
            await self._write_missing()
            return None
        sealed = sign(
            self._key,
            number=(last.number if last else 0) + 1,
            position=position,
            head_hash=bytes(head_hash),
            recorded_at=recorded_at,
            now=self._clock(),
        )
        new = NewEvent(
            event=sealed,
            event_id=derived_id(HistorySealed.wire_name, sealed.number, sealed.position),
            occurred_at=sealed.sealed_at,
            actor="system:seals",
        )
        await self._history.append(StreamWrite(SEALS_STREAM, [new], sealed.number - 1))
        self._last = sealed
        HISTORY_SEALED_POSITION.set(sealed.position)
        await self._write_missing()
        return sealed

    def _remembered(self, stands: HistorySealed | None) -> HistorySealed | None:
        """The last seal, from memory, from the file or from the history, whichever is newest.

        Raises:
            BrokenChain: the history's own is not signed by us, or an older one than we know.
        """
        kept = self._last or last_seal(self._file)
        if kept is not None and (stands is None or kept.number > stands.number):
            raise BrokenChain([_found(kept, "a seal of it is known that the history has lost")])
        if stands is None:
            return None
        if kept is not None and kept.number == stands.number and kept != stands:
            raise BrokenChain([_found(stands, "the history holds another seal with the number of one that is known")])
        if stands != kept and not holds(stands, self._keys):
            raise BrokenChain([_found(stands, "the history's last seal is signed by no key that is trusted here")])
        return stands

    async def _follow(self, last: HistorySealed | None, position: int) -> None:
        """Walks from the last seal to the end."""
        chain = Chain((last.position, bytes.fromhex(last.hash), -(2**63)) if last else None)
        first = last.position + 1 if last else 1
        try:
            async with await psycopg.AsyncConnection.connect(self._history.postgres_url) as conn:
                await conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
                ((snapshot,),) = await (await conn.execute("SELECT pg_export_snapshot()")).fetchall()
                pieces = ranges(first, position)
                async for segment in segments(self._history.postgres_url, snapshot, pieces, frozenset(), 1):
                    chain.join(segment)
        except psycopg.Error as error:
            raise Unavailable(f"PostgreSQL is away: {error}") from error
        if chain.end[0] < position:
            chain.found(chain.end[0] + 1, Kind.MISSING, "it is not there")
        if chain.problems:
            raise BrokenChain(chain.problems)

    async def _write_missing(self) -> None:
        """Adds the seals of the history that the file has not: another host may have sealed before."""
        kept = await asyncio.to_thread(last_seal, self._file)
        recorded = await self._history.read_stream(SEALS_STREAM, after=kept.number if kept else 0)
        seals = [each.event for each in recorded if isinstance(each.event, HistorySealed)]
        await asyncio.to_thread(append_seals, self._file, seals)


def _found(seal: HistorySealed, why: str) -> Problem:
    return Problem(seal.position, Kind.SEAL, f"seal {seal.number}: {why}")
