"""Finding the case of whoever is on the phone: by the code that they read out, or the number that they ring from."""

import re

import phonenumbers

from outreach.cases.cases_view import CaseRow, by_code, of_customer
from outreach.customers.numbers import e164
from outreach.desk.desk import Desk

_NUMBER = re.compile(r"[+0-9 ()./-]*[0-9][+0-9 ()./-]*\Z")
_FEWEST_DIGITS = 7
"""A case code is shorter; a telephone number, its country code aside, is seldom."""


def is_number(wanted: str) -> bool:
    """Whether this is meant as a telephone number."""
    return bool(_NUMBER.match(wanted)) and sum(each.isdigit() for each in wanted) >= _FEWEST_DIGITS


async def cases_of(desk: Desk, wanted: str) -> list[CaseRow]:
    """The cases with the code, the newest first; or of whoever has the number on file, the open one before the others.

    A number may be spelt as in the bank's own country. It is compared as a keyed hash, and kept nowhere.
    """
    if not is_number(wanted):
        async with desk.history.transaction() as conn:
            return await by_code(conn, wanted.upper())
    number = e164(wanted, region=_region(desk.settings.bank_phone))
    customers = await desk.customers.with_phone(number) if number else []
    async with desk.history.transaction() as conn:
        found = [case for each in customers for case in await of_customer(conn, each)]
    return sorted(found, key=lambda case: (bool(case.resolution), -case.opened_at.timestamp()))


def the_one(found: list[CaseRow]) -> CaseRow | None:
    """The case to open at once: the only one, or the only one that is open; None where one has to choose."""
    still_open = [case for case in found if not case.resolution]
    for few in (found, still_open):
        if len(few) == 1:
            return few[0]
    return None


def _region(bank_phone: str) -> str | None:
    try:
        return phonenumbers.region_code_for_number(phonenumbers.parse(bank_phone))
    except phonenumbers.NumberParseException:
        return None
