"""The grounds of an alert on the case page: what each payment is by now, and whose card it is."""

from typing import Any

import pytest

from outreach.cases.state import AlertState, CaseState, TaskState
from outreach.desk.case_view import case_view
from outreach.desk.evidence_view import alert_view, payments
from outreach.desk.timeline import HIDDEN
from tests.outreach.desk.story import some_time_ago

EVIDENCE = {"suspect": {"transaction_id": "paris"}, "against": {"transaction_id": "phnom-penh"}}


def case(*, withdrawn: bool = False, **more: Any) -> CaseState:
    alert = AlertState(
        alert_id="a",
        card_id="tok-8f3a-77",
        suspect="paris",
        against="phnom-penh",
        verdict="alert",
        severity="high",
        raised_at=some_time_ago(1)(),
        withdrawn=withdrawn,
    )
    return CaseState(**{"case_id": "case", "case_code": "ABC234", "alerts": {"a": alert}, **more})


@pytest.mark.parametrize(
    ("state", "marks"),
    [
        (case(), {"paris": "suspect", "phnom-penh": "believed"}),
        (case(withdrawn=True), {"paris": "taken back", "phnom-penh": ""}),
        (case(withdrawn=True, struck_out=("phnom-penh",)), {"paris": "taken back", "phnom-penh": "struck out"}),
    ],
)
def test_a_payment_is_marked_as_what_it_is_by_now(state: CaseState, marks: dict[str, str]) -> None:
    assert {row.transaction_id: row.mark for row in payments([EVIDENCE], state)} == marks


@pytest.mark.parametrize(("struck_out", "struck"), [((), False), (("phnom-penh",), True)])
def test_what_an_alert_contradicts_is_marked_once_it_is_struck_out(
    struck_out: tuple[str, ...], *, struck: bool
) -> None:
    state = case(withdrawn=struck, struck_out=struck_out)
    assert alert_view(state.alerts["a"], EVIDENCE, "impossible_journey", state, None).against_struck is struck


@pytest.mark.parametrize(("operator", "token"), [("dara", "tok-8f3a-77"), ("mina", HIDDEN)])
def test_a_card_that_nobody_owns_is_named_as_the_bank_names_it_to_who_has_the_task(operator: str, token: str) -> None:
    state = case(card_id="tok-8f3a-77", task=TaskState(task_id="t", reason="unknown_owner", taken_by="dara"))
    view = case_view(state, 1, [], None, operator=operator, now=some_time_ago(0)(), bank="Mekong Bank")
    assert (view.who.token, view.who.cards) == (token, ())
