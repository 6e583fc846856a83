"""What the phone network's error codes mean for us. Source: Twilio's error and warning dictionary."""

from enum import StrEnum
from typing import Final

import msgspec


class Advice(StrEnum):
    """What to do about a message that failed so."""

    NEXT_CHANNEL = "next_channel"
    """This number will not take texts now; the ladder goes on."""
    OPTED_OUT = "opted_out"
    """She has told the carrier to stop: our own list has to know it, and the ladder goes on."""
    TELL_ENGINEER = "tell_engineer"
    """Nothing is wrong with the customer: the sender or the account is; the ladder goes on meanwhile."""


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """A code in words. ``reason`` is what is recorded."""

    reason: str
    advice: Advice


_KNOWN: Final[dict[int, tuple[str, Advice]]] = {
    20003: ("the account's credentials are refused", Advice.TELL_ENGINEER),
    20404: ("the account or its sender does not exist", Advice.TELL_ENGINEER),
    21211: ("not a valid number", Advice.NEXT_CHANNEL),
    21408: ("the account may not send to this country", Advice.TELL_ENGINEER),
    21606: ("the sender cannot send texts", Advice.TELL_ENGINEER),
    21608: ("a trial account, and the number is not verified", Advice.TELL_ENGINEER),
    21610: ("the customer has opted out at the carrier", Advice.OPTED_OUT),
    21612: ("no route from the sender to this number", Advice.NEXT_CHANNEL),
    21614: ("not a mobile number", Advice.NEXT_CHANNEL),
    21617: ("the text is too long for the provider", Advice.TELL_ENGINEER),
    21635: ("a landline", Advice.NEXT_CHANNEL),
    30001: ("the provider's queue overflowed", Advice.NEXT_CHANNEL),
    30002: ("the account is suspended", Advice.TELL_ENGINEER),
    # The handset may come back, but an email is there at once and an alert cannot wait for it.
    30003: ("the handset is unreachable or switched off", Advice.NEXT_CHANNEL),
    30004: ("the customer or the carrier blocks the message", Advice.NEXT_CHANNEL),
    30005: ("the destination is unknown", Advice.NEXT_CHANNEL),
    30006: ("a landline, or a carrier that cannot be reached", Advice.NEXT_CHANNEL),
    30007: ("filtered by the carrier", Advice.NEXT_CHANNEL),
    30008: ("unknown to the carrier", Advice.NEXT_CHANNEL),
    30034: ("the sender is not registered", Advice.TELL_ENGINEER),
    30036: ("not delivered within its validity", Advice.NEXT_CHANNEL),
}


def explain(code: int | None) -> Explanation:
    """The code in words; the safe default for any that is not known is to go on to the next channel."""
    if code in _KNOWN:
        reason, advice = _KNOWN[code]
        return Explanation(reason=reason, advice=advice)
    return Explanation(reason="refused by the provider", advice=Advice.NEXT_CHANNEL)
