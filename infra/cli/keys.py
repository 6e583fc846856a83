"""The secrets of an installation: given in the settings, else generated once and kept in its home."""

import base64
import os
import secrets
from collections.abc import Callable
from pathlib import Path

from pydantic import SecretStr

from infra.settings import Settings

GENERATED: dict[str, Callable[[], str]] = {
    "master_key": lambda: base64.b64encode(secrets.token_bytes(32)).decode(),
    "seal_key": lambda: base64.b64encode(secrets.token_bytes(32)).decode(),
    "feed_key": lambda: secrets.token_urlsafe(24),
    "twilio_auth_token": lambda: secrets.token_hex(16),  # for rehearsals; Twilio gives a real account its own
}
"""How each secret is made where the settings do not give it."""


def key_file(home: Path, name: str) -> Path:
    """Where a generated secret is kept (mode 0600)."""
    return home / "keys" / name


def with_keys(settings: Settings, *, generate: bool) -> Settings:
    """The settings, completed by the secrets that are kept in the home.

    Whoever loses the generated ``master_key`` loses every customer's personal data with it: back it up, or set one.

    Args:
        settings: What was read.
        generate: Whether secrets that are kept nowhere are made now; otherwise they stay unset.
    """
    found: dict[str, SecretStr] = {}
    for name, make in GENERATED.items():
        if getattr(settings, name) is None and (
            value := _kept(key_file(settings.home, name), make if generate else None)
        ):
            found[name] = SecretStr(value)
    return settings.model_copy(update=found) if found else settings


def _kept(path: Path, make: Callable[[], str] | None) -> str | None:
    """The secret in the file; made, and flushed to disk before anybody uses it, where there is none."""
    try:
        return path.read_text().strip() or None
    except (FileNotFoundError, NotADirectoryError):
        if make is None:
            return None
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    value = make()
    new = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(value)
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(new, path)  # fails where another process was first: then its secret counts
    except FileExistsError:
        value = path.read_text().strip()
    finally:
        new.unlink()
    return value
