"""Local times of a source whose zone is named, as instants.

The contract wants a time with its offset (``2026-03-29T10:00:00+02:00``). A file or a message that has local times is
read with the zone of its source, which somebody names once; nothing is guessed from the merchant's place.

- A time that exists twice, in the hour that the clocks repeat in autumn, is its first occurrence, as RFC 5545 (3.3.5)
  reads it. It may be wrong by that one hour.
- A time that does not exist, in the hour that the clocks leave out in spring, is refused: no clock has shown it, so the
  zone that was named is not the source's.
- A time that has an offset keeps it.
"""

import re
from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

import msgspec

from rules.transaction import Refusal

FIELD: Final = "occurred_at"

_LOCAL: Final = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?", re.ASCII)
_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_encode = msgspec.json.encode


def instant(local: datetime, zone: ZoneInfo) -> datetime:
    """The instant, UTC, at which the clocks of the zone showed a local time; of two the first.

    Raises:
        ValueError: they never showed it.
    """
    at = local.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if at.astimezone(zone).replace(tzinfo=None, fold=0) != local.replace(tzinfo=None, fold=0):
        raise ValueError(f"no clock of {zone.key} has shown {local:%Y-%m-%d %H:%M:%S}")
    return at


def with_offset(raw: bytes, zone: ZoneInfo) -> bytes:
    """The row with the offset that its local time had in that zone; a row without a local time as it is.

    Raises:
        Refusal: there is no such time in that zone.
    """
    try:
        members = _members(raw)
        said = msgspec.json.decode(members.get(FIELD, b"null"))
    except msgspec.DecodeError:
        return raw  # whoever decodes it says what is wrong with it
    if not isinstance(said, str) or not _LOCAL.fullmatch(said):
        return raw
    try:
        at = instant(datetime.fromisoformat(said.upper()), zone)
    except ValueError:
        raise Refusal("wrong_value", FIELD) from None
    members[FIELD] = msgspec.Raw(_encode(at.astimezone(zone).isoformat()))
    return _encode(members)
