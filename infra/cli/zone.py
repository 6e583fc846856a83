"""The zone of a source whose times have no offset, as a command is told it."""

from typing import Annotated, TypeAlias
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import typer


def zone_named(name: str) -> ZoneInfo:
    """The zone of that IANA name.

    Raises:
        typer.BadParameter: there is none.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise typer.BadParameter(f"{name} is no time zone; one is Europe/Paris") from None


Zone: TypeAlias = Annotated[
    ZoneInfo | None,
    typer.Option(
        parser=zone_named,
        metavar="ZONE",
        help="Times without an offset are local times of this zone, as Europe/Paris; without it they are refused.",
    ),
]
