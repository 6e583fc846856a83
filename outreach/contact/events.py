"""Events of the streams ``stray-…``: what came from somebody of whom no case is known."""

from typing import ClassVar

from infra.history.event import Event, Personal, Plain


class StrayReceived(Event, frozen=True, kw_only=True):
    """A text or a call that belongs to no case: the number is nobody's, or she never had a case. Scrubbed.

    ``channel``: ``sms`` or ``voice``. ``answered``: whether the sender was told to call the number on the card.
    """

    wire_name: ClassVar[str] = "contact.stray-received"
    provider_id: Plain
    channel: Plain
    answered: bool
    sender: Personal
    text: Personal = ""
