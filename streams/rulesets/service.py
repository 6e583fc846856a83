"""The rule sets on the history: a command in, its events appended to all streams that it touches, or to none.

Which version is live stands in the stream ``rulesets``; a release appends to it under the version at which it was read,
so that of two at the same time one is decided anew, and one version is live whatever races.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import msgspec

from infra.clock import Clock
from infra.history.errors import Conflict, PartlyRecorded
from infra.history.event import Event, NewEvent, Recorded, derived_id
from infra.history.registry import register
from infra.history.store import History, StreamWrite
from rules.ruleset import RuleSet
from streams.errors import StreamsError
from streams.rulesets import events
from streams.rulesets.announced import Announcement
from streams.rulesets.decide import Command, Life, RuleSetRefused, Standing, decide, evolve, standing_of, unborn

register(events)

INDEX: Final = "rulesets"
_TRIES: Final = 50


class RuleSetsBusy(StreamsError):
    """The rule sets were changed by others again and again while a command was decided: retryable."""


class RuleSetMoved(StreamsError):
    """The rule sets have changed since they were shown: look again."""


class Version(msgspec.Struct, frozen=True, kw_only=True):
    """One version as it is listed.

    Attributes:
        since: of the state; None for the built-in one until something happens to it.
        by: whoever brought it into the state.
        reason: and why.
    """

    life: Life
    since: datetime | None = None
    by: str = ""
    reason: str = ""

    @property
    def ruleset(self) -> RuleSet:
        """Its content.

        Raises:
            RuleSetRefused: there is no such version.
        """
        return content_of(self.life)


class Seen(msgspec.Struct, frozen=True):
    """At which versions the streams of a rule set and of the index were, when somebody looked at them."""

    own: int
    index: int


class RuleSets:
    """Every change of a rule set goes through here; safe to use from many processes at once."""

    def __init__(self, history: History, clock: Clock) -> None:
        self._history = history
        self._clock = clock

    async def handle(self, version: str, command: Command, *, cause: str, seen: Seen | None = None) -> Sequence[Event]:
        """Decides and appends; answers what changed of this version, nothing where nothing did.

        Args:
            version: of the rule set.
            command: who wants what, and why.
            cause: the same again changes nothing.
            seen: what the person was shown; the command holds for that alone.

        Raises:
            RuleSetRefused: the rule set does not do that, or not by this person.
            RuleSetMoved: somebody has changed it since it was ``seen``.
            RuleSetsBusy, Unavailable: retryable.
        """
        for _ in range(_TRIES):
            index = await self._history.read_stream(INDEX)
            own = await self._history.read_stream(stream_of(version))
            if seen is not None and seen != _seen(own, index):
                raise RuleSetMoved(f"{version}, or what is live, was changed meanwhile; look again")
            standing = standing_of(one.event for one in index)
            decided = decide(_life(version, own), standing, command)
            if not decided.own:
                return []
            writes = [
                self._write(stream_of(version), decided.own, _at(own), command.author, cause),
                self._write(INDEX, decided.index, _at(index), command.author, cause),
            ]
            if decided.replaced:
                before = await self._history.read_stream(stream_of(standing.live))
                writes.append(
                    self._write(stream_of(standing.live), decided.replaced, _at(before), command.author, cause)
                )
            try:
                appended = await self._history.append(*writes)
            except Conflict:
                continue
            except PartlyRecorded:  # the cause was handled before, when the streams were others
                return []
            return [] if appended.repeated else decided.own
        raise RuleSetsBusy(f"the rule sets moved on {_TRIES} times while {version} was decided about")

    async def standing(self) -> Standing:
        """Which versions there are, and which is live."""
        return standing_of(one.event for one in await self._history.read_stream(INDEX))

    async def look(self, version: str) -> tuple[Version, Seen]:
        """One version, and at which point it was looked at.

        Raises:
            RuleSetRefused: there is no such version.
        """
        index = await self._history.read_stream(INDEX)
        own = await self._history.read_stream(stream_of(version))
        listed = _listed(version, own)
        content_of(listed.life)
        return listed, _seen(own, index)

    async def all(self) -> list[Version]:
        """Every version, in the order in which they were first drafted."""
        versions = (await self.standing()).versions
        return [_listed(one, await self._history.read_stream(stream_of(one))) for one in versions]

    async def story(self, version: str) -> list[Recorded[Event]]:
        """Every event of a version, oldest first."""
        return await self._history.read_stream(stream_of(version))

    async def in_force(self) -> Announcement:
        """What detection is to be told."""
        index = await self._history.read_stream(INDEX)
        standing = standing_of(one.event for one in index)
        live, _ = await self.look(standing.live)
        shadow = (await self.look(standing.shadow))[0].ruleset if standing.shadow else None
        return Announcement(serial=_at(index), live=live.ruleset, shadow=shadow)

    def _write(self, stream: str, new: Sequence[Event], expected: int, author: str, cause: str) -> StreamWrite:
        now = self._clock()
        return StreamWrite(
            stream,
            [
                NewEvent(
                    event=event,
                    event_id=derived_id(cause, stream, event.wire_name, number),
                    occurred_at=now,
                    actor=f"operator:{author}",
                    causation_id=cause,
                )
                for number, event in enumerate(new)
            ],
            expected,
        )


def stream_of(version: str) -> str:
    """Where a version's events are."""
    return f"ruleset-{version}"


def content_of(life: Life) -> RuleSet:
    """What a version says.

    Raises:
        RuleSetRefused: there is no such version.
    """
    if life.content is None:
        raise RuleSetRefused("unknown", f"there is no rule set {life.version}; see: ringback rules list")
    return msgspec.convert(life.content, RuleSet)


def _life(version: str, own: Sequence[Recorded[Event]]) -> Life:
    life = unborn(version)
    for one in own:
        life = evolve(life, one.event)
    return life


def _listed(version: str, own: Sequence[Recorded[Event]]) -> Version:
    last = next((one for one in reversed(own) if not isinstance(one.event, events.RuleSetPublished)), None)
    if last is None:
        return Version(life=_life(version, own))
    return Version(
        life=_life(version, own),
        since=last.occurred_at,
        by=getattr(last.event, "author", ""),
        reason=getattr(last.event, "reason", ""),
    )


def _seen(own: Sequence[Recorded[Event]], index: Sequence[Recorded[Event]]) -> Seen:
    return Seen(_at(own), _at(index))


def _at(stream: Sequence[Recorded[Event]]) -> int:
    return stream[-1].version if stream else 0
