"""The guided script: what to do next on a case, and what to say. It advises; no button waits for it."""

import msgspec

from outreach.cases.state import CaseState

STEPS = ("take", "verify", "ask", "wrap_up")
"""The way through a case, in order; a step that is done stays shown as done."""

STEP_NAMES = {"take": "Take", "verify": "Verify", "ask": "Ask", "wrap_up": "Wrap up"}


class Advice(msgspec.Struct, frozen=True, kw_only=True):
    """The next best step. ``step``: one of ``STEPS``, or ``look`` (somebody else holds it), or ``done``.

    ``because``: why the task is there, for whoever has it in hand.
    """

    step: str
    title: str
    say: str = ""
    hint: str = ""
    because: str = ""


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One step of the way. ``state``: ``done``, ``now`` or ``later``."""

    name: str
    state: str


_BEFORE_TAKING = {
    "call_customer": "The customer has a message asking for a call. Take the task when they ring, or ring them now.",
    "review": "Nothing has been sent and the card is free. Judge the evidence; ring the customer if in doubt.",
    "blocked_card_used": "The bank declined it. Ask whether the customer tried the old card; if not, note it.",
    "unknown_owner": "The bank has not said whose card this is. Find the owner with the card desk.",
    "alert_withdrawn": "Detection has taken the alert back, but the customer has been told. Ring, and say so.",
    "not_reached": "Neither SMS nor email arrived. Ring the number on file.",
    "confirm_by_phone": "The reply says “it was me”. The case is grave: hear it before the hold is released.",
    "denied_by_reply": "The reply says “it was not me”. It is declined; block the card with the customer on the phone.",
    "read_reply": "The reply is one that no rule could read. Read it, then ring the customer.",
    "customer_called": "The customer rang and was promised a call. Ring the number on file.",
    "card_action_failed": "The card system refused or did not answer. Settle it with the card desk.",
    "call_promised": "The customer was promised a call at this time. Ring then, or as soon as they ring you.",
    "promise_missed": "The customer waited for a call that did not come. Ring now, and say sorry.",
    "call_dropped": "They were cut off. Ring the number on file before anything else.",
    "reopened": "The case was over, and goes on. The last note says why.",
}

_BECAUSE = {
    "review": "It came more than a day late, or two devices are apart. Nothing has been sent, and the card is free.",
    "blocked_card_used": "The card is blocked, and somebody has used it. The bank declined the payment.",
    "unknown_owner": "The bank has not said whose card this is, so nobody could be told.",
    "not_reached": "Neither SMS nor email arrived.",
    "confirm_by_phone": "The customer replied “it was me”. The case is grave, so the hold waits for your call.",
    "denied_by_reply": "The customer replied “it was not me”: declined already. The card is not blocked yet.",
    "read_reply": "The customer wrote something that only a person can read. It stands under Contact.",
    "customer_called": "The customer rang and was promised a call.",
    "card_action_failed": "The card system refused or did not answer; see Card.",
    "call_promised": "The customer was promised a call.",
    "promise_missed": "The customer was promised a call, and nobody rang in time.",
    "call_dropped": "The call was cut off. Nobody has to begin again: what was said is here.",
    "reopened": "The case was over, and goes on.",
}

_FOR_A_SUPERVISOR = (
    "An operator wants a supervisor to decide. If the customer rings, say that somebody who may decide rings them back."
)
_ESCALATED = "An operator wants you to decide. Finish it yourself, or settle it, and any operator goes on."

_QUESTIONS = {
    "denied_by_reply": "You wrote that it was not you. Is that right: nobody you know paid {what}?",
    "confirm_by_phone": "You wrote that it was you. Did you, or somebody with you, pay {what}?",
    "alert_withdrawn": "We wrote to you about your card. It has been explained since; did you pay {what}?",
}

_OVER = {
    "genuine": "It was the customer.",
    "fraud": "It was not the customer.",
    "withdrawn": "The alert was taken back.",
    "unanswered": "Nobody has said whose the payments were.",
    "joined": "The owner became known, and has another case open that goes on with it.",
    "erased": "The customer was erased before it was over.",
}

_ARRIVED = frozenset({"accepted", "delivered"})
"""States of a message that the customer may have read."""

_QUESTION = "Did you, or somebody you gave the card to, pay {what}?"


def advise(
    state: CaseState, operator: str, *, what: str, bank: str, count: int = 1, supervises: bool = False
) -> Advice:
    """The next best step for this operator. ``what`` names the ``count`` suspect payments as one says them."""
    task = state.task
    if task is None:
        if not state.resolution:
            return Advice(step="done", title="Nothing to do", hint="Nothing waits for an operator.")
        return Advice(step="done", title="Resolved", hint=f"{_OVER.get(state.resolution, '')} Nothing is left to do.")
    if not task.taken_by and task.escalated and not supervises:
        return Advice(step="look", title="Waiting for a supervisor", hint=_FOR_A_SUPERVISOR)
    if not task.taken_by:
        hint = _BEFORE_TAKING.get(task.reason, "Take the task to see whom it is about.")
        if task.reason == "alert_withdrawn" and not told(state):
            hint = (
                "Detection has taken the alert back, and nobody was written to. Take it, and see what is left to say."
            )
        return Advice(step="take", title="Take the task", hint=hint)
    if task.taken_by != operator:
        hint = "You can read along, masked. If they go quiet, it is back in the queue by itself."
        return Advice(step="look", title=f"{task.taken_by} has this case", hint=hint)
    advice = _in_hand(state, task.reason, what=what, bank=bank, count=count)
    # Once an operator has heard the answer, what the task was for is done.
    because = "" if advice.step == "wrap_up" else _because(state, task.reason)
    if task.escalated:
        because = f"{_ESCALATED} {because}".strip()
    return msgspec.structs.replace(advice, because=because)


def _because(state: CaseState, reason: str) -> str:
    """Why the task is there; of an alert that was taken back, what is true of the card and of the customer."""
    if reason != "alert_withdrawn":
        return _BECAUSE.get(reason, "")
    card = "this card is blocked for what was struck out" if state.struck_out else "any hold is coming off"
    heard = "The customer has our message." if told(state) else "Nobody was written to."
    return f"Detection has taken the alert back, and {card}. {heard}"


def _in_hand(state: CaseState, reason: str, *, what: str, bank: str, count: int) -> Advice:
    if state.answered and not (state.suspects - set(state.confirmed) - set(state.denied)) and _said_to_us(state):
        return _after_the_answer(state)
    if not state.customer_id:
        return Advice(
            step="verify",
            title="Find the owner",
            hint="Ask the card desk whose card this is: its token stands under Who. Once the bank says so, the customer"
            " is shown here; then ring.",
        )
    if not state.verified:
        return _make_sure(state, bank)
    question = _QUESTION if reason == "alert_withdrawn" and not told(state) else _QUESTIONS.get(reason, _QUESTION)
    return Advice(
        step="ask",
        title="Ask about the payment" if count == 1 else f"Ask about the {count} payments",
        say=question.format(what=what),
        hint="Ask nothing else yet. Never ask for a PIN, a password or the card number.",
    )


def _make_sure(state: CaseState, bank: str) -> Advice:
    if state.doubted:
        return Advice(
            step="verify",
            title="Ring the number on file",
            say="I cannot talk about the card on this line. I am going to call you back on the number that we have.",
            hint="Whoever was on the phone could not show that they are the customer. Tell them nothing of the case.",
        )
    if not told(state):
        return Advice(
            step="verify",
            title="Make sure it is the customer",
            say=f"This is {bank}, about your card. Am I speaking to you in person?",
            hint="They have no message of ours, so no code: ring the number on file.",
        )
    return Advice(
        step="verify",
        title="Make sure it is the customer",
        say=f"This is {bank}. Before we talk about your card: can you read me the code in our message?",
        hint=f"The code is {state.case_code}. No code at hand: call back on the number on file.",
    )


def told(state: CaseState) -> bool:
    """Whether a message of ours may have come to the customer: only then have they a code to read."""
    return any(each.purpose == "alert" and each.status in _ARRIVED for each in state.contacts.values())


def _said_to_us(state: CaseState) -> bool:
    """Whether an operator heard it; what was only written still asks for a call, except where it closed the case."""
    return "operator" in {*state.confirmed.values(), *state.denied.values()} or bool(state.resolution)


def _after_the_answer(state: CaseState) -> Advice:
    if state.denied or state.struck_out:
        one = len(state.denied) == 1
        waits = any(each.pending for each in state.actions.values())
        doing = f"I am declining the {'payment' if one else 'payments'} and blocking this card."
        done = f"The {'payment is' if one else 'payments are'} declined and this card is blocked."
        if not state.denied:
            doing, done = "I am blocking this card.", "This card is blocked."
        return Advice(
            step="wrap_up",
            title="Wrap up",
            say=f"{doing if waits else done} A new card is made and sent to you.",
            hint="Ask where the card should go, and how they will pay until it comes. Then note the topics.",
        )
    waits = any(each.action == "release" and each.pending for each in state.actions.values())
    return Advice(
        step="wrap_up",
        title="Wrap up",
        say="Thank you. "
        + ("I am lifting the hold; you can use your card in a moment." if waits else "You can go on using your card."),
        hint="Note what the contact was about.",
    )


def way(advice: Advice, state: CaseState) -> list[Step]:
    """The steps, with where the case stands among them; what nobody did is not shown as done."""
    if advice.step not in STEPS:
        heard = bool(state.answered) and (_said_to_us(state) or advice.step == "done")
        taken = state.task is not None or bool(state.wrapped_up_by)
        done = {"take": taken, "verify": bool(state.verified), "ask": heard, "wrap_up": bool(state.wrapped_up_by)}
        return [Step(name=STEP_NAMES[each], state="done" if done[each] else "later") for each in STEPS]
    now = STEPS.index(advice.step)
    states = ["done"] * now + ["now"] + ["later"] * (len(STEPS) - now - 1)
    return [Step(name=STEP_NAMES[each], state=state) for each, state in zip(STEPS, states, strict=True)]
