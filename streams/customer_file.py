"""Customers from a file: one a row, read as the topic `customers` is, with telephone numbers in any spelling.

NDJSON holds the contract's objects. CSV holds ``customer_id,name,phone,email,language,home_zone,jurisdiction,consents,
cards``; consents and cards are set apart by blanks, a card is ``card_id`` or ``card_id:last_four``.
"""

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from pydantic import ValidationError

from outreach.customers.numbers import e164
from outreach.customers.service import CustomerMessage
from streams.contracts.customer import CustomerMessage as Contract
from streams.errors import StreamsError

COLUMNS: Final = frozenset(
    {"customer_id", "name", "phone", "email", "language", "home_zone", "jurisdiction", "consents", "cards"}
)


class UnreadableFileError(StreamsError):
    """The file is neither NDJSON nor CSV, or its columns are not the ones that are known."""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One row: a customer, or what is wrong with it. ``problem`` says nothing that is personal.

    Attributes:
        line: where in the file, from 1.
    """

    line: int
    customer: CustomerMessage | None = None
    problem: str = ""


def rows(file: Path) -> Iterator[Row]:
    """The file's rows, in order.

    Raises:
        UnreadableFileError: this is no file of customers.
        OSError: it cannot be read.
    """
    said = _of_csv(file) if file.suffix.lower() == ".csv" else _of_ndjson(file)
    for line, value in said:
        try:
            yield Row(line=line, customer=customer_of(value))
        except ValueError as error:
            yield Row(line=line, problem=str(error))


def customer_of(value: object) -> CustomerMessage:
    """The customer that a row describes.

    Raises:
        ValueError: it breaks the contract; the message names the field.
    """
    if not isinstance(value, dict):
        raise ValueError("no object")  # noqa: TRY004 - one kind of error for whatever is wrong with a row
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
    return msgspec.convert(said, CustomerMessage)


def _of_ndjson(file: Path) -> Iterator[tuple[int, object]]:
    with file.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                try:
                    yield number, json.loads(line)
                except ValueError:
                    yield number, None


def _of_csv(file: Path) -> Iterator[tuple[int, object]]:
    with file.open(newline="", encoding="utf-8-sig") as text:
        reader = csv.DictReader(text, strict=True)
        unknown = {str(name) for name in reader.fieldnames or [""]} - COLUMNS
        if unknown:
            raise UnreadableFileError(f"{file}: columns that are not known: {', '.join(sorted(unknown))}")
        for row in reader:
            yield reader.line_num, None if None in row else _from_columns(row)


def _from_columns(row: dict[str, str]) -> dict[str, Any]:
    said: dict[str, Any] = {name: value.strip() for name, value in row.items() if value and value.strip()}
    said["consents"] = said.get("consents", "").split()
    cards = [card.partition(":") for card in said.get("cards", "").split()]
    said["cards"] = [{"card_id": card_id, "last_four": last_four} for card_id, _, last_four in cards]
    return said
