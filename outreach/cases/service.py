"""The cases on the history: a command in, the events that it gives appended under the version it was decided on."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from msgspec import Struct

from infra.clock import Clock
from infra.history.errors import Conflict, PartlyRecorded
from infra.history.event import Event, NewEvent, Recorded, derived_id
from infra.history.registry import register
from infra.history.store import History, StreamWrite, Within
from infra.metrics import CASES_OPENED, CASES_RESOLVED
from outreach.cases import events as e
from outreach.cases.alert import BLOCKED_CARD_USED, Alert
from outreach.cases.alerts import unsettles
from outreach.cases.commands import AssignOwner, Command, JoinCase, ReceiveAlert, ReviseAlert, WithdrawAlert
from outreach.cases.decide import decide
from outreach.cases.errors import Busy, Refused
from outreach.cases.evolve import replay
from outreach.cases.identity import case_id_for, case_stream, index_stream, subject_of
from outreach.cases.state import CaseState
from outreach.cases.told import told_alerts
from outreach.customers import events as customer_events
from outreach.customers.index import Index, read_index
from outreach.customers.ownership import assignment, card_stream, owners_of

register(e, customer_events)

_TRIES: Final = 50
"""As often is a command decided anew because somebody else wrote to the case in between."""

_CASEWORK: Final = "system:casework"

REOPEN_WITHIN: Final = timedelta(days=30)
"""For so long may a resolved case go on, where no setting says otherwise."""


class Handled(Struct, frozen=True, kw_only=True):
    """What a command gave. ``events`` is empty when it had been handled before, or changes nothing."""

    version: int
    events: list[Event]
    state: CaseState


class Cases:
    """Every change of a case goes through here; safe to use from many workers at once.

    ``reopen_within``: so long after its end a case may go on; later, a new one is opened.
    """

    def __init__(self, history: History, clock: Clock, *, reopen_within: timedelta = REOPEN_WITHIN) -> None:
        self._history = history
        self._clock = clock
        self._reopen_within = reopen_within

    async def handle(
        self,
        case_id: str,
        command: Command,
        *,
        actor: str,
        cause: str,
        expected: int | None = None,
        within: Within | None = None,
        known: tuple[CaseState, int] | None = None,
    ) -> Handled:
        """Decides and appends.

        The ids of the events derive from ``cause`` (what the command follows from: an event's id, a callback, a
        request), so the same cause again changes nothing. ``within`` runs in the transaction of the append, and also
        when there is nothing to append. ``known``: the case and its version as the caller has just loaded them, which
        saves loading them again; the append is checked against that version all the same.

        Raises:
            Refused: the case does not do that; ``within`` has not run.
            Conflict: ``expected`` was given and the case has moved on.
            Busy: without ``expected``, the case moved on again and again. Retryable.
            Unavailable: the history is away. Retryable.
        """
        for _ in range(_TRIES):
            state, version = known or await self.load(case_id)
            known = None
            if expected is not None and expected != version:
                raise Conflict(case_stream(case_id), expected, version)
            events, index = await self._decided(state, command)
            case = self._write(case_id, state, events, version, actor=actor, cause=cause)
            writes = [case, *self._release(case_id, state, events, actor=actor, cause=cause)] if events else []
            if index is not None:
                named = customer_events.CaseNamed(case_id=case_id)
                writes.append(self._index_write(index, [named], case_id, actor=actor, cause=cause))
            try:
                appended = await self._history.append(*writes, within=within)
            except Conflict:
                if expected is not None:
                    raise
                continue
            except PartlyRecorded:  # the cause was handled before, when the case was another
                await self._history.append(within=within)
                return await self._unchanged(case_id)
            if appended.repeated or not events:
                return await self._unchanged(case_id) if appended.repeated else _nothing(state, version)
            _count(state, events)
            after = replay(events, state)
            return Handled(version=appended.versions[case.stream], events=events, state=after)
        raise Busy(f"case {case_id} moved on {_TRIES} times while a command was decided")

    async def load(self, case_id: str) -> tuple[CaseState, int]:
        """The case and its version; the default state and 0 where there is none."""
        return loaded(await self.timeline(case_id))

    async def timeline(self, case_id: str) -> list[Recorded[Event]]:
        """Every event of the case, oldest first."""
        return await self._history.read_stream(case_stream(case_id))

    async def receive_alert(self, alert: Alert, *, within: Within | None = None) -> str | None:
        """Opens, joins or amends the case that the alert belongs to; answers its id, or None where none is meant.

        None: a shadow alert, or one taken back before it ever made a case. A card that nobody owns gets a case of
        its own, without contact.

        Raises:
            Busy: others wrote to the same customer again and again. Retryable.
            Unavailable: the history is away. Retryable.
        """
        if alert.mode != "live":
            await self._history.append(within=within)
            return None
        for _ in range(_TRIES):
            assigned, known_at = await assignment(self._history, alert.card_id)
            owner = assigned.customer_id if assigned else ""
            index = await read_index(self._history, index_stream(owner, alert.card_id))
            filed = index.filed.get(alert.alert_id)
            if filed is None:  # it may have come when the card was somebody else's, or nobody's that we knew
                filed = await self._filed_before(alert, owner)
            if filed is not None:
                over = await self._over(filed, alert)
                if over is None:
                    await self._amend(filed, alert, within)
                    return filed
                owner, index = over
            if alert.status == "withdrawn":
                await self._history.append(within=within)
                return None
            try:
                return await self._file(alert, owner, index, known_at, within, after=filed or "")
            except Conflict:
                continue
        raise Busy(f"alert {alert.alert_id} found its customer's stream moving {_TRIES} times")

    async def adopt(self, card_id: str, customer_id: str, *, cause: str) -> str | None:
        """Gives the open case of a card that nobody owned to the customer who turned out to own it.

        A customer who has an open case keeps that one alone: what stands of the other joins it, and the other is over.

        Returns:
            The id of her case; None where there was nothing to give.
        """
        for _ in range(_TRIES):
            unowned = await read_index(self._history, index_stream("", card_id))
            if not unowned.open_case:
                return None
            index = await read_index(self._history, index_stream(customer_id, card_id))
            case_id = unowned.open_case
            # One message may bring the owner of several cards, each with a case.
            meta = {"actor": _CASEWORK, "cause": f"{cause}:{card_id}"}
            if index.open_case:
                try:
                    await self._join(case_id, unowned, index, **meta)
                except Conflict:
                    continue
                except PartlyRecorded:
                    return None
                return index.open_case
            state, version = await self.load(case_id)
            try:
                events = decide(state, AssignOwner(customer_id=customer_id))
            except Refused:
                return None
            filings = [filing for alert_id in state.alerts for filing in _filing(alert_id, case_id)]
            try:
                await self._history.append(
                    self._write(case_id, state, events, version, **meta),
                    self._index_write(unowned, [customer_events.CaseReleased(case_id=case_id)], case_id, **meta),
                    self._index_write(index, [customer_events.CaseNamed(case_id=case_id), *filings], case_id, **meta),
                )
            except Conflict:
                continue
            except PartlyRecorded:
                return None
            return case_id
        raise Busy(f"the case of card {card_id} moved on {_TRIES} times")

    async def case_of_action(self, card_id: str, command_id: str) -> str | None:
        """The case that asked the card system for this; None where none of the card's cases did."""
        for owner in [*await owners_of(self._history, card_id), ""]:
            index = await read_index(self._history, index_stream(owner, card_id))
            for case_id in reversed(dict.fromkeys(index.filed.values())):
                state, _ = await self.load(case_id)
                if command_id in state.actions:
                    return case_id
        return None

    async def _amend(self, case_id: str, alert: Alert, within: Within | None) -> None:
        command: Command
        if alert.status == "withdrawn":
            command = WithdrawAlert(alert=alert)
        elif alert.status == "revised":
            command = ReviseAlert(alert=alert)
        else:
            command = ReceiveAlert(case_id=case_id, customer_id="", alert=alert)
        await self.handle(case_id, command, actor=_CASEWORK, cause=_cause(alert), within=within)

    async def _decided(self, state: CaseState, command: Command) -> tuple[list[Event], Index | None]:
        """What the case answers; with its customer's index where the case goes on and is to be named there again."""
        events = decide(state, command)
        if not any(isinstance(event, e.CaseReopened) for event in events):
            return events, None
        index = await read_index(self._history, index_stream(state.customer_id, state.card_id))
        if not index.open_case and await self._lately(state.case_id):
            return events, index
        return decide(state, command, may_reopen=False), None

    async def _lately(self, case_id: str) -> bool:
        """Whether the case was resolved so lately that it may go on."""
        since = self._clock() - self._reopen_within
        timeline = await self.timeline(case_id)
        return any(isinstance(one.event, e.CaseResolved) and one.occurred_at >= since for one in timeline)

    async def _over(self, case_id: str, alert: Alert) -> tuple[str, Index] | None:
        """Whose case the alert needs now, where it needs somebody and the case that it is filed in cannot go on."""
        state, _ = await self.load(case_id)
        if state.erased or not unsettles(state, alert):
            return None
        index = await read_index(self._history, index_stream(state.customer_id, state.card_id))
        if not index.open_case and await self._lately(case_id):
            return None
        return state.customer_id, index

    async def _join(self, case_id: str, unowned: Index, index: Index, *, actor: str, cause: str) -> None:
        """Lets the alerts of a case without an owner join the customer's open case, and ends it."""
        timeline = await self.timeline(case_id)
        state, version = loaded(timeline)
        closing = decide(state, JoinCase(into=index.open_case))
        hers, her_version = await self.load(index.open_case)
        joining: list[Event] = []
        filings: list[Event] = []
        for alert in told_alerts(timeline):
            command = ReceiveAlert(case_id=hers.case_id, customer_id=hers.customer_id, alert=alert)
            joining += decide(replay(joining, hers), command)
            filings += _filing(alert.alert_id, hers.case_id)
        meta = {"actor": actor, "cause": cause}
        await self._history.append(
            self._write(case_id, state, closing, version, **meta),
            self._index_write(unowned, [customer_events.CaseReleased(case_id=case_id)], case_id, **meta),
            self._write(hers.case_id, hers, joining, her_version, **meta),
            self._index_write(index, filings, hers.case_id, **meta),
        )
        _count(state, closing)

    async def _file(
        self, alert: Alert, owner: str, index: Index, known_at: int, within: Within | None, *, after: str
    ) -> str:
        case_id = index.open_case or await self._last_case(alert, index) or case_id_for(alert.alert_id, after=after)
        state, version = await self.load(case_id)
        command = ReceiveAlert(case_id=case_id, customer_id=owner, alert=alert)
        events = decide(state, command)
        named: list[Event] = [] if index.open_case else [customer_events.CaseNamed(case_id=case_id)]
        named += _filing(alert.alert_id, case_id)
        meta = {"actor": _CASEWORK, "cause": _cause(alert)}
        await self._history.append(
            self._index_write(index, named, case_id, **meta),
            self._write(case_id, replay(events, state), events, version, **meta),
            StreamWrite(card_stream(alert.card_id), [], known_at),  # the card has no other owner by now
            within=within,
        )
        _count(state, events)
        return case_id

    async def _last_case(self, alert: Alert, index: Index) -> str:
        """The case that the use of a blocked card reopens: the card's last one; empty where there is none."""
        if alert.rule == BLOCKED_CARD_USED:
            for case_id in reversed(dict.fromkeys(index.filed.values())):
                state, _ = await self.load(case_id)
                if alert.card_id in state.cards and not state.erased:
                    return case_id if await self._lately(case_id) else ""
        return ""

    async def _filed_before(self, alert: Alert, owner: str) -> str | None:
        """The case in which a former owner of the card has the alert: it stays there, erased owners included."""
        for former in [*await owners_of(self._history, alert.card_id), ""]:
            if former == owner:
                continue
            index = await read_index(self._history, index_stream(former, alert.card_id))
            if alert.alert_id in index.filed:
                return index.filed[alert.alert_id]
        return None

    def _write(
        self, case_id: str, state: CaseState, events: Sequence[Event], version: int, *, actor: str, cause: str
    ) -> StreamWrite:
        subject = subject_of(state.customer_id, state.card_id)
        new = self._new(case_stream(case_id), events, case_id, subject=subject, actor=actor, cause=cause)
        return StreamWrite(case_stream(case_id), new, version)

    def _index_write(
        self, index: Index, events: Sequence[Event], case_id: str, *, actor: str, cause: str
    ) -> StreamWrite:
        new = self._new(index.stream, events, case_id, subject=None, actor=actor, cause=cause)
        return StreamWrite(index.stream, new, index.version)

    def _release(
        self, case_id: str, state: CaseState, events: Sequence[Event], *, actor: str, cause: str
    ) -> list[StreamWrite]:
        """With the first resolution the customer has no open case any more."""
        if state.resolution or not any(isinstance(event, e.CaseResolved) for event in events):
            return []
        stream = index_stream(state.customer_id, state.card_id)
        released = customer_events.CaseReleased(case_id=case_id)
        return [StreamWrite(stream, self._new(stream, [released], case_id, subject=None, actor=actor, cause=cause))]

    def _new(
        self, stream: str, events: Sequence[Event], case_id: str, *, subject: str | None, actor: str, cause: str
    ) -> list[NewEvent]:
        now = self._clock()
        return [
            NewEvent(
                event=event,
                event_id=derived_id(cause, stream, event.wire_name, index),
                occurred_at=now,
                actor=actor,
                subject=subject,
                correlation_id=case_id,
                causation_id=cause,
            )
            for index, event in enumerate(events)
        ]

    async def _unchanged(self, case_id: str) -> Handled:
        return _nothing(*await self.load(case_id))


def loaded(timeline: Sequence[Recorded[Event]]) -> tuple[CaseState, int]:
    """The case and its version, from its whole timeline."""
    return replay(one.event for one in timeline), timeline[-1].version if timeline else 0


def _nothing(state: CaseState, version: int) -> Handled:
    return Handled(version=version, events=[], state=state)


def _filing(alert_id: str, case_id: str) -> list[Event]:
    return [customer_events.AlertFiled(alert_id=alert_id, case_id=case_id)]


def _cause(alert: Alert) -> str:
    said = [alert.alert_id, alert.status, alert.raised_by, alert.verdict, alert.severity, alert.against or ""]
    return f"alert:{derived_id(*said, (alert.arrived_at or alert.raised_at).isoformat())}"


def _count(before: CaseState, events: Sequence[Event]) -> None:
    for event in events:
        if isinstance(event, e.CaseOpened):
            CASES_OPENED.inc()
        elif isinstance(event, e.CaseResolved) and not before.resolution:
            CASES_RESOLVED.labels(event.resolution).inc()
