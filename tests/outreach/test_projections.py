"""Every read model, derived again: the same rows in every table, of erased customers too."""

import inspect
import re
import sys
from collections.abc import AsyncIterator
from typing import Any

import pytest
from psycopg import sql

from infra.history.building import rebuild
from infra.history.projection import catch_up
from infra.history.read_model import Projection
from infra.history.store import History
from outreach.cases.commands import DenyPayments, TakeTask, VerifyCaller
from outreach.cases.service import Cases
from outreach.customers.service import Customers
from outreach.erasure import Erasure
from outreach.projections import projections
from tests.outreach.desk.story import Story, some_time_ago
from tests.ticking import Ticking

KEY = bytes(range(32))
DERIVED = projections(KEY)
NAMES = [projection.name for projection in DERIVED]


@pytest.fixture
def clock() -> Ticking:
    return some_time_ago(600)


@pytest.fixture
async def history(postgres_url: str, clock: Ticking) -> AsyncIterator[History]:
    async with await History.open(postgres_url, master_key=KEY, clock=clock) as opened:
        yield opened


async def tables(history: History) -> dict[str, list[Any]]:
    """Every row of every table of the schema, as it is written; the checkpoints left out."""
    found: dict[str, list[Any]] = {}
    async with history.pool.connection() as conn:
        cursor = await conn.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = 'views'::regnamespace AND relkind = 'r'"
        )
        for (name,) in await cursor.fetchall():
            if name != "checkpoints":
                query = sql.SQL("SELECT t::text FROM {} t ORDER BY 1").format(sql.Identifier("views", name))
                found[name] = await (await conn.execute(query)).fetchall()
    return found


@pytest.mark.parametrize("projection", DERIVED, ids=NAMES)
def test_what_makes_and_changes_rows_names_no_schema(projection: Projection) -> None:
    changing = r"(?i)\b(into|update|table|delete from|index \w+ on)\s+views\."
    assert not re.search(changing, inspect.getsource(sys.modules[type(projection).__module__]))


async def test_a_rebuild_of_each_gives_the_same_rows_in_every_table(history: History, clock: Ticking) -> None:
    derived = projections(history.lookup_key)
    story = Story(Cases(history, clock), Customers(history, clock, master_key=history.lookup_key), clock)
    case_id = await story.sokha(more_suspects=2)
    await story.rings(case_id)
    await catch_up(history, derived)  # as live rows do, these come before what is erased later
    others = await story.others()
    for command in (
        TakeTask(operator="dara"),
        VerifyCaller(operator="dara", method="case_code"),
        DenyPayments(transactions=["tx-louvre"], by="operator", operator="dara"),
    ):
        await story.does(case_id, command, "operator:dara")
    await story.card_system_answers(case_id)
    state, _ = await story.cases.load(others[1])
    contact_id = next(iter(state.contacts))
    await story.does(others[1], story.sms(contact_id, state.case_code), "system:contact")
    await catch_up(history, derived)
    erasure = Erasure(history, story.cases, clock)
    for customer_id in ("customer-sokha", "customer-2"):
        plan = await erasure.plan(customer_id)
        await erasure.carry_out(plan, reason="request 17", actor="operator:mina", closing=True)
    await story.does(others[0], TakeTask(operator="mina"), "operator:mina")
    await catch_up(history, derived)
    before = await tables(history)
    assert set(before) == {table for projection in derived for table in projection.tables}
    assert all(before.values()), f"nothing to compare in {[name for name, rows in before.items() if not rows]}"
    for projection in derived:
        await rebuild(history, projection)
    assert await tables(history) == before
