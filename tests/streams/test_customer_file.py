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
    assert [(row.line, row.problem) for row in found] == [(1, ""), (3, "no object"), (4, "no object"), (5, "")]


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
