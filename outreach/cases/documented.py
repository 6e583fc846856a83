"""What ``docs/cases.md`` shows of the cases as they stand: every command in every situation, and a picture of them.

``write(Path("docs"))`` brings the page up to date; a test compares it. The situations are made by commands alone.
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from infra.history.event import Event
from outreach.cases import commands as c
from outreach.cases.commands import Command
from outreach.cases.decide import DECIDERS, decide
from outreach.cases.errors import Refused
from outreach.cases.evolve import replay
from outreach.cases.samples import COMMANDS, SITUATIONS
from outreach.cases.state import CaseState

_MARKED: Final = re.compile(r"(?P<begin><!-- (?P<name>\w+): generated -->\n).*?(?P<end><!-- end -->)", re.DOTALL)

GROUPS: Final[Mapping[str, tuple[type[Command], ...]]] = {
    "Alerts": (c.ReceiveAlert, c.ReviseAlert, c.WithdrawAlert, c.AssignOwner, c.JoinCase),
    "The operators' task": (
        c.TakeTask,
        c.ReturnTask,
        c.HandOver,
        c.Escalate,
        c.SettleEscalation,
        c.AssignTask,
        c.TakeBack,
        c.ReopenCase,
        c.ViewData,
        c.VerifyCaller,
        c.RejectCaller,
        c.WrapUp,
        c.EraseCustomer,
    ),
    "Calls and call-backs": (
        c.ReceiveCall,
        c.StartCall,
        c.AnswerCall,
        c.DropCall,
        c.EndCall,
        c.PromiseCall,
        c.NoteCallBackDue,
        c.MissCallBack,
    ),
    "Messages": (
        c.IntendContact,
        c.RefuseContact,
        c.AcceptContact,
        c.MarkContactUnknown,
        c.FailContact,
        c.ReportDelivery,
        c.NoteSilence,
        c.ReceiveReply,
    ),
    "The answer": (c.ConfirmPayments, c.DenyPayments, c.StrikeOut),
    "The card": (c.SendCardAction, c.AnswerCardAction, c.FailCardAction, c.ShipCard),
}

PHASES: Final = {
    "waiting": "waiting in the queue",
    "in_hand": "in hand",
    "on_the_phone": "on the phone",
    "promised": "call promised",
    "escalated": "waiting for a supervisor",
    "resolved": "resolved",
    "to_be_seen": "resolved, with a task",
    "erased": "customer erased",
}


def write(folder: Path) -> None:
    """Brings the page up to date."""
    page = folder / "cases.md"
    page.write_text(filled(page.read_text(encoding="utf-8")), encoding="utf-8")


def filled(page: str) -> str:
    """The page with each generated part made anew.

    Raises:
        KeyError: there is no part of such a name.
    """
    parts = {"situations": situations, "commands": command_tables, "phases": diagram}
    return _MARKED.sub(lambda found: f"{found['begin']}{parts[found['name']]()}\n{found['end']}", page)


def phase(state: CaseState) -> str:
    """Where the case is in the picture; empty before it is opened."""
    if not state.exists:
        return ""
    if state.erased:
        return "erased"
    if state.resolution:
        return "to_be_seen" if state.task else "resolved"
    if state.task and state.task.taken_by:
        return "on_the_phone" if state.call else "in_hand"
    return _waits(state)


def _waits(state: CaseState) -> str:
    if state.task and state.task.escalated:
        return "escalated"
    return "promised" if any(one.status == "promised" for one in state.owed) else "waiting"


def answer(state: CaseState, command: Command) -> tuple[list[Event], str]:
    """The events, or the refusal's code."""
    try:
        return decide(state, command), ""
    except Refused as refused:
        return [], refused.code


def situations() -> str:
    """What each situation is, with how it came about."""
    rows = [
        (f"**{name}**", ", ".join(type(each).__name__ for each in history) or "nothing happened yet")
        for name, history in SITUATIONS.items()
    ]
    return _table(("situation", "made by"), rows)


def command_tables() -> str:
    """For each command, what it gives in each of the situations; situations of one answer share a row."""
    missing = DECIDERS.keys() - {kind for kinds in GROUPS.values() for kind in kinds}
    if missing:
        raise KeyError(f"in no group: {sorted(kind.__name__ for kind in missing)}")
    states = {name: _made(history) for name, history in SITUATIONS.items()}
    parts = []
    for group, kinds in GROUPS.items():
        rows = [row for kind in kinds for row in _rows(kind, states)]
        parts.append(f"### {group}\n\n{_table(('command', 'where the case is', 'gives'), rows)}")
    return "\n\n".join(parts)


def diagram() -> str:
    """The phases and what leads from one to the other, as Mermaid draws it."""
    edges: dict[tuple[str, str], set[str]] = {}
    for history in SITUATIONS.values():
        before = _made(history)
        for kind, sample in COMMANDS.items():
            after = replay(answer(before, sample(before))[0], before)
            if phase(after) != phase(before):
                edges.setdefault((phase(before), phase(after)), set()).add(kind.__name__)
    lines = ["```mermaid", "stateDiagram-v2"]
    lines += [f"    {name} : {words}" for name, words in PHASES.items()]
    lines += [
        f"    {start or '[*]'} --> {end} : {', '.join(sorted(names))}" for (start, end), names in sorted(edges.items())
    ]
    return "\n".join([*lines, "```"])


def _rows(kind: type[Command], states: Mapping[str, CaseState]) -> list[tuple[str, str, str]]:
    answers: dict[str, list[str]] = {}
    for name, state in states.items():
        answers.setdefault(_said(*answer(state, COMMANDS[kind](state))), []).append(name)
    return [
        (f"`{kind.__name__}`" if first else "", ", ".join(names), said)
        for first, (said, names) in zip([True, *[False] * len(answers)], answers.items(), strict=False)
    ]


def _said(events: Iterable[Event], refused: str) -> str:
    if refused:
        return f"refused: `{refused}`"
    return ", ".join(f"`{event.wire_name}`{_mark(event)}" for event in events) or "nothing"


def _mark(event: Event) -> str:
    mark = next((str(getattr(event, name)) for name in ("action", "resolution", "reason") if hasattr(event, name)), "")
    return f" {mark}" if mark else ""


def _made(history: Iterable[Command]) -> CaseState:
    state = CaseState()
    for command in history:
        state = replay(decide(state, command), state)
    return state


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [head, ("---",) * len(head), *rows])
