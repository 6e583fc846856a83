"""A case after one more event of a call or a call-back; part of `outreach.cases.evolve`."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from msgspec.structs import replace

from infra.history.event import Event
from outreach.cases import events as e
from outreach.cases.state import CallBackState, CallState, CaseState


def _received(state: CaseState, event: e.CallReceived) -> CaseState:
    return replace(state, calls=state.calls | {event.call_id}, heard_from=True)


def _started(state: CaseState, event: e.CallStarted) -> CaseState:
    call = CallState(call_id=event.call_id, operator=event.operator)
    return replace(state, call=call, calls=state.calls | {event.call_id})


def _answered(state: CaseState, _event: e.CallAnswered) -> CaseState:
    call = None if state.call is None else replace(state.call, answered=True)
    return replace(state, call=call, heard_from=True)


def _over(state: CaseState, _event: e.CallDropped | e.CallEnded) -> CaseState:
    return replace(state, call=None)


def _asked(state: CaseState, event: e.CallBackAsked) -> CaseState:
    return _call_back(state, event.call_back_id, status="asked")


def _promised(state: CaseState, event: e.CallBackPromised) -> CaseState:
    return _call_back(state, event.call_back_id, status="promised", at=event.at)


def _due(state: CaseState, event: e.CallBackDue) -> CaseState:
    return _call_back(state, event.call_back_id, status="due")


def _missed(state: CaseState, event: e.CallBackMissed) -> CaseState:
    return _call_back(state, event.call_back_id, status="missed")


def _kept(state: CaseState, event: e.CallBackKept) -> CaseState:
    return _call_back(state, event.call_back_id, status="kept")


def _verified(state: CaseState, event: e.CallerVerified) -> CaseState:
    return replace(state, verified=state.verified | {(event.operator, event.method)}, doubted=frozenset())


def _not_verified(state: CaseState, event: e.CallerNotVerified) -> CaseState:
    return replace(state, doubted=state.doubted | {(event.operator, event.method)}, verified=frozenset())


def _call_back(state: CaseState, named: str, **changes: Any) -> CaseState:
    before = state.call_backs.get(named) or CallBackState(call_back_id=named)
    return replace(state, call_backs={**state.call_backs, named: replace(before, **changes)})


STEPS: Final[Mapping[type[Event], Callable[[CaseState, Any], CaseState]]] = {
    e.CallReceived: _received,
    e.CallStarted: _started,
    e.CallAnswered: _answered,
    e.CallDropped: _over,
    e.CallEnded: _over,
    e.CallBackAsked: _asked,
    e.CallBackPromised: _promised,
    e.CallBackDue: _due,
    e.CallBackMissed: _missed,
    e.CallBackKept: _kept,
    e.CallerVerified: _verified,
    e.CallerNotVerified: _not_verified,
}
