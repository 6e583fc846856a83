"""A key per customer, wrapped by the master key; personal data is readable exactly as long as its key is.

Every customer's 256-bit data key is random and is stored only wrapped: AES-256-GCM under the master key, a fresh
96-bit nonce in front, bound to the key's id and its customer. Personal data is sealed the same way under the data key,
bound to the id of its event, so that it cannot be moved to another event.
"""

from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from infra.clock import Clock
from infra.history.errors import WrongMasterKey
from infra.history.keystore import INSTALLATION, Connection, KeyStore, WrappedKey
from infra.history.masters import MasterKeys

_CACHED_KEYS = 10_000
FORGOTTEN_AFTER = timedelta(seconds=60)
"""A destroyed key is used by no process after this, even one that nobody could tell of it."""

LOOK_UPS = f"{INSTALLATION}look-ups"
"""The subject of the installation's own key, under which telephone numbers are hashed: it outlives every master key."""

CustomerKey = tuple[UUID, bytes]
"""A key's id and its 32 bytes."""


class Destroyed(msgspec.Struct, frozen=True):
    """Keys that are no more. ``told``: whether the other processes heard of it at once, or forget by themselves."""

    keys: tuple[UUID, ...]
    told: bool


class CustomerKeys:
    """The customers' keys: made on first use, unwrapped, and remembered for a minute.

    Args:
        store: where they lie.
        masters: what unwraps them; None where personal data is not to be read.
        clock: ages what is remembered.
    """

    def __init__(self, store: KeyStore, masters: MasterKeys | None, clock: Clock) -> None:
        self.store = store
        self._masters = masters
        self._clock = clock
        self._by_id: OrderedDict[UUID, tuple[bytes | None, datetime]] = OrderedDict()
        self._by_subject: dict[str, tuple[UUID, datetime]] = {}

    @property
    def masters(self) -> MasterKeys:
        """The master keys.

        Raises:
            WrongMasterKey: there are none.
        """
        if self._masters is None:
            raise WrongMasterKey("personal data cannot be read or written without RINGBACK_MASTER_KEY")
        return self._masters

    async def check(self, conn: Connection) -> None:
        """Looks whether the settings give the master key that wraps what is made now, if they give any.

        Raises:
            WrongMasterKey: they do not.
        """
        if self._masters is not None and (current := await self.store.current_master(conn)) is not None:
            self._masters.check(current)

    async def look_ups(self, conn: Connection) -> bytes:
        """The installation's own key, made on first use; the same for ever.

        Raises:
            WrongMasterKey: the master key is not this history's.
        """
        return self._unwrap(await self.store.make(conn, LOOK_UPS, self.masters))

    async def for_writing(self, conn: Connection, subjects: Iterable[str]) -> dict[str, CustomerKey]:
        """The living key of each subject; one that has none gets one, committed when this returns.

        Args:
            conn: to the history, outside a transaction.
            subjects: whose keys.

        Raises:
            WrongMasterKey: the master key is not this history's.
        """
        found: dict[str, CustomerKey] = {}
        for subject in sorted(set(subjects)):  # sorted: two writers that make keys for the same customers never cross
            cached = self._cached(subject)
            if cached is None:
                wrapped = await self.store.make(conn, subject, self.masters)
                cached = wrapped.key_id, self._unwrap(wrapped)
            found[subject] = cached
        return found

    async def for_reading(self, conn: Connection, key_ids: Collection[UUID]) -> Mapping[UUID, bytes | None]:
        """The keys with these ids; None for one that is destroyed or was never here.

        Raises:
            WrongMasterKey: the master key is not this history's.
        """
        now = self._clock()
        found: dict[UUID, bytes | None] = {}
        for key_id in key_ids:
            entry = self._by_id.get(key_id)
            if entry is not None and now - entry[1] < FORGOTTEN_AFTER:
                found[key_id] = entry[0]
        missing = [key_id for key_id in key_ids if key_id not in found]
        if missing:
            wrapped = {key.key_id: key for key in await self.store.find(conn, missing)}
            for key_id in missing:
                key = wrapped.get(key_id)
                found[key_id] = self._unwrap(key) if key is not None and key.wrapped is not None else None
                self._keep(key_id, found[key_id], now)
        return found

    def remember(self, keys: Mapping[str, CustomerKey]) -> None:
        """Keeps keys that are committed."""
        now = self._clock()
        for subject, (key_id, key) in keys.items():
            if subject not in self._by_subject or self._cached(subject) is None:
                self._by_subject[subject] = (key_id, now)
                self._keep(key_id, key, now)

    def forget(self) -> None:
        """Drops every key from memory: the next use asks the database."""
        self._by_id.clear()
        self._by_subject.clear()

    def forget_subject(self, subject: str) -> None:
        """Drops the key of one subject from memory."""
        known = self._by_subject.pop(subject, None)
        if known is not None:
            self._by_id.pop(known[0], None)

    def _cached(self, subject: str) -> CustomerKey | None:
        known = self._by_subject.get(subject)
        if known is None or self._clock() - known[1] >= FORGOTTEN_AFTER:
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

    def _unwrap(self, key: WrappedKey) -> bytes:
        return self.masters.unwrap(key.master_id or "", key.key_id, key.subject, key.wrapped or b"")
