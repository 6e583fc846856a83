"""Places at which a test has a worker die or stop, to the line.

`RINGBACK_FAILPOINT` names one of `POINTS`, when (the how-manieth time, 1 if it is left out) and what happens: `kill`
(SIGKILL, as the machine would; if it is left out) or `stop` (SIGSTOP, as a machine that is paused)::

    RINGBACK_FAILPOINT=alerts-sent:3:stop

Without it `reached` is a function that does nothing; it is called for each batch, flush and claim, never for a payment.
A name that is not known ends the process at once: a test that waits for a point that nobody reaches shows nothing.
"""

import os
import signal
from collections.abc import Callable
from typing import Final

VARIABLE: Final = "RINGBACK_FAILPOINT"
POINTS: Final = (
    "claimed",  # the epoch is ours, nothing is loaded
    "loaded",  # every partition is, nothing is read
    "judged",  # a batch is, and nobody has been told
    "before-alerts",  # they are about to leave
    "after-alerts",  # the broker has them, nothing of their state is stored
    "before-write",  # everything is acknowledged, the state is about to be written
    "after-write",  # it is written
    "intended",  # it is written which words are heeded next, nothing is said of them
    "heeded",  # what follows from them is about to leave, they are not stored
    "before-hand-over",  # the group wants the partitions back
    "after-hand-over",  # what was judged is flushed, the group does not know yet
)
_ACTIONS: Final = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}


def _nothing(point: str) -> None:
    del point


def armed(what: str) -> Callable[[str], None]:
    """What is to be called at each point.

    Args:
        what: as the environment has it; empty: nothing ever happens.

    Raises:
        ValueError: there is no such point or action, or the count is none.
    """
    if not what:
        return _nothing
    name, count, action, *_ = [*what.split(":"), "", ""]
    if name not in POINTS:
        raise ValueError(f"{VARIABLE}: there is no {name!r}; {', '.join(POINTS)}")
    how = _ACTIONS.get(action or "kill")
    if how is None:
        raise ValueError(f"{VARIABLE}: {action!r} is none of {', '.join(_ACTIONS)}")
    left = int(count or 1)

    def reached(point: str) -> None:
        nonlocal left
        if point == name:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), how)

    return reached


reached: Final = armed(os.environ.get(VARIABLE, ""))
