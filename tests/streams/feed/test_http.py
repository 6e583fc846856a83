import gzip
import json
from typing import Any

import httpx
import pytest
import zstandard

from streams.contracts.refusal import Refusal
from streams.producer import Producer
from tests.streams.feed.conftest import KEY, Ends, Row, client_of, feed_app

NDJSON = {"Content-Type": "application/x-ndjson"}
CARD_NUMBER = "4111111111111111"


def lines(*rows: dict[str, Any] | bytes) -> bytes:
    return b"\n".join(row if isinstance(row, bytes) else json.dumps(row).encode() for row in rows)


async def post(feed: httpx.AsyncClient, body: bytes, **headers: str) -> httpx.Response:
    return await feed.post("/v1/transactions", content=body, headers={**NDJSON, **headers})


def results(response: httpx.Response) -> list[str]:
    return [each["result"] for each in response.json()["results"]]


async def test_an_array_is_acknowledged_row_by_row_and_lies_in_the_topic_under_its_cards(
    feed: httpx.AsyncClient, sent: Ends, row: Row
) -> None:
    response = await feed.post("/v1/transactions", json=[row(1), row(2)])

    assert response.status_code == 202
    assert response.json()["results"] == [
        {"row": 0, "result": "accepted", "transaction_id": "t-1"},
        {"row": 1, "result": "accepted", "transaction_id": "t-2"},
    ]
    assert sorted((key, json.loads(value)) for key, value in sent.messages()) == [
        ("card-1", row(1)),
        ("card-2", row(2)),
    ]


async def test_ndjson_goes_on_as_the_bytes_that_it_came_in(feed: httpx.AsyncClient, sent: Ends, row: Row) -> None:
    raw = json.dumps(row(1, new_field={"kept": "é"}), ensure_ascii=False).encode()

    assert (await post(feed, b"\r\n" + raw + b"\r\n\n")).status_code == 202

    assert sent.messages() == [("card-1", raw)]


@pytest.mark.parametrize(("name", "pack"), [("gzip", gzip.compress), ("zstd", zstandard.compress)])
async def test_a_packed_batch_is_unpacked(feed: httpx.AsyncClient, sent: Ends, row: Row, name: str, pack: Any) -> None:
    response = await post(feed, pack(lines(*(row(number) for number in range(50)))), **{"Content-Encoding": name})

    assert response.status_code == 202
    assert len(sent.messages()) == 50


BROKEN = {
    "cut off": (b'{"transaction_id":"t-9","card_id":"card-9","occ', "not_json"),
    "a missing field": (b'{"transaction_id":"t-9","card_id":"card-9"}', "missing_field"),
    "rubbish": (b"\x00\xff\xfe\x80rubbish", "not_json"),
    "not an object": (b"[1,2]", "not_an_object"),
}


@pytest.mark.parametrize(("broken", "reason"), BROKEN.values(), ids=BROKEN)
async def test_the_good_rows_around_a_broken_one_go_on(
    feed: httpx.AsyncClient, sent: Ends, row: Row, broken: bytes, reason: str
) -> None:
    response = await post(feed, lines(row(1), broken, row(2)))

    assert response.status_code == 202
    assert results(response) == ["accepted", "refused", "accepted"]
    assert response.json()["results"][1]["reason"] == reason
    assert {each["transaction_id"] for each in sent.values()} == {"t-1", "t-2"}


@pytest.mark.parametrize(("broken", "reason"), BROKEN.values(), ids=BROKEN)
async def test_a_broken_row_is_set_aside_with_its_reason_its_origin_and_its_bytes(
    feed: httpx.AsyncClient, refused: Ends, row: Row, broken: bytes, reason: str
) -> None:
    await post(feed, lines(row(1), broken, row(2)), **{"X-Request-ID": "request-7"})

    ((key, value),) = refused.messages()
    refusal = Refusal.model_validate_json(value)
    assert key is None
    assert refusal.reason == reason
    assert (refusal.origin.kind, refusal.origin.name, refusal.origin.row) == ("http", "request-7", 1)
    assert refusal.original.encode(refusal.encoding) == broken


