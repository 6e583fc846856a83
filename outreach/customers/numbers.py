"""Telephone numbers in one spelling, and the keyed hash by which a number is looked up without being stored."""

import hashlib
import hmac
from typing import Final

import phonenumbers

_PURPOSE: Final = b"ringback phone lookup 1"


def e164(number: str, *, region: str | None = None) -> str | None:
    """The number as ``+`` and digits; None where it cannot be one. ``region`` (ISO 3166) reads national spellings."""
    try:
        parsed = phonenumbers.parse(number, region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(parsed):
        return None
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)


def lookup_key(master_key: bytes) -> bytes:
    """The key for `phone_hash`, derived from the master key and good for nothing else."""
    return hmac.digest(master_key, _PURPOSE, "sha256")


def phone_hash(key: bytes, number: str) -> str:
    """The number under the key: equal for equal numbers, and without the key not to be guessed by trying them all."""
    return hmac.new(key, number.encode(), hashlib.sha256).hexdigest()
