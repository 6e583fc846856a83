"""Customers from a file: what is read, and what is said of a row that cannot be."""

import json
from pathlib import Path

import pytest

from outreach.customers.decide import CardRef
from streams.customer_file import UnreadableFileError, customer_of, rows


def test_a_number_is_read_in_any_spelling_of_its_country() -> None:
    said = {"customer_id": "c-1", "name": "Sokha", "phone": "(415) 555-2671"}
    assert customer_of(said).phone == "+14155552671"
    assert customer_of({**said, "phone": "030 901820", "jurisdiction": "DE"}).phone == "+4930901820"


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"phone": "call me"}, "phone: no telephone number"),
        ({"home_zone": "Mars/Olympus"}, "home_zone: no time zone of that name"),
        ({"name": ""}, "name: "),
        ({"cards": [{"card_id": "k", "last_four": "12"}]}, "cards.0.last_four: "),
        ({"consents": ["fax"]}, "consents.0: "),
        ({"language": "klingon"}, "language: "),
        ({"customer_id": "c\0"}, "customer_id: "),
        ({"cards": [{"card_id": "4111111111111111"}]}, "cards.0.card_id: looks like a card number"),
        ({"name": "\ud800"}, "row: "),
    ],
)
def test_what_is_wrong_with_a_row_is_named_by_its_field(changes: dict[str, object], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        customer_of({"customer_id": "c-1", "name": "Sokha", **changes})


def test_a_bad_line_is_named_and_stops_nothing(tmp_path: Path) -> None:
    file = tmp_path / "customers.ndjson"
    good = json.dumps({"customer_id": "c-1", "name": "Sokha"})
    file.write_text(f"{good}\n\nnot json\n[]\n{good}\n")
    found = list(rows(file))
    assert [(row.line, row.problem) for row in found] == [
        (1, ""),
        (3, "row: no JSON: Expecting value, at character 1"),
        (4, "row: no object"),
        (5, ""),
    ]


def test_a_table_is_read_by_its_columns(tmp_path: Path) -> None:
    file = tmp_path / "customers.csv"
    file.write_text(
        "customer_id,name,phone,consents,cards\n"
        "c-1,Sokha,+1 415 555 2671,sms email,k-1:4821 k-2\nc-2,Ana,,,\nc-3,x,y,z,k,l\n"
    )
    first, second, third = rows(file)
    assert first.customer is not None
    assert first.customer.cards == [CardRef(card_id="k-1", last_four="4821"), CardRef(card_id="k-2")]
    assert (first.customer.phone, first.customer.consents) == ("+14155552671", ["sms", "email"])
    assert second.customer is not None
    assert second.customer.cards == []
    assert third.problem


def test_a_table_of_something_else_is_refused_whole(tmp_path: Path) -> None:
    file = tmp_path / "payments.csv"
    file.write_text("transaction_id,amount\nt-1,3\n")
    with pytest.raises(UnreadableFileError, match="amount, transaction_id"):
        list(rows(file))


HEADER = "customer_id,name,phone,email,language,home_zone,jurisdiction,consents,cards\n"


def problems(tmp_path: Path, name: str, content: bytes) -> list[tuple[int, str]]:
    file = tmp_path / name
    file.write_bytes(content)
    return [(row.line, row.problem) for row in rows(file)]


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("a.csv", b"", "it is empty"),
        ("a.ndjson", b"\n\n", "it is empty"),
        ("a.csv", HEADER.replace(",", ";").encode(), "not set apart by commas"),
        ("a.csv", b"name,phone\nAna,\n", "missing: customer_id"),
        ("a.csv", b"customer_id,name,name\nc,Ana,Bea\n", "stand twice: name"),
        ("a.csv", b'{"customer_id": "c-1", "name": "Ana"}\n', "name it .ndjson"),
        ("a.csv", b'customer_id,"name\n', "cannot be read"),
        ("a.ndjson", (HEADER + "c-1,Ana,,,,,,,\n").encode(), "name it .csv"),
        ("a.json", b'[\n{"customer_id": "c-1", "name": "Ana"}\n]\n', "one JSON array"),
        ("a.csv", (HEADER + "c-1,Ana,,,,,,,\n").encode("utf-16"), "save it as UTF-8"),
    ],
)
def test_a_file_of_another_shape_is_refused_whole_and_says_what_to_do(
    tmp_path: Path, name: str, content: bytes, problem: str
) -> None:
    with pytest.raises(UnreadableFileError, match=problem):
        problems(tmp_path, name, content)


def test_a_broken_line_of_a_table_costs_itself_and_no_other(tmp_path: Path) -> None:
    lines = (
        HEADER.encode().replace(b"customer_id", b"\xef\xbb\xbfcustomer_id"),
        b'c-1,"left open,,,,,,,\r\n',
        "c-2,Müller,,,,,,,\r\n".encode("latin-1"),
        b"c-3,Ana,,,,,,,,,\r\n",
        b"c-4\r\n",
        b"c-5,Ana,,,,,,,\r\n",
    )
    assert problems(tmp_path, "a.csv", b"".join(lines)) == [
        (2, "row: unexpected end of data"),
        (3, "row: not UTF-8, at byte 6"),
        (4, "row: 11 cells under 9 columns"),
        (5, "name: Field required"),
        (6, ""),
    ]


def test_a_broken_object_costs_itself_and_no_other(tmp_path: Path) -> None:
    lines = (
        b'\xef\xbb\xbf{"customer_id": "c-1", "name": "Ana"}',
        b'{"customer_id": "c-2", "name": NaN}',
        b'{"customer_id": "c-3", "customer_id": "c-4", "name": "Ana"}',
        b"[" * 100_000,
        '{"customer_id": "c-5", "name": "Müller"}'.encode("latin-1"),
        b'{"customer_id": "c-6", "name": "Ana"}',
    )
    assert problems(tmp_path, "a.ndjson", b"\n".join(lines)) == [
        (1, ""),
        (2, "row: NaN is no JSON"),
        (3, "customer_id: stands twice in the object"),
        (4, "row: nested too deep"),
        (5, "row: not UTF-8, at byte 34"),
        (6, ""),
    ]


def test_of_two_rows_that_contradict_each_other_the_later_is_refused(tmp_path: Path) -> None:
    table = (
        HEADER
        + "c-1,Ana,,,,,,,k-1:4821\n"
        + "c-2,Bea,,,,,,,k-2 k-1\n"
        + "c-1,Eva,,,,,,,\n"
        + "c-1,Ana,,,,,,,k-1:4821\n"
    )
    assert problems(tmp_path, "a.csv", (table + "c-3,Ida,,,,,,,k-3:1111 k-3:2222\n").encode()) == [
        (2, ""),
        (3, "cards.1.card_id: the card is another customer's in line 2"),
        (4, "customer_id: line 2 says otherwise of the same customer"),
        (5, ""),
        (6, "cards.1.last_four: the same card has other digits in this row"),
    ]