@pytest.mark.parametrize("when", ["yesterday", "2026-03-14T10:00:00", "2026-13-14T10:00:00Z", 1773482400])
async def test_a_bad_time_is_refused(feed: httpx.AsyncClient, sent: Ends, row: Row, when: Any) -> None:
    response = await post(feed, lines(row(1), row(2, occurred_at=when)))

    assert results(response) == ["accepted", "refused"]
    assert "occurred_at" in response.json()["results"][1]["detail"]
    assert "2026-03-14T10:00:00+07:00" in response.json()["results"][1]["detail"]
    assert len(sent.messages()) == 1


async def test_a_card_number_is_refused_and_stands_nowhere(
    feed: httpx.AsyncClient, sent: Ends, refused: Ends, row: Row
) -> None:
    response = await post(feed, lines(row(1), row(2, card_id=CARD_NUMBER)))

    assert results(response) == ["accepted", "refused"]
    assert response.json()["results"][1]["reason"] == "card_number"
    ((key, value),) = refused.messages()
    assert CARD_NUMBER not in f"{key} {value.decode()} {response.text}"
    assert b"1111" in value
    assert len(sent.messages()) == 1


async def test_a_megabyte_of_rubbish_is_one_refused_row(
    feed: httpx.AsyncClient, sent: Ends, refused: Ends, row: Row
) -> None:
    rubbish = bytes(byte for byte in range(256) if byte != ord("\n")) * 4112

    response = await post(feed, lines(row(1), rubbish, row(2)))

    assert response.status_code == 202
    assert results(response) == ["accepted", "refused", "accepted"]
    refusal = Refusal.model_validate_json(refused.messages()[0][1])
    assert (refusal.reason, refusal.length_bytes) == ("too_long", len(rubbish))
    assert rubbish.startswith(refusal.original.encode(refusal.encoding))
    assert len(sent.messages()) == 2


@pytest.mark.parametrize("rubbish", [b"\xfe" * 1_000_000, b"[" * 1_000_000, b'"' * 1_000_000, b"4" * 1_000_000])
async def test_a_body_that_is_all_rubbish_has_no_good_row(feed: httpx.AsyncClient, sent: Ends, rubbish: bytes) -> None:
    response = await post(feed, rubbish, **{"Content-Type": "application/json"})

    assert response.status_code == 422
    assert set(results(response)) == {"refused"}
    assert sent.messages() == []


@pytest.mark.parametrize(
    ("body", "media"), [(b"", "application/x-ndjson"), (b"[]", "application/json"), (b" ", "application/json")]
)
async def test_an_empty_batch_is_told_that_it_is_empty(feed: httpx.AsyncClient, body: bytes, media: str) -> None:
    response = await post(feed, body, **{"Content-Type": media})

    assert response.status_code == 422
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.json()["detail"] == "the batch has no rows"


@pytest.mark.parametrize("media", ["application/json", "application/x-ndjson"])
async def test_5000_rows_are_a_batch_and_5001_are_not(
    feed: httpx.AsyncClient, sent: Ends, row: Row, media: str
) -> None:
    rows = [row(number) for number in range(5001)]

    def body(count: int) -> bytes:
        return json.dumps(rows[:count]).encode() if media == "application/json" else lines(*rows[:count])

    too_many = await post(feed, body(5001), **{"Content-Type": media})
    assert too_many.status_code == 413
    assert sent.messages() == []

    assert (await post(feed, body(5000), **{"Content-Type": media})).status_code == 202
    assert len(sent.messages()) == 5000


async def test_an_array_that_is_cut_off_gives_its_whole_rows_and_one_refusal(
    feed: httpx.AsyncClient, sent: Ends, row: Row
) -> None:
    body = json.dumps([row(1), row(2), row(3)]).encode()[:-20]

    response = await post(feed, body, **{"Content-Type": "application/json"})

    assert response.status_code == 202
    assert results(response) == ["accepted", "accepted", "refused"]
    assert {each["transaction_id"] for each in sent.values()} == {"t-1", "t-2"}


