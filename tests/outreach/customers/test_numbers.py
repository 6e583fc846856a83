"""Telephone numbers: one spelling, and a hash that only the key makes."""

import pytest

from outreach.customers.numbers import e164, lookup_key, phone_hash


@pytest.mark.parametrize("spelling", ["+1 (415) 555-2671", "+14155552671", "+1.415.555.2671"])
def test_every_spelling_is_one_number(spelling: str) -> None:
    assert e164(spelling) == "+14155552671"


def test_a_national_spelling_is_read_in_its_country() -> None:
    assert e164("(415) 555-2671", region="US") == "+14155552671"


@pytest.mark.parametrize("text", ["", "call me", "+1", "+999999999999999999"])
def test_what_is_no_number_is_none(text: str) -> None:
    assert e164(text) is None


def test_the_hash_needs_the_key() -> None:
    one, other = lookup_key(b"a" * 32), lookup_key(b"b" * 32)
    assert phone_hash(one, "+14155552671") == phone_hash(one, "+14155552671")
    assert phone_hash(one, "+14155552671") != phone_hash(other, "+14155552671")
