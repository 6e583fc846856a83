"""Runs one server and ends it when the process that asked for it is gone, however that ended.

``python -I -S warden.py SIGNAL GRACE_S UID GID COMMAND...`` needs only the standard library, so that it starts in a few
milliseconds. It reads its standard input, on which nothing is ever written: the other end is held by the parent alone,
and the kernel closes it even on ``kill -9``. At the end of the input the server gets SIGNAL and, GRACE_S seconds
later, SIGKILL. It works wherever pipes do, so on macOS too. The server's process id is the one line on the standard
output; the server's own output goes to the standard error, which the parent has opened as the server's log.

UID and GID are -1 for the user who runs it. The warden lives in a session of its own: Ctrl-C in a terminal reaches the
parent only, which then ends its servers in order.
"""

import os
import signal
import subprocess
import sys
import threading
from types import FrameType


def stop(child: "subprocess.Popen[bytes]", how: signal.Signals, grace_s: float) -> None:
    """Ends the child with ``how``, and without asking when the grace is over; returns when it has ended."""
    if child.poll() is None:
        child.send_signal(how)
        try:
            child.wait(grace_s)
        except subprocess.TimeoutExpired:
            child.kill()


def main(arguments: list[str]) -> int:
    """Runs the command to its end, or to the parent's; returns the command's exit code (128 + signal if killed)."""
    how, grace_s, uid, gid = (
        signal.Signals(int(arguments[0])),
        float(arguments[1]),
        int(arguments[2]),
        int(arguments[3]),
    )
    for ignored in (signal.SIGINT, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    child = subprocess.Popen(  # noqa: S603 - the command is built by infra.servers, never from input
        arguments[4:],
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr.fileno(),
        stderr=sys.stderr.fileno(),
        user=uid if uid >= 0 else None,
        group=gid if gid >= 0 else None,
        extra_groups=[] if uid >= 0 else None,
        restore_signals=True,
        preexec_fn=restore_interrupts,  # noqa: PLW1509 - no thread exists yet in this process
    )
    with os.fdopen(sys.stdout.fileno(), "w", closefd=False) as out:
        print(child.pid, file=out, flush=True)
    os.close(sys.stdout.fileno())

    def watch() -> None:
        while os.read(sys.stdin.fileno(), 64):
            pass
        stop(child, how, grace_s)

    def asked(_signal: int, _frame: FrameType | None) -> None:
        threading.Thread(target=stop, args=(child, how, grace_s), daemon=True).start()

    signal.signal(signal.SIGTERM, asked)
    threading.Thread(target=watch, daemon=True).start()
    code = child.wait()
    return code if code >= 0 else 128 - code


def restore_interrupts() -> None:
    """Gives the server the usual answer to SIGINT back: an ignored signal would stay ignored across ``exec``."""
    for ignored in (signal.SIGINT, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_DFL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
