"""Events of older versions, lifted on read to what their class is today; what is stored is never rewritten.

When the fields of an event change, its ``schema_version`` grows by one, and the module of its class says how the
version before becomes it::

    @upcaster("case.reopened", 1)
    def _because(fields: Fields) -> Fields:
        return {**fields, "because": "blocked_card_used"}

An upcaster is pure: fields in, fields out, those that are personal among them. Each lifts by one version; on read they
follow one another. It stays as long as there is a history with such an event in it, and so does the golden event that
holds it to its word (tests/infra/history/golden).
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeAlias

from infra.history.errors import UndeclaredClass, Unreadable

Fields: TypeAlias = dict[str, Any]
"""An event's fields as JSON has them: texts, numbers, lists, mappings."""

Upcast: TypeAlias = Callable[[Fields], Fields]


class _Step(NamedTuple):
    upcast: Upcast
    personal: Mapping[str, Any]


_steps: dict[tuple[str, int], _Step] = {}


def upcaster(
    wire_name: str, from_version: int, *, personal: Mapping[str, Any] | None = None
) -> Callable[[Upcast], Upcast]:
    """Registers the way from one version of an event to the next.

    Args:
        wire_name: of the event.
        from_version: the version that is lifted; the result is of the one behind it.
        personal: the fields that were personal in that version, each with the empty value that stands for it once its
            key is destroyed: the function finds them there in any case.

    Raises:
        UndeclaredClass: there is another upcaster from that version.
    """

    def add(upcast: Upcast) -> Upcast:
        known = _steps.setdefault((wire_name, from_version), _Step(upcast, personal or {}))
        if (known.upcast.__module__, known.upcast.__qualname__) != (upcast.__module__, upcast.__qualname__):
            raise UndeclaredClass(f"two upcasters lift {wire_name} from version {from_version}")
        _steps[wire_name, from_version] = _Step(upcast, personal or {})  # or the same, its module imported once more
        return upcast

    return add


def version_today(wire_name: str, version: int) -> int:
    """The version that an event of this version is read as; the same where nothing lifts it."""
    while (wire_name, version) in _steps:
        version += 1
    return version


def personal_before(wire_name: str, version: int) -> Mapping[str, Any]:
    """What was personal in a version that is lifted, with the empty values."""
    return _steps[wire_name, version].personal


def lifted(wire_name: str, version: int, fields: Fields) -> Fields:
    """The fields as the newest version has them.

    Raises:
        Unreadable: an upcaster failed; which one, and how.
    """
    while (step := _steps.get((wire_name, version))) is not None:
        try:
            fields = step.upcast(dict(fields))
        except Exception as error:  # noqa: BLE001 -- whatever it is, the event cannot be read
            # Its kind alone: its text may quote what is personal.
            raise Unreadable(f"the upcaster from version {version} fails: {type(error).__name__}") from None
        version += 1
    return fields


def lifts(wire_name: str) -> list[int]:
    """The versions of an event from which there is an upcaster."""
    return sorted(version for name, version in _steps if name == wire_name)
