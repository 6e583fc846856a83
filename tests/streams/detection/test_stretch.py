"""Whoever follows a worker that died tells again what was told and not stored, whatever was said meanwhile."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from random import Random
from typing import Any

import pytest
import redis.asyncio

from infra.settings import Settings
from rules.layout import NOTHING
from rules.memory import Context
from rules.transaction import decode
from rules.watch import Watch
from streams.detection import custody as room
from streams.detection import knowledge, stretch
from streams.detection.errors import Fenced
from streams.detection.intake import BATCH
from streams.detection.rows import Rows
from streams.detection.said import Heard, Sayings, Word
from streams.detection.state import Change, PartitionState
from streams.detection.stretch import Hearing, Stretch
from streams.rulesets.announced import Announcement, tell
from tests.streams.detection.conftest import NothingSaid
from tests.streams.detection.payments import LONDON, PARIS, PHNOM_PENH, ROME, payment
from tests.streams.detection.test_taking_up import BLIND, journey
from tests.streams.detection.unplugged import NOW_MS, Broker, Worker


class World:
    """The two topics of one partition, and what workers told."""

    def __init__(self) -> None:
        self.records: list[dict[str, Any]] = []
        self.words: list[Word] = []
        self.told: list[tuple[str, str]] = []

    def say(self, card: str, *, confirmed: Sequence[str] = (), struck_out: Sequence[str] = ()) -> None:
        offset = len(self.words)
        context = Context(offset + 1, 0, tuple(confirmed), tuple(struck_out))
        self.words.append(Word(card, context, offset, NOW_MS))

    def standing(self) -> set[str]:
        """What stands after all that was told, the later word over the earlier."""
        last = {suspect: status for status, suspect in self.told}
        return {suspect for suspect, status in last.items() if status != "withdrawn"}

    def offline(self) -> set[str]:
        """What stands when everything is known from the beginning."""
        watch = Watch()
        cards: dict[str, bytes] = {}
        for word in self.words:
            cards[word.card_id], _ = watch.apply(cards.get(word.card_id, NOTHING), word.context)
        for ref, record in enumerate(self.records):
            memory = cards.get(record["card_id"], NOTHING)
            cards[record["card_id"]], _ = watch.observe(memory, decode(json.dumps(record).encode()), ref, NOW_MS)
        return {each.suspect.transaction_id for memory in cards.values() for each in watch.standing(memory)}


class SaidInTheWorld(NothingSaid):
    """`card-context` as the world has it."""

    world: World

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.identity = "words"
        self._at = 0
        self._sayings = Sayings(settings)

    async def begin(self, stored: dict[int, tuple[str, int] | None]) -> None:
        known = stored[0]
        self._at = 0 if known is None else known[1]
        self.ends = {0: len(self.world.records)}
        self._sayings._news.clear()
        await self.look()

    async def look(self) -> None:
        new, self._at = self.world.words[self._at :], len(self.world.words)
        if new:
            before = self._sayings._news.get(0)
            said = [*(before.said if before else []), *new]
            self._sayings._news[0] = Heard(said, self.identity, self._at)

    def news(self, partition: int, until: int | None = None) -> Any:
        return self._sayings.news(partition, until)

    def named(self, partition: int, until: int | None = None) -> set[str]:
        return self._sayings.named(partition, until)


class Workers:
    """One worker after another on the world's partition."""

    def __init__(self, redis_url: str, world: World) -> None:
        self._redis_url = redis_url
        self._world = world
        self._worker: Worker | None = None
        self.position = 0

    async def start(self) -> None:
        self._worker = Worker(self._redis_url)
        self.position = await self._worker.begin()

    async def judge(self, count: int = 100) -> None:
        """Judges the next records, as many as there are."""
        rows = self._world.records[self.position : self.position + count]
        if rows and self._worker is not None:
            await self._worker.judge(rows, self.position)
            self.position += len(rows)

    async def hear(self) -> None:
        if self._worker is not None:
            await self._worker.custody.hear()

    async def store(self) -> None:
        """A flush by time, to its end."""
        if self._worker is not None:
            await self._worker.custody.flush_next()
            if flushes := list(self._worker.custody._flushes.values()):
                await asyncio.wait(flushes)

    async def die(self) -> None:
        """With whatever is not stored."""
        if self._worker is not None:
            self._world.told += [(status, suspect) for status, suspect, _, _ in self._worker.outbox.told]
            await self._worker.die()
            self._worker = None

    @property
    def dead(self) -> bool:
        """Whether it let go of its partition."""
        return self._worker is None or bool(self._worker.dropped)


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
async def workers(redis_url: str, world: World, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Workers]:
    monkeypatch.setattr(room, "Incarnation", Broker)
    monkeypatch.setattr(knowledge, "Sayings", SaidInTheWorld)
    monkeypatch.setattr(SaidInTheWorld, "world", world, raising=False)
    made = Workers(redis_url, world)
    world.records.append(payment("first", "one", PARIS, 0))
    await made.start()
    await made.judge()
    await made.store()  # from here on the partition has a position
    yield made
    await made.die()


