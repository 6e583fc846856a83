"""What detection keeps of a partition in Redis, and the fence that lets only its rightful owner write it.

One hash a partition, `{transactions:N}` (the braces keep it in one slot of a Redis Cluster). Fields:

- `c<card_id>`: the card's memory, packed (`rules.layout`); no other field begins with this letter, or a card might have
  its name, and it would be swept as one;
- `position`: offset of the first record that is not applied yet; `identity`: of the topic that it counts in;
- `epoch`: how often the partition has been claimed; `holder`: by whom last, a word that is never used again;
  `serial`: how often it has been flushed;
- `generation`: how often the topic has been replaced (the high bits of every ref in a memory);
- `watermark_us`: of the rules, as of the position;
- `ruleset`: the version in force, `rules`: all of it as JSON, `ruleset_from`: the offset of the first record that is
  judged under it; written before that record is judged, with everything before it. None: the built-in one;
- `shadow`: the rule set that runs beside it, as JSON, and `shadow_from`; its memories are the hash
  `{transactions:N}:shadow`, of fields `c<card_id>` alone, in the same slot and the same writes;
- `heard_identity`, `heard_position`: of `card-context`, how far what was said of payments is applied;
- `hearing`: how far it is about to be applied, and right before which record (`streams.detection.stretch`); written
  before anything is said of it, and gone when it is applied;
- `applied_ms`: the broker's time stamp of the newest record applied; `begun_ms`: of the partition's first claim, less
  a margin, which stands in for it while nothing has been applied;
- `reissue`: 1 while what stands is to be said again under a new topic identity;
- `resend_from_ms`, `lost_ms`: what the feed is to send again, see `streams.detection.gaps`.

A position alone does not fence: a stopped worker that continues could write first, and the rightful owner would be
refused. So who is given a partition claims it, and every write is a transaction that fails when anybody touched the
hash since it was last seen to be one's own. The epoch alone does not do for that: a Redis that lost everything counts
from one again, and a worker that stood still meanwhile would find its own number there.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import uuid4

import msgspec
from redis.exceptions import AskError, ClusterDownError, RedisError, TryAgainError
from redis.exceptions import ConnectionError as RedisAway
from redis.exceptions import TimeoutError as RedisSlow

from infra.redis_client import connection_to, redis_client
from streams.detection.errors import Fenced, LetGo, StateLost
from streams.detection.stretch import Hearing
from streams.detection.wire import commands
from streams.topics import TRANSACTIONS, TopicIdentity

logger = logging.getLogger(__name__)

CARD_PREFIX: Final = b"c"
_AGAIN_S: Final = 0.2
_SCAN: Final = 2000
_FRESH_S: Final = 3.0
"""Who has seen so lately that the partition is its own need not look again: half of the group's session time-out,
within which nobody else can have been given it."""
_ANSWER_S: Final = 1.0

_BEFORE_FIRST_CLAIM_MS: Final = 15 * 60 * 1000
"""What a feed was told is taken before anybody claimed the partition for the first time is not older than this."""

_CLAIM: Final = """
local key, identity, now = KEYS[1], ARGV[1], ARGV[2]
local epoch = redis.call('HINCRBY', key, 'epoch', 1)
redis.call('HSET', key, 'holder', ARGV[4])
local known = redis.call('HGET', key, 'identity')
if known ~= identity then
  if known then
    redis.call('HINCRBY', key, 'generation', 1)
    redis.call('HSET', key, 'reissue', 1)
    local since = redis.call('HGET', key, 'applied_ms') or redis.call('HGET', key, 'begun_ms')
    if since and redis.call('HEXISTS', key, 'lost_ms') == 0 then
      redis.call('HSET', key, 'resend_from_ms', since, 'lost_ms', now)
    end
  end
  redis.call('HDEL', key, 'position', 'hearing')
  redis.call('HSET', key, 'identity', identity)
  redis.call('HSETNX', key, 'begun_ms', ARGV[3])
end
if redis.call('HEXISTS', key, 'shadow') == 0 then redis.call('UNLINK', KEYS[2]) end
local kept = redis.call('HMGET', key, 'position', 'watermark_us', 'generation', 'reissue', 'serial', 'applied_ms',
  'rules', 'shadow', 'heard_identity', 'heard_position', 'hearing')
