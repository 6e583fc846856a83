"""What the bank's card system is asked to do, each thing once, and what it answers."""

from collections.abc import Iterable
from typing import Final

from outreach.cases import events as e
from outreach.cases.commands import AnswerCardAction, FailCardAction, SendCardAction, ShipCard
from outreach.cases.draft import Draft
from outreach.cases.errors import Refused
from outreach.cases.identity import command_id
from outreach.cases.state import CardActionState
from outreach.cases.tasks import Reason, to_queue

ANSWERS: Final = {
    "hold": "held",
    "decline": "declined",
    "block": "blocked",
    "release": "released",
    "reissue": "reissued",
}
"""The one answer that says that an action is done."""


def hold(draft: Draft, card_id: str) -> None:
    """Holds the card unless it is held already, or blocked for good."""
    if not draft.state.held(card_id) and not draft.state.ever("block", card_id):
        _request_turn(draft, "hold", card_id)


def release(draft: Draft, card_id: str) -> None:
    """Releases the card's hold, if we hold it; a blocked card stays blocked."""
    if draft.state.held(card_id) and not draft.state.ever("block", card_id):
        _request_turn(draft, "release", card_id)


def release_all(draft: Draft) -> None:
    """Releases every card of the case."""
    for card_id in dict.fromkeys(alert.card_id for alert in draft.state.alerts.values()):
        release(draft, card_id)


def decline(draft: Draft, transactions: Iterable[str]) -> None:
    """Declines those of the payments that are not declined yet, one command a card."""
    before = {
        one for action in draft.state.actions.values() if action.action == "decline" for one in action.transactions
    }
    wanted = set(transactions) - before
    for card_id in _cards_of(draft, wanted):
        of_card = {alert.suspect for alert in draft.state.alerts.values() if alert.card_id == card_id}
        chosen = sorted(wanted & of_card)
        named = command_id(draft.state.case_id, "decline", card_id, chosen)
        draft.add(e.CardActionRequested(command_id=named, card_id=card_id, action="decline", transactions=chosen))


def block_and_reissue(draft: Draft, transactions: Iterable[str]) -> None:
    """Blocks the cards that the payments were made with and orders new ones: once a card, whatever is clicked."""
    for card_id in _cards_of(draft, set(transactions)):
        for action in ("block", "reissue"):
            if not draft.state.ever(action, card_id):
                named = command_id(draft.state.case_id, action, card_id)
                draft.add(e.CardActionRequested(command_id=named, card_id=card_id, action=action))


def send(draft: Draft, command: SendCardAction) -> None:
    """Records that the command is in the topic; an attempt that is not newer changes nothing."""
    action = _known(draft, command.command_id)
    if action.pending and command.attempt > action.attempt:
        draft.add(e.CardActionSent(command_id=command.command_id, attempt=command.attempt))


def answer(draft: Draft, command: AnswerCardAction) -> None:
    """Records the card system's answer once, however late, even after it was given up or the case resolved."""
    action = _known(draft, command.command_id)
    if ANSWERS[action.action] != command.result:
        raise Refused("wrong_answer", f"a {action.action} is not answered by {command.result}")
    if not action.result:
        draft.add(
            e.CardActionAnswered(command_id=command.command_id, result=command.result, new_card_id=command.new_card_id)
        )


def fail(draft: Draft, command: FailCardAction) -> None:
    """Gives the action up and calls a person; an action that was answered or given up stays so."""
    action = _known(draft, command.command_id)
    if action.pending:
        draft.add(e.CardActionFailed(command_id=command.command_id, reason=command.reason))
        if not draft.state.superseded(command.command_id):  # a later hold or release says what counts
            to_queue(draft, Reason.CARD_ACTION_FAILED, front=True)


def ship(draft: Draft, command: ShipCard) -> None:
    """Records where the new card is; each state once, in whatever order they come."""
    action = _known(draft, command.command_id)
    if action.action != "reissue":
        raise Refused("wrong_answer", "only a reissued card is sent out")
    if command.state not in action.shipped:
        draft.add(e.CardShipped(command_id=command.command_id, state=command.state))


def _known(draft: Draft, named: str) -> CardActionState:
    action = draft.state.actions.get(named)
    if action is None:
        raise Refused("unknown_command", "the case never asked for this")
    return action


def _request_turn(draft: Draft, action: str, card_id: str) -> None:
    turn = sum(one.action == action and one.card_id == card_id for one in draft.state.actions.values()) + 1
    named = command_id(draft.state.case_id, action, card_id, [turn])
    draft.add(e.CardActionRequested(command_id=named, card_id=card_id, action=action))


def _cards_of(draft: Draft, transactions: set[str]) -> list[str]:
    alerts = draft.state.alerts.values()
    return list(dict.fromkeys(alert.card_id for alert in alerts if alert.suspect in transactions))
