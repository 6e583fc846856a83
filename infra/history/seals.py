"""Seals: the end of the chain, signed from time to time, so that not even the database's owner can rewrite it unseen.

A seal says that at a moment the event at a position had a hash. The Ed25519 signature is over the text
``ringback.seal.1`` followed by these fields in this order, encoded as an event's are (canonical.py)::

    number, position, hash, recorded_at, sealed_at, key_id

Seals are numbered from 1 without holes, so that one that was taken out of a file is missed. ``key_id`` is the first
sixteen hexadecimal digits of the SHA-256 of the public key's 32 bytes.
"""

import base64
import binascii
import hashlib
import struct
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from infra.history.chain import PROBLEMS_AT_MOST, Kind, Problem
from infra.history.errors import HistoryError
from infra.history.event import Event, Plain

SEALS_STREAM = "seals"
"""The stream in which the seals stand; a seal's number is its version there."""

KEY_BYTES = 32
_HASH_BYTES = 32
_KEY_ID_BYTES = 16
_TAG = b"ringback.seal.1"
_FORM = struct.Struct(">iqiqi32siqiqi16s")
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


class UnusableKey(HistoryError):
    """A key that signs or checks seals is not base64 of 32 bytes."""


class HistorySealed(Event, frozen=True, kw_only=True):
    """The event at ``position`` had this hash when it was sealed. Nothing in it is personal.

    Attributes:
        number: from 1, without holes.
        hash: 64 hexadecimal digits.
        recorded_at: when the event at the position was recorded.
        sealed_at: by the sealer's clock.
        key_id: which key signed it.
        signature: base64 of the 64 bytes.
    """

    wire_name = "history.sealed"
    number: int
    position: int
    hash: Plain
    recorded_at: datetime
    sealed_at: datetime
    key_id: Plain
    signature: Plain


PublicKeys = Mapping[str, Ed25519PublicKey]
"""Those who may have signed, by key id."""


def signing_key(seed: str) -> Ed25519PrivateKey:
    """The key from its setting: base64 of 32 bytes.

    Raises:
        UnusableKey: it is not.
    """
    return Ed25519PrivateKey.from_private_bytes(_key_bytes(seed, "RINGBACK_SEAL_KEY"))


def public_keys(given: Iterable[str]) -> dict[str, Ed25519PublicKey]:
    """Public keys, each base64 of 32 bytes, by their ids.

    Raises:
        UnusableKey: one is not.
    """
    keys = [Ed25519PublicKey.from_public_bytes(_key_bytes(each, f"the public key {each!r}")) for each in given]
    return {key_id(key): key for key in keys}


def public_text(key: Ed25519PublicKey) -> str:
    """A public key as it is published: base64 of its 32 bytes."""
    return base64.b64encode(_raw(key)).decode()


def key_id(key: Ed25519PublicKey) -> str:
    """The name of the key, sixteen hexadecimal digits."""
    return hashlib.sha256(_raw(key)).hexdigest()[:16]


def signed_bytes(seal: HistorySealed) -> bytes:
    """What the signature is over.

    Raises:
        ValueError: the hash or the key's id has not its form.
    """
    head_hash, named = bytes.fromhex(seal.hash), seal.key_id.encode("ascii")
    if (len(head_hash), len(named)) != (_HASH_BYTES, _KEY_ID_BYTES):
        raise ValueError("a seal holds a hash of 32 bytes and a key id of 16 characters")
    recorded, sealed = _microseconds(seal.recorded_at), _microseconds(seal.sealed_at)
    return _TAG + _FORM.pack(
        *(8, seal.number), *(8, seal.position), *(32, head_hash), *(8, recorded), *(8, sealed), *(16, named)
    )


def sign(
    key: Ed25519PrivateKey, *, number: int, position: int, head_hash: bytes, recorded_at: datetime, now: datetime
) -> HistorySealed:
    """Signs that the event at the position has the hash."""
    unsigned = HistorySealed(
        number=number,
        position=position,
        hash=head_hash.hex(),
        recorded_at=recorded_at,
        sealed_at=now,
        key_id=key_id(key.public_key()),
        signature="",
    )
    signature = base64.b64encode(key.sign(signed_bytes(unsigned))).decode()
    return msgspec.structs.replace(unsigned, signature=signature)


def holds(seal: HistorySealed, keys: PublicKeys) -> bool:
    """Whether one of these keys has signed it as it is."""
    key = keys.get(seal.key_id)
    if key is None:
        return False
    try:
        key.verify(base64.b64decode(seal.signature, validate=True), signed_bytes(seal))
    except (InvalidSignature, binascii.Error, ValueError, TypeError, struct.error):
        return False
    return True


