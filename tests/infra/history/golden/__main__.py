"""Adds what is missing: ``python -m tests.infra.history.golden [--again WIRE_NAME ...]``.

``--again`` writes the newest version of an event anew; right only as long as no release has ever written it.
"""

import sys

import msgspec

from infra.history.event import Event
from tests.infra.history import golden
from tests.infra.history.product import event_classes


def main(again: list[str]) -> None:
    """Writes both files."""
    known, events = golden.known_fields(), {(one.type, one.schema_version): one for one in golden.written()}
    newest: dict[str, type[Event]] = {cls.wire_name: cls for cls in event_classes()}
    for name in again:
        version = newest[name].schema_version
        events.pop((name, version), None)
        known.get(name, {}).pop(str(version), None)
    for cls in event_classes():
        if (cls.wire_name, cls.schema_version) not in events:
            events[cls.wire_name, cls.schema_version] = golden.golden(cls)
            print(f"added {cls.wire_name} version {cls.schema_version}")
        known.setdefault(cls.wire_name, {}).setdefault(str(cls.schema_version), golden.fields_of(cls))
    lines = [msgspec.json.encode(events[key]) for key in sorted(events)]
    golden.EVENTS.write_bytes(b"\n".join(lines) + b"\n")
    golden.FIELDS.write_bytes(msgspec.json.format(msgspec.json.encode(known, order="sorted"), indent=2) + b"\n")


if __name__ == "__main__":
    main([argument for argument in sys.argv[1:] if argument != "--again"])
