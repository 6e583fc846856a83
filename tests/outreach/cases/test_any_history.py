"""Whatever is asked of a case in whatever order: it answers or refuses, and never does a thing twice."""

from datetime import UTC, datetime, timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from infra.history.event import Event, UnknownEvent
from outreach.cases import commands as c
from outreach.cases import events as e
from outreach.cases.commands import Command
from outreach.cases.decide import decide
from outreach.cases.errors import Refused
from outreach.cases.evolve import evolve, replay
from outreach.cases.identity import call_back_id, command_id, contact_id
from outreach.cases.state import TURNS, CaseState
from tests.outreach.cases.given import CASE, alert, intend, received

CARDS = ("card-sokha-visa", "card-2")
CONTACTS = [(contact_id(CASE, "alert", 1), "sms", "alert"), (contact_id(CASE, "alert", 2), "email", "alert")]
CONTACTS += [(contact_id(CASE, "acknowledgement", f"reply-{n}"), "sms", "acknowledgement") for n in (1, 2)]
ACTIONS = [command_id(CASE, name, card, [1]) for card in CARDS for name in ("hold", "release")]
ACTIONS += [command_id(CASE, name, card) for card in CARDS for name in ("block", "reissue")]
ACTIONS += [command_id(CASE, "decline", CARDS[0], ["paris-1"])]

CALL_BACKS = [call_back_id(CASE, of) for of in (1, 2, "call-1", "call-2")]
NOON = datetime(2026, 3, 15, 12, tzinfo=UTC)

numbers = st.integers(1, 3)
SUPERVISOR = "boss"
operators = st.sampled_from(["dara", "vanna", SUPERVISOR])
notes = st.sampled_from(["", "so decided"])
payments = st.lists(st.sampled_from(["paris-1", "paris-2", "paris-3", "elsewhere"]), max_size=3)
bys = st.sampled_from(["reply", "operator"])
contacts = st.sampled_from(CONTACTS)
actions = st.sampled_from(ACTIONS)
alerts = st.builds(
    lambda number, verdict, severity, again: alert(
        number, verdict=verdict, severity=severity, card_id=CARDS[number % 2], raised_by=f"by-{again}"
    ),
    numbers,
    st.sampled_from(["alert", "review"]),
    st.sampled_from(["low", "medium", "high"]),
    st.integers(1, 3),
)
commands: st.SearchStrategy[Command] = st.one_of(
    st.builds(received, alerts, st.sampled_from(["sokha", ""])),
    st.builds(lambda said: c.ReviseAlert(alert=said), alerts),
    st.builds(lambda said: c.WithdrawAlert(alert=said), alerts),
    st.builds(lambda: c.AssignOwner(customer_id="sokha")),
    st.builds(lambda who: c.TakeTask(operator=who, supervisor=who == SUPERVISOR), operators),
    st.builds(lambda who: c.ReturnTask(operator=who, reason="released"), operators),
    st.builds(lambda who: c.VerifyCaller(operator=who, method="callback"), operators),
    st.builds(lambda who: c.RejectCaller(operator=who, method="callback"), operators),
    st.builds(lambda who, to: c.HandOver(operator=who, to=to, to_supervisor=to == SUPERVISOR), operators, operators),
    st.builds(lambda who: c.Escalate(operator=who), operators),
    st.builds(lambda note: c.SettleEscalation(supervisor=SUPERVISOR, note=note), notes),
    st.builds(lambda to: c.AssignTask(supervisor=SUPERVISOR, to=to, to_supervisor=to == SUPERVISOR), operators),
    st.builds(lambda note: c.TakeBack(supervisor=SUPERVISOR, note=note), notes),
    st.builds(lambda who: c.ReopenCase(operator=who), operators),
    st.builds(lambda who, number: c.StartCall(operator=who, call_id=f"call-{number}"), operators, numbers),
    st.builds(lambda number: c.AnswerCall(call_id=f"call-{number}"), numbers),
    st.just(c.AnswerCall()),
    st.builds(lambda number: c.DropCall(call_id=f"call-{number}"), numbers),
    st.just(c.DropCall()),
    st.just(c.EndCall()),
    st.builds(lambda who, hours: c.PromiseCall(operator=who, at=NOON + timedelta(hours=hours)), operators, numbers),
    st.builds(lambda named: c.NoteCallBackDue(call_back_id=named), st.sampled_from(CALL_BACKS)),
    st.builds(lambda named: c.MissCallBack(call_back_id=named), st.sampled_from(CALL_BACKS)),
    st.just(c.JoinCase(into="another")),
    st.builds(lambda who: c.StrikeOut(operator=who, transactions=["phnom-penh"]), operators),
    st.builds(lambda who: c.ViewData(operator=who, screen="case"), operators),
    st.builds(lambda closing: c.EraseCustomer(closing=closing), st.booleans()),
    st.builds(
        lambda what, by, who: c.ConfirmPayments(transactions=what, by=by, operator=who), payments, bys, operators
    ),
    st.builds(lambda what, by, who: c.DenyPayments(transactions=what, by=by, operator=who), payments, bys, operators),
    st.builds(lambda who: c.WrapUp(operator=who, topics=[]), operators),
    st.builds(lambda of, attempt: intend(of[0], of[1], of[2], attempt), contacts, numbers),
    st.builds(lambda of: c.RefuseContact(contact_id=of[0], reason="x", policy_version="1"), contacts),
    st.builds(lambda of: c.AcceptContact(contact_id=of[0], provider_id="SM"), contacts),
    st.builds(lambda of: c.MarkContactUnknown(contact_id=of[0], reason="x"), contacts),
    st.builds(lambda of: c.FailContact(contact_id=of[0], code="1", reason="x"), contacts),
    st.builds(
        lambda of, status: c.ReportDelivery(contact_id=of[0], provider_id="SM", status=status),
        contacts,
        st.sampled_from(["sent", "delivered", "undelivered", "failed"]),
    ),
    st.builds(lambda of: c.NoteSilence(contact_id=of[0]), contacts),
    st.builds(lambda number: c.ReceiveCall(call_id=f"call-{number}"), numbers),
    st.builds(
        lambda number, meaning: c.ReceiveReply(reply_id=f"reply-{number}", channel="sms", meaning=meaning, text="x"),
        numbers,
        st.sampled_from(["genuine", "fraud", "opt_out", "opt_in", "unclear"]),
    ),
    st.builds(lambda of, attempt: c.SendCardAction(command_id=of, attempt=attempt), actions, numbers),
    st.builds(
        lambda of, result: c.AnswerCardAction(command_id=of, result=result),
        actions,
        st.sampled_from(["held", "released", "blocked", "reissued", "declined"]),
    ),
    st.builds(lambda of: c.FailCardAction(command_id=of, reason="x"), actions),
    st.builds(lambda of: c.ShipCard(command_id=of, state="delivered"), actions),
)


