"""May this message be sent to this customer now, and on what legal ground; every refusal has its reason.

Not legal advice; the sources of the rules as written here: 47 CFR 64.1200(a)(9)(iii) for the United States (exemption
of urgent fraud alerts by financial institutions), and for every jurisdiction the bank's own promise to honour an
opt-out at once. Quiet hours bind solicitations, not fraud alerts, so there are none here.
"""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, Literal

import msgspec

POLICY_VERSION: Final = "2026-11.1"
"""Changes with every change of a rule below; recorded with each send and each refusal."""

MOST_ALERTS: Final = 3
"""Text and voice messages together that one event allows, 47 CFR 64.1200(a)(9)(iii)(E)."""

ALERT_WINDOW: Final = timedelta(days=3)
"""The time in which they are counted, the same source."""

LONGEST_TEXT: Final = 160
"""Characters that an exempt text message may have, 47 CFR 64.1200(a)(9)(iii)(D)."""

_E164 = re.compile(r"\+[1-9]\d{6,14}")
_MAILBOX = re.compile(r"[^@\s<>,;]+@[^@\s<>,;]+\.[^@\s<>,;.]+")

LegalBasis = Literal["exemption", "consent", "reply"]
"""``exemption``: an urgent fraud alert to the number that she gave. ``consent``: she agreed to alerts on the channel.
``reply``: she wrote to us, and this answers it."""


class Reason(StrEnum):
    """Why nothing was sent."""

    NOT_CONFIGURED = "not_configured"
    NO_ADDRESS = "no_address"
    BAD_ADDRESS = "bad_address"
    OPTED_OUT = "opted_out"
    ALREADY_ANSWERED = "already_answered"
    ALLOWANCE_USED = "allowance_used"
    TOO_LONG = "too_long"
    NOTHING_TO_ANSWER = "nothing_to_answer"


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """A message that a case wants sent, and all that the decision rests on.

    Attributes:
        channel: ``sms``, ``voice`` or ``email``.
        purpose: ``alert``, ``acknowledgement`` or ``opt_out_confirmation``.
        configured: whether the bank has this channel at all.
        address: number on file (E.164) or mailbox on file; empty: none.
        text: as it would be read.
        jurisdiction: ISO 3166 alpha-2 of the law that binds, for example ``US``.
        consents: channels on which she agreed to alerts.
        opted_out: channels on which she wants nothing.
        answered: she has answered, or the case is resolved.
        earlier: when each earlier text or voice alert of this event was intended, UTC.
        replied: there is something of hers that an acknowledgement or confirmation answers.
        now: UTC.
    """

    channel: str
    purpose: str
    configured: bool
    address: str
    text: str
    jurisdiction: str
    consents: frozenset[str] = frozenset()
    opted_out: frozenset[str] = frozenset()
    answered: bool = False
    earlier: Sequence[datetime] = ()
    replied: bool = False
    now: datetime


class Permitted(msgspec.Struct, frozen=True, kw_only=True):
    """It may go out. ``remaining``: text and voice alerts that the event allows after this one."""

    legal_basis: LegalBasis
    remaining: int
    policy_version: str = POLICY_VERSION


class Forbidden(msgspec.Struct, frozen=True, kw_only=True):
    """It may not go out."""

    reason: Reason
    policy_version: str = POLICY_VERSION


def judge(wish: Wish) -> Permitted | Forbidden:
    """The first rule that forbids it, or the ground on which it may be sent."""
    used = _used(wish)
    counts = _counts(wish)
    basis = _basis(wish)
    rules = (
        (not wish.configured, Reason.NOT_CONFIGURED),
        (not wish.address, Reason.NO_ADDRESS),
        (not _usable(wish), Reason.BAD_ADDRESS),
        (wish.channel in wish.opted_out and wish.purpose != "opt_out_confirmation", Reason.OPTED_OUT),
        (wish.purpose != "alert" and not wish.replied, Reason.NOTHING_TO_ANSWER),
        (wish.purpose == "alert" and wish.answered, Reason.ALREADY_ANSWERED),
        (counts and used >= MOST_ALERTS, Reason.ALLOWANCE_USED),
        (_too_long(wish, basis), Reason.TOO_LONG),
    )
    for forbids, reason in rules:
        if forbids:
            return Forbidden(reason=reason)
    return Permitted(legal_basis=basis, remaining=max(0, MOST_ALERTS - used - (1 if counts else 0)))


def _counts(wish: Wish) -> bool:
    """Whether this message itself takes from the allowance."""
    return wish.purpose == "alert" and wish.channel in {"sms", "voice"}


def _used(wish: Wish) -> int:
    return sum(wish.now - ALERT_WINDOW < at for at in wish.earlier)


def _basis(wish: Wish) -> LegalBasis:
    if wish.purpose != "alert":
        return "reply"
    return "consent" if wish.channel in wish.consents else "exemption"


def _usable(wish: Wish) -> bool:
    pattern = _MAILBOX if wish.channel == "email" else _E164
    return wish.address.isascii() and pattern.fullmatch(wish.address) is not None


def _too_long(wish: Wish, basis: LegalBasis) -> bool:
    binds = wish.jurisdiction == "US" and basis == "exemption" and wish.channel == "sms"
    return binds and len(wish.text) > LONGEST_TEXT