return {kept[7], kept[8], kept[9], kept[10], kept[11], epoch, redis.call('HLEN', key),
  kept[1], kept[2], kept[3], kept[4], kept[5], kept[6]}
"""


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """What was found when the partition was claimed; without a `position` the topic is read from its beginning.

    `rules` and `shadow` are the rule sets as JSON; None: the built-in one, and none. `context` is the identity of
    `card-context`, and the position in it to read on from; `hearing`, what was about to be heeded of it.
    """

    epoch: int
    fields: int
    position: int | None
    watermark_us: int | None
    generation: int
    reissue: bool
    serial: int
    applied_ms: int
    rules: bytes | None = None
    shadow: bytes | None = None
    context: tuple[str, int] | None = None
    hearing: Hearing | None = None


class TakenUp(msgspec.Struct, frozen=True, kw_only=True):
    """Rule sets in force from the change's position on, as JSON; with no `shadow` none runs beside.

    A shadow that begins, or ends, leaves the memories of the one before; `keep_shadow`: it runs on.
    """

    version: str
    rules: bytes
    shadow: bytes | None = None
    keep_shadow: bool = False


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """What one flush writes: the changed cards, and the position after them; `swept` cards are deleted."""

    cards: dict[str, bytes]
    swept: frozenset[str] = frozenset()
    position: int
    watermark_us: int
    applied_ms: int
    ruleset: str
    reissued: bool = False
    shadow_cards: dict[str, bytes] = {}
    taken_up: TakenUp | None = None
    context: tuple[str, int] | None = None


def hash_name(partition: int) -> str:
    """The name of a partition's hash."""
    return f"{{{TRANSACTIONS}:{partition}}}"


