"""Who acts at the command line: a person who has an account at the desk.

A draft names its author and changes nothing yet: the name is taken as it is given. What changes which payments raise an
alert is signed: the person's password at the desk is asked for, so that two names are two people. Each sign-in, good or
bad, stands in the history, and is limited as those at the desk are.
"""

import sys

import typer

from infra.clock import utc_now
from infra.history.store import History
from infra.settings import Settings
from outreach.desk.accounts import NAME, AccountError, Accounts

_ADDRESS = "command-line"


class Unsigned(AccountError):
    """It is not said, or not shown, who acts; the message says what to do."""


def acting(settings: Settings, name: str | None) -> str:
    """The name of whoever acts: as given, else as the settings say.

    Raises:
        Unsigned: neither says, or it is no name.
    """
    said = (name or settings.operator or "").strip().lower()
    if not said:
        raise Unsigned("say who acts: --as NAME, or RINGBACK_OPERATOR")
    if not NAME.match(said):
        raise Unsigned(f"{said!r} is no name: small letters, digits, dots, dashes and underscores")
    return said


async def signed(history: History, settings: Settings, name: str) -> str:
    """The name, once its password at the desk has been shown: RINGBACK_OPERATOR_PASSWORD, else asked for.

    Raises:
        Unsigned: there is no terminal to ask at.
        SignInRefused, TooManyAttempts: as at the desk.
    """
    if settings.operator_password is not None and name == (settings.operator or name).strip().lower():
        password = settings.operator_password.get_secret_value()
    elif sys.stdin.isatty():
        password = typer.prompt(f"{name}'s password at the desk", hide_input=True, err=True)
    else:
        raise Unsigned(f"{name} signs this with the password of the desk: set RINGBACK_OPERATOR_PASSWORD")
    accounts = Accounts(history, utc_now)
    await accounts.prepare()
    return (await accounts.verify(name, password, address=_ADDRESS)).name
