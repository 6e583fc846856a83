"""What is set aside: the message for ``transactions-refused``, without anything that looks like a card number."""

import re
from datetime import datetime
from typing import Final, Literal

import msgspec

from infra.history.event import derived_id
from rules.card_number import mask_card_numbers, may_hold_one

KEPT_AT_MOST: Final = 256 * 1024
"""Bytes of a refused original that are kept; its whole length is told. Brokers usually take 1 MiB a message."""


_DIGITS_AT_MOST: Final = re.compile(rb"[0-9](?:[ -]?[0-9]){255,}")


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """Where the bytes were: a row of a request from 0, a line of a file from 1, or a record of a topic."""

    kind: Literal["http", "file", "topic"]
    name: str
    row: int | None = None
    partition: int | None = None
    offset: int | None = None


class Refused(msgspec.Struct, frozen=True, kw_only=True):
    """A refusal as the contract ``refusal`` has it; see there."""

    refusal_id: str
    reason: str
    detail: str
    origin: Origin
    original: str
    encoding: Literal["utf-8", "latin-1"]
    length_bytes: int
    masked: bool = False
    refused_at: datetime
    retried_at: datetime | None = None

    @property
    def cut(self) -> bool:
        """Whether the original was longer than what is kept of it."""
        return self.length_bytes > KEPT_AT_MOST

    @property
    def kept(self) -> bytes:
        """What is kept of the original, as bytes."""
        return self.original.encode(self.encoding)


def refusal_message(
    raw: bytes, *, reason: str, detail: str, origin: Origin, refused_at: datetime, incarnation: str = ""
) -> bytes:
    """The refusal of ``raw`` as the contract ``refusal`` has it.

    The id is derived from the origin, so that a refusal which is made again is the same. Masking goes before cutting:
    a cut never leaves half of a card number behind that is no longer recognised.

    Args:
        raw: the bytes as they came.
        reason: a word for counting.
        detail: what is wrong, for a person.
        origin: where the bytes were.
        refused_at: the present moment, UTC.
        incarnation: of a topic that may be made anew: the same offset of another one is another record.
    """
    # Nothing that is worth mending has hundreds of digits in a row, and looking for a number in each place takes long.
    masked = mask_card_numbers(_DIGITS_AT_MOST.sub(_starred, raw)) if may_hold_one(raw) else raw
    kept = masked[:KEPT_AT_MOST]
    encoding: Literal["utf-8", "latin-1"] = "utf-8"
    try:
        original = kept.decode("utf-8")
    except UnicodeDecodeError as error:
        if len(raw) > KEPT_AT_MOST and error.start >= len(kept) - 3:  # only the cut is at fault
            original = kept[: error.start].decode("utf-8")
        else:
            encoding = "latin-1"
            original = kept.decode(encoding)
    return msgspec.json.encode(
        Refused(
            refusal_id=str(
                derived_id(
                    "refusal",
                    origin.kind,
                    f"{origin.name}@{incarnation}" if incarnation else origin.name,
                    origin.row,
                    origin.partition,
                    origin.offset,
                )
            ),
            reason=reason,
            detail=mask_card_numbers(detail)[:500],
            origin=origin,
            original=original,
            encoding=encoding,
            length_bytes=len(raw),
            masked=masked != raw,
            refused_at=refused_at,
        )
    )


def _starred(run: re.Match[bytes]) -> bytes:
    return b"*" * len(run.group())
