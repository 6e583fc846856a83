"""Events of the streams ``ruleset-{version}``, and of ``rulesets``, which says which one is live.

``author`` is who did it, ``reason`` why, in their own words; neither is personal data of a customer.
"""

from typing import Annotated, Any, ClassVar, TypeAlias

from infra.history.event import PLAIN, Event, Plain

PlainData: TypeAlias = Annotated[dict[str, Any], PLAIN]


class RuleSetDrafted(Event, frozen=True, kw_only=True):
    """Somebody wrote the rule set down, or changed a draft. ``content``: every threshold, as ``rules.ruleset``."""

    wire_name: ClassVar[str] = "ruleset.drafted"
    version: Plain
    content: PlainData
    author: Plain
    reason: Plain


class RuleSetShadowed(Event, frozen=True, kw_only=True):
    """From now on it runs beside the live one, and its alerts are only counted; its content is fixed."""

    wire_name: ClassVar[str] = "ruleset.shadowed"
    version: Plain
    author: Plain
    reason: Plain


class RuleSetPublished(Event, frozen=True, kw_only=True):
    """Somebody wants it to be the live one; somebody else is to release it."""

    wire_name: ClassVar[str] = "ruleset.published"
    version: Plain
    author: Plain
    reason: Plain


class RuleSetReleased(Event, frozen=True, kw_only=True):
    """It is the live one."""

    wire_name: ClassVar[str] = "ruleset.released"
    version: Plain
    published_by: Plain
    author: Plain
    reason: Plain


class RuleSetRetired(Event, frozen=True, kw_only=True):
    """It decides nothing any more; ``replaced_by`` the one that is live since, if it was that."""

    wire_name: ClassVar[str] = "ruleset.retired"
    version: Plain
    replaced_by: Plain = ""
    author: Plain
    reason: Plain


class VersionNamed(Event, frozen=True, kw_only=True):
    """There is a rule set of this version (stream ``rulesets``)."""

    wire_name: ClassVar[str] = "rulesets.version-named"
    version: Plain


class LiveNamed(Event, frozen=True, kw_only=True):
    """The live version (stream ``rulesets``); written in the transaction that releases it."""

    wire_name: ClassVar[str] = "rulesets.live-named"
    version: Plain


class ShadowNamed(Event, frozen=True, kw_only=True):
    """The version that runs in the shadow (stream ``rulesets``); empty: none does."""

    wire_name: ClassVar[str] = "rulesets.shadow-named"
    version: Plain
