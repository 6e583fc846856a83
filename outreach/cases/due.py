"""The read model `due`: what has to happen if nothing else does, and since when it is waited for.

A row holds the moment from which is counted, not the moment at which it is due: how long to wait is the reader's
setting, so that the rows are the same whatever the settings are.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from msgspec import Struct
from psycopg import AsyncConnection

from infra.settings import Settings


class DueKind(StrEnum):
    """What is waited for."""

    OUTCOME = "outcome"
    """An intent has no outcome yet, or an unknown one; subject: the contact id. The contact role reconciles."""
    DELIVERY = "delivery"
    """An accepted SMS has no final delivery callback; subject: the contact id. The contact role asks the provider."""
    SILENCE = "silence"
    """The customer has not answered the message; subject: the contact id. The casework role notes it."""
    CARD_ANSWER = "card-answer"
    """The card system has not answered; subject: the command id. The cards role sends again."""
    HAND_OVER = "hand-over"
    """An operator holds the task; subject: the task id. The casework role looks for a sign of life."""


class DueRow(Struct, frozen=True, kw_only=True):
    """One thing that is waited for. ``position``: of the event that began the wait, a good cause for the command."""

    kind: DueKind
    since: datetime
    case_id: str
    subject_id: str
    position: int


def waits(settings: Settings) -> dict[DueKind, timedelta]:
    """How long each kind is waited for."""
    return {
        DueKind.OUTCOME: settings.outcome_due_after,
        DueKind.DELIVERY: settings.delivery_due_after,
        DueKind.SILENCE: settings.silence_after,
        DueKind.CARD_ANSWER: settings.card_answer_due_after,
        DueKind.HAND_OVER: settings.hand_over_after,
    }


async def overdue(
    conn: AsyncConnection[Any],
    now: datetime,
    waits: dict[DueKind, timedelta],
    *,
    kinds: Collection[DueKind] = tuple(DueKind),
    limit: int = 200,
) -> list[DueRow]:
    """What of these kinds has been waited for long enough, longest first."""
    raise NotImplementedError
