"""Which class an event's wire name and schema version stand for, and which of its fields are personal."""

import inspect
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import is_dataclass
from functools import cache
from types import ModuleType, NoneType
from typing import Any, ClassVar, NewType, get_args, get_origin, get_type_hints

import msgspec

from infra.history.errors import UndeclaredClass
from infra.history.event import PERSONAL, PLAIN, Event, EventT

_classes: dict[tuple[str, int], type[Event]] = {}


def register(*sources: ModuleType | type[Event]) -> None:
    """Makes event classes known by (wire name, schema version), so that what is stored can be read.

    Args:
        sources: classes, or modules whose own event classes are taken.

    Raises:
        UndeclaredClass: a class has no wire name, or another class has the same one and version.
    """
    for cls in _classes_of(sources):
        wire_name = getattr(cls, "wire_name", None)
        if not isinstance(wire_name, str) or not wire_name:
            raise UndeclaredClass(f"{cls.__qualname__} has no wire_name")
        name = (wire_name, cls.schema_version)
        known = _classes.setdefault(name, cls)
        if known is not cls:
            if (known.__module__, known.__qualname__) != (cls.__module__, cls.__qualname__):
                raise UndeclaredClass(
                    f"{cls.__qualname__} and {known.__qualname__} are both {name[0]} version {name[1]}"
                )
            _classes[name] = cls  # the same class, its module imported once more


def find(wire_name: str, schema_version: int) -> type[Event] | None:
    """The class of a stored event, or None where no registered class has that name and version."""
    return _classes.get((wire_name, schema_version))


def registered() -> Mapping[tuple[str, int], type[Event]]:
    """Every known class by (wire name, schema version)."""
    return dict(_classes)


@cache
def personal_fields(cls: type[Event]) -> Mapping[str, Any]:
    """The class's personal fields, each with the empty value that stands for it once its key is destroyed."""
    hints = get_type_hints(cls, include_extras=True)
    return {
        name: _empty(hints[name]) for name in cls.__struct_fields__ if any(m == PERSONAL for m in _marks(hints[name]))
    }


def without_personal(event: EventT) -> EventT:
    """The event with every personal field empty."""
    return msgspec.structs.replace(event, **personal_fields(type(event)))


def undeclared_strings(*sources: ModuleType | type[Event]) -> list[str]:
    """Fields that hold text and say neither that it is personal nor that it is plain: ``Class.field``, sorted.

    Text that nobody has thought about would be stored unencrypted for ever; a test keeps this list empty.
    """
    found = []
    for cls in _classes_of(sources):
        hints = get_type_hints(cls, include_extras=True)
        found += [f"{cls.__qualname__}.{name}" for name in cls.__struct_fields__ if _has_bare_text(hints[name])]
    return sorted(found)


def _classes_of(sources: Iterable[ModuleType | type[Event]]) -> Iterator[type[Event]]:
    for source in sources:
        if isinstance(source, ModuleType):
            for _, member in inspect.getmembers(source, inspect.isclass):
                if issubclass(member, Event) and member is not Event and member.__module__ == source.__name__:
                    yield member
        else:
            yield source


def _metadata(hint: Any) -> tuple[Any, ...]:
    return tuple(getattr(hint, "__metadata__", ()))


def _marks(hint: Any, within: frozenset[type] = frozenset()) -> Iterator[Any]:
    """Every annotation anywhere in the hint, in the fields of nested structs too."""
    yield from _metadata(hint)
    for part, inside in _parts(hint, within):
        yield from _marks(part, inside)


def _has_bare_text(hint: Any, within: frozenset[type] = frozenset()) -> bool:
    if PERSONAL in _metadata(hint) or PLAIN in _metadata(hint):
        return False
    if hint in _MAY_HOLD_TEXT:
        return True
    return any(_has_bare_text(part, inside) for part, inside in _parts(hint, within))


_MAY_HOLD_TEXT = (str, bytes, bytearray, Any, object, dict, list, tuple, set, frozenset, Mapping)
"""Types that are text, or that hold anything because nobody says what they hold."""


def _parts(hint: Any, within: frozenset[type]) -> Iterator[tuple[Any, frozenset[type]]]:
    """What a hint consists of: its arguments, the fields of a struct or dataclass, what a new type stands for."""
    for part in get_args(hint):
        if part is not ... and not isinstance(part, str):  # a literal's texts are the program's own
            yield part, within
    if isinstance(hint, NewType):
        yield hint.__supertype__, within
    if isinstance(hint, type) and hint not in within and (issubclass(hint, msgspec.Struct) or is_dataclass(hint)):
        for part in get_type_hints(hint, include_extras=True).values():
            if get_origin(part) is not ClassVar:
                yield part, within | {hint}


def _empty(hint: Any) -> Any:
    while _metadata(hint):
        hint = get_args(hint)[0]
    if NoneType in get_args(hint):
        return None
    origin = get_origin(hint) or hint
    if origin is str:
        return ""
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return {}
    if isinstance(origin, type) and issubclass(origin, (list, tuple, set, frozenset)):
        return []
    if isinstance(origin, type) and issubclass(origin, msgspec.Struct):
        raise UndeclaredClass(f"{origin.__qualname__} has no empty value; make the field optional")
    raise UndeclaredClass(f"a personal field of type {hint} has no empty value; make it optional")