async def test_what_was_told_and_not_stored_is_withdrawn_by_a_word_that_came_while_nobody_was_there(
    workers: Workers, world: World
) -> None:
    world.records += journey("a")
    await workers.judge()
    await workers.die()
    assert world.told == [("raised", "a-paris")]
    world.say("a", confirmed=["a-paris"])
    await workers.start()
    await workers.judge()
    await workers.hear()
    await workers.die()
    assert world.told[1:] == [("withdrawn", "a-paris")]


async def test_what_came_after_the_word_raises_no_alert_for_a_moment(workers: Workers, world: World) -> None:
    world.records += journey("a")
    await workers.die()
    world.say("a", confirmed=["a-paris"])
    world.records += [payment("a", "back", PHNOM_PENH, 30), payment("a", "again", PARIS, 45), *journey("b")]
    await workers.start()
    await workers.judge()
    await workers.hear()
    await workers.die()
    assert world.told == [
        ("raised", "b-paris"),
        ("withdrawn", "a-paris"),
        ("withdrawn", "a-again"),
    ]  # whoever was told, was told by others
    assert world.standing() == world.offline() == {"b-paris"}


async def test_while_something_is_kept_back_nothing_is_stored(
    workers: Workers, world: World, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    del redis_url
    world.records += journey("a")
    await workers.die()
    world.say("a", struck_out=["another"])
    await workers.start()
    await workers.judge()
    flushed: list[int] = []
    flush = PartitionState.flush

    async def noting(self: PartitionState, change: Change) -> None:
        flushed.append(change.position)
        await flush(self, change)

    monkeypatch.setattr(PartitionState, "flush", noting)
    await workers.store()
    assert flushed == []
    await workers.hear()
    assert flushed == [3]
    await workers.die()
    assert world.told == [("raised", "a-paris")]


async def test_words_that_were_heeded_and_not_stored_are_heeded_again_at_the_same_record(
    workers: Workers, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.records += journey("a")
    await workers.judge()
    await workers.store()

    async def fails(_self: PartitionState, change: Change) -> None:
        if change.context is not None:
            raise Fenced("it dies here")

    world.say("a", struck_out=["a-pnh"])  # Paris is believed, then
    with monkeypatch.context() as patched:
        patched.setattr(PartitionState, "flush", fails)
        await workers.hear()
    assert workers.dead
    await workers.die()
    assert world.told == [("raised", "a-paris"), ("withdrawn", "a-paris")]
    world.say("a", confirmed=["a-pnh"])  # and not, after all
    world.records.append(payment("a", "rome", ROME, 14))
    await workers.start()
    await workers.judge()
    await workers.hear()
    await workers.die()
    assert world.told[2:4] == [("withdrawn", "a-paris"), ("raised", "a-paris")]
    assert world.standing() == world.offline() == {"a-paris", "a-rome"}


async def test_a_rule_set_released_meanwhile_is_in_force_after_what_was_told_is_told_again(
    workers: Workers, world: World, redis_url: str
) -> None:
    world.records += journey("a")
    await workers.judge()
    await workers.die()
    async with redis.asyncio.Redis.from_url(redis_url) as client:
        assert await tell(client, Announcement(serial=1, live=BLIND, shadow=None))
    world.records += journey("b")[:1]
    await workers.start()
    await workers.judge()
    world.records += journey("b")[1:]
    await workers.judge()
    await workers.die()
    assert world.told == [("raised", "a-paris"), ("raised", "a-paris")]


async def test_a_stretch_without_records_at_its_end_is_over(
    workers: Workers, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where a bank's producer marks the end of a transaction: that is an offset, and no record."""
    world.records += journey("a")
    await workers.judge()
    await workers.die()
    world.say("a", confirmed=["a-paris"])
    begin = SaidInTheWorld.begin

    async def further(self: SaidInTheWorld, stored: dict[int, tuple[str, int] | None]) -> None:
        await begin(self, stored)
        self.ends = {0: self.ends[0] + 2}

    asked: list[tuple[int, int]] = []

    async def nothing(servers: str, partition: int, position: int, end: int) -> bool:
        del servers, partition
        asked.append((position, end))
        return False

    monkeypatch.setattr(SaidInTheWorld, "begin", further)
    monkeypatch.setattr(knowledge, "anything_between", nothing)
    await workers.start()
    await workers.judge()
    await workers.hear()
    assert asked == []  # something was judged since
    await workers.hear()
    assert asked == [(3, 5)]
    await workers.die()
    assert world.standing() == set()


def test_a_stretch_is_over_where_it_ends_or_after_so_many_records_as_nobody_judges_ahead(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stretch, "MOST_ROWS", 3)
    rows = Rows(range(10, 16), [NOW_MS] * 6, [b""] * 6)
    ends_first, too_long = Stretch(12, ()), Stretch(900, ())
    assert [len(part.offsets) for part in ends_first.parts(rows)] == [2, 4]
    assert [len(part.offsets) for part in too_long.parts(rows)] == [3, 3]
    for part in too_long.parts(rows)[:1]:
        assert too_long.judged(part, []) == []
    assert too_long.over(13)
    assert [ends_first.over(at) for at in (11, 12)] == [False, True]


def test_nobody_judges_as_far_ahead_of_what_is_stored_as_a_stretch_may_be_long() -> None:
    waits_at = room._AT_MOST * room.FLUSH_ROWS + BATCH  # then judging waits for the flush under way, of as many
    assert 2 * waits_at < stretch.MOST_ROWS


PLACES = (PHNOM_PENH, PARIS, LONDON, ROME)


@pytest.mark.parametrize("seed", range(237, 243))
async def test_whoever_dies_wherever_what_was_told_ends_as_what_is_right_with_all_that_was_said(
    workers: Workers, world: World, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    random = Random(seed)

    async def there_is(*_asked: Any) -> bool:
        return True

    monkeypatch.setattr(knowledge, "anything_between", there_is)
    with monkeypatch.context() as patched:
        some_writes_fail(patched, random)
        for _ in range(30):
            if workers.dead or dies(random):
                await workers.die()
                if random.random() < 0.6:
                    something_happens(world, random)
                await workers.start()
            await something_is_done(workers, world, random)
    if workers.dead:
        await workers.die()
        await workers.start()
    await workers.judge()
    await workers.hear()
    await workers.die()
    assert world.standing() == world.offline()


def dies(random: Random) -> bool:
    return random.random() < 0.15


def some_writes_fail(patched: pytest.MonkeyPatch, random: Random) -> None:
    """The worker lets go before or after it has written."""
    flush, intend = PartitionState.flush, PartitionState.intend

    async def flushing(self: PartitionState, change: Change) -> None:
        if dies(random):
            raise Fenced("before it is written")
        await flush(self, change)
        if dies(random):
            raise Fenced("after it is written")

    async def intending(self: PartitionState, hearing: Hearing) -> None:
        await intend(self, hearing)
        if dies(random):
            raise Fenced("nothing of it is said")

    patched.setattr(PartitionState, "flush", flushing)
    patched.setattr(PartitionState, "intend", intending)


async def something_is_done(workers: Workers, world: World, random: Random) -> None:
    match random.randrange(6):
        case 0 | 1:
            something_happens(world, random)
        case 2 | 3:
            await workers.judge(random.randrange(1, 4))
        case 4:
            await workers.hear()
        case _:
            await workers.store()


def something_happens(world: World, random: Random) -> None:
    """Payments, as many as a card's memory holds, or a word on one of them."""
    card = random.choice("abc")
    hers = [one["transaction_id"] for one in world.records if one["card_id"] == card]
    if not hers or (random.random() < 0.7 and len(hers) < 12):
        for _ in range(random.randrange(1, 4)):
            minutes = random.randrange(600)
            world.records.append(payment(card, str(len(world.records)), random.choice(PLACES), minutes))
        return
    words = {word.card_id: word.context for word in world.words}
    before, name = words.get(card, Context()), random.choice(hers)
    confirmed, struck_out = ([one for one in them if one != name] for them in (before.confirmed, before.struck_out))
    (confirmed if random.random() < 0.6 else struck_out).append(name)
    world.say(card, confirmed=confirmed, struck_out=struck_out)
