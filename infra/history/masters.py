"""The master key, which wraps the customers' keys, and those before it while it is being replaced."""

import hashlib
from collections.abc import Sequence
from uuid import UUID

from infra.history.box import KEY_BYTES, seal, unseal
from infra.history.errors import HistoryError, Unreadable, WrongMasterKey

_TAG = b"ringback master key\x1f"
_ID_DIGITS = 16


def master_id(key: bytes) -> str:
    """A master key's name: 64 bits of SHA-256, which say nothing of the key."""
    return hashlib.sha256(_TAG + key).hexdigest()[:_ID_DIGITS]


class MasterKeys:
    """The master keys that the settings give.

    Args:
        newest: ``RINGBACK_MASTER_KEY``, 32 bytes.
        previous: ``RINGBACK_PREVIOUS_MASTER_KEYS``: those that may still wrap customers' keys.

    Attributes:
        newest_id: the newest one's name.

    Raises:
        HistoryError: one has not 32 bytes.
    """

    def __init__(self, newest: bytes, previous: Sequence[bytes] = ()) -> None:
        for key in (newest, *previous):
            if len(key) != KEY_BYTES:
                raise HistoryError(f"the master key has {len(key)} bytes; it must have {KEY_BYTES}")
        self._by_id = {master_id(key): key for key in (*previous, newest)}
        self.newest_id = master_id(newest)

    def __contains__(self, name: str) -> bool:
        """Whether the settings give the master key of this name."""
        return name in self._by_id

    def wrap(self, name: str, key_id: UUID, subject: str, key: bytes) -> bytes:
        """A customer's key under the master key of this name, bound to its id and its customer.

        Raises:
            WrongMasterKey: the settings do not give that master key.
        """
        return seal(self._named(name), key, _binding(key_id, subject))

    def unwrap(self, name: str, key_id: UUID, subject: str, wrapped: bytes) -> bytes:
        """A customer's key out of what :meth:`wrap` made.

        Raises:
            WrongMasterKey: the settings do not give that master key, or the bytes are damaged.
        """
        try:
            return unseal(self._named(name), wrapped, _binding(key_id, subject))
        except Unreadable as error:
            raise WrongMasterKey(
                f"the customer key {key_id} does not open with its master key: it is damaged"
            ) from error

    def check(self, name: str) -> None:
        """Looks whether the settings give the master key of this name.

        Raises:
            WrongMasterKey: they do not; the message says which they give, and what to do.
        """
        self._named(name)

    def _named(self, name: str) -> bytes:
        key = self._by_id.get(name)
        if key is None:
            given = f"RINGBACK_MASTER_KEY is {self.newest_id}"
            if len(self._by_id) > 1:
                others = ", ".join(sorted(self._by_id.keys() - {self.newest_id}))
                given += f", RINGBACK_PREVIOUS_MASTER_KEYS: {others}"
            raise WrongMasterKey(
                f"this history's customer keys are wrapped by the master key {name}, and {given} (the keys' names, not"
                " the keys). Set RINGBACK_MASTER_KEY to that key; or, where it has been replaced, to the new one, with"
                " the one before it in RINGBACK_PREVIOUS_MASTER_KEYS until `ringback keys rotate` has ended"
            )
        return key


def _binding(key_id: UUID, subject: str) -> bytes:
    return key_id.bytes + subject.encode()
