"""Seals in a file: a line of JSON each, added and never changed. Copy it to where the database's owner cannot write."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

from infra.history.errors import HistoryError
from infra.history.seals import HistorySealed

_TAIL_BYTES: Final = 65_536
"""Many times a line."""


class UnreadableSeals(HistoryError):
    """A line of the file is no seal; the message names it."""


def read_seals(path: Path) -> list[HistorySealed]:
    """The seals of the file, in its order; none where there is no file. A last line that was not finished is left out.

    Raises:
        UnreadableSeals: another line is no seal.
        OSError: the file cannot be read.
    """
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return []
    seals = []
    for number, line in enumerate(lines[:-1], 1):
        if line.strip():
            try:
                seals.append(seal_of(line))
            except msgspec.DecodeError as error:
                raise UnreadableSeals(f"line {number} of {path} is no seal: {error}") from error
    return seals


def last_seal(path: Path) -> HistorySealed | None:
    """The last seal of the file; None where there is none. Takes as long after ten years as on the first day.

    Raises:
        UnreadableSeals: the last line that was finished is no seal.
        OSError: the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            lines = _tail(file).split(b"\n")[:-1]
    except FileNotFoundError:
        return None
    last = next((line for line in reversed(lines) if line.strip()), None)
    try:
        return None if last is None else seal_of(last)
    except msgspec.DecodeError as error:
        raise UnreadableSeals(f"the last line of {path} is no seal: {error}") from error


def append_seals(path: Path, seals: Sequence[HistorySealed]) -> None:
    """Adds lines, and is on the disk when it returns; a last line that was not finished is taken off first.

    Raises:
        OSError: the file cannot be written.
    """
    if not seals:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o644), "r+b") as file:
        tail = _tail(file)
        file.seek(tail.rfind(b"\n") + 1 - len(tail), os.SEEK_END)
        file.truncate()
        file.write(b"".join(line_of(seal) + b"\n" for seal in seals))
        file.flush()
        os.fsync(file.fileno())


def _tail(file: BinaryIO) -> bytes:
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - _TAIL_BYTES))
    return file.read()


def line_of(seal: HistorySealed) -> bytes:
    """A seal as it is published, in the file and on the topic."""
    return msgspec.json.encode(seal)


def seal_of(line: bytes) -> HistorySealed:
    """A seal from its published form.

    Raises:
        msgspec.DecodeError: it is none.
    """
    return msgspec.json.decode(line, type=HistorySealed)