class Compared(msgspec.Struct, frozen=True):
    """What a comparison of the seals with the events came to."""

    compared: int
    up_to: int
    problems: list[Problem]


class Seals:
    """Seals that were signed before: from the file, the topic, or the history itself.

    Args:
        given: in any order; the same one may come twice.
        keys: who may have signed them.
    """

    def __init__(self, given: Iterable[HistorySealed] = (), keys: PublicKeys | None = None) -> None:
        self._by_number: dict[int, HistorySealed] = {}
        self.problems: list[Problem] = []
        refused: list[HistorySealed] = []
        for seal in given:
            if not holds(seal, keys or {}):
                if seal not in refused:
                    refused.append(seal)
                    self._found(seal, _unheld(seal, keys or {}))
            elif (known := self._by_number.setdefault(seal.number, seal)) != seal:
                self._found(seal, f"there is another with its number, of position {known.position}")
        numbers = sorted(self._by_number)
        for before, follows in pairwise(numbers):
            if follows != before + 1:
                self._found(self._by_number[follows], f"seals {before + 1} to {follows - 1} before it are not there")

    def __len__(self) -> int:
        return len(self._by_number)

    @property
    def positions(self) -> Collection[int]:
        """The positions that are sealed."""
        return {seal.position for seal in self._by_number.values()}

    def covering(self, first: int, last: int) -> HistorySealed | None:
        """The first seal of the last position or a later one; where there is none yet, the newest behind the first."""
        seals = sorted(self._by_number.values(), key=lambda seal: seal.position)
        later = next((seal for seal in seals if seal.position >= last), None)
        return later or next((seal for seal in reversed(seals) if seal.position >= first), None)

    def compare(self, hashes: Mapping[int, bytes], first: int, last: int, *, whole: bool) -> Compared:
        """Compares the seals of a range with the hashes that stand at their positions.

        Args:
            hashes: of the sealed positions that are there.
            first: first position of the range.
            last: its last one.
            whole: whether the history ends there: then a seal of a later position shows that its end was cut off.
        """
        problems = list(self.problems)
        good, compared, rewritten = 0, 0, False
        for seal in sorted(self._by_number.values(), key=lambda seal: (seal.position, seal.number)):
            if seal.position > last and whole:
                why = (
                    f"seal {seal.number} of {_said(seal.sealed_at)} is of position {seal.position}: the end was cut off"
                )
                problems.append(Problem(last + 1, Kind.CUT, why))
                break
            if not first <= seal.position <= last:
                continue
            compared += 1
            stands = hashes.get(seal.position)
            if stands is not None and stands.hex() == seal.hash:
                good = seal.position if not rewritten else good
            elif not rewritten:
                rewritten = True
                problems.append(_rewritten(seal, stands, max(good + 1, first)))
        return Compared(compared, good, problems[:PROBLEMS_AT_MOST])

    def _found(self, seal: HistorySealed, why: str) -> None:
        self.problems.append(Problem(seal.position, Kind.SEAL, f"seal {seal.number}: {why}"))


def _unheld(seal: HistorySealed, keys: PublicKeys) -> str:
    if seal.key_id in keys:
        return f"its signature does not hold under {seal.key_id}"
    named = ", ".join(keys) or "none is given"
    return f"its signature does not hold: it names the key {seal.key_id}, which is not among those given ({named})"


def _rewritten(seal: HistorySealed, stands: bytes | None, begin: int) -> Problem:
    shows = f"has the hash {stands.hex()[:12]}" if stands is not None else "is not there"
    between = f"positions {begin} to {seal.position}" if begin < seal.position else f"position {begin}"
    why = (
        f"{between}: altered, removed or put in since seal {seal.number} of {_said(seal.sealed_at)}, and the hashes"
        f" computed again; the event at {seal.position} {shows}, and {seal.hash[:12]} was sealed"
    )
    return Problem(begin, Kind.REWRITTEN, why)


def _said(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"


def _microseconds(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(microseconds=1)


def _raw(key: Ed25519PublicKey) -> bytes:
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw)


def _key_bytes(given: str, named: str) -> bytes:
    try:
        raw = base64.b64decode(given.strip(), validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if len(raw) != KEY_BYTES:
        raise UnusableKey(
            f"{named} is no key of seals: it must be base64 of exactly 32 bytes (ringback history seals key tells the"
            " public one)"
        )
    return raw
