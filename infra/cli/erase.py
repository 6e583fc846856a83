"""``ringback erase``: a customer's key is destroyed, after it was shown what that makes unreadable."""

import asyncio
import sys
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from infra.cli.acting import acting, signed
from infra.cli.opened import history_settings, opened_history
from infra.cli.screen import harmless
from infra.clock import utc_now
from infra.history.keys import FORGOTTEN_AFTER
from infra.history.projection import applied
from infra.history.store import History
from infra.settings import Settings
from outreach.cases.service import Cases
from outreach.erasure import Done, Erasure, ErasureRefused, Plan
from outreach.projections import projections

USAGE = 2
FAILED = 1
_FOLLOWED_WITHIN_S = 10.0
_LOOK_EVERY_S = 0.1


def erase(
    customer: Annotated[str, typer.Argument(help="The customer's id at the bank.", show_default=False)],
    *,
    reason: Annotated[
        str | None,
        typer.Option("--reason", help="On what ground; none: it is asked for. It stays: name nobody in it."),
    ] = None,
    who: Annotated[
        str | None, typer.Option("--as", metavar="NAME", help="Who decides it; none: RINGBACK_OPERATOR.")
    ] = None,
    close_cases: Annotated[
        bool, typer.Option("--close-cases", help="Close her open cases too; without it one of them refuses.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask, for scripts.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
) -> None:
    """Makes everything personal of a customer unreadable, for ever. Signed with the password of the desk.

    It is shown first what there is. The history stays whole: what was done, when and by whom. Running it twice is
    harmless, and running it again ends what was broken off.
    """
    settings = history_settings()
    name = acting(settings, who)
    given = _reason() if reason is None else reason
    asyncio.run(_Erase(settings, customer, name, given, closing=close_cases, yes=yes, as_json=as_json).run())


def _reason() -> str:
    if not sys.stdin.isatty():
        typer.secho("ringback: say on what ground: --reason", err=True)
        raise typer.Exit(USAGE)
    return str(typer.prompt("On what ground (it stays in the history: name nobody in it)", err=True))


class _Erase:
    def __init__(
        self, settings: Settings, customer: str, name: str, reason: str, *, closing: bool, yes: bool, as_json: bool
    ) -> None:
        self._settings = settings
        self._customer = customer
        self._name = name
        self._reason = reason
        self._closing = closing
        self._yes = yes
        self._as_json = as_json
        self._console = Console(markup=False, highlight=False, stderr=as_json)

    async def run(self) -> None:
        async with opened_history(self._settings) as history:
            erasure = Erasure(history, Cases(history, utc_now), utc_now)
            plan = await erasure.plan(self._customer)
            if plan.needless:
                self._say(plan, None, followed=True, text=f"{harmless(self._customer)} is erased already, {_day(plan)}")
                return
            _show(self._console, plan)
            if plan.open_cases and not self._closing:
                raise ErasureRefused(
                    f"nothing was done: {_count(len(plan.open_cases), 'case')} open. Resolve first, so that the"
                    " customer hears how it ends; or close with the erasure: --close-cases"
                )
            erasure.check(plan, self._reason)
            self._confirm()
            name = await signed(history, self._settings, self._name)
            done = await erasure.carry_out(plan, reason=self._reason, actor=f"operator:{name}", closing=self._closing)
            followed = await _followed(history, done.position)
            self._say(plan, done, followed=followed, text=_told(self._customer, done, followed=followed))
            if done.unfinished:
                typer.secho("ringback: something of hers came in meanwhile: run it again", err=True)
                raise typer.Exit(FAILED)

    def _confirm(self) -> None:
        if self._yes:
            return
        if not sys.stdin.isatty():
            typer.secho("ringback: nothing was done; without a terminal to ask at, say --yes", err=True)
            raise typer.Exit(USAGE)
        if typer.prompt(f"This cannot be undone. Type {self._customer} to erase", err=True) != self._customer:
            typer.secho("ringback: nothing was done", err=True)
            raise typer.Exit(FAILED)

    def _say(self, plan: Plan, done: Done | None, *, followed: bool, text: str) -> None:
        if not self._as_json:
            typer.echo(text)
            return
        said: dict[str, Any] = {
            "customer": self._customer,
            "already": done is None,
            "unreadable": plan.unreadable,
            "cases": plan.cases,
            "closed": done.closed if done else (),
            "keys": done.keys if done else 0,
            "told": done.told if done else True,
            "position": done.position if done else None,
            "unfinished": done.unfinished if done else False,
            "read_models_followed": followed,
        }
        typer.echo(msgspec.json.encode(said))


async def _followed(history: History, position: int) -> bool:
    """Whether the read models have come as far within some seconds; they do as soon as the casework runs."""
    names = [projection.name for projection in projections(history.lookup_key)]
    try:
        async with asyncio.timeout(_FOLLOWED_WITHIN_S):
            while True:
                async with history.transaction() as conn:
                    if all([await applied(conn, name) >= position for name in names]):
                        return True
                await asyncio.sleep(_LOOK_EVERY_S)
    except TimeoutError:
        return False


def _show(console: Console, plan: Plan) -> None:
    console.print(f"Erasing {harmless(plan.customer_id)} makes unreadable:")
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("what is personal in")
    table.add_column("events", justify="right")
    for name, count in plan.unreadable.items():
        table.add_row(harmless(name), str(count))
    console.print(table)
    if not plan.unreadable:
        console.print("nothing more: the keys are destroyed; what is left of a broken-off erasure is ended")
    console.print(f"{_count(len(plan.cases), 'case')}, open: {len(plan.open_cases)}; {_count(len(plan.cards), 'card')}")
    if plan.open_cases:
        console.print("An open case is closed as it is: a hold on the card stays until the bank lifts it.")
    console.print("What the bank's own topics hold is the bank's to remove: docs/data.md lists it.")


def _told(customer: str, done: Done, *, followed: bool) -> str:
    others = "every process knows" if done.told else f"every process knows within {FORGOTTEN_AFTER.seconds} s"
    views = "" if followed else "; the read models follow as soon as the casework runs"
    keys = _count(done.keys, "key")
    return f"{harmless(customer)} is erased: {keys} destroyed, {others}{views}"


def _day(plan: Plan) -> str:
    return f"on {plan.erased_at:%Y-%m-%d %H:%M} UTC" if plan.erased_at else ""


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
