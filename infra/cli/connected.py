"""The settings of a command that works on servers which run already: addresses and keys filled in."""

import base64
import binascii
from datetime import timedelta
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from infra.cli.keys import with_keys
from infra.servers import Addresses, NothingRunning, ServersError, running
from infra.settings import Settings

MASTER_KEY_BYTES = 32


class UnusableSetting(ServersError):
    """A setting is missing or cannot be used; the message names it and says what it must be."""


def connected_settings(settings: Settings | None = None) -> Settings:
    """Settings whose three addresses are set: from the settings, else from what runs in the home.

    Secrets that the settings leave out are those of the home, if it has any.

    Raises:
        NothingRunning: an address is missing and nothing runs in the home.
        pydantic.ValidationError: a setting cannot be used.
    """
    read = settings or Settings()
    missing = [name for name in ("postgres_url", "redis_url", "kafka_servers") if not getattr(read, name)]
    if missing:
        found = running(read.home)
        if found is None:
            demo = demo_home(read.home)
            raise NothingRunning(missing, read.home, None if running(demo) is None else demo)
        read = with_addresses(read, found)
    return with_keys(read, generate=False)


def demo_home(home: Path) -> Path:
    """Where a demo beside this home keeps what is its own."""
    return home.expanduser().absolute() / "demo"


def with_addresses(settings: Settings, addresses: Addresses) -> Settings:
    """The settings with these addresses where they name none of their own."""
    return settings.model_copy(
        update={name: getattr(settings, name) or address for name, address in vars(addresses).items()}
    )


def master_key(settings: Settings) -> bytes:
    """The 32 bytes of the master key.

    Raises:
        UnusableSetting: there is none, or it is not base64 of 32 bytes.
    """
    if settings.master_key is None:
        raise UnusableSetting(f"RINGBACK_MASTER_KEY is not set, and {settings.home} keeps none.")
    try:
        key = base64.b64decode(settings.master_key.get_secret_value(), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != MASTER_KEY_BYTES:
        raise UnusableSetting("RINGBACK_MASTER_KEY must be base64 of exactly 32 bytes.")
    return key


def as_environment(settings: Settings) -> dict[str, str]:
    """Environment variables from which a child process reads the same settings, whatever files it finds."""
    return {
        f"RINGBACK_{name.upper()}": _text(value)
        for name in type(settings).model_fields
        if (value := getattr(settings, name)) is not None
    }


def _text(value: Any) -> str:
    match value:
        case SecretStr():
            return value.get_secret_value()
        case timedelta():
            return f"PT{value.total_seconds():f}S"  # ISO 8601: a bare number is not read back
        case Path():
            return str(value.expanduser().absolute())
        case _:
            return str(value)
