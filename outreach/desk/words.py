"""What the desk calls things: reasons, states, times and amounts in the words of the people who sit there.

A customer may be anybody: what operators call *it was her* and *it was not her* is written so that it is right for all,
"It was the customer" and "It was not the customer".
"""

from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import phonenumbers

REASONS = {
    "call_customer": "Call the customer",
    "review": "Look at it, then decide",
    "blocked_card_used": "The blocked card was used again",
    "unknown_owner": "Find the owner of the card",
    "alert_withdrawn": "Alert taken back; see who was told",
    "not_reached": "No message arrived; ring the customer",
    "confirm_by_phone": "Replied “it was me”; confirm by phone",
    "denied_by_reply": "Replied “it was not me”; block by phone",
    "read_reply": "Read the reply, then call",
    "customer_called": "Rang; promised a call back",
    "card_action_failed": "Card system refused, or did not answer",
    "call_promised": "Promised a call",
    "promise_missed": "Promised call missed; ring now",
    "call_dropped": "Cut off; ring again",
    "reopened": "Reopened; look at it again",
}

SEVERITIES = {"high": "High", "medium": "Medium", "low": "Low"}

LANGUAGES = {
    "ar": "Arabic",
    "de": "German",
    "en": "English",
    "es": "Spanish",
    "fr": "French",
    "ja": "Japanese",
    "km": "Khmer",
    "pl": "Polish",
    "pt": "Portuguese",
    "uk": "Ukrainian",
    "vi": "Vietnamese",
    "zh": "Chinese",
}

CHANNELS = {"sms": "SMS", "email": "Email", "voice": "Call"}

PURPOSES = {
    "alert": "Asked to call us",
    "acknowledgement": "Acknowledged the reply",
    "opt_out_confirmation": "Confirmed the opt-out",
}

CONTACT_STATES = {
    "requested": "to be sent",
    "intended": "being sent",
    "accepted": "sent",
    "unknown": "not known, being asked",
    "delivered": "delivered",
    "undelivered": "not delivered",
    "failed": "failed",
    "refused": "not sent",
}

MEANINGS = {
    "genuine": "“it was me”",
    "fraud": "“it was not me”",
    "opt_out": "no more messages",
    "opt_in": "messages again",
    "unclear": "to be read",
}

ACTIONS = {
    "hold": "Hold the card",
    "decline": "Decline the payment",
    "block": "Block the card",
    "release": "Release the hold",
    "reissue": "Issue a new card",
}

RESULTS = {
    "held": "held",
    "declined": "declined",
    "blocked": "blocked",
    "released": "released",
    "reissued": "new card made",
    "dispatched": "new card on its way",
    "delivered": "new card delivered",
}

METHODS = {"case_code": "by the case code", "callback": "by calling back", "questions": "by questions"}

RESOLUTIONS = {
    "genuine": "It was the customer",
    "fraud": "It was not the customer",
    "withdrawn": "Alert taken back",
    "unanswered": "No answer",
    "erased": "Closed: the customer was erased",
    "joined": "Goes on in the customer's open case",
}

REOPENED = {
    "blocked_card_used": "the blocked card was used",
    "alert": "the alert stands after all",
    "denied": "the customer says that it was somebody else",
    "operator": "an operator wants it to go on",
}

RETURNS = {
    "released": "put it back",
    "promised": "put it back until the promised call",
    "hand_over": "went quiet; it is in the queue again",
    "settled": "decided what it was escalated for; any operator goes on",
}

AWAITED = {
    "outcome": "Outcome of a message",
    "delivery": "Delivery of a message",
    "silence": "Answer of the customer",
    "card-answer": "Answer of the card system",
    "hand-over": "Sign of life of its operator",
    "promise-due": "Promised call, coming near",
    "promise-missed": "Promised call",
}
"""What is waited for, by the kinds of ``outreach.cases.due``."""

AFTER_THE_WAIT = {
    "outcome": "the provider is asked what became of the message",
    "delivery": "the provider is asked whether the message arrived",
    "silence": "the next message goes out, or a person takes over",
    "card-answer": "the command is sent to the card system again",
    "hand-over": "the task goes back to the queue",
    "promise-due": "the task comes to the front of the queue",
    "promise-missed": "the promise counts as missed",
}
"""What happens when it has been waited for long enough."""

CALL_OUTCOMES = {"talked": "over", "not_answered": "not answered"}

REFUSALS = {
    "unanswered": (
        "The card is still on hold, and nobody has said whose the payment was",
        "Ask, and say it here. Is nobody reached now? Put the task back: the hold stays, and somebody tries again.",
    ),
    "taken": ("Somebody else has taken this task", "Nothing was done. It is shown here as they go on with it."),
    "not_holder": (
        "The task is not in your hand any more",
        "Nothing was done. It goes back to the queue when its operator is quiet for long; take it again.",
    ),
    "supervisor_needed": (
        "A supervisor is to decide here",
        "Nothing was done. It was escalated: a supervisor takes it from the front of the queue.",
    ),
    "no_supervisor": (
        "Nobody at this desk is a supervisor",
        "Nothing was done: nobody could take the task. Hand it over, or ask the site engineer to make somebody one.",
    ),
    "not_escalated": ("Nobody has asked a supervisor to decide", "Put the task back, or hand it over, as any other."),
    "on_the_phone": (
        "Its operator is on the phone",
        "Nothing was done: the customer would be cut off. Try again when the call is over.",
    ),
    "no_task": ("Nothing is left to do on this case", "Somebody has finished it meanwhile."),
    "denied_before": (
        "It was said before that it was not the customer",
        "The card is blocked. A block cannot be taken back here: settle it with the card desk.",
    ),
    "not_verified": (
        "Whoever was on the phone could not show that they are the customer",
        "Nothing frees the card on their word. Ring the number on file, make sure who it is, then say it again.",
    ),
    "no_owner": ("Nobody knows whose card it is", "There is no number to ring. Find the owner with the card desk."),
    "not_answered": ("Nobody has answered this call", "Say that they answered, or end the call."),
    "nobody_else": ("That is you", "Name another operator, as they sign in."),
    "resolved": ("The case is over", "Reopen it first, if it is to go on."),
    "too_late": (
        "The case is over for good",
        "It ended too long ago, or the customer has another case open: look for that one.",
    ),
    "no_payments": ("No payment is chosen", "Tick the payments that the answer is about."),
}
"""What the case does not do, as an operator reads it: what is the matter, and what to do."""

