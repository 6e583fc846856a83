"""What only a supervisor does: take what is escalated, decide it, give tasks to others, take them back."""

import pytest

from outreach.cases import commands as c
from outreach.cases.errors import Refused
from outreach.cases.events import TaskHandedOver, TaskReturned
from tests.outreach.cases.given import Story, names, received


@pytest.fixture
def escalated() -> Story:
    story = Story(received()).taken()
    story.when(c.Escalate(operator="dara", note="wants the police"))
    return story


def test_what_is_escalated_is_taken_by_a_supervisor_alone(escalated: Story) -> None:
    for operator in ("dara", "mina"):
        with pytest.raises(Refused, match="supervisor_needed"):
            escalated.when(c.TakeTask(operator=operator))
    assert names(escalated.when(c.TakeTask(operator="boss", supervisor=True))) == ["case.task-taken"]


def test_a_supervisor_takes_an_ordinary_task_as_anybody() -> None:
    story = Story(received()).taken("boss", supervisor=True)
    assert not story.task.escalated


def test_it_stays_escalated_when_a_supervisor_puts_it_back_or_goes_quiet(escalated: Story) -> None:
    for reason in ("released", "hand_over"):
        escalated.taken("boss", supervisor=True)
        escalated.when(c.ReturnTask(operator="boss", reason=reason))
        with pytest.raises(Refused, match="supervisor_needed"):
            escalated.when(c.TakeTask(operator="dara"))


def test_once_a_supervisor_has_decided_any_operator_goes_on(escalated: Story) -> None:
    escalated.taken("boss", supervisor=True)
    settle = c.SettleEscalation(supervisor="boss", note="No police; carry on.")
    (returned,) = escalated.when(settle)
    assert isinstance(returned, TaskReturned)
    assert (returned.reason, returned.note) == ("settled", "No police; carry on.")
    assert (escalated.task.escalated, escalated.task.front) == (False, True)
    assert not escalated.when(settle)
    assert names(escalated.when(c.TakeTask(operator="dara"))) == ["case.task-taken"]


def test_only_whoever_has_it_in_hand_settles_and_only_what_is_escalated(escalated: Story) -> None:
    with pytest.raises(Refused, match="not_holder"):
        escalated.when(c.SettleEscalation(supervisor="boss"))
    with pytest.raises(Refused, match="not_escalated"):
        Story(received()).taken("boss", supervisor=True).when(c.SettleEscalation(supervisor="boss"))


def test_a_call_ends_with_what_settles_its_task(escalated: Story) -> None:
    escalated.taken("boss", supervisor=True).when(c.StartCall(operator="boss", call_id="call-1"))
    ended = names(escalated.when(c.SettleEscalation(supervisor="boss")))
    assert ended == ["contact.call-ended", "case.task-returned settled"]


@pytest.mark.parametrize("to_supervisor", [False, True])
def test_given_to_an_operator_it_is_decided_and_to_a_supervisor_it_is_not(
    escalated: Story, *, to_supervisor: bool
) -> None:
    escalated.taken("boss", supervisor=True)
    escalated.when(c.HandOver(operator="boss", to="mina", to_supervisor=to_supervisor))
    assert (escalated.task.taken_by, escalated.task.escalated) == ("mina", to_supervisor)


def test_a_supervisor_gives_a_task_to_somebody_whoever_has_it(escalated: Story) -> None:
    assign = c.AssignTask(supervisor="boss", to="mina", note="You speak Khmer.")
    (from_the_queue,) = escalated.when(assign)
    assert isinstance(from_the_queue, TaskHandedOver)
    assert (from_the_queue.operator, from_the_queue.by, from_the_queue.settled) == ("", "boss", True)
    assert not escalated.when(assign)
    (from_mina,) = escalated.when(c.AssignTask(supervisor="boss", to="boss", to_supervisor=True))
    assert isinstance(from_mina, TaskHandedOver)
    assert (from_mina.operator, from_mina.to) == ("mina", "boss")
    with pytest.raises(Refused, match="nobody_else"):
        escalated.when(c.AssignTask(supervisor="boss", to=""))


def test_a_supervisor_takes_a_task_back_once() -> None:
    story = Story(received()).taken()
    back = c.TakeBack(supervisor="boss", note="Dara is ill.")
    (returned,) = story.when(back)
    assert isinstance(returned, TaskReturned)
    assert (returned.operator, returned.by, returned.reason) == ("dara", "boss", "taken_back")
    assert not story.when(back)
    assert names(story.when(c.TakeTask(operator="mina"))) == ["case.task-taken"]


@pytest.mark.parametrize("command", [c.TakeBack(supervisor="boss"), c.AssignTask(supervisor="boss", to="mina")])
def test_nobody_is_taken_off_the_phone(command: c.Command) -> None:
    story = Story(received()).taken()
    story.when(c.StartCall(operator="dara", call_id="call-1"))
    with pytest.raises(Refused, match="on_the_phone"):
        story.when(command)
    story.when(c.EndCall())
    assert story.when(command)


def test_where_nothing_is_left_to_do_there_is_nothing_to_move() -> None:
    story = Story(received()).told()
    story.reply("genuine")
    with pytest.raises(Refused, match="no_task"):
        story.when(c.TakeBack(supervisor="boss"))
