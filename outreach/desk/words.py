"""What the desk calls things: reasons, states, times and amounts in the words of the people who sit there."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

REASONS = {
    "call_customer": "Call the customer",
    "review": "Look at it, then decide",
    "unknown_owner": "Nobody owns this card",
    "alert_withdrawn": "Alert taken back after she was told",
    "not_reached": "No message reached her",
    "confirm_by_phone": "She wrote it was her; confirm by phone",
    "denied_by_reply": "She wrote it was not her",
    "read_reply": "Read her reply",
    "customer_called": "She rang; call her back",
    "card_action_failed": "The card system did not answer",
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
    "alert": "Asked her to call",
    "acknowledgement": "Acknowledged her answer",
    "opt_out_confirmation": "Confirmed her opt-out",
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
    "genuine": "it was her",
    "fraud": "it was not her",
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
    "genuine": "It was her",
    "fraud": "It was not her",
    "withdrawn": "Alert taken back",
    "unanswered": "No answer",
}

RETURNS = {"released": "put it back", "hand_over": "went quiet; it is in the queue again"}

TOPICS = {
    "used_by_somebody_else": "Card used by somebody else",
    "travelling": "She is travelling",
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


def distance(km: object) -> str:
    """A distance: ``10,139 km``."""
    return f"{round(km):,} km" if isinstance(km, int | float) else ""


def duration(seconds: object) -> str:
    """A span as one says it: ``1 h 16 min``, ``45 min``, ``20 s``."""
    if not isinstance(seconds, int | float):
        return ""
    whole = abs(round(seconds))
    if whole < MINUTE_S:
        return f"{whole} s"
    hours, minutes = whole // HOUR_S, whole % HOUR_S // MINUTE_S
    if whole >= 2 * DAY_S:
        return f"{whole // DAY_S} d {whole % DAY_S // HOUR_S} h"
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min"
