"""Given these events, when this command, then those events: the form in which the rules of a case are told."""

from collections.abc import Sequence
from typing import Any

from infra.history.event import Event
from outreach.cases import commands as c
from outreach.cases import samples
from outreach.cases.alert import Alert
from outreach.cases.commands import Command
from outreach.cases.decide import decide
from outreach.cases.evolve import replay
from outreach.cases.state import CaseState, ContactState, TaskState

CASE, AT = samples.CASE, samples.AT


def alert(number: int = 1, **changes: Any) -> Alert:
    """The documented alert, for the card that the stories are about, with its evidence."""
    said: dict[str, Any] = {
        "card_id": "card-sokha-visa",
        "evidence": {"suspect": {"at": "2026-03-14T10:12:00Z"}, "words": "Paris is far from Phnom Penh"},
    }
    return samples.alert(number, **{**said, **changes})


def received(message: Alert | None = None, customer: str = "sokha") -> c.ReceiveAlert:
    return c.ReceiveAlert(case_id=CASE, customer_id=customer, alert=message or alert())


class Story:
    """A case that commands are given to, one after the other."""

    def __init__(self, *commands: Command) -> None:
        self.events: list[Event] = []
        self.when(*commands)

    @property
    def state(self) -> CaseState:
        return replay(self.events)

    def when(self, *commands: Command) -> Sequence[Event]:
        """Gives the commands; answers what the last one added."""
        new: list[Event] = []
        for command in commands:
            new = decide(self.state, command)
            self.events += new
        return new

    def contact(self, purpose: str = "alert") -> ContactState:
        """The newest contact of the purpose."""
        return [one for one in self.state.contacts.values() if one.purpose == purpose][-1]

    def action(self, name: str) -> str:
        """The command id of the newest card action of the name."""
        return [one.command_id for one in self.state.actions.values() if one.action == name][-1]

    def intend(self, purpose: str = "alert", attempt: int = 1) -> c.IntendContact:
        contact = self.contact(purpose)
        return intend(contact.contact_id, contact.channel, contact.purpose, attempt)

    def told(self) -> "Story":
        """The customer has the message."""
        self.when(self.intend())
        self.when(c.AcceptContact(contact_id=self.contact().contact_id, provider_id=f"SM-{self.contact().step}"))
        return self

    def taken(self, operator: str = "dara", *, supervisor: bool = False) -> "Story":
        self.when(c.TakeTask(operator=operator, supervisor=supervisor))
        return self

    @property
    def task(self) -> TaskState:
        """The open task; there is one."""
        assert self.state.task is not None
        return self.state.task

    def reply(self, meaning: Any, number: int = 1) -> Sequence[Event]:
        return self.when(c.ReceiveReply(reply_id=f"reply-{number}", channel="sms", meaning=meaning, text="…"))


def intend(contact_id: str, channel: str, purpose: str, attempt: int = 1) -> c.IntendContact:
    return c.IntendContact(
        contact_id=contact_id,
        channel=channel,
        purpose=purpose,
        attempt=attempt,
        language="en",
        template="alert",
        template_version="1",
        template_hash="abc",
        legal_basis="exemption",
        policy_version="1",
        remaining=2,
        address="+14155550142",
        body="Mekong Bank: call us",
    )


def names(events: Sequence[Event]) -> list[str]:
    """The wire names, with what tells two of a kind apart."""
    marks = ("action", "resolution", "reason", "verdict", "step", "by")
    shown = []
    for event in events:
        mark = next((str(getattr(event, name)) for name in marks if getattr(event, name, None)), "")
        shown.append(f"{event.wire_name} {mark}".strip())
    return shown
