"""The home: the folder in which the embedded servers of one installation keep everything they have.

```
HOME/owner.lock        held by the process that serves from here; its process id inside
HOME/addresses.json    what it serves, for the other processes of this installation
HOME/keys/             secrets that were generated here (mode 0600)
HOME/logs/NAME.log     one log a server and a role
HOME/run/NAME.json     process id and start time of each server, to recognise one that a crash left behind
HOME/postgres, redis   data
```
"""

import contextlib
import fcntl
import hashlib
import os
import pwd
import shutil
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from infra.servers.errors import HomeInUse, ServersError

SOCKET_PATH_LIMIT = 100
"""Bytes of a Unix socket's path: the kernels' limits are 104 (macOS) and 108 (Linux), with the closing zero."""

SYSTEM_USER = "ringback"
LOCK_PATIENCE_S = 0.5


@contextlib.contextmanager
def owned(home: Path) -> Iterator[Path]:
    """Makes the home and holds it for this process; the kernel lets it go when the process ends, however it ends.

    Raises:
        HomeInUse: another process holds it; names that process.
    """
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    for folder in ("logs", "run", "keys"):
        (home / folder).mkdir(mode=0o700, exist_ok=True)
    with (home / "owner.lock").open("a+") as lock:
        deadline = time.monotonic() + LOCK_PATIENCE_S
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise HomeInUse(home, _owner(lock.name)) from None
                time.sleep(0.02)
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield home


def _owner(lock: str) -> int | None:
    text = Path(lock).read_text().strip()
    return int(text) if text.isdigit() else None


def socket_folder(home: Path, server: str, longest_name: str) -> Path:
    """A folder for a server's Unix socket that only this user can enter: in the home, else in the temporary folder.

    A home whose path is too long for a socket gets a folder under ``/tmp`` (or the system's temporary folder) that is
    named by a hash of the home; ``forget_sockets`` removes it.

    Raises:
        ServersError: somebody else made that folder.
    """
    inside = home / "run" / server
    if len(os.fsencode(inside / longest_name)) <= SOCKET_PATH_LIMIT:
        inside.mkdir(mode=0o700, exist_ok=True)
        return inside
    outside = _outside(home, server)
    outside.mkdir(mode=0o700, exist_ok=True)
    found = outside.lstat()
    allowed = {os.geteuid()} | ({account.pw_uid} if (account := server_account()) else set())
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in allowed:
        raise ServersError(
            f"{server}: {outside} belongs to somebody else; remove it, or use a home with a shorter path."
        )
    outside.chmod(0o700)
    return outside


def forget_sockets(home: Path) -> None:
    """Removes the folders for sockets that are not in the home; call it when the servers have stopped."""
    for server in ("postgres", "redis"):
        shutil.rmtree(_outside(home, server), ignore_errors=True)


def _outside(home: Path, server: str) -> Path:
    digest = hashlib.sha256(os.fsencode(home.resolve())).hexdigest()[:16]
    base = Path("/tmp") if Path("/tmp").is_dir() else Path(tempfile.gettempdir())  # noqa: S108 - its owner is checked
    return base / f"ringback-{os.geteuid()}-{digest}-{server}"


def server_account() -> pwd.struct_passwd | None:
    """The account that PostgreSQL runs under: None (our own), unless we are root, which PostgreSQL refuses to be.

    Root gets the system account ``ringback``, made when it is missing; where none can be made, ``nobody``.
    """
    if os.geteuid() != 0:
        return None
    with contextlib.suppress(KeyError):
        return pwd.getpwnam(SYSTEM_USER)
    if useradd := shutil.which("useradd", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin"):
        subprocess.run(  # noqa: S603 - fixed words
            [useradd, "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", SYSTEM_USER],
            check=False,  # two homes may start at once: whoever comes second finds the account
            capture_output=True,
        )
    try:
        return pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        return pwd.getpwnam("nobody")


def let_pass(path: Path) -> None:
    """Lets other accounts pass through (not list) the folders above ``path``; only needed, and only done, as root."""
    for folder in path.resolve().parents:
        mode = folder.stat().st_mode
        if not mode & stat.S_IXOTH:
            folder.chmod(stat.S_IMODE(mode) | stat.S_IXOTH)
