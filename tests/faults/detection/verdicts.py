"""What a run is held to: what `ringback judge` says offline, and the memory that the topic's records must have left."""

import io
import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple, TypeAlias

from infra.cli.judge import Word
from infra.cli.judge import run as judge
from rules.layout import NOTHING, unpack
from rules.memory import Context
from rules.memory import Memory as CardMemory
from rules.transaction import Refusal, decode
from rules.watch import NEVER, Watch

Standing: TypeAlias = dict[str, tuple[str, str, str | None, str, str]]
"""By alert id: card, suspect, what it contradicts, verdict and severity."""


class Record(NamedTuple):
    """One record of a topic; `stamp_ms` is the broker's."""

    partition: int
    offset: int
    stamp_ms: int
    value: bytes


class Memory(NamedTuple):
    """What a partition's records leave, when each is applied once, and then what was said of some cards' payments.

    Attributes:
        fields: that Redis must hold.
        told: the memories of the cards of which something was said, by field, as `decided` tells them: where in their
            way the words were heeded does not matter.
        refused: the reasons by offset.
    """

    fields: dict[bytes, bytes]
    told: dict[bytes, CardMemory]
    refused: dict[int, str]


def offline(lines: Iterable[bytes], words: dict[str, list[Word]] | None = None) -> Standing:
    """What stands when `ringback judge` has read these lines in this order, and heard these words."""
    said = io.BytesIO()
    judge(lines, said, io.StringIO(), lambda: datetime.now(UTC), words=words)
    return standing(json.loads(line) for line in said.getvalue().splitlines())


def standing(words: Iterable[dict[str, Any]]) -> Standing:
    """Alerts folded, in the order of their telling: the latest word on each stands."""
    found: Standing = {}
    for word in words:
        if word["status"] == "withdrawn":
            found.pop(word["alert_id"], None)
        else:
            found[word["alert_id"]] = (
                *(word["card_id"], word["suspect"], word["against"]),
                *(word["verdict"], word["severity"]),
            )
    return found


def standing_once_heard(words: Iterable[dict[str, Any]]) -> Standing:
    """The same where a word that has been heard before counts for nothing, as the casework has it."""
    heard: set[tuple[str, ...]] = set()
    new: list[dict[str, Any]] = []
    for word in words:
        key = tuple(str(word[name]) for name in ("alert_id", "status", "against", "verdict", "raised_by", "arrived_at"))
        if key not in heard:
            heard.add(key)
            new.append(word)
    return standing(new)


def decided(packed: bytes) -> CardMemory:
    """All of a card's memory but for how many more payments may be put to it without a look at them all."""
    memory = unpack(packed)
    memory.room = 0
    return memory


def contexts(messages: Iterable[Record]) -> dict[str, Context]:
    """What messages of `card-context` say of each card in the end: the newest version, as it was told first."""
    found: dict[str, Context] = {}
    for message in messages:
        word = json.loads(message.value)
        before = found.get(word["card_id"])
        if before is None or before.version < word["version"]:
            at_us = int(datetime.fromisoformat(word["said_at"]).timestamp() * 1_000_000)
            names = tuple(word["confirmed"]), tuple(word["struck_out"])
            found[word["card_id"]] = Context(word["version"], at_us, *names)
    return found


def memory(records: Sequence[Record], messages: Sequence[Record], identities: tuple[str, str], ruleset: str) -> Memory:
    """What one partition's records, in their order, leave behind, and then its messages of `card-context`.

    Args:
        records: of `transactions`.
        messages: of the same partition of `card-context`.
        identities: of the two topics.
        ruleset: the version in force.
    """
    watch = Watch()
    cards: dict[str, bytes] = {}
    refused: dict[int, str] = {}
    for record in records:
        try:
            transaction = decode(record.value)
            before = cards.get(transaction.card_id, NOTHING)
            cards[transaction.card_id], _ = watch.observe(before, transaction, record.offset, record.stamp_ms)
        except Refusal as refusal:
            refused[record.offset] = refusal.reason
    said = contexts(messages)
    told = {b"c" + card.encode(): decided(watch.apply(cards[card], said[card])[0]) for card in said}
    fields = {b"c" + card.encode(): value for card, value in cards.items() if card not in said}
    identity, of_context = identities
    if messages:
        fields |= {b"heard_position": b"%d" % (messages[-1].offset + 1), b"heard_identity": of_context.encode()}
    if records:
        fields |= {
            b"position": b"%d" % (records[-1].offset + 1),
            b"applied_ms": b"%d" % max(record.stamp_ms for record in records),
            b"watermark_us": b"%d" % watch.watermark_us,
            b"ruleset": ruleset.encode(),
            b"identity": identity.encode(),
        }
        assert watch.watermark_us != NEVER
    return Memory(fields, told, refused)
