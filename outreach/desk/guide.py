"""The guided script: what to do next on a case, and what to say. It advises; no button waits for it."""

import msgspec

from outreach.cases.state import CaseState

STEPS = ("take", "verify", "ask", "wrap_up")
"""The way through a case, in order; a step that is done stays shown as done."""

STEP_NAMES = {"take": "Take", "verify": "Verify", "ask": "Ask", "wrap_up": "Wrap up"}


class Advice(msgspec.Struct, frozen=True, kw_only=True):
    """The next best step. ``step``: one of ``STEPS``, or ``look`` (somebody else holds it), or ``done``."""

    step: str
    title: str
    say: str = ""
    hint: str = ""


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One step of the way. ``state``: ``done``, ``now`` or ``later``."""

    name: str
    state: str


_BEFORE_TAKING = {
    "call_customer": "She has a message asking her to ring. Take the task when she does, or ring her now.",
    "review": "Nothing has been sent and the card is free. Judge the evidence, and ring her if you doubt.",
    "unknown_owner": "The bank has not said whose card this is. Find the owner with the card desk.",
    "alert_withdrawn": "Detection has taken the alert back, but she has been told. Ring her, and say so.",
    "not_reached": "Neither SMS nor email arrived. Ring the number on file.",
    "confirm_by_phone": "She wrote that it was her. The case is grave: hear it from her before the hold is released.",
    "denied_by_reply": "She wrote that it was not her. The payment is declined; block the card with her on the phone.",
    "read_reply": "She wrote something that no rule could read. Read it, then ring her.",
    "customer_called": "She rang and was promised a call. Ring her on the number on file.",
    "card_action_failed": "The card system refused or did not answer. Settle it with the card desk.",
}

_QUESTIONS = {
    "denied_by_reply": "You wrote that this payment was not yours. Is that right: did you not pay {what}?",
    "confirm_by_phone": "You wrote that this payment was yours. Did you, or somebody with you, pay {what}?",
    "alert_withdrawn": "We wrote to you about a payment of {what}. It has been explained since; was it yours?",
}

_QUESTION = "Did you, or somebody you gave the card to, pay {what}?"


def advise(state: CaseState, operator: str, *, what: str, bank: str) -> Advice:
    """The next best step for this operator. ``what`` names the suspect payment as it would be said to her."""
    task = state.task
    if task is None:
        over = "The case is resolved. Nothing is left to do." if state.resolution else "Nothing waits for an operator."
        return Advice(step="done", title="Done", hint=over)
    if not task.taken_by:
        hint = _BEFORE_TAKING.get(task.reason, "Take the task to see whom it is about.")
        return Advice(step="take", title="Take the task", hint=hint)
    if task.taken_by != operator:
        return Advice(step="look", title=f"{task.taken_by} has this case", hint="You can read along, masked.")
    if state.answered and not (state.suspects - set(state.confirmed) - set(state.denied)) and _said_to_us(state):
        return _after_the_answer(state)
    if not state.verified:
        return Advice(
            step="verify",
            title="Make sure it is her",
            say=f"This is {bank}. Before we talk about your card: can you read me the code in our message?",
            hint=f"The code is {state.case_code}. No code at hand: ring her back on the number on file.",
        )
    question = _QUESTIONS.get(task.reason, _QUESTION)
    return Advice(
        step="ask",
        title="Ask about the payment",
        say=question.format(what=what),
        hint="Ask nothing else yet. Never ask for a PIN, a password or the card number.",
    )


def _said_to_us(state: CaseState) -> bool:
    """Whether an operator heard it; what she only wrote still asks for a call, except where it closed the case."""
    return "operator" in {*state.confirmed.values(), *state.denied.values()} or bool(state.resolution)


def _after_the_answer(state: CaseState) -> Advice:
    if state.denied:
        return Advice(
            step="wrap_up",
            title="Wrap up",
            say="The payment is declined and this card is blocked. A new card is being made and sent to you.",
            hint="Ask where the card should go, and whether she can pay until it comes. Then note the topics.",
        )
    return Advice(
        step="wrap_up",
        title="Wrap up",
        say="Thank you. The hold is off; you can go on using your card.",
        hint="Note what the contact was about.",
    )


def way(advice: Advice) -> list[Step]:
    """The steps, with where the case stands among them."""
    if advice.step in {"done", "look"}:
        return [Step(name=STEP_NAMES[each], state="done" if advice.step == "done" else "later") for each in STEPS]
    now = STEPS.index(advice.step)
    states = ["done"] * now + ["now"] + ["later"] * (len(STEPS) - now - 1)
    return [Step(name=STEP_NAMES[each], state=state) for each, state in zip(STEPS, states, strict=True)]