class PartitionState:
    """One claimed partition's hash; used by one task at a time.

    Redis being away is waited for, here and nowhere else: every method answers only when Redis has.
    """

    def __init__(self, redis_url: str, partition: int) -> None:
        self.partition = partition
        self._name = hash_name(partition).encode()
        self._shadow_name = self._name + b":shadow"
        self._client = redis_client(redis_url)
        self._writer: Any = None
        self._reader: Any = None
        self._reading = asyncio.Lock()
        self._closed = False
        self._epoch = 0
        self._holder = b""
        self._serial = 0
        self._seen_s = 0.0

    async def claim(self, identity: TopicIdentity, now: datetime) -> Claim:
        """Takes the partition: from here on, whoever held it before can write nothing more."""
        moment = int(now.timestamp() * 1000)
        begun = moment - _BEFORE_FIRST_CLAIM_MS
        self._holder = uuid4().hex.encode()
        asked = (self._name, self._shadow_name, str(identity), str(moment), str(begun), self._holder)
        answer: list[Any] = await self._patiently(lambda: self._client.eval(_CLAIM, 2, *asked))
        self._seen_s = time.monotonic()
        rules, shadow, heard_identity, heard_position, hearing, *numbers = answer
        epoch, fields, position, watermark, generation, reissue, serial, applied = (
            None if one is None else int(one) for one in numbers
        )
        self._epoch, self._serial = epoch or 0, serial or 0
        return Claim(
            epoch=self._epoch,
            fields=fields or 0,
            position=position,
            watermark_us=watermark,
            generation=generation or 0,
            reissue=bool(reissue),
            serial=self._serial,
            applied_ms=applied or 0,
            rules=rules,
            shadow=shadow,
            context=None if heard_position is None else (heard_identity.decode(), int(heard_position)),
            hearing=None if hearing is None else msgspec.json.decode(hearing, type=Hearing),
        )

    async def load(self, cards: Sequence[str], *, shadow: bool = False) -> dict[str, bytes]:
        """What is kept of these cards, in one round trip; those that are not there are left out.

        With `shadow`: what the rule set that runs beside keeps of them.
        """
        if not cards:
            return {}
        fields = [CARD_PREFIX + card.encode() for card in cards]
        asked = commands([[b"HMGET", self._shadow_name if shadow else self._name, *fields]])
        values = await self._patiently(lambda: self._read(asked))
        return {card: value for card, value in zip(cards, values, strict=True) if value is not None}

    async def everything(self, *, shadow: bool = False) -> AsyncIterator[dict[str, bytes]]:
        """All cards, some thousands at a time."""
        cursor = 0
        while True:
            cursor, found = await self.some(cursor, shadow=shadow)
            yield found
            if cursor == 0:
                return

    async def some(self, cursor: int, count: int = _SCAN, *, shadow: bool = False) -> tuple[int, dict[str, bytes]]:
        """About `count` cards from a cursor on (0: the first), and the cursor to go on from; 0 after the last."""
        name = self._shadow_name if shadow else self._name
        following, found = await self._patiently(lambda: self._client.hscan(name, cursor, count=count))
        return following, {
            field[len(CARD_PREFIX) :].decode(): value for field, value in found.items() if field.startswith(CARD_PREFIX)
        }

    async def flush(self, change: Change) -> None:
        """Writes the change whole or not at all, and only under one's own epoch.

        Raises:
            Fenced: the partition has been claimed by another since; nothing was written.
            StateLost: the hash is gone; nothing was written.
        """
        await self._write(self._asked(change, self._serial + 1))

    async def intend(self, hearing: Hearing) -> None:
        """Writes what is about to be heeded, and where; to be called while no flush is under way. Raises as `flush`."""
        fields = [b"hearing", msgspec.json.encode(hearing), b"serial", b"%d" % (self._serial + 1)]
        await self._write([[b"MULTI"], [b"HSET", self._name, *fields], [b"EXEC"], *self._watch()])

    async def _write(self, asked: list[Sequence[bytes]]) -> None:
        """Makes one transaction of these commands, which set the serial to the next and end by watching."""
        serial = self._serial + 1
        write = commands(asked)
        while True:
            try:
                if self._writer is None and await self._open(serial):
                    break  # the connection was lost after the write, and the write was made
                if await self._written(write, serial, answers=len(asked)):
                    break
            except (RedisError, OSError) as error:
                logger.warning("Redis did not take the state of partition %d: %s", self.partition, error)
                await self._hang_up()
                await asyncio.sleep(_AGAIN_S)
        self._serial = serial

    async def is_ours(self) -> bool:
        """Whether the partition is still this worker's: none knows how long it stood still.

        Asks Redis only where that was not seen lately. Where Redis does not answer soon, yes.
        """
        try:
            await self.look()
        except LetGo:
            return False
        return True

    async def look(self) -> None:
        """Sees to it that the partition is still this worker's, as far as Redis answers soon; asks as `is_ours` does.

        Raises:
            Fenced: the partition has been claimed by another since.
            StateLost: the hash is gone.
        """
        if time.monotonic() < self._seen_s + _FRESH_S:
            return
        flushed = self._serial  # what is flushed while Redis answers need not be in the answer
        asking = self._client.hmget(self._name, ["epoch", "serial", "holder"])
        with contextlib.suppress(RedisError, OSError, TimeoutError):
            self._ours(await asyncio.wait_for(asking, _ANSWER_S), flushed)  # type: ignore[arg-type]  # typed for both kinds of client

    async def close(self) -> None:
        """Ends the connections; the claim stays until another claims."""
        self._closed = True
        await self._hang_up()
        await self._read_no_more()
        await self._client.aclose()

    def _asked(self, change: Change, serial: int) -> list[Sequence[bytes]]:
        """The commands of one flush, in one transaction; the last two begin to watch for the next."""
        numbers = {
            b"position": change.position,
            b"serial": serial,
            b"watermark_us": change.watermark_us,
            b"applied_ms": change.applied_ms,
        }
        fields: list[bytes] = [b"HSET", self._name]
        for name, number in numbers.items():
            fields += (name, b"%d" % number)
        fields += (b"ruleset", change.ruleset.encode(), *_cards(change.cards))
        if change.context is not None:
            identity, position = change.context
            fields += (b"heard_identity", identity.encode(), b"heard_position", b"%d" % position)
        if change.reissued:
            fields += (b"reissue", b"0")
        asked: list[Sequence[bytes]] = [[b"MULTI"], fields]
        if change.taken_up is not None:
            asked += self._taken_up(change.taken_up, change.position)
        if change.shadow_cards:
            asked.append([b"HSET", self._shadow_name, *_cards(change.shadow_cards)])
        if change.context is not None:
            asked.append([b"HDEL", self._name, b"hearing"])
        if change.swept:
            swept = [CARD_PREFIX + card.encode() for card in change.swept]
            asked += [[b"HDEL", name, *swept] for name in (self._name, self._shadow_name)]
        return [*asked, [b"EXEC"], *self._watch()]

    def _taken_up(self, taken: TakenUp, position: int) -> list[Sequence[bytes]]:
        at = b"%d" % position
        asked: list[Sequence[bytes]] = [[b"HSET", self._name, b"rules", taken.rules, b"ruleset_from", at]]
        if taken.keep_shadow:
            return asked
        asked.append([b"UNLINK", self._shadow_name])
        if taken.shadow is None:
            return [*asked, [b"HDEL", self._name, b"shadow", b"shadow_from"]]
        return [*asked, [b"HSET", self._name, b"shadow", taken.shadow, b"shadow_from", at]]

    def _watch(self) -> list[Sequence[bytes]]:
        return [[b"WATCH", self._name], [b"HMGET", self._name, b"epoch", b"serial", b"holder"]]

    async def _open(self, serial: int) -> bool:
        """Connects and watches; True when the flush of this serial turns out to have been written."""
        self._writer = await connection_to(self._client, self._name)
        await self._writer.connect()
        await self._writer.send_packed_command(commands(self._watch()))
        await self._writer.read_response()
        return self._ours(await self._writer.read_response()) >= serial

    async def _written(self, write: bytes, serial: int, answers: int) -> bool:
        """One attempt; False when somebody touched the hash in between and the epoch is nevertheless ours."""
        await self._writer.send_packed_command(write)
        *_queued, executed, _watching, found = [await self._writer.read_response() for _ in range(answers)]
        return self._ours(found) >= serial and executed is not None

    def _ours(self, found: Sequence[bytes | None], at_least: int | None = None) -> int:
        """The serial that was found; an error unless the state is ours, and no older than this one: else our last."""
        epoch, serial, holder = found
        if epoch is None:
            raise StateLost(f"partition {self.partition}: Redis has lost its state")
        if holder != self._holder:
            raise Fenced(f"partition {self.partition}: claimed under epoch {int(epoch)}, ours is {self._epoch}")
        if int(serial or 0) < (self._serial if at_least is None else at_least):
            raise StateLost(f"partition {self.partition}: Redis went back to an older state")
        self._seen_s = time.monotonic()
        return int(serial or 0)

    async def _hang_up(self) -> None:
        if self._writer is not None:
            with contextlib.suppress(RedisError, OSError):
                await self._writer.disconnect(nowait=True)
            self._writer = None

    async def _read(self, asked: bytes) -> Any:
        """One answer, over a connection of its own: the client takes twice as long for a thousand words."""
        async with self._reading:
            try:
                if self._reader is None:
                    self._reader = await connection_to(self._client, self._name)
                    await self._reader.connect()
                await self._reader.send_packed_command(asked)
                answer = await self._reader.read_response()
            except BaseException as error:
                await self._read_no_more()  # else the next would be given this one's answer
                if isinstance(error, AskError | ClusterDownError | TryAgainError):  # another node has the slot, or none
                    raise RedisAway(str(error)) from error
                raise
            if self._closed:
                await self._read_no_more()
            return answer

    async def _read_no_more(self) -> None:
        reader, self._reader = self._reader, None
        if reader is not None:
            with contextlib.suppress(RedisError, OSError):
                await reader.disconnect(nowait=True)

    async def _patiently(self, ask: Any) -> Any:
        said = False
        while True:
            try:
                return await ask()
            except (RedisAway, RedisSlow, OSError) as error:
                if not said:
                    logger.warning("Redis is away, partition %d waits: %s", self.partition, error)
                    said = True
                await asyncio.sleep(_AGAIN_S)


def _cards(cards: Mapping[str, bytes]) -> list[bytes]:
    """Fields and values, one after the other."""
    fields: list[bytes] = []
    for card, value in cards.items():
        fields += (CARD_PREFIX + card.encode(), value)
    return fields
