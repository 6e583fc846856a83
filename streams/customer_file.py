"""Customers from a file: one a row, read as the topic `customers` is, with telephone numbers in any spelling.

NDJSON holds the contract's objects. CSV holds ``customer_id,name,phone,email,language,home_zone,jurisdiction,consents,
cards``, a row a line; consents and cards are set apart by blanks, a card is ``card_id`` or ``card_id:last_four``.

A file is a state, not a course of events: two rows that contradict each other, on a customer or on whose a card is, are
told apart from a card that moves, and the later one is refused.
"""

import csv
import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from pydantic import ValidationError

from outreach.customers.numbers import e164
from outreach.customers.service import CustomerMessage
from rules.card_number import looks_like_card_number
from streams.contracts.customer import CustomerMessage as Contract
from streams.errors import StreamsError

COLUMNS: Final = (
    "customer_id",
    "name",
    "phone",
    "email",
    "language",
    "home_zone",
    "jurisdiction",
    "consents",
    "cards",
)
NEEDED: Final = ("customer_id", "name")

_BOM: Final = b"\xef\xbb\xbf"
_UTF_16: Final = (b"\xff\xfe", b"\xfe\xff")


class UnreadableFileError(StreamsError):
    """The file is neither NDJSON nor CSV, or its columns are not the ones that are known. Nothing of it was read."""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One row: a customer, or what is wrong with it. ``problem`` names the field, and says nothing that is personal.

    Attributes:
        line: where in the file, from 1.
    """

    line: int
    customer: CustomerMessage | None = None
    problem: str = ""


def rows(file: Path, *, allow_card_numbers: bool = False) -> Iterator[Row]:
    """The file's rows, in order.

    Raises:
        UnreadableFileError: this is no file of customers.
        OSError: it cannot be read.
    """
    before = _Before()
    for line, read in _of_csv(file) if file.suffix.lower() == ".csv" else _of_ndjson(file):
        try:
            customer = customer_of(read(), allow_card_numbers=allow_card_numbers)
            before.refuse_contradiction(customer, line)
            yield Row(line=line, customer=customer)
        except (ValueError, RecursionError) as error:
            yield Row(line=line, problem=str(error) if isinstance(error, ValueError) else "row: nested too deep")


def customer_of(value: object, *, allow_card_numbers: bool = False) -> CustomerMessage:
    """The customer that a row describes.

    Raises:
        ValueError: it breaks the contract; the message names the field.
    """
    if not isinstance(value, dict):
        raise ValueError("row: no object")  # noqa: TRY004 - one kind of error for whatever is wrong with a row
    said = dict(value)
    region = str(said.get("jurisdiction") or "US")
    if spelled := str(said.get("phone") or "").strip():
        said["phone"] = e164(spelled, region=region)
        if said["phone"] is None:
            raise ValueError("phone: no telephone number")
    home_zone = said.get("home_zone", "UTC")
    try:
        ZoneInfo(str(home_zone))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("home_zone: no time zone of that name") from None
    try:
        Contract.model_validate_json(json.dumps(said))
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        raise ValueError(f"{'.'.join(str(part) for part in first['loc']) or 'row'}: {first['msg']}") from None
    customer = msgspec.convert(said, CustomerMessage)
    if not allow_card_numbers and (field := card_number_in(customer)):
        raise ValueError(f"{field}: looks like a card number; a token is wanted")
    return customer


def card_number_in(customer: CustomerMessage) -> str:
    """The field that is kept in the clear and holds what looks like a card number; empty where none does."""
    kept = {"customer_id": customer.customer_id}
    kept |= {f"cards.{number}.card_id": card.card_id for number, card in enumerate(customer.cards)}
    return next((field for field, value in kept.items() if looks_like_card_number(value)), "")


class _Before:
    """What the rows before said: of whom, and of which cards."""

    def __init__(self) -> None:
        self._customers: dict[str, tuple[int, int]] = {}
        self._cards: dict[str, tuple[str, int]] = {}

    def refuse_contradiction(self, customer: CustomerMessage, line: int) -> None:
        """Remembers the row.

        Raises:
            ValueError: it contradicts one before.
        """
        said = hash(msgspec.msgpack.encode(customer))
        first, same = self._customers.get(customer.customer_id, (line, said))
        if same != said:
            raise ValueError(f"customer_id: line {first} says otherwise of the same customer")
        fours: dict[str, str] = {}
        for number, card in enumerate(customer.cards):
            owner, where = self._cards.get(card.card_id, (customer.customer_id, line))
            if owner != customer.customer_id:
                raise ValueError(f"cards.{number}.card_id: the card is another customer's in line {where}")
            if fours.setdefault(card.card_id, card.last_four) != card.last_four:
                raise ValueError(f"cards.{number}.last_four: the same card has other digits in this row")
        self._customers.setdefault(customer.customer_id, (line, said))
        for card in customer.cards:
            self._cards.setdefault(card.card_id, (customer.customer_id, line))


_Read = Callable[[], object]


def _lines(file: Path) -> Iterator[tuple[int, bytes]]:
    """The lines that are not blank, without a byte order mark."""
    with file.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if number == 1 and line.startswith(_UTF_16):
                raise UnreadableFileError(f"{file}: it is UTF-16; save it as UTF-8")
            bare = line.removeprefix(_BOM) if number == 1 else line
            if bare.strip():
                yield number, bare


def _of_ndjson(file: Path) -> Iterator[tuple[int, _Read]]:
    first = True
    for number, line in _lines(file):
        if first:
            _refuse_other_shapes(file, line)
            first = False
        yield number, partial(_object, line)
    if first:
        raise UnreadableFileError(f"{file}: it is empty")


def _refuse_other_shapes(file: Path, first: bytes) -> None:
    if first.lstrip().startswith(b"["):
        raise UnreadableFileError(f"{file}: it is one JSON array; a line an object is wanted")
    if set(NEEDED) <= {name.strip() for name in first.decode(errors="replace").replace(";", ",").split(",")}:
        raise UnreadableFileError(f"{file}: it is a table; name it .csv")


def _object(line: bytes) -> object:
    try:
        return json.loads(line, parse_constant=_no_number, object_pairs_hook=_once)
    except UnicodeDecodeError as error:
        raise ValueError(f"row: not UTF-8, at byte {error.start + 1}") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"row: no JSON: {error.msg}, at character {error.pos + 1}") from None


def _no_number(name: str) -> object:
    raise ValueError(f"row: {name} is no JSON")


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    said = dict(pairs)
    if len(said) != len(pairs):
        twice = next(name for number, (name, _) in enumerate(pairs) if name in dict(pairs[:number]))
        raise ValueError(f"{twice if twice in COLUMNS else 'row'}: stands twice in the object")
    return said


def _of_csv(file: Path) -> Iterator[tuple[int, _Read]]:
    lines = _lines(file)
    header = next(lines, None)
    if header is None:
        raise UnreadableFileError(f"{file}: it is empty; a first line with the columns' names is wanted")
    if header[1].lstrip().startswith(b"{"):
        raise UnreadableFileError(f"{file}: it holds JSON; name it .ndjson")
    try:
        columns = [name.strip() for name in _cells(header[1])]
    except ValueError as error:
        raise UnreadableFileError(f"{file}: the columns' names cannot be read: {error}") from None
    _check(file, columns)
    for number, line in lines:
        yield number, partial(_from_columns, columns, line)


def _check(file: Path, columns: list[str]) -> None:
    if len(columns) == 1 and any(other in columns[0] for other in ";\t|"):
        raise UnreadableFileError(f"{file}: its columns are not set apart by commas")
    if unknown := sorted(set(columns) - set(COLUMNS)):
        raise UnreadableFileError(f"{file}: columns that are not known: {', '.join(unknown)}")
    if missing := [name for name in NEEDED if name not in columns]:
        raise UnreadableFileError(f"{file}: columns that are missing: {', '.join(missing)}")
    if twice := sorted({name for name in columns if columns.count(name) > 1}):
        raise UnreadableFileError(f"{file}: columns that stand twice: {', '.join(twice)}")


def _cells(line: bytes) -> list[str]:
    """The cells of one line: no cell goes over its end, so that a quote left open costs one line and no more."""
    try:
        return next(csv.reader([line.decode().rstrip("\r\n")], strict=True))
    except UnicodeDecodeError as error:
        raise ValueError(f"row: not UTF-8, at byte {error.start + 1}") from None
    except csv.Error as error:
        raise ValueError(f"row: {error}") from None


def _from_columns(columns: list[str], line: bytes) -> dict[str, Any]:
    cells = _cells(line)
    if len(cells) > len(columns):
        raise ValueError(f"row: {len(cells)} cells under {len(columns)} columns")
    said: dict[str, Any] = {
        name: cell.strip() for name, cell in zip(columns, cells, strict=False) if cell and cell.strip()
    }
    said["consents"] = said.get("consents", "").split()
    cards = [card.partition(":") for card in said.get("cards", "").split()]
    said["cards"] = [{"card_id": card_id, "last_four": last_four} for card_id, _, last_four in cards]
    return said
