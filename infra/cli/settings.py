"""``ringback settings``: every setting, its value, and where the value comes from."""

import json
import os
from dataclasses import asdict, dataclass
from typing import Annotated, Any

import typer
from pydantic import SecretStr
from pydantic_settings import DotEnvSettingsSource, EnvSettingsSource, TomlConfigSettingsSource
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from infra.cli.keys import GENERATED, key_file, with_keys
from infra.settings import Settings
from infra.telemetry import without_password

MASKED = "••••••"


@dataclass(frozen=True)
class Shown:
    """A setting as it may be shown: secrets and passwords in URLs masked."""

    name: str
    value: str | None
    origin: str
    meaning: str


def settings(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, for scripts.")] = False,
) -> None:
    """Shows every setting with its value and origin, secrets masked."""
    shown = explained(Settings())
    if as_json:
        typer.echo(json.dumps([asdict(one) for one in shown], ensure_ascii=False, indent=2))
        return
    table = Table(box=None, pad_edge=False)
    table.add_column("setting", no_wrap=True)
    for heading in ("value", "from", "meaning"):
        table.add_column(heading, overflow="fold")
    for one in shown:  # escaped: a value in square brackets is no markup
        table.add_row(one.name, escape("-" if one.value is None else one.value), escape(one.origin), one.meaning)
    Console(highlight=False).print(table)


def explained(read: Settings) -> list[Shown]:
    """Every setting in the order in which ``infra.settings`` declares them."""
    complete = with_keys(read, generate=False)
    return [
        Shown(
            name=f"RINGBACK_{name.upper()}",
            value=_shown(getattr(complete, name)),
            origin=_origin(read, complete, name),
            meaning=field.description or "",
        )
        for name, field in Settings.model_fields.items()
    ]


def _shown(value: Any) -> str | None:
    if value is None:
        return None
    return MASKED if isinstance(value, SecretStr) else without_password(str(value))


def _origin(read: Settings, complete: Settings, name: str) -> str:
    """Where the value comes from: the first source, in the order of precedence, that names it."""
    named = os.environ.get("RINGBACK_SETTINGS", "ringback.toml")
    sources: list[tuple[str, Any]] = [
        ("environment", EnvSettingsSource(Settings)),
        (".env", DotEnvSettingsSource(Settings)),
        (named, TomlConfigSettingsSource(Settings, toml_file=named)),
    ]
    for origin, source in sources:
        if name in source():
            return origin
    if name in GENERATED and getattr(read, name) is None and getattr(complete, name) is not None:
        return f"generated, in {key_file(read.home, name)}"
    return "default"
