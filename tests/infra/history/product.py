"""Every event class of the product, found by walking its packages: nobody has to remember to add one to a list."""

import importlib
import pkgutil
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from infra.history.event import Event, UnknownEvent

PACKAGES = ("infra", "outreach", "rules", "streams")
_NAMES_AN_EVENT = re.compile(r"^\s+wire_name\s*[:=]", re.MULTILINE)
"""No class without a wire name can be written."""


def _modules() -> Iterator[str]:
    for package in PACKAGES:
        root = Path(*importlib.import_module(package).__path__)
        for module in pkgutil.walk_packages([str(root)], f"{package}."):
            file = root.parent.joinpath(*module.name.split("."))
            source = file / "__init__.py" if module.ispkg else file.with_suffix(".py")
            if _NAMES_AN_EVENT.search(source.read_text()):
                yield module.name


def _below(cls: type[Event]) -> Iterator[type[Event]]:
    for child in cls.__subclasses__():
        yield child
        yield from _below(child)


@cache
def event_classes() -> tuple[type[Event], ...]:
    """Every class that is or can be recorded, by wire name and version."""
    for module in _modules():
        importlib.import_module(module)
    ours = {cls for cls in _below(Event) if cls.__module__.split(".", maxsplit=1)[0] in PACKAGES}
    return tuple(sorted(ours - {UnknownEvent}, key=lambda cls: (cls.wire_name, cls.schema_version)))