MISSING = {
    "transactions": "No payment is chosen",
    "at": "That is no time for a call",
    "to": "Nobody of that name sits at the desk",
}
"""What is the matter with a field of a form, as an operator reads it."""

TOPICS = {
    "used_by_somebody_else": "Card used by somebody else",
    "travelling": "Is travelling",
    "new_card": "New card and delivery",
    "cash_abroad": "Needs money before the new card",
    "message_doubted": "Doubted our message",
    "declined_wrongly": "Payment declined wrongly",
    "contact_details": "Contact details changed",
    "other": "Something else",
}

CHANNELS_OF_PAYMENT = {"card_present": "in person", "card_not_present": "online", "atm": "cash machine"}
ENTRY_MODES = {
    "chip": "chip",
    "contactless": "contactless",
    "magstripe": "magnetic stripe",
    "fallback": "stripe after chip failed",
    "manual": "typed in",
    "ecommerce": "web shop",
    "credential_on_file": "stored card",
}

MINUTE_S, HOUR_S, DAY_S = 60, 3600, 86400


def said(table: dict[str, str], key: str) -> str:
    """The words for a key; the key itself, made readable, where a newer version brought one we do not know."""
    return table.get(key, key.replace("_", " ").replace("-", " "))


def waited(span: timedelta) -> str:
    """A waiting time as the queue shows it: ``48 s``, ``12 min``, ``3 h 05``, ``2 d 4 h``."""
    seconds = max(0, int(span.total_seconds()))
    if seconds < MINUTE_S:
        return f"{seconds} s"
    if seconds < HOUR_S:
        return f"{seconds // MINUTE_S} min"
    if seconds < DAY_S:
        return f"{seconds // HOUR_S} h {seconds % HOUR_S // MINUTE_S:02}"
    return f"{seconds // DAY_S} d {seconds % DAY_S // HOUR_S} h"


def amount(value: object, currency: object) -> str:
    """An amount with its currency, grouped: ``1,250.00 EUR``; as it came where it is no number."""
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return f"{value or ''} {currency or ''}".strip()
    return f"{number:,} {currency or ''}".strip()


def zone(name: str) -> ZoneInfo | None:
    """The IANA zone of that name; None where there is none such."""
    try:
        return ZoneInfo(name) if name else None
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def moment(value: object) -> datetime | None:
    """An RFC 3339 time of the evidence as an aware datetime; None where it is none."""
    if isinstance(value, datetime):
        return value
    try:
        read = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return read if read.tzinfo else read.replace(tzinfo=UTC)


def local(at: datetime | None, zone_name: str) -> str:
    """A time where it happened: ``Sat 21 Nov 16:20``; in UTC, and said so, where the zone is not known."""
    if at is None:
        return ""
    there = zone(zone_name)
    shown = at.astimezone(there or UTC)
    return f"{shown:%a} {shown.day} {shown:%b %H:%M}" + ("" if there else " UTC")


def phone_number(number: str) -> str:
    """A phone number grouped for reading and dialling, ``+1 415-555-0142``; as it came where it is none."""
    if not (number.startswith("+") and number[1:].isdecimal()):
        return number
    try:
        return phonenumbers.format_number(phonenumbers.parse(number), phonenumbers.PhoneNumberFormat.INTERNATIONAL)
    except phonenumbers.NumberParseException:
        return number


def utc_offset(at: datetime | None, zone_name: str) -> str:
    """How far a zone's clocks are from UTC at a moment: ``UTC+7``, ``UTC-3:30``; empty where it is not known."""
    there = zone(zone_name)
    span = at.astimezone(there).utcoffset() if at and there else None
    if span is None:
        return ""
    minutes = round(span.total_seconds() / MINUTE_S)
    hours, rest = divmod(abs(minutes), 60)
    return f"UTC{'-' if minutes < 0 else '+'}{hours}" + (f":{rest:02}" if rest else "")


def distance(km: object) -> str:
    """A distance: ``10,139 km``."""
    return f"{round(km):,} km" if isinstance(km, int | float) else ""


def duration(seconds: object) -> str:
    """A span as one says it: ``1 h 16 min``, ``45 min``, ``20 s``."""
    if not isinstance(seconds, int | float):
        return ""
    whole = abs(round(seconds))
    if whole < MINUTE_S:
        return f"{whole} s" if whole else "no time"
    # To the nearest minute, as the evidence says it in words.
    whole = round(whole / MINUTE_S) * MINUTE_S
    hours, minutes = whole // HOUR_S, whole % HOUR_S // MINUTE_S
    if whole >= 2 * DAY_S:
        return f"{whole // DAY_S} d {whole % DAY_S // HOUR_S} h"
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min"