given_commands = st.lists(st.tuples(commands, st.booleans()), max_size=40)
"""Commands, each with whether the case may be reopened by then."""


def asked(state: CaseState, command: Command, *, may_reopen: bool = True) -> list[Event]:
    try:
        return decide(state, command, may_reopen=may_reopen)
    except Refused:
        return []


def check(state: CaseState) -> None:
    """The invariants: what is true of a case after every event that it ever decides, whatever came before."""
    assert not set(state.confirmed) & set(state.denied), "a payment is hers, or is not"
    assert state.resolution or state.task is not None, "an open case always has something to do"
    if state.resolution not in {"joined", "erased"}:
        kept = any(state.held(card) and not state.ever("block", card) for card in CARDS)
        assert not kept or state.task is not None, "a held card is always somebody's task"
    holder = state.task.taken_by if state.task else ""
    escalated = state.task is not None and state.task.escalated
    assert not escalated or holder in {"", SUPERVISOR}, "what is escalated is in nobody's hand but a supervisor's"
    assert state.call is None or state.call.operator == holder != "", "a call is that of whoever has the task in hand"
    assert state.call is None or state.call.call_id in state.calls, "a call is known from its beginning on"
    assert not (state.verified and state.doubted), "the caller is verified, or is not"
    dead = [one for one in state.call_backs.values() if one.owed]
    assert not (dead and state.erased), "nobody rings a customer who is erased"
    assert len([one for one in dead if one.at is not None]) <= 1, "one promise at a time"
    assert set(state.struck_out).isdisjoint(state.confirmed), "what she says was hers is not struck out"
    for card in CARDS:
        turns = [one.action for one in state.actions.values() if one.card_id == card and one.action in TURNS]
        assert turns == ["hold", "release"] * (len(turns) // 2) + ["hold"] * (len(turns) % 2), (
            "hold and release in turn"
        )


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(given_commands)
def test_it_never_does_a_thing_twice_nor_comes_into_an_impossible_state(asking: list[tuple[Command, bool]]) -> None:
    history: list[Event] = []
    state = CaseState()
    for command, may_reopen in [(received(), True), *asking]:
        new = asked(state, command, may_reopen=may_reopen)
        after = replay(new, state)
        assert after == replay(history + new), "the case is what its events make it"
        if not isinstance(command, c.ViewData):  # every look is recorded
            assert not asked(after, command, may_reopen=may_reopen), "a repeated command gives nothing more"
        if state.barrier and not any(isinstance(one, e.CaseReopened) for one in new):
            started = [one for one in new if isinstance(one, e.ContactIntended | e.ContactRequested)]
            assert all(one.purpose != "alert" for one in started), "the resolution barrier holds"
        check(after)
        if isinstance(command, c.AssignTask | c.TakeBack):
            assert state.call is None or not new, "a supervisor takes nobody off the phone"
        history += new
        state = after
    requested = [one for one in history if isinstance(one, e.CardActionRequested)]
    assert len({one.command_id for one in requested}) == len(requested)
    for card in CARDS:
        for action in ("block", "reissue"):
            assert sum(one.action == action and one.card_id == card for one in requested) <= 1
    declined = [payment for one in requested if one.action == "decline" for payment in one.transactions]
    assert len(set(declined)) == len(declined)
    first = [one for one in history if isinstance(one, e.ContactRequested) and one.purpose == "alert"]
    assert len({one.step for one in first}) == len(first), "each step of the ladder is taken once"
    for kind in (e.CallAnswered, e.CallEnded, e.CallDropped):
        named = [one.call_id for one in history if isinstance(one, kind)]
        assert len(set(named)) == len(named), "a call is answered once, and is over once"


