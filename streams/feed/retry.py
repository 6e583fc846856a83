"""Sending again what was set aside: read once more as if it came now, and noted where it was taken.

A transaction that is sent again is the same transaction, so that sending twice is harmless. What is refused again stays
as it was; only what went out is told once more on ``transactions-refused``, with ``retried_at``.
"""

import asyncio
from collections.abc import Collection, Sequence
from itertools import islice
from typing import Final

import msgspec

from infra.clock import Clock
from infra.settings import Settings
from streams.errors import StreamsError
from streams.feed.refused import Refused
from streams.feed.rows import Bad, read_row
from streams.feed.set_aside import folded, refusals
from streams.producer import Outgoing, Producer
from streams.topics import TRANSACTIONS, TRANSACTIONS_REFUSED

_AT_ONCE: Final = 500


class Retried(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one. ``taken``: it went out; else ``why`` not, for a person."""

    refusal_id: str
    taken: bool
    topic: str = ""
    why: str = ""


class Mended(msgspec.Struct, frozen=True):
    """A refusal that can go out now, and the message that it is."""

    refusal: Refused
    key: bytes | None
    message: Outgoing


def mend(refusal: Refused, key: bytes | None, *, allow_card_numbers: bool) -> Mended | str:
    """What goes out for the refusal; or, in words for a person, why nothing can."""
    if refusal.masked:
        return "card numbers were masked in what is kept: send the row again from its source, with a token"
    if refusal.cut:
        return f"only the beginning of its {refusal.length_bytes} bytes is kept: send it again from its source"
    raw, origin = refusal.kept, refusal.origin
    if origin.kind != "topic" or origin.name == TRANSACTIONS:
        row = read_row(raw, allow_card_numbers=allow_card_numbers)
        if isinstance(row, Bad):
            return f"refused again: {row.detail}"
        return Mended(refusal, key, Outgoing(TRANSACTIONS, row.card_id, row.raw))
    if not raw and refusal.length_bytes == 0:
        place = f"partition {origin.partition}, offset {origin.offset}"
        return f"only the place of this message of {origin.name} is kept ({place}): send it again from its source"
    return Mended(refusal, key, Outgoing(origin.name, key, raw))


async def retry(
    settings: Settings, clock: Clock, *, only: Collection[str] | None = None, dry_run: bool = False
) -> list[Retried]:
    """Sends again what is open, oldest first within each partition of the refusals.

    Args:
        settings: ``kafka_servers``, and whether card numbers are allowed.
        clock: says when.
        only: ids; None for everything that is open.
        dry_run: nothing is sent or noted.

    Returns:
        What became of each.

    Raises:
        BrokerAway: the broker does not answer; what went out until then is noted.
    """
    servers = settings.kafka_servers or ""
    known = await asyncio.to_thread(folded, servers)
    wanted = {name for name, entry in known.items() if entry.retried_at is None and (only is None or name in only)}
    answers: list[Retried] = []
    read = refusals(servers)
    async with Producer(servers, client_id="ringback-refused") as producer:
        while some := await asyncio.to_thread(lambda: list(islice(read, _AT_ONCE))):
            outgoing: list[Mended] = []
            for key, refusal in some:
                if refusal.refusal_id not in wanted:
                    continue
                wanted.discard(refusal.refusal_id)
                mended = mend(refusal, key, allow_card_numbers=settings.allow_card_numbers)
                if isinstance(mended, Mended):
                    outgoing.append(mended)
                    answers.append(Retried(refusal_id=refusal.refusal_id, taken=True, topic=mended.message.topic))
                else:
                    answers.append(Retried(refusal_id=refusal.refusal_id, taken=False, why=mended))
            if outgoing and not dry_run:
                await _send(producer, outgoing, clock)
    return answers


async def _send(producer: Producer, mended: Sequence[Mended], clock: Clock) -> None:
    await _all(producer, [each.message for each in mended])
    await _all(producer, [_noted(each, clock) for each in mended])


async def _all(producer: Producer, messages: Sequence[Outgoing]) -> None:
    for outcome in await producer.send_all(messages):
        if isinstance(outcome, StreamsError):
            raise outcome


def _noted(mended: Mended, clock: Clock) -> Outgoing:
    told = msgspec.structs.replace(mended.refusal, retried_at=clock())
    return Outgoing(TRANSACTIONS_REFUSED, mended.key, msgspec.json.encode(told))
