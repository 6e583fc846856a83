"""What a rule set answers to a command: events, nothing because nothing changes, or a refusal. Pure.

A rule set is a *draft* until it runs in the *shadow* or is *live*; then its content is fixed for ever, because alerts
name its version. A *retired* one may come back, with the same content. What becomes live is published by one person
and released by another.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final, Literal, TypeAlias

import msgspec

from infra.history.event import Event
from rules.ruleset import LIVE, RuleSet
from streams.rulesets.events import (
    LiveNamed,
    RuleSetDrafted,
    RuleSetPublished,
    RuleSetReleased,
    RuleSetRetired,
    RuleSetShadowed,
    ShadowNamed,
    VersionNamed,
)

State: TypeAlias = Literal["none", "draft", "shadow", "live", "retired"]

BUILT_IN: Final = LIVE
"""The first live one: it is live until another is released."""


class RuleSetRefused(Exception):
    """A rule set does not do that.

    Attributes:
        code: stable, for scripts.
    """

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code, self.reason = code, reason


class Life(msgspec.Struct, frozen=True, kw_only=True):
    """One version.

    Attributes:
        content: as it is stored; None where there is no such version.
        published_by: who wants it live; empty where nobody does.
    """

    version: str
    state: State = "none"
    content: dict[str, Any] | None = None
    published_by: str = ""


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """Which versions there are; which is live, and which in the shadow (empty: none)."""

    live: str = BUILT_IN.version
    shadow: str = ""
    versions: tuple[str, ...] = (BUILT_IN.version,)


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """Write it down, or change what is a draft still."""

    ruleset: RuleSet
    author: str
    reason: str


class Shadow(msgspec.Struct, frozen=True, kw_only=True):
    """Let it run beside the live one."""

    author: str
    reason: str


class Publish(msgspec.Struct, frozen=True, kw_only=True):
    """Want it live."""

    author: str
    reason: str


class Release(msgspec.Struct, frozen=True, kw_only=True):
    """Make it live what another has published."""

    author: str
    reason: str


class Retire(msgspec.Struct, frozen=True, kw_only=True):
    """Let it decide nothing any more; what was published is so no more."""

    author: str
    reason: str


Command: TypeAlias = Draft | Shadow | Publish | Release | Retire


class Decided(msgspec.Struct, frozen=True):
    """Events by stream, all to be written at once or not at all.

    Attributes:
        own: of the version's stream.
        index: of ``rulesets``.
        replaced: of the stream of the version that was live until now.
    """

    own: Sequence[Event] = ()
    index: Sequence[Event] = ()
    replaced: Sequence[Event] = ()


NOTHING: Final = Decided()


def unborn(version: str) -> Life:
    """The version before its first event; the built-in one is there from the beginning, live."""
    if version == BUILT_IN.version:
        return Life(version=version, state="live", content=msgspec.to_builtins(BUILT_IN))
    return Life(version=version)


def evolve(life: Life, event: Event) -> Life:
    """The version after one more of its events; an event of any other kind changes nothing."""
    replace = msgspec.structs.replace
    match event:
        case RuleSetDrafted():
            return replace(life, state="draft", content=event.content, published_by="")
        case RuleSetShadowed():
            return replace(life, state="shadow")
        case RuleSetPublished():
            return replace(life, published_by=event.author)
        case RuleSetReleased():
            return replace(life, state="live", published_by="")
        case RuleSetRetired():
            return replace(life, state="retired", published_by="")
        case _:
            return life


def standing_of(events: Iterable[Event]) -> Standing:
    """What the stream ``rulesets`` says."""
    live, shadow, versions = BUILT_IN.version, "", dict.fromkeys([BUILT_IN.version])
    for event in events:
        match event:
            case LiveNamed():
                live = event.version
            case ShadowNamed():
                shadow = event.version
            case VersionNamed():
                versions[event.version] = None
            case _:
                pass
    return Standing(live=live, shadow=shadow, versions=tuple(versions))


def decide(life: Life, standing: Standing, command: Command) -> Decided:
    """The events that the command gives; none where it changes nothing.

    Raises:
        RuleSetRefused: the rule set does not do that, or not by this person.
    """
    if not command.author.strip() or not command.reason.strip():
        raise RuleSetRefused("unsigned", "every change of a rule set has an author and a reason")
    if isinstance(command, Draft):
        return _draft(life, command)
    if life.state == "none":
        raise RuleSetRefused("unknown", f"there is no rule set {life.version}; see: ringback rules list")
    match command:
        case Shadow():
            return _shadow(life, standing, command)
        case Publish():
            return _publish(life, command)
        case Release():
            return _release(life, standing, command)
    return _retire(life, command)


def _draft(life: Life, command: Draft) -> Decided:
    if life.state not in {"none", "draft"}:
        raise RuleSetRefused(
            "fixed",
            f"{life.version} is {life.state}, and what it says is fixed: alerts name it. Give the file another version",
        )
    content = msgspec.to_builtins(command.ruleset)
    if content == life.content:
        return NOTHING
    drafted = RuleSetDrafted(version=life.version, content=content, author=command.author, reason=command.reason)
    return Decided(own=[drafted], index=[VersionNamed(version=life.version)] if life.state == "none" else [])


def _shadow(life: Life, standing: Standing, command: Shadow) -> Decided:
    if life.state == "live":
        raise RuleSetRefused("live", f"{life.version} is live; a shadow runs beside it")
    if life.state == "shadow":
        return NOTHING
    if standing.shadow:
        raise RuleSetRefused("taken", f"{standing.shadow} is in the shadow; retire it first")
    shadowed = RuleSetShadowed(version=life.version, author=command.author, reason=command.reason)
    return Decided(own=[shadowed], index=[ShadowNamed(version=life.version)])


def _publish(life: Life, command: Publish) -> Decided:
    if life.state == "live":
        raise RuleSetRefused("live", f"{life.version} is live already")
    if life.published_by == command.author:
        return NOTHING
    if life.published_by:
        raise RuleSetRefused(
            "published", f"{life.version} was published by {life.published_by} already; release it, or retire it"
        )
    return Decided(own=[RuleSetPublished(version=life.version, author=command.author, reason=command.reason)])


def _release(life: Life, standing: Standing, command: Release) -> Decided:
    if life.state == "live":
        return NOTHING
    if not life.published_by:
        raise RuleSetRefused("unpublished", f"nobody has published {life.version}; one publishes, another releases")
    if life.published_by == command.author:
        raise RuleSetRefused(
            "same_person", f"{command.author} has published {life.version}; somebody else is to release it"
        )
    signed = {"author": command.author, "reason": command.reason}
    index: list[Event] = [LiveNamed(version=life.version)]
    if standing.shadow == life.version:
        index.append(ShadowNamed(version=""))
    return Decided(
        own=[RuleSetReleased(version=life.version, published_by=life.published_by, **signed)],
        index=index,
        replaced=[RuleSetRetired(version=standing.live, replaced_by=life.version, **signed)],
    )


def _retire(life: Life, command: Retire) -> Decided:
    if life.state == "live":
        raise RuleSetRefused("live", f"{life.version} is live, and one always is; release another instead")
    if life.state == "retired" and not life.published_by:
        return NOTHING
    return Decided(
        own=[RuleSetRetired(version=life.version, author=command.author, reason=command.reason)],
        index=[ShadowNamed(version="")] if life.state == "shadow" else [],
    )
