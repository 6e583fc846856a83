"""The state of the rehearsal's phone network: phones, what they sent and got, and how the network misbehaves."""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum

from msgspec import Struct, field


class Mode(StrEnum):
    """Ways to misbehave."""

    TIMEOUT_AFTER_ACCEPT = "timeout_after_accept"
    """The message is taken, and the answer never comes."""
    TOO_MANY = "429"
    """Refused before it is processed."""
    SERVER_ERROR = "500"
    """An error, and the message is not taken."""
    SERVER_ERROR_AFTER_ACCEPT = "500_after_accept"
    """An error, although the message is taken."""
    CALLBACKS_DOUBLED = "callbacks_doubled"
    CALLBACKS_OUT_OF_ORDER = "callbacks_out_of_order"
    CALLBACKS_MISSING = "callbacks_missing"
    UNDELIVERED = "undelivered"
    """The message is taken and does not arrive (error 30003)."""


class Fault(Struct, kw_only=True):
    """One misbehaviour, for the next ``count`` messages (none: until taken back), to ``to`` (none: anybody)."""

    mode: Mode
    count: int | None = 1
    to: str | None = None


class Message(Struct, kw_only=True):
    """A text message. ``inbound``: from a phone to the bank."""

    sid: str
    to: str
    sender: str
    body: str
    inbound: bool
    created_at: datetime
    status: str
    parts: int = 1
    sent_at: datetime | None = None
    error_code: int | None = None
    callback: str = ""
    validity_s: int = 36000
    faults: list[Mode] = field(default_factory=list)


class Call(Struct, kw_only=True):
    """A call from a phone, and what the caller heard."""

    sid: str
    caller: str
    at: datetime
    heard: str


class Phones:
    """Everything that was ever sent, in order; in memory only."""

    def __init__(self) -> None:
        self.messages: dict[str, Message] = {}
        self.calls: list[Call] = []
        self.opted_out: set[str] = set()
        self.faults: list[Fault] = []

    def add(self, message: Message) -> None:
        """Keeps a message."""
        self.messages[message.sid] = message

    def faults_for(self, to: str, modes: Iterable[Mode]) -> list[Mode]:
        """The misbehaviours that are meant for a message to this number; each is used up by one."""
        wanted = frozenset(modes)
        found = []
        for fault in list(self.faults):
            if fault.mode not in wanted or fault.to not in {None, to}:
                continue
            found.append(fault.mode)
            if fault.count is not None:
                fault.count -= 1
                if fault.count <= 0:
                    self.faults.remove(fault)
        return found

    def numbers(self) -> list[str]:
        """Every phone that has got or sent anything, the one with the newest first."""
        newest: dict[str, datetime] = {}
        for message in self.messages.values():
            newest[message.sender if message.inbound else message.to] = message.created_at
        for call in self.calls:
            newest[call.caller] = max(call.at, newest.get(call.caller, call.at))
        return sorted(newest, key=lambda number: (newest[number], number), reverse=True)

    def of(self, number: str) -> list[Message]:
        """The messages of a phone, both ways, oldest first; what never arrived is not on it."""
        return [
            message
            for message in self.messages.values()
            if (message.sender if message.inbound else message.to) == number and message.status not in LOST
        ]

    def to(self, number: str) -> list[Message]:
        """The messages that the bank sent to a number, newest first, as the provider's list has them."""
        sent = [message for message in self.messages.values() if not message.inbound and message.to == number]
        return sent[::-1]

    def calls_of(self, number: str) -> list[Call]:
        """The calls of a phone, oldest first."""
        return [call for call in self.calls if call.caller == number]


LOST = frozenset({"undelivered", "failed"})
