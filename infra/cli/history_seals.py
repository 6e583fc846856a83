"""``ringback history seals``: the public key that seals are checked by, and the seals that there are."""

import asyncio
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from infra.cli.keys import with_keys
from infra.cli.opened import history_settings, opened_history
from infra.cli.verifying import of_history, trusted
from infra.history.errors import HistoryError
from infra.history.seal_file import line_of
from infra.history.seals import HistorySealed, holds, key_id, public_text, signing_key
from infra.settings import Settings

app = typer.Typer(no_args_is_help=True, help="Seals: the end of the history, signed from time to time.")


class NoKey(HistoryError):
    """There is no key that seals; the message says how there will be one."""


@app.command("key")
def key_command() -> None:
    """Prints the public key: give it to whoever is to check the seals one day, by another way than the seals."""
    settings = with_keys(Settings(), generate=False)
    if settings.seal_key is None:
        raise NoKey("RINGBACK_SEAL_KEY is not set, and the home keeps none: `ringback up` makes one at its first start")
    public = signing_key(settings.seal_key.get_secret_value()).public_key()
    typer.echo(public_text(public))
    typer.echo(f"key id {key_id(public)}", err=True)


@app.command("list")
def list_command(
    *, as_json: Annotated[bool, typer.Option("--json", help="One seal a line, as they are published.")] = False
) -> None:
    """The seals that stand in the history, the newest last."""
    seals = asyncio.run(_seals())
    if as_json:
        for seal in seals:
            typer.echo(line_of(seal))
        return
    if not seals:
        typer.echo(
            "The history holds no seal yet: the role `relay` makes one every minute (RINGBACK_SEAL_EVERY).", err=True
        )
        return
    keys = trusted(with_keys(Settings(), generate=False))
    table = Table("seal", "position", "hash", "sealed (UTC)", "key", "signature", box=None, padding=(0, 2, 0, 0))
    for seal in seals:
        good = "holds" if holds(seal, keys) else "does not hold" if seal.key_id in keys else "unknown key"
        table.add_row(
            *(str(seal.number), str(seal.position), seal.hash[:12], f"{seal.sealed_at:%Y-%m-%d %H:%M:%S}"),
            *(seal.key_id, good),
        )
    Console(markup=False, highlight=False).print(table)


async def _seals() -> list[HistorySealed]:
    async with opened_history(history_settings(), readable=False) as history:
        return await of_history(history)
