"""What the casework does about each message: an alert, a customer, an answer of the card system."""

from typing import Final, TypeVar

import msgspec
import structlog
from pydantic import ValidationError

from infra.metrics import CARD_ANSWERS, CARD_COMMANDS_FAILED
from outreach.cases.alert import Alert
from outreach.cases.commands import AnswerCardAction, Command, FailCardAction, ShipCard
from outreach.cases.errors import Refused
from outreach.cases.service import Cases
from outreach.customers.service import CustomerMessage, Customers
from streams.contracts.alert import AlertMessage
from streams.contracts.card_event import CardEvent
from streams.contracts.customer import CustomerMessage as CustomerContract
from streams.contracts.shape import Contract
from streams.customer_file import card_number_in
from streams.intake import Incoming, NotUsable
from streams.topics import CARD_EVENTS, CUSTOMERS, FRAUD_ALERTS

log = structlog.get_logger(__name__)

TOPICS: Final = (CUSTOMERS, FRAUD_ALERTS, CARD_EVENTS)


class Arrivals:
    """Turns messages into commands; each may come again at any time, and then changes nothing.

    ``allow_card_numbers``: this bank's tokens look like card numbers and are taken nevertheless.
    """

    def __init__(self, cases: Cases, customers: Customers, *, allow_card_numbers: bool = False) -> None:
        self._cases = cases
        self._customers = customers
        self._allow_card_numbers = allow_card_numbers

    async def handle(self, message: Incoming) -> None:
        """Does what follows from the message.

        Raises:
            NotUsable: the message breaks its contract.
            Unavailable, Busy: retryable.
        """
        if message.topic == FRAUD_ALERTS:
            await self._alert(message)
        elif message.topic == CUSTOMERS:
            await self._customer(message)
        else:
            await self._card_event(message)

    async def _alert(self, message: Incoming) -> None:
        _check(AlertMessage, message.value)
        alert = msgspec.json.decode(message.value, type=Alert)
        with structlog.contextvars.bound_contextvars(alert_id=alert.alert_id):
            case_id = await self._cases.receive_alert(alert)
            log.info("alert filed", status=alert.status, verdict=alert.verdict, case_id=case_id)

    async def _customer(self, message: Incoming) -> None:
        if not message.value:
            raise NotUsable("tombstone", "a customer is not forgotten by a message without a value")
        _check(CustomerContract, message.value, private=True)
        customer = msgspec.json.decode(message.value, type=CustomerMessage)
        if not self._allow_card_numbers and (field := card_number_in(customer)):
            raise NotUsable("card_number", f"{field}: looks like a card number", private=True)
        await self._customers.record(customer, message.cause, written_at=message.written_at)
        for card in customer.cards:
            adopted = await self._cases.adopt(card.card_id, customer.customer_id, cause=message.cause)
            if adopted:
                log.info("case has found its owner", case_id=adopted)

    async def _card_event(self, message: Incoming) -> None:
        event = _check(CardEvent, message.value)
        CARD_ANSWERS.labels(event.type).inc()
        case_id = await self._cases.case_of_action(event.card_id, event.command_id)
        if case_id is None:
            log.info("card event is not about a command of ours", type=event.type)
            return
        with structlog.contextvars.bound_contextvars(case_id=case_id, command_id=event.command_id):
            try:
                handled = await self._cases.handle(
                    case_id, _command(event), actor="bank", cause=f"card-event:{event.event_id}"
                )
            except Refused as refused:
                raise NotUsable(refused.code, refused.reason) from refused
            if handled.events and event.type == "failed":
                CARD_COMMANDS_FAILED.labels("refused").inc()
            log.info("card system answered", type=event.type, new=bool(handled.events))


def _command(event: CardEvent) -> Command:
    match event.type:
        case "failed":
            return FailCardAction(command_id=event.command_id, reason=event.reason)
        case "dispatched" | "delivered":
            return ShipCard(command_id=event.command_id, state=event.type)
        case _:
            return AnswerCardAction(command_id=event.command_id, result=event.type, new_card_id=event.new_card_id)


_ContractT = TypeVar("_ContractT", bound=Contract)


def _check(contract: type[_ContractT], value: bytes, *, private: bool = False) -> _ContractT:
    try:
        return contract.model_validate_json(value)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        reason = "json" if first["type"] == "json_invalid" else "contract"
        raise NotUsable(reason, f"{where}: {first['msg']}", private=private) from None