def _at_the_desk() -> list[Command]:
    """What two operators and a supervisor can do with a task, each to each."""
    everybody = ("dara", "vanna", SUPERVISOR)
    found: list[Command] = [c.SettleEscalation(supervisor=SUPERVISOR), c.TakeBack(supervisor=SUPERVISOR), c.EndCall()]
    for who in everybody:
        found += [
            c.TakeTask(operator=who, supervisor=who == SUPERVISOR),
            c.Escalate(operator=who),
            c.ReturnTask(operator=who, reason="hand_over"),
            c.StartCall(operator=who, call_id="call-1"),
            c.PromiseCall(operator=who, at=NOON),
            c.AssignTask(supervisor=SUPERVISOR, to=who, to_supervisor=who == SUPERVISOR),
            *(c.HandOver(operator=who, to=to, to_supervisor=to == SUPERVISOR) for to in everybody),
        ]
    return found


def test_whoever_moves_a_task_what_is_escalated_stays_with_supervisors() -> None:
    """Every history of the desk: from each place that a task can come to, everything that can be done with it."""
    opened = replay(asked(CaseState(), received()))
    seen, waiting = {(opened.task, opened.call)}, [opened]
    while waiting:
        state = waiting.pop()
        for command in _at_the_desk():
            new = asked(state, command)
            moved = isinstance(command, c.AssignTask | c.TakeBack)
            assert not (moved and state.call and new), "a supervisor takes nobody off the phone"
            after = replay(new, state)
            check(after)
            if (after.task, after.call) not in seen:
                seen.add((after.task, after.call))
                waiting.append(after)
    assert len(seen) > 20, "the search came through the whole desk"


outcomes = st.lists(
    st.sampled_from(
        [
            e.ContactAccepted(contact_id="sms", channel="sms", provider_id="SM"),
            e.ContactUnknown(contact_id="sms", channel="sms", reason="x"),
            e.ContactFailed(contact_id="sms", channel="sms", code="1", reason="x"),
            *(
                e.DeliveryReported(contact_id="sms", provider_id="SM", status=status)
                for status in ("sent", "delivered", "undelivered", "failed", "read")
            ),
        ]
    )
)


@given(outcomes)
def test_the_end_of_a_delivery_is_not_forgotten_in_any_order_of_reports(reports: list[Event]) -> None:
    """Callbacks may come before the provider's own answer, which must not begin the wait for them again."""
    state = replay([e.ContactRequested(contact_id="sms", channel="sms", purpose="alert", step=1)])
    reported = set[str]()
    for report in reports:
        state = evolve(state, report)
        status = state.contacts["sms"].status
        reported |= {report.status} if isinstance(report, e.DeliveryReported) else set()
        if reported & {"delivered", "read"}:
            assert status == "delivered"
        elif reported & {"undelivered", "failed"}:
            assert status == "undelivered"


@settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(commands, max_size=15))
def test_events_of_another_case_or_time_can_be_replayed(given_commands: list[Command]) -> None:
    state = CaseState()
    history: list[Event] = []
    for command in [received(), *given_commands]:
        new = asked(state, command)
        state = replay(new, state)
        history += new
    backwards = replay(reversed(history))  # in an order that never was: nothing breaks
    assert evolve(backwards, UnknownEvent(type_name="x", type_version=1, payload={})) == backwards
    assert evolve(state, UnknownEvent(type_name="case.of-later", type_version=1, payload={})) == state
    assert replay(history[1:]) is not None
    assert evolve(state, e.CardShipped(command_id="of-another-case", state="delivered")) == state
    assert evolve(state, e.CardActionSent(command_id="of-another-case", attempt=1)) == state
