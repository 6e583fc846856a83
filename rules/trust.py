"""The trust table: what kind of transaction says where the customer's card was, how far, why, and by which source.

The table is data, read from the top: the first line that a transaction fits counts. ``docs/detection.md`` shows it as
it stands here (``rules.documented`` writes it there, and a test compares).
"""

from functools import cache
from itertools import product
from typing import Final, Literal, TypeAlias, get_args

import msgspec

from rules.transaction import Channel, EntryMode, Instrument, Outcome, Type

NONE: Final = 0
WEAK: Final = 1
TRUSTED: Final = 2
"""How far a sighting is trusted: not at all, so far that it can be a suspect but is never believed, or fully."""

LOW: Final = 1
MEDIUM: Final = 2
HIGH: Final = 3
"""The severity with which it alarms."""

Absence: TypeAlias = Literal["without_customer", "card_absent", "in_transit", "no_place"]
"""Why a transaction is no sighting, as it is counted."""


class Trust(msgspec.Struct, frozen=True, gc=False):
    """How far a transaction is trusted as a sighting, before its place is looked at.

    Attributes:
        level: ``NONE``, ``WEAK`` or ``TRUSTED``.
        grade: the severity that its entry mode deserves.
        reason: in words, for the evidence card.
        absence: why it is no sighting; None if it is one.
        source: where the reason can be read.
    """

    level: int
    grade: int
    reason: str
    absence: Absence | None = None
    source: str = ""


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the table: it fits a transaction that has one of the values in each field; none: any value does."""

    trust: Trust
    entry_modes: tuple[EntryMode, ...] = ()
    channels: tuple[Channel, ...] = ()
    types: tuple[Type, ...] = ()
    instruments: tuple[Instrument, ...] = ()
    outcomes: tuple[Outcome, ...] = ()
    deferred: tuple[bool, ...] = ()

    def fits(self, entry_mode: EntryMode, channel: Channel, kind: Type, instrument: Instrument) -> bool:
        """Whether the line speaks of such a transaction."""
        return (
            (not self.entry_modes or entry_mode in self.entry_modes)
            and (not self.channels or channel in self.channels)
            and (not self.types or kind in self.types)
            and (not self.instruments or instrument in self.instruments)
        )


def _read(  # a line of the plastic, read at a terminal
    entry_mode: EntryMode, level: int, grade: int, reason: str, source: str
) -> Line:
    return Line(entry_modes=(entry_mode,), trust=Trust(level, grade, reason, None, source))


TABLE: Final[tuple[Line, ...]] = (
    Line(
        types=("refund", "reversal"),
        trust=Trust(
            NONE,
            LOW,
            "Money is given back without the customer, often by a head office.",
            "without_customer",
            "ISO 8583: message types 0400 and 0420, processing code 20",
        ),
    ),
    Line(
        types=("recurring",),
        trust=Trust(
            NONE,
            LOW,
            "A recurring charge happens without the customer.",
            "without_customer",
            "Visa, Stored Credential Transaction Framework: merchant-initiated transactions",
        ),
    ),
    Line(
        entry_modes=("credential_on_file",),
        trust=Trust(
            NONE,
            LOW,
            "A stored card number is charged without the customer.",
            "without_customer",
            "ISO 8583 data element 22: 10",
        ),
    ),
    Line(
        channels=("card_not_present",),
        trust=Trust(
            NONE,
            LOW,
            "The card was not there: the place is the merchant's head office.",
            "card_absent",
            "ISO 8583 data element 25; data element 43 is where the merchant is registered",
        ),
    ),
    Line(
        entry_modes=("ecommerce",),
        trust=Trust(
            NONE,
            LOW,
            "The card was used over the internet: the place is the merchant's head office.",
            "card_absent",
            "ISO 8583 data element 22: 81, 09",
        ),
    ),
    Line(
        instruments=("wallet",),
        entry_modes=("chip", "contactless", "magstripe"),
        trust=Trust(
            TRUSTED,
            MEDIUM,
            "A phone or watch was held to the terminal: that device was there, wherever the plastic is.",
            None,
            "EMVCo, Payment Tokenisation Specification: a token is bound to one device",
        ),
    ),
    _read(
        "chip",
        TRUSTED,
        MEDIUM,
        "The chip was read: the plastic was there.",
        "ISO 8583 data element 22: 05; EMV Book 2: a chip's answer cannot be copied",
    ),
    _read(
        "contactless",
        TRUSTED,
        MEDIUM,
        "The chip was read without contact: the plastic was there.",
        "ISO 8583 data element 22: 07, 91",
    ),
    _read(
        "magstripe",
        TRUSTED,
        MEDIUM,
        "The magnetic stripe was read: the plastic, or a copy of its stripe, was there.",
        "ISO 8583 data element 22: 90, 02",
    ),
    _read(
        "fallback",
        WEAK,
        HIGH,
        "The chip could not be read and the stripe was used instead, as copied cards do.",
        "ISO 8583 data element 22: 80",
    ),
    _read(
        "manual",
        WEAK,
        MEDIUM,
        "The number was keyed by hand: somebody who knew it was there.",
        "ISO 8583 data element 22: 01",
    ),
)
"""Neither outcome nor lateness takes a sighting away: what ``REMARKS`` says of them is added to the reason."""


class Remark(msgspec.Struct, frozen=True):
    """What is said of a sighting besides its line, and where it can be read; it changes neither trust nor severity."""

    field: str
    reason: str
    source: str


DECLINED: Final = Remark(
    "`outcome: declined`",
    "It was declined; the card was there all the same.",
    "ISO 8583 data element 39: 55 is a wrong PIN, keyed at a terminal that had read the card",
)
DEFERRED: Final = Remark(
    "`deferred: true`",
    "It was reported late and is judged at its own time.",
    "Visa and Mastercard transit rules: aggregated taps are cleared up to seven days later",
)
REMARKS: Final = (DECLINED, DEFERRED)


@cache
def trust(entry_mode: EntryMode, channel: Channel, kind: Type, instrument: Instrument) -> Trust:
    """What the table says of such a transaction: the first line that fits it."""
    return next(line.trust for line in TABLE if line.fits(entry_mode, channel, kind, instrument))


def every_trust() -> dict[tuple[str, str, str, str], Trust]:
    """The whole table, looked up by entry mode, channel, type and instrument."""
    kinds = product(get_args(EntryMode), get_args(Channel), get_args(Type), get_args(Instrument))
    return {kind: trust(*kind) for kind in kinds}
