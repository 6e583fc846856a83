"""The names of what belongs to a case, derived so that whoever names a thing twice names it alike."""

from collections.abc import Iterable
from typing import Final
from uuid import UUID

from infra.history.event import derived_id

CODE_ALPHABET: Final = "BCDFGHJKMNPQRTVWXY346789"
"""No vowels (no words), and nothing that is heard or read as something else on the telephone."""

CODE_LENGTH: Final = 6


def case_id_for(alert_id: str, *, after: str = "") -> str:
    """The case that this alert opens, if it opens one; ``after``: the case in which it was, that is over for good."""
    return str(derived_id("case", alert_id, *([after] if after else [])))


def case_code(case_id: str) -> str:
    """What the customer is told and any operator can confirm: six characters, the same for the same case."""
    number = UUID(case_id).int
    code = ""
    for _ in range(CODE_LENGTH):
        number, digit = divmod(number, len(CODE_ALPHABET))
        code += CODE_ALPHABET[digit]
    return code


def contact_id(case_id: str, purpose: str, of: str | int) -> str:
    """One message: the step of the ladder for an alert, the reply for what answers it."""
    return str(derived_id(case_id, "contact", purpose, of))


def call_back_id(case_id: str, of: str | int) -> str:
    """One call that the customer is owed: because of a call, or the case's first promise, its second, and so on."""
    return str(derived_id(case_id, "call-back", of))


def task_id(case_id: str, number: int) -> str:
    """The case's first task, its second, and so on."""
    return str(derived_id(case_id, "task", number))


def command_id(case_id: str, action: str, card_id: str, of: Iterable[object] = ()) -> str:
    """One command to the card system: its idempotency key. ``of`` tells two that may both be meant apart."""
    return str(derived_id(case_id, action, card_id, *of))


def case_stream(case_id: str) -> str:
    """Where the case's events are."""
    return f"case-{case_id}"


def index_stream(customer_id: str, card_id: str) -> str:
    """The stream that names the open case: the customer's, or the card's where nobody owns it."""
    return f"customer-{customer_id}" if customer_id else f"customer-unowned.{card_id}"


def subject_of(customer_id: str, card_id: str) -> str:
    """Whose key encrypts what is personal in the case."""
    return customer_id or f"unowned.{card_id}"
