"""Words on payments for the fault runs: what customers confirmed and operators struck out, at random moments."""

import json
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from queue import SimpleQueue
from random import Random
from typing import Any, Final, NamedTuple

from infra.cli.judge import Word
from rules.context import merged
from rules.memory import Context
from tests.faults.detection.feed import Arrival
from tests.faults.detection.verdicts import Standing

_AGAIN: Final = 0.05
_OVERTAKEN: Final = 0.03
_IN_VAIN: Final = 0.02
_SHARE_S: Final = 4.0
"""So long about it takes to say a share."""


class Saying(NamedTuple):
    """One more word on payments of a card, and the message in which it is told: whole, as casework tells it."""

    card_id: str
    confirmed: tuple[str, ...]
    struck_out: tuple[str, ...]
    context: Context

    @property
    def value(self) -> bytes:
        """As it lies in `card-context`; without ways, which detection finds by itself."""
        context = self.context
        told = {"card_id": self.card_id, "version": context.version, "said_at": datetime.now(UTC).isoformat()}
        return json.dumps(told | {"confirmed": context.confirmed, "struck_out": context.struck_out}).encode()


def sayings(count: int, rows: Sequence[Arrival], standing: Standing, random: Random) -> list[Saying]:
    """So many words, most of them on what stands without any: a card may be spoken of several times, and otherwise.

    Args:
        count: of them.
        rows: all payments.
        standing: what stands when nobody says anything.
        random: chooses.
    """
    payments: dict[str, list[str]] = {}
    for row in rows:
        payments.setdefault(row.card_id, []).append(json.loads(row.value)["transaction_id"])
    alerts = list(standing.values())
    known: dict[str, Context] = {}
    found: list[Saying] = []
    for number in range(1, count + 1):
        card, suspect, against, *_ = random.choice(alerts)
        chance = random.random()
        if chance < 0.5:
            confirmed, struck_out = [suspect], []
        elif chance < 0.8:
            confirmed, struck_out = [], [against or suspect]
        else:  # and anything else that can be said
            confirmed, struck_out = _dealt(random.sample(payments[card], min(2, len(payments[card]))), random)
        if random.random() < _IN_VAIN:
            confirmed.append(f"{card}-never-came")
        said = merged(known.get(card), confirmed, struck_out, 0)
        known[card] = Context(number, 0, said.confirmed, said.struck_out)
        found.append(Saying(card, tuple(confirmed), tuple(struck_out), known[card]))
    return found


def _dealt(names: Sequence[str], random: Random) -> tuple[list[str], list[str]]:
    hers = [name for name in names if random.random() < 0.5]
    return hers, [name for name in names if name not in hers]


def offline_words(said: Sequence[Saying], after: Sequence[str], random: Random | None) -> dict[str, list[Word]]:
    """The words as `ringback judge --context` reads them.

    Args:
        said: in their order, which they keep.
        after: the ids of the payments, in the order in which they are judged.
        random: chooses after which each comes; None: all after the last.
    """
    places = [len(after) - 1] * len(said)
    if random is not None:
        places = sorted(random.randrange(len(after)) for _ in said)
    words: dict[str, list[Word]] = {}
    for place, one in zip(places, said, strict=True):
        word = Word(after=after[place], card_id=one.card_id, confirmed=one.confirmed, struck_out=one.struck_out)
        words.setdefault(after[place], []).append(word)
    return words


class Talk:
    """Says words in their order, each a random moment after the one before; some are told twice, as casework may.

    No two in one millisecond: by the moment of the word a repeated telling of its alerts is known for one.

    Args:
        said: everything that is to be said.
        shares: into how many pieces it is divided.
        tell: puts a message into `card-context`, of this card and this time stamp in milliseconds.
        random: chooses the moments.
    """

    def __init__(
        self, said: Sequence[Saying], shares: int, tell: Callable[[str, bytes, int], Any], random: Random
    ) -> None:
        self._left = list(reversed(said))
        self._share = -(-len(said) // shares)
        self._tell = tell
        self._random = random
        self._asked: SimpleQueue[tuple[float, Saying] | None] = SimpleQueue()
        self._newest: dict[str, list[Saying]] = {}
        self._stamp_ms = 0
        self._hurry = threading.Event()
        self._thread = threading.Thread(target=self._talk, name="words", daemon=True)
        self._thread.start()

    def go_on(self) -> None:
        """The next share is to be said from now on, beside whatever else happens."""
        for _ in range(min(self._share, len(self._left))):
            self._ask(self._random.random() * 2 * _SHARE_S / self._share)

    def end(self) -> None:
        """Returns when everything has been said, now at once."""
        self._hurry.set()
        while self._left:
            self._ask(0.0)
        self._asked.put(None)
        self._thread.join()

    def _ask(self, pause: float) -> None:
        saying = self._left.pop()
        told = self._newest.setdefault(saying.card_id, [])
        told.append(saying)
        self._asked.put((pause, saying))
        if self._random.random() < _AGAIN:
            self._asked.put((pause, saying))
        if self._random.random() < _OVERTAKEN:
            self._asked.put((pause, self._random.choice(told)))

    def _talk(self) -> None:
        while (asked := self._asked.get()) is not None:
            pause, saying = asked
            self._hurry.wait(pause)
            self._stamp_ms = max(self._stamp_ms + 1, int(time.time() * 1000))
            self._tell(saying.card_id, saying.value, self._stamp_ms)
