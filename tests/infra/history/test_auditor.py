"""The auditor's own lines, as docs/history.md has them: they agree with the history, and see what was altered."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from infra.history.exporting import export_history
from infra.history.store import History, StreamWrite
from tests.infra.history.conftest import Make
from tests.infra.history.notes import Counted, NoteTaken

PAGE = Path(__file__).resolve().parents[3] / "docs" / "history.md"
(LINES,) = re.findall(r"^```python\n(import hashlib.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)


@pytest.fixture
async def exported(history: History, note: Make, tmp_path: Path) -> Path:
    await history.append(StreamWrite("case-1", [note(NoteTaken(about='ភ្នំពេញ \u2028 "x"', text="é"))]))
    await history.append(StreamWrite("case-2", [note(Counted(number=7), subject=None, causation_id="x")]))
    await history.append(StreamWrite("case-1", [note()], 1))
    path = tmp_path / "history.ndjson"
    await export_history(history, path)
    return path


def auditor(path: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 -- the page's own lines
        [sys.executable, "-I", "-c", LINES, str(path)], capture_output=True, text=True, check=False, timeout=60
    )


async def test_they_come_to_the_same_hash(history: History, exported: Path) -> None:
    told = auditor(exported)
    assert told.stdout == f"3 events are whole; the last hash is {(await history.head()).hash.hex()}\n", told.stderr


@pytest.mark.parametrize(
    ("old", "new", "shows"),
    [
        ('"actor":"system:test"', '"actor":"system:toast"', "position 1 was altered"),
        ('number\\":7', 'number\\":8', "position 2 was altered"),
        ('"position":2', '"position":4', "position 2 is missing"),
    ],
)
def test_they_see_what_was_altered(exported: Path, old: str, new: str, shows: str) -> None:
    text = exported.read_text(encoding="utf-8")
    assert old in text
    with exported.open("w", encoding="utf-8", newline="\n") as file:
        file.write(text.replace(old, new, 1))
    told = auditor(exported)
    assert (told.returncode, shows in told.stderr) == (1, True)
