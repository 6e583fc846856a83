"""Events of the streams ``operator-{name}``: who came to the desk, and who tried to."""

from typing import ClassVar

from infra.history.event import Event, Plain


class AccountCreated(Event, frozen=True, kw_only=True):
    """Somebody may work at the desk from now on."""

    wire_name: ClassVar[str] = "operator.account-created"
    operator: Plain
    languages: list[Plain]
    role: Plain = "operator"


class RoleGiven(Event, frozen=True, kw_only=True):
    """The account has another role from now on. ``role``: ``operator`` or ``supervisor``."""

    wire_name: ClassVar[str] = "operator.role-given"
    operator: Plain
    role: Plain


class AccountDisabled(Event, frozen=True, kw_only=True):
    """Nobody signs in to the account any more, and its sessions are over."""

    wire_name: ClassVar[str] = "operator.account-disabled"
    operator: Plain


class AccountEnabled(Event, frozen=True, kw_only=True):
    """One may sign in to the account again."""

    wire_name: ClassVar[str] = "operator.account-enabled"
    operator: Plain


class SignInLinkIssued(Event, frozen=True, kw_only=True):
    """A link that signs the operator in, once, was made. The link itself is kept nowhere."""

    wire_name: ClassVar[str] = "operator.sign-in-link-issued"
    operator: Plain
    valid_s: int


class OperatorSignedIn(Event, frozen=True, kw_only=True):
    """The operator is at the desk. ``method``: ``password`` or ``link``."""

    wire_name: ClassVar[str] = "operator.signed-in"
    operator: Plain
    method: Plain


class SignInFailed(Event, frozen=True, kw_only=True):
    """A sign-in was refused. ``reason``: ``password``, ``disabled``, ``link`` or ``unknown``.

    Where the account is unknown (stream ``operator-unknown``) the name that was typed is not written down: it may be a
    password that somebody typed into the wrong field.
    """

    wire_name: ClassVar[str] = "operator.sign-in-failed"
    operator: Plain
    reason: Plain


class OperatorSignedOut(Event, frozen=True, kw_only=True):
    """The operator left; every session of the account ended with it."""

    wire_name: ClassVar[str] = "operator.signed-out"
    operator: Plain
