"""A million events: every way of reading still goes by its index and looks at no more than it gives."""

import pytest

from infra.history.store import History
from tests.infra.history.conftest import Make, note
from tests.infra.history.test_reading import assert_by_index

__all__ = ["note"]

pytestmark = pytest.mark.faults


@pytest.mark.timeout(900)
async def test_each_way_of_reading_a_million_events_goes_by_an_index(history: History, note: Make) -> None:
    await assert_by_index(history, note, events=1_000_000, range_size=50_000)