CRAFTED = {
    "two objects in a line": lambda one, two: one + b"," + two,
    "one after the other": lambda one, two: one + two,
    "brackets around": lambda one, two: b"[" + one + b"," + two + b"]",
    "a carriage return between": lambda one, two: one + b"\r" + two,
    "a line separator between": lambda one, two: one + "\u2028".encode() + two,
    "a zero byte between": lambda one, two: one + b"\x00" + two,
    "a record separator before": lambda one, _two: b"\x1e" + one,
}


@pytest.mark.parametrize("craft", CRAFTED.values(), ids=CRAFTED)
async def test_a_row_that_looks_like_the_end_of_one_and_the_start_of_another_is_one_refused_row(
    feed: httpx.AsyncClient, sent: Ends, refused: Ends, row: Row, craft: Any
) -> None:
    crafted = craft(json.dumps(row(8)).encode(), json.dumps(row(9)).encode())

    response = await post(feed, lines(row(1), crafted, row(2)))

    assert results(response) == ["accepted", "refused", "accepted"]
    assert {each["transaction_id"] for each in sent.values()} == {"t-1", "t-2"}
    assert len(refused.messages()) == 1


async def test_the_end_of_a_row_inside_a_string_is_only_a_string(feed: httpx.AsyncClient, sent: Ends, row: Row) -> None:
    crafted = row(1, decline_reason='"},{"transaction_id":"t-second"},\n{"')

    assert (await feed.post("/v1/transactions", json=[crafted])).status_code == 202

    assert sent.values() == [crafted]


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("gzip", gzip.compress(b"\n" * 40_000_000)),
        ("zstd", zstandard.compress(b"\n" * 40_000_000)),
        ("identity", b"\n" * 17_000_000),
    ],
)
async def test_a_batch_that_unpacks_to_too_much_is_too_large(feed: httpx.AsyncClient, name: str, body: bytes) -> None:
    assert (await post(feed, body, **{"Content-Encoding": name})).status_code == 413


@pytest.mark.parametrize(("name", "status"), [("gzip", 400), ("zstd", 400), ("br", 415)])
async def test_a_body_that_is_not_packed_as_it_says_is_refused(feed: httpx.AsyncClient, name: str, status: int) -> None:
    assert (await post(feed, b"plain text", **{"Content-Encoding": name})).status_code == status


async def test_another_content_type_is_refused(feed: httpx.AsyncClient) -> None:
    assert (await post(feed, b"a,b", **{"Content-Type": "text/csv"})).status_code == 415


@pytest.mark.parametrize(
    ("authorization", "status"),
    [("", 401), ("Basic abc", 401), ("Bearer ", 401), ("Bearer wrong", 403), (f"bearer {KEY}", 422)],
)
async def test_only_who_shows_the_key_may_feed(feed: httpx.AsyncClient, authorization: str, status: int) -> None:
    assert (await post(feed, b"", Authorization=authorization)).status_code == status


async def test_where_no_key_is_set_nobody_may_feed(producer: Producer, row: Row) -> None:
    async with client_of(feed_app(producer, feed_key=None), Authorization="Bearer ") as client:
        assert (await post(client, lines(row(1)), Authorization="Bearer x")).status_code == 403


async def test_a_broker_that_is_away_acknowledges_nothing_and_says_when_to_come_again(free_port: int, row: Row) -> None:
    async with (
        Producer(f"127.0.0.1:{free_port}", client_id="test-away", timeout_s=0.5) as producer,
        client_of(feed_app(producer), Authorization=f"Bearer {KEY}") as client,
    ):
        response = await post(client, lines(row(1), b"broken"))

    assert response.status_code == 503
    assert int(response.headers["Retry-After"]) > 0
    assert results(response) == ["unacknowledged", "unacknowledged"]


async def test_what_the_feed_accepts_the_same_batch_again_accepts_again(
    feed: httpx.AsyncClient, sent: Ends, row: Row
) -> None:
    body = lines(row(1), row(2))

    assert [(await post(feed, body)).status_code for _ in range(2)] == [202, 202]
    assert len(sent.messages()) == 4
