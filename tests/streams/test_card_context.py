"""What was said of a card's payments goes from the history to `card-context`, whole, on real servers."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from infra.history.event import Event
from infra.history.store import History
from infra.settings import Settings
from outreach.cases import commands as c
from outreach.cases.service import Cases
from streams.card_context import ContextWriter
from streams.contracts.card_context import CardContext
from streams.runner import faust_app
from tests.outreach.cases.given import alert
from tests.streams.role import RoleProcess
from tests.streams.test_cards_and_relay import a_case, card, history, messages

__all__ = ["card", "history"]

PNH = {"transaction_id": "phnom-penh", "lat": 11.5564, "lon": 104.9282, "at": "2026-03-14T10:00:00Z"}
PARIS = {"transaction_id": "paris-2", "lat": 48.8606, "lon": 2.3376, "at": "2026-03-14T10:12:00Z"}


def written(settings: Settings, card: str, version: int) -> list[CardContext]:
    """The card's messages, once one of at least this version is there."""

    def read(found: list[bytes]) -> list[CardContext]:
        return [one for one in map(CardContext.model_validate_json, filter(None, found)) if one.card_id == card]

    return read(messages(settings, "card-context", enough=lambda got: any(m.version >= version for m in read(got))))


async def say(cases: Cases, case_id: str, *commands: Any) -> int:
    for number, command in enumerate(commands):
        await cases.handle(case_id, command, actor="operator:dara", cause=f"{case_id}-click-{number}-{command}")
    return 0


async def position(history: History, kind: str) -> int:
    return [one.position for one in await history.read(after=0, types=[kind])][-1]


async def test_confirmed_and_struck_out_payments_are_told_with_the_way_that_becomes_quiet(
    settings: Settings, history: History, card: str, tmp_path: Path
) -> None:
    cases, case_id = await a_case(settings, history, card)
    both = {"suspect": PARIS, "against": PNH, "words": "far"}
    await cases.receive_alert(alert(2, card_id=card, evidence=both))
    await say(cases, case_id, c.TakeTask(operator="dara"))
    sure = c.ConfirmPayments(transactions=["paris-2"], by="operator", operator="dara")
    patient = settings.model_copy(update={"hand_over_after": timedelta(hours=1)})  # or the task returns meanwhile
    with RoleProcess("casework", patient, tmp_path / "log"):
        await say(cases, case_id, sure)
        (first, *_) = written(settings, card, await position(history, "case.payments-confirmed"))
        assert (first.confirmed, first.struck_out) == (("paris-2",), ())
        (way,) = first.quiet
        assert (way.transaction_id, way.lat, way.other_lat) == ("paris-2", PNH["lat"], PARIS["lat"])
        assert way.since.isoformat() == "2026-03-14T10:12:00+00:00"
        await say(cases, case_id, c.StrikeOut(transactions=["phnom-penh"], operator="dara"))
        last = written(settings, card, await position(history, "case.sightings-struck-out"))[-1]
        assert (last.confirmed, last.struck_out) == (("paris-2",), ("phnom-penh",))
        assert last.version > first.version
        for number in (1, 2):  # detection judges anew without it: what it contradicts now is another payment
            anew = alert(number, card_id=card, status="revised", against="siem-reap", raised_by="struck", evidence=both)
            await cases.receive_alert(anew)
        await say(cases, case_id, c.WrapUp(operator="dara", topics=[]))
        last = written(settings, card, await position(history, "case.resolved"))[-1]
        assert last.struck_out == ("phnom-penh",)


async def test_a_denied_payment_says_nothing_and_a_confirmation_taken_back_is_told(
    settings: Settings, history: History, card: str, tmp_path: Path
) -> None:
    cases, case_id = await a_case(settings, history, card)
    await say(cases, case_id, c.TakeTask(operator="dara"))
    said: list[Any] = [
        c.DenyPayments(transactions=["paris-1"], by="reply"),
        c.ConfirmPayments(transactions=["paris-1"], by="operator", operator="dara"),
        c.DenyPayments(transactions=["paris-1"], by="operator", operator="dara"),
    ]
    await say(cases, case_id, *said[:1])
    denied = await position(history, "case.payments-denied")
    await say(cases, case_id, *said[1:])
    with RoleProcess("casework", settings, tmp_path / "log"):
        told = written(settings, card, await position(history, "case.payments-denied"))
    assert told[-1].confirmed == ()
    assert denied < told[-1].version


async def test_what_an_erased_customer_said_is_taken_back_and_leaves_the_compacted_topic(
    settings: Settings, history: History, card: str, tmp_path: Path
) -> None:
    cases, case_id = await a_case(settings, history, card)
    await say(cases, case_id, c.TakeTask(operator="dara"))
    sure = c.ConfirmPayments(transactions=["paris-1"], by="operator", operator="dara")
    await say(cases, case_id, sure)
    confirmed = await position(history, "case.payments-confirmed")
    with RoleProcess("casework", settings, tmp_path / "log"):
        assert written(settings, card, confirmed)[-1].confirmed == ("paris-1",)
        await say(cases, case_id, c.EraseCustomer(closing=True))
        erased = await position(history, "case.customer-erased")
        last = written(settings, card, erased)[-1]
        assert (last.version, last.confirmed, last.quiet) == (erased, (), ())
        # The card's key, and no value: compaction removes it.
        messages(settings, "card-context", enough=lambda got: b"" in got)


async def test_the_writer_handles_nothing_before_it_runs(settings: Settings, history: History, card: str) -> None:
    await a_case(settings, history, card)
    writer = ContextWriter(faust_app("casework", settings), settings)
    (first, *_) = await history.read(after=0)
    event: Event = first.event
    assert event is not None
    with pytest.raises(RuntimeError, match="before it runs"):
        await writer._write(first, None)  # type: ignore[arg-type]  # it is not asked for
