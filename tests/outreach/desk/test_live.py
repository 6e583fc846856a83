import asyncio
import json
from typing import Any

import httpx
import pytest

from infra.history.store import Head
from outreach.desk import live
from outreach.desk.desk import Desk
from tests.outreach.desk.conftest import read_models, sign_in
from tests.outreach.desk.story import NAME, Story


async def first_event(desk: Desk, after: int | None) -> tuple[int, dict[str, Any], str]:
    """The id and the data of the first event of a stream."""
    async with asyncio.timeout(10):
        async for chunk in desk.live.events(after):
            lines = dict(line.partition(": ")[::2] for line in chunk.decode().strip().splitlines())
            if "data" in lines:
                return int(lines["id"]), json.loads(lines["data"]), chunk.decode()
    raise AssertionError("the stream ended")


async def test_the_first_event_says_how_things_stand(desk: Desk, story: Story) -> None:
    await story.sokha()
    await read_models(desk.history)
    position, data, _ = await first_event(desk, None)
    assert position == (await desk.history.head()).position
    assert (data["waiting"], data["taken"], data["cases"]) == (1, 0, {})


async def test_whoever_comes_back_is_told_which_cases_moved_since(desk: Desk, story: Story) -> None:
    await story.others()
    before = (await desk.history.head()).position
    case_id = await story.sokha()
    await read_models(desk.history)
    _, data, _ = await first_event(desk, before)
    assert list(data["cases"]) == [case_id]


async def test_the_stream_carries_ids_and_counts_and_nothing_personal(desk: Desk, story: Story) -> None:
    await story.sokha()
    await read_models(desk.history)
    _, data, text = await first_event(desk, 0)
    assert NAME not in text
    assert set(data) == {*("position", "queue_position", "queue", "waiting", "taken", "front", "cases", "all", "away")}


async def test_news_come_while_one_listens(desk: Desk, story: Story) -> None:
    heard: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    async def listen() -> None:
        async for chunk in desk.live.events(None):
            if b"data: " in chunk:
                heard.put_nowait(json.loads(chunk.decode().partition("data: ")[2]))

    listening = asyncio.create_task(listen())
    async with asyncio.timeout(20):
        await heard.get()
        case_id = await story.sokha()
        moved: dict[str, int] = {}
        while case_id not in moved:
            moved |= (await heard.get())["cases"]
        desk.close()
        await listening


async def test_a_history_that_hangs_is_told_as_away_until_it_answers(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "ANSWER_WITHIN_S", 0.1)
    answers, opened = asyncio.Event(), desk.history.head

    async def hangs() -> Head:
        await answers.wait()
        return await opened()

    told: list[bool] = []
    async with asyncio.timeout(20):
        async for chunk in desk.live.events(None):
            if b"data: " in chunk:
                told.append(json.loads(chunk.decode().partition("data: ")[2])["away"])
                if told == [False]:
                    monkeypatch.setattr(desk.history, "head", hangs)
                elif told == [False, True]:
                    answers.set()
                else:
                    break
    assert told == [False, True, False]


async def test_every_stream_ends_at_once_when_the_desk_closes(desk: Desk) -> None:
    async def listen() -> int:
        return len([chunk async for chunk in desk.live.events(None)])

    listening = [asyncio.create_task(listen()) for _ in range(3)]
    await first_event(desk, None)
    desk.close()
    async with asyncio.timeout(2):
        assert all(await asyncio.gather(*listening))


async def test_the_stream_is_for_operators_only(anybody: httpx.AsyncClient) -> None:
    assert (await anybody.get("/desk/events")).status_code == 303


async def test_the_stream_is_served_as_what_it_is(address: str, desk: Desk) -> None:
    async with httpx.AsyncClient(base_url=address, trust_env=False) as client:
        await sign_in(client, "dara")
        async with client.stream("GET", "/desk/events", headers={"last-event-id": "0"}) as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            lines = answer.aiter_lines()
            async with asyncio.timeout(10):
                while not (await anext(lines)).startswith("id: "):
                    pass
            desk.close()
            async with asyncio.timeout(5):
                async for _ in lines:
                    pass
