"""The rehearsal bank's card system: each command is done once, however often it comes; a restart forgets nothing."""

import json
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from infra.history.event import derived_id
from streams.contracts.card_command import CardCommand

RESULTS: Final = {
    "hold": "held",
    "decline": "declined",
    "block": "blocked",
    "release": "released",
    "reissue": "reissued",
}
SHIPPING: Final = ("dispatched", "delivered")


class CardSystem:
    """What was done to which card. Each thing is in the file before anybody is told of it.

    Args:
        memory: the file, one JSON object a line; made where it is missing.

    Raises:
        OSError: the file cannot be read or written.
    """

    def __init__(self, memory: Path) -> None:
        self._memory = memory
        self._done: dict[str, dict[str, Any]] = {}
        self.received: Counter[str] = Counter()
        memory.parent.mkdir(parents=True, exist_ok=True)
        if memory.exists():
            kept = memory.read_text(encoding="utf-8")
            for line in kept.splitlines():
                self._remember(line)
            if kept and not kept.endswith("\n"):
                self._write("\n")

    def _remember(self, line: str) -> None:
        try:
            done = json.loads(line)
        except ValueError:  # the last line of a process that was killed while it wrote: nobody was told of it
            return
        self._done[done["command_id"]] = done

    def _write(self, text: str) -> None:
        with self._memory.open("a", encoding="utf-8") as file:
            file.write(text)

    def do(self, command: CardCommand, now: datetime) -> dict[str, Any]:
        """Does the command, unless it was done; answers the event that says so, the same each time."""
        self.received[command.command_id] += 1
        done = self._done.get(command.command_id)
        if done is None:
            new_card = f"{command.card_id[:50]}-{derived_id('card', command.command_id).hex[:8]}"
            done = {
                "command_id": command.command_id,
                "action": command.action,
                "card_id": command.card_id,
                "transactions": list(command.transactions),
                "new_card_id": new_card if command.action == "reissue" else "",
                "done_at": now.isoformat(),
            }
            self._write(json.dumps(done) + "\n")
            self._done[command.command_id] = done
        return _event(done, RESULTS[done["action"]], done["done_at"])

    def shipping(self, command_id: str, state: str, now: datetime) -> dict[str, Any]:
        """The event that the reissued card of a command was ``dispatched`` or ``delivered``."""
        return _event(self._done[command_id], state, now.isoformat())

    def reissues(self) -> Iterator[str]:
        """The commands by which cards were reissued."""
        return (command_id for command_id, done in self._done.items() if done["action"] == "reissue")

    def report(self) -> dict[str, Any]:
        """What was received and what was done; for tests and curious people."""
        return {
            "done": dict(Counter(done["action"] for done in self._done.values())),
            "received": sum(self.received.values()),
            "commands": [{**done, "received": self.received[command_id]} for command_id, done in self._done.items()],
        }


def refused(command: CardCommand, reason: str, now: datetime) -> dict[str, Any]:
    """The event that the card system does not do what the command says."""
    return _event({"command_id": command.command_id, "card_id": command.card_id}, "failed", now.isoformat(), reason)


def _event(done: dict[str, Any], kind: str, occurred_at: str, reason: str = "") -> dict[str, Any]:
    return {
        "event_id": str(derived_id("card-event", done["command_id"], kind)),
        "command_id": done["command_id"],
        "card_id": done["card_id"],
        "type": kind,
        "new_card_id": done.get("new_card_id", ""),
        "reason": reason,
        "occurred_at": occurred_at,
    }
