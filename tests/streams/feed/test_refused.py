"""``ringback refused`` on a real broker: listed, shown, sent again."""

import asyncio
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

from infra.cli.main import build, explain
from infra.clock import utc_now
from streams.feed.refused import KEPT_AT_MOST, Origin, Refused, refusal_message
from streams.feed.retry import Mended, mend
from streams.feed.set_aside import folded
from streams.producer import Outgoing, Producer
from streams.topics import CARD_EVENTS, CUSTOMERS, FRAUD_ALERTS, TRANSACTIONS, TRANSACTIONS_REFUSED
from tests.streams.feed.conftest import Ends, Row

NUMBER = "4111111111111111"


@pytest.fixture(autouse=True)
def here(broker: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RINGBACK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("RINGBACK_KAFKA_SERVERS", broker)


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(build(arguments), arguments, catch_exceptions=False)
    return result.exit_code, result.stdout


def lines(out: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.splitlines()]


def refusal(raw: bytes, name: str, reason: str = "not_json", **origin: Any) -> bytes:
    where = msgspec.convert({"kind": "file", "name": name, "row": 1} | origin, Origin)
    return refusal_message(raw, reason=reason, detail="of the test", origin=where, refused_at=utc_now())


def put(broker: str, *values: bytes, key: str | None = None) -> None:
    async def send() -> None:
        async with Producer(broker, client_id="test-refused") as producer:
            for answer in await producer.send_all([Outgoing(TRANSACTIONS_REFUSED, key, value) for value in values]):
                assert not isinstance(answer, Exception), answer

    asyncio.run(send())


def ids(out: str, name: str) -> list[str]:
    return [each["refusal_id"] for each in lines(out) if each["origin"]["name"] == name]


def test_what_was_set_aside_is_listed_once_however_often_it_was_told(broker: str) -> None:
    put(broker, *[refusal(b"{", "twice.ndjson")] * 2)

    code, out = run("refused", "list", "--json", "--last", "1000")

    assert code == 0
    assert len(ids(out, "twice.ndjson")) == 1
    _, table = run("refused", "list", "--reason", "not_json", "--last", "1000")
    assert "twice.ndjson, line 1" in table
    assert "not_json" in table.splitlines()[-1]


def test_one_refusal_is_shown_with_its_bytes_and_without_what_would_steer_the_terminal(broker: str) -> None:
    put(broker, refusal(b'{"note": "\x1b[2J"', "steering.ndjson"))
    name = ids(run("refused", "list", "--json", "--last", "1000")[1], "steering.ndjson")[0]

    code, out = run("refused", "show", name)

    assert code == 0
    assert name in out
    assert "\x1b" not in out
    assert '{"note": "' in out
    assert lines(run("refused", "show", name, "--json")[1])[0]["original"] == '{"note": "\x1b[2J"'


def test_an_id_that_nobody_has_is_an_error_that_says_where_to_look() -> None:
    with pytest.raises(Exception, match="ringback refused list") as raised:
        run("refused", "show", "no-such")
    assert explain(raised.value)


def test_what_can_be_read_now_is_sent_again_and_is_open_no_more(broker: str, sent: Ends, row: Row) -> None:
    raw = json.dumps(row(77)).encode()
    put(broker, refusal(raw, "late.ndjson", "ahead_of_its_time"), refusal(b"{", "broken.ndjson"))
    found = run("refused", "list", "--json", "--last", "1000")[1]
    late, broken = ids(found, "late.ndjson")[0], ids(found, "broken.ndjson")[0]

    code, out = run("refused", "retry", late, broken, "--dry-run", "--json")
    assert {each["refusal_id"]: each["taken"] for each in lines(out)} == {late: True, broken: False}
    assert code == 1
    assert sent.values() == []

    code, out = run("refused", "retry", late[:13], broken)
    assert code == 1
    assert "1 sent to transactions" in out
    assert "refused again" in out
    assert [each["transaction_id"] for each in sent.values()] == ["t-77"]
    still = run("refused", "list", "--json", "--last", "1000")[1]
    assert ids(still, "late.ndjson") == []
    assert ids(still, "broken.ndjson") == [broken]
    assert folded(broker)[late].retried_at is not None

    code, out = run("refused", "retry", late)
    assert (code, out.strip()) == (0, "nothing is open")
    assert sent.values() == []


def test_retrying_wants_to_be_told_what() -> None:
    assert run("refused", "retry")[0] == 2


@pytest.mark.parametrize(
    ("raw", "where", "why"),
    [
        (f'{{"card_id": "{NUMBER}"}}'.encode(), {}, "masked"),
        (b"x" * (KEPT_AT_MOST + 1), {}, "only the beginning"),
        (b"{", {}, "refused again"),
        (b"", {"kind": "topic", "name": CUSTOMERS, "row": None, "partition": 1, "offset": 9}, "partition 1, offset 9"),
    ],
)
def test_what_cannot_go_out_says_why_and_what_to_do(raw: bytes, where: dict[str, Any], why: str) -> None:
    mended = mend(read(refusal(raw, where.pop("name", "rows.ndjson"), **where)), None, allow_card_numbers=False)
    assert isinstance(mended, str)
    assert why in mended


@pytest.mark.parametrize("topic", [FRAUD_ALERTS, CARD_EVENTS, TRANSACTIONS])
def test_a_message_goes_back_to_the_topic_that_it_came_from(topic: str, row: Row) -> None:
    raw = json.dumps(row(3)).encode()
    told = read(refusal(raw, topic, kind="topic", row=None, partition=0, offset=4))

    mended = mend(told, b"card-3", allow_card_numbers=False)

    assert isinstance(mended, Mended)
    assert (mended.message.topic, mended.message.value) == (topic, raw)
    assert mended.message.key in {b"card-3", "card-3"}


def read(value: bytes) -> Refused:
    found: Refused = msgspec.json.decode(value, type=Refused)
    return found
