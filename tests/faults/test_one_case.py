"""Sixteen workers and a thousand alerts of a hundred customers, in every interleaving that a seed can make."""

import os
import random
import secrets

import pytest

from infra.clock import utc_now
from infra.history.store import History
from infra.history.verify import verify
from tests.outreach.cases.racing import race

pytestmark = [pytest.mark.faults, pytest.mark.timeout(900)]

KEY = secrets.token_bytes(32)


@pytest.mark.parametrize("round_", range(3))
async def test_a_hundred_customers_have_a_hundred_cases_and_each_alert_is_in_one(
    postgres_url: str, round_: int
) -> None:
    seed = int(os.environ.get("RINGBACK_FAULT_SEED") or random.SystemRandom().randrange(10**9)) + round_
    async with await History.open(postgres_url, master_key=KEY, clock=utc_now) as history:
        await race(history, KEY, seed=seed, customers=100, alerts=1000, workers=16)
        assert (await verify(history)).intact
