"""A role that another process started ends with it, even when that was killed: nothing works on unsupervised."""

import os
import signal
import threading
import time

PARENT_FD = "RINGBACK_PARENT_FD"
"""Environment variable: the number of a pipe's end on which nothing comes until the parent has gone."""

GRACE_S = 10.0
"""A role that is still there so long after it was asked to end, is ended."""


def end_with_parent() -> None:
    """Watches the pipe that the parent left us, if any, in a thread of its own; the end of it is a SIGTERM to us.

    The other end is held by the parent alone. The kernel closes it when the parent ends, on ``kill -9`` as well, on
    every system that has pipes.
    """
    number = os.environ.pop(PARENT_FD, "")  # not for children of ours: they do not have the pipe
    if number.isdigit():
        threading.Thread(target=_watch, args=(int(number),), name="parent", daemon=True).start()


def _watch(descriptor: int) -> None:
    while os.read(descriptor, 64):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_S)
    os._exit(1)
