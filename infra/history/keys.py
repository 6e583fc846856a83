"""A key per customer, wrapped by the master key; personal data is readable exactly as long as its key is.

Every customer's 256-bit data key is random and is stored only wrapped: AES-256-GCM under the master key, a fresh
96-bit nonce in front, bound to the key's id and its customer. Personal data is sealed the same way under the data key,
bound to the id of its event, so that it cannot be moved to another event.
"""

import secrets
from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from infra.clock import Clock
from infra.history.errors import HistoryError, Unreadable, WrongMasterKey

_KEY_BYTES = 32
_NONCE_BYTES = 12
"""NIST SP 800-38D, 5.2.1.1: 96 bits; random nonces are safe for 2**32 messages under one key (8.3)."""

_CHECK_TEXT = b"ringback master key"
_CACHED_KEYS = 10_000
_CACHED_FOR = timedelta(seconds=60)
"""A destroyed key is used by no process after this."""

CustomerKey = tuple[UUID, bytes]
"""A key's id and its 32 bytes."""


def seal(key: bytes, text: bytes, bound_to: bytes) -> bytes:
    """Encrypts with AES-256-GCM; a fresh nonce stands in front."""
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, text, bound_to)


def unseal(key: bytes, sealed: bytes, bound_to: bytes) -> bytes:
    """Decrypts what :func:`seal` made.

    Raises:
        Unreadable: another key, another binding, or altered bytes.
    """
    try:
        return AESGCM(key).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], bound_to)
    except (InvalidTag, ValueError) as error:
        raise Unreadable("sealed bytes do not open with their key") from error


class CustomerKeys:
    """The customers' keys: made on first use, unwrapped, and remembered for a minute."""

    def __init__(self, master_key: bytes, clock: Clock) -> None:
        if len(master_key) != _KEY_BYTES:
            raise HistoryError(f"the master key has {len(master_key)} bytes; it must have {_KEY_BYTES}")
        self._master = master_key
        self._clock = clock
        self._checked = False
        self._by_id: OrderedDict[UUID, tuple[bytes | None, datetime]] = OrderedDict()
        self._by_subject: dict[str, tuple[UUID, datetime]] = {}

    async def for_writing(self, conn: AsyncConnection[TupleRow], subjects: Iterable[str]) -> dict[str, CustomerKey]:
        """The living key of each subject; one that has none gets one, in the caller's transaction.

        Call :meth:`remember` once the transaction is committed, and not before: a key that was rolled back must not
        be used again.

        Raises:
            WrongMasterKey: the master key is not this history's.
        """
        found: dict[str, CustomerKey] = {}
        missing = []
        for subject in sorted(set(subjects)):  # sorted: two writers that make keys for the same customers never cross
            cached = self._cached(subject)
            if cached is None:
                missing.append(subject)
            else:
                found[subject] = cached
        if missing:
            await self._check_master(conn)
            for subject in missing:
                found[subject] = await self._living_key(conn, subject)
        return found

    async def for_reading(
        self, conn: AsyncConnection[TupleRow], key_ids: Collection[UUID]
    ) -> Mapping[UUID, bytes | None]:
        """The keys with these ids; None for one that is destroyed or was never here.

        Raises:
            WrongMasterKey: the master key is not this history's.
        """
        now = self._clock()
        found: dict[UUID, bytes | None] = {}
        for key_id in key_ids:
            entry = self._by_id.get(key_id)
            if entry is not None and now - entry[1] < _CACHED_FOR:
                found[key_id] = entry[0]
        missing = [key_id for key_id in key_ids if key_id not in found]
        if missing:
            await self._check_master(conn)
            cursor = await conn.execute(
                "SELECT key_id, subject, wrapped FROM keys.customer_keys WHERE key_id = ANY (%s)", (missing,)
            )
            rows = {row[0]: row for row in await cursor.fetchall()}
            for key_id in missing:
                row = rows.get(key_id)
                found[key_id] = self._unwrap(*row) if row is not None and row[2] is not None else None
                self._keep(key_id, found[key_id], now)
        return found

    def remember(self, keys: Mapping[str, CustomerKey]) -> None:
        """Keeps keys whose transaction is committed."""
        now = self._clock()
        for subject, (key_id, key) in keys.items():
            if subject not in self._by_subject or self._cached(subject) is None:
                self._by_subject[subject] = (key_id, now)
                self._keep(key_id, key, now)

    def forget(self) -> None:
        """Drops every key from memory: the next use asks the database."""
        self._by_id.clear()
        self._by_subject.clear()

    def _cached(self, subject: str) -> CustomerKey | None:
        known = self._by_subject.get(subject)
        if known is None or self._clock() - known[1] >= _CACHED_FOR:
            return None
        entry = self._by_id.get(known[0])
        return (known[0], entry[0]) if entry is not None and entry[0] is not None else None

    def _keep(self, key_id: UUID, key: bytes | None, now: datetime) -> None:
        self._by_id[key_id] = (key, now)
        self._by_id.move_to_end(key_id)
        if len(self._by_id) > _CACHED_KEYS:
            self._by_id.popitem(last=False)
        if len(self._by_subject) > _CACHED_KEYS:
            self._by_subject.clear()

    async def _living_key(self, conn: AsyncConnection[TupleRow], subject: str) -> CustomerKey:
        key_id, key = uuid4(), secrets.token_bytes(_KEY_BYTES)
        while True:
            cursor = await conn.execute(
                "SELECT key_id, subject, wrapped FROM keys.customer_keys WHERE subject = %s AND wrapped IS NOT NULL",
                (subject,),
            )
            row = await cursor.fetchone()
            if row is not None:
                return row[0], self._unwrap(*row)
            # Waits for another writer's uncommitted key of this customer, and then finds it above.
            cursor = await conn.execute(
                "INSERT INTO keys.customer_keys (key_id, subject, wrapped, created_at) VALUES (%s, %s, %s, now())"
                " ON CONFLICT (subject) WHERE wrapped IS NOT NULL DO NOTHING",
                (key_id, subject, seal(self._master, key, _binding(key_id, subject))),
            )
            if cursor.rowcount == 1:
                return key_id, key

    def _unwrap(self, key_id: UUID, subject: str, wrapped: bytes) -> bytes:
        try:
            return unseal(self._master, wrapped, _binding(key_id, subject))
        except Unreadable as error:
            raise WrongMasterKey(
                f"the customer key {key_id} does not open with this master key (RINGBACK_MASTER_KEY), or is damaged"
            ) from error

    async def _check_master(self, conn: AsyncConnection[TupleRow]) -> None:
        if self._checked:
            return
        cursor = await conn.execute("SELECT sealed FROM keys.master_check")
        row = await cursor.fetchone()
        if row is None:
            await conn.execute(
                "INSERT INTO keys.master_check (sealed) VALUES (%s) ON CONFLICT DO NOTHING",
                (seal(self._master, _CHECK_TEXT, b""),),
            )
            return  # looked at again with the next key: another writer's may have been first, or this be rolled back
        try:
            unseal(self._master, row[0], b"")
        except Unreadable as error:
            raise WrongMasterKey(
                "this history's customer keys are wrapped by another master key than RINGBACK_MASTER_KEY"
            ) from error
        self._checked = True


def _binding(key_id: UUID, subject: str) -> bytes:
    return key_id.bytes + subject.encode()
