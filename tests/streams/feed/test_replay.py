"""``ringback feed`` on a real broker."""

import asyncio
import json
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr
from typer.testing import CliRunner

from infra.cli.main import build
from infra.settings import Settings
from streams.contracts.refusal import Refusal
from streams.feed.files import FileRow, read_file
from streams.feed.rows import Bad
from streams.feed.ways import NotTakenError, OverHttp
from streams.producer import Producer
from tests.streams.feed.conftest import KEY, Ends, Row, feed_app


@pytest.fixture
def here(broker: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RINGBACK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("RINGBACK_KAFKA_SERVERS", broker)
    monkeypatch.setenv("RINGBACK_POSTGRES_URL", "postgresql:///unused")
    monkeypatch.setenv("RINGBACK_REDIS_URL", "redis://unused")
    return tmp_path


def feed(*arguments: str) -> tuple[int, str]:
    given = ["feed", *arguments]
    result = CliRunner().invoke(build(given), given, catch_exceptions=False)
    return result.exit_code, result.stdout


def test_a_file_goes_into_the_topic_and_what_is_broken_is_listed_and_set_aside(
    here: Path, sent: Ends, refused: Ends, row: Row
) -> None:
    file = here / "rows.ndjson"
    file.write_text("\n".join([json.dumps(row(1)), "{broken", json.dumps(row(2))]))

    code, out = feed(str(file), "--json")

    outcome = json.loads(out)
    assert code == 1
    assert (outcome["accepted"], outcome["refused"]) == (2, 1)
    assert outcome["refusals"][0]["line"] == 2
    assert {each["transaction_id"] for each in sent.values()} == {"t-1", "t-2"}
    refusal = Refusal.model_validate_json(refused.messages()[0][1])
    assert (refusal.origin.kind, refusal.origin.name, refusal.origin.row) == ("file", "rows.ndjson", 2)


def test_a_good_file_ends_with_zero_and_one_sentence(here: Path, sent: Ends, row: Row) -> None:
    file = here / "rows.ndjson"
    file.write_text("\n".join(json.dumps(row(number)) for number in range(30)))

    code, out = feed(str(file), "--rate", "1000")

    assert code == 0
    assert out.startswith("30 accepted, 0 refused")
    assert len(sent.messages()) == 30


class Answering(httpx.AsyncBaseTransport):
    """The real feed, before which some answers of our own are given first."""

    def __init__(self, app: FastAPI, *first: httpx.Response | httpx.TransportError) -> None:
        self._feed = httpx.ASGITransport(app)
        self._first = list(first)
        self.asked = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.asked += 1
        if not self._first:
            return await self._feed.handle_async_request(request)
        answer = self._first.pop(0)
        if isinstance(answer, httpx.TransportError):
            raise answer
        return answer


class Waits:
    """Notes each wait, and does not wait."""

    def __init__(self) -> None:
        self.said: list[tuple[str, float]] = []

    def note(self, why: str, pause_s: float) -> None:
        self.said.append((why, pause_s))

    async def sleep(self, _: float) -> None:
        await asyncio.sleep(0)


def over_http(transport: Answering, waits: Waits, *, key: str = KEY, patience_s: float = 60) -> OverHttp:
    settings = Settings(feed_key=SecretStr(key), public_url="http://feed.test")
    return OverHttp(
        settings, "rows.ndjson", waiting=waits.note, patience_s=patience_s, transport=transport, sleep=waits.sleep
    )


def read(tmp_path: Path, *lines: str) -> list[FileRow]:
    file = tmp_path / "rows.ndjson"
    file.write_text("\n".join(lines))
    return list(read_file(file))


async def test_over_http_good_rows_are_taken_and_broken_ones_set_aside_by_the_feed(
    producer: Producer, tmp_path: Path, sent: Ends, refused: Ends, row: Row
) -> None:
    control = json.dumps(row(3)).replace("t-3", "t-\r3")  # JSON allows none in a string, but would a space
    rows = read(tmp_path, json.dumps(row(1)), "{broken", json.dumps(row(2, card_id="4111111111111111")), "[1]", control)

    async with over_http(Answering(feed_app(producer)), Waits()) as way:
        back = await way.send(rows)

    assert [(each.line, each.row.reason) for each in back if isinstance(each.row, Bad)] == [
        (2, "not_json"),
        (3, "card_number"),
        (4, "not_an_object"),
        (5, "not_json"),
    ]
    assert [each["transaction_id"] for each in sent.values()] == ["t-1"]
    kept = sorted(refused.values(), key=lambda each: each["origin"]["row"])
    assert {each["origin"]["name"] for each in kept} == {"rows.ndjson.1"}
    assert [kept[at]["original"] for at in (0, 2, 3)] == ["{broken", "[1]", control]
    assert [each["detail"] for each in kept] == [each.row.detail for each in rows if isinstance(each.row, Bad)]
    assert "4111111111111111" not in json.dumps(kept)


async def test_a_batch_that_was_not_taken_is_sent_again_when_the_feed_has_said(
    producer: Producer, tmp_path: Path, sent: Ends, row: Row
) -> None:
    waits = Waits()
    transport = Answering(
        feed_app(producer),
        httpx.Response(503, headers={"Retry-After": "7"}, json={"title": "The broker did not take everything"}),
        httpx.ReadError("reset"),
        httpx.Response(429, headers={"Retry-After": "1"}, json={"title": "Too many requests"}),
    )

    async with over_http(transport, waits) as way:
        assert await way.send(read(tmp_path, json.dumps(row(1)))) == []

    assert [pause_s for _, pause_s in waits.said] == [7, 5, 1]
    assert waits.said[0][0] == "503: The broker did not take everything"
    assert len(sent.messages()) == 1


async def test_a_feed_that_stays_away_is_given_up_and_a_wrong_key_at_once(
    producer: Producer, tmp_path: Path, row: Row
) -> None:
    rows = read(tmp_path, json.dumps(row(1)))
    away = [httpx.Response(503, headers={"Retry-After": "10"}) for _ in range(9)]

    with pytest.raises(NotTakenError, match="send the file again"):
        async with over_http(Answering(feed_app(producer), *away), Waits(), patience_s=25) as way:
            await way.send(rows)
    waits, transport = Waits(), Answering(feed_app(producer))
    with pytest.raises(NotTakenError, match="403: This key does not have the scope feed"):
        async with over_http(transport, waits, key="wrong") as way:
            await way.send(rows)
    with pytest.raises(NotTakenError, match="RINGBACK_PUBLIC_URL"):
        async with over_http(Answering(feed_app(producer), httpx.ConnectError("refused")), waits) as way:
            await way.send(rows)
    assert (transport.asked, waits.said) == (1, [])
