"""Another master key: every customer's key is wrapped anew, and no event is touched.

The settings give the new master key and the one before it. From the first step on whatever key is made is wrapped by
the new one; those that are there follow in batches, each in its own transaction, while workers read and write. Broken
off anywhere, it goes on where it was when it is begun again.
"""

from collections.abc import Callable
from typing import Final

import msgspec

from infra.history.keys import CustomerKeys
from infra.history.keystore import Connection
from infra.history.store import History

_BATCH: Final = 500


class Rotated(msgspec.Struct, frozen=True):
    """What a rotation did.

    Attributes:
        master: the name of the master key that wraps every key now.
        replaced: the name of the one that was current before; empty where it was this one already.
        rewrapped: how many keys were wrapped anew.
    """

    master: str
    replaced: str
    rewrapped: int


async def rotate(history: History, progress: Callable[[int, int], None] | None = None) -> Rotated:
    """Has every key wrapped by the newest master key of the settings.

    Every process that works on the history has to be given the new master key before, and the one before it among the
    previous ones; afterwards none needs that any more.

    Args:
        history: opened with both.
        progress: told how many keys are wrapped anew, and how many there are to be.

    Raises:
        WrongMasterKey: a key is wrapped by a master key that the settings do not give. What was done stays done.
        Unavailable: retryable.
    """
    async with history.keys() as (keys, conn), keys.store.at(conn) as place:
        replaced = await _make_current(place, keys)
        newest = keys.masters.newest_id
        left = await _left(place, newest)
        done = 0
        if progress is not None:
            progress(0, left)
        while left:
            done += await _rewrap_some(place, keys)
            left = await _left(place, newest)
            if progress is not None:
                progress(done, done + left)
        keys.forget()
    return Rotated(newest, replaced, done)


async def _make_current(place: Connection, keys: CustomerKeys) -> str:
    """Has what is made from now on wrapped by the newest master key; answers the name of the one before it."""
    newest = keys.masters.newest_id
    async with place.transaction():
        cursor = await place.execute("SELECT master_id FROM keys.masters WHERE current FOR UPDATE")
        row = await cursor.fetchone()
        before = str(row[0]) if row else ""
        if before == newest:
            return ""
        if before:
            keys.masters.check(before)
        await place.execute("UPDATE keys.masters SET current = false WHERE current")
        await place.execute(
            "INSERT INTO keys.masters (master_id, current) VALUES (%s, true) ON CONFLICT (master_id)"
            " DO UPDATE SET current = true, current_from = excluded.current_from",
            (newest,),
        )
    return before


async def _left(place: Connection, newest: str) -> int:
    cursor = await place.execute(
        "SELECT count(*) FROM keys.customer_keys WHERE wrapped IS NOT NULL AND master_id <> %s", (newest,)
    )
    row = await cursor.fetchone()
    return int(row[0]) if row else 0


async def _rewrap_some(place: Connection, keys: CustomerKeys) -> int:
    """Wraps some keys anew; those that another rotation or an erasure has in hand are waited for."""
    masters = keys.masters
    async with place.transaction():
        cursor = await place.execute(
            "SELECT key_id, subject, wrapped, master_id FROM keys.customer_keys"
            " WHERE wrapped IS NOT NULL AND master_id <> %s ORDER BY key_id LIMIT %s FOR UPDATE",
            (masters.newest_id, _BATCH),
        )
        rows = await cursor.fetchall()
        changed = [
            (
                masters.wrap(masters.newest_id, key_id, subject, masters.unwrap(name, key_id, subject, wrapped)),
                masters.newest_id,
                key_id,
            )
            for key_id, subject, wrapped, name in rows
        ]
        async with place.cursor() as writing:
            await writing.executemany(
                "UPDATE keys.customer_keys SET wrapped = %s, master_id = %s WHERE key_id = %s", changed
            )
    return len(changed)
