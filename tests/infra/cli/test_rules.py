"""``ringback rules``, as a fraud manager and a colleague use it."""

import asyncio
import base64
import json
import secrets
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from infra.cli.main import build
from infra.clock import utc_now
from infra.history.store import History
from infra.settings import Settings
from outreach.desk.accounts import Accounts
from rules.ruleset import LIVE
from rules.ruleset_text import as_toml, parsed
from streams.contracts.alert import EXAMPLES
from streams.producer import Outgoing, Producer, Sent
from streams.topics import ensure_topics
from tests.infra.cli.reading import said

Ringback = Callable[..., Result]
PASSWORDS = {"ana": "a long enough one", "ben": "another long one"}
WHY = ("--reason", "fewer commuters")


@pytest.fixture
def ringback(monkeypatch: pytest.MonkeyPatch, postgres_url: str, tmp_path: Path) -> Ringback:
    """The command line; `who` signs with the password of the desk."""
    key = secrets.token_bytes(32)
    monkeypatch.setenv("RINGBACK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("RINGBACK_POSTGRES_URL", postgres_url)
    monkeypatch.setenv("RINGBACK_MASTER_KEY", base64.b64encode(key).decode())

    async def accounts() -> None:
        async with await History.open(postgres_url, master_key=key, clock=utc_now) as history:
            desk = Accounts(history, utc_now)
            await desk.prepare()
            for name, password in PASSWORDS.items():
                await desk.create(name, password, actor="system:test")

    asyncio.run(accounts())

    def run(*arguments: str, who: str = "", password: str = "") -> Result:
        environment = {
            "RINGBACK_OPERATOR": who or None,
            "RINGBACK_OPERATOR_PASSWORD": password or PASSWORDS.get(who),
        }
        return CliRunner().invoke(build(arguments), arguments, env=environment)

    return run


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "next.toml"
    text = as_toml(LIVE).replace('"2026.1"', '"2026.2"').replace("floor_km = 50.0", "floor_km = 80")
    path.write_text(text)
    return path


def states(ringback: Ringback) -> dict[str, str]:
    found = map(json.loads, ringback("rules", "list", "--json").output.splitlines())
    return {each["version"]: each["state"] for each in found}


def test_one_drafts_and_publishes_another_releases(ringback: Ringback, file: Path) -> None:
    assert ringback("rules", "draft", str(file), "--author", "ana", *WHY).output == "2026.2 is a draft\n"
    assert ringback("rules", "shadow", "2026.2", *WHY, who="ana").output == "2026.2 runs in the shadow\n"
    assert "somebody else releases it" in ringback("rules", "publish", "2026.2", *WHY, who="ana").output
    assert "shadow, published by ana" in ringback("rules", "list").output
    assert "ana has published 2026.2" in said(ringback("rules", "release", "2026.2", *WHY, who="ana"))
    released = ringback("rules", "release", "2026.2", *WHY, who="ben")
    assert "2026.2 is live" in released.output
    assert "floor_km" in released.output
    assert "80 km" in released.output
    assert states(ringback) == {"2026.1": "retired", "2026.2": "live"}
    assert "nothing has changed" in ringback("rules", "release", "2026.2", *WHY, who="ben").output


@pytest.mark.parametrize(
    ("who", "password", "why"),
    [("ana", "not her password", "Name or password"), ("mallory", "whatever it is", "Name or password")],
)
def test_nobody_signs_for_another(ringback: Ringback, file: Path, who: str, password: str, why: str) -> None:
    ringback("rules", "draft", str(file), "--as", "ana", *WHY)
    assert why in said(ringback("rules", "publish", "2026.2", *WHY, who=who, password=password))
    assert "set RINGBACK_OPERATOR_PASSWORD" in said(ringback("rules", "publish", "2026.2", "--as", "ana", *WHY))
    assert "say who acts" in said(ringback("rules", "publish", "2026.2", *WHY))
    assert "is no name" in said(ringback("rules", "publish", "2026.2", "--as", "a b", *WHY))
    assert "published" not in ringback("rules", "list").output


def test_the_password_of_one_is_not_tried_for_another(ringback: Ringback, file: Path) -> None:
    ringback("rules", "draft", str(file), "--as", "ana", *WHY)
    assert "ben signs this" in said(ringback("rules", "publish", "2026.2", "--as", "ben", *WHY, who="ana"))


def test_everything_wrong_in_a_file_is_named(ringback: Ringback, tmp_path: Path) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text('version = "2026.2"\nflor_km = 3\nslots = 0\n')
    told = said(ringback("rules", "draft", str(path), "--as", "ana", *WHY))
    assert "flor_km: there is no such threshold; is `floor_km` meant?" in told
    assert "slots: 0 is outside of 1 to 64 slots" in told
    assert "means: there must be at least 1" in told
    path.write_bytes(b"\xff\xfe")
    assert "no text in UTF-8" in said(ringback("rules", "draft", str(path), "--as", "ana", *WHY))
    assert states(ringback) == {"2026.1": "live"}


def test_what_show_prints_is_a_file_again(ringback: Ringback, file: Path) -> None:
    ringback("rules", "draft", str(file), "--as", "ana", *WHY)
    assert parsed(ringback("rules", "show", "2026.2").output).floor_km == 80
    assert parsed(ringback("rules", "show", "2026.2", "--json").output) == parsed(file.read_text())
    assert parsed(ringback("rules", "show", "2026.1").output) == LIVE
    assert "there is no rule set 2026.9" in said(ringback("rules", "show", "2026.9"))


def test_what_differs_between_two_is_shown(ringback: Ringback, file: Path) -> None:
    told = ringback("rules", "show", str(file), "--against", "2026.1").output
    assert told.splitlines()[1].split() == ["floor_km", "50", "km", "80", "km"]
    lines = ringback("rules", "show", str(file), "--against", "2026.1", "--json").output.splitlines()
    assert [json.loads(line)["what"] for line in lines] == ["floor_km"]
    assert "decides as" in ringback("rules", "show", "2026.1", "--against", "2026.1").output


def test_a_retired_one_is_listed_with_who_and_why(ringback: Ringback, file: Path) -> None:
    ringback("rules", "draft", str(file), "--as", "ana", *WHY)
    assert ringback("rules", "retire", "2026.2", "--reason", "no better", who="ben").output == "2026.2 is retired\n"
    told = ringback("rules", "list").output
    assert "retired" in told
    assert "ben" in told
    assert "no better" in told
    assert "built in" in told


def test_old_alerts_are_judged_again_under_the_version_that_raised_them(
    ringback: Ringback, file: Path, tmp_path: Path
) -> None:
    file.write_text(file.read_text().replace("floor_km = 80", "floor_km = 10").replace("= 0.25", "= 0.05"))
    ringback("rules", "draft", str(file), "--as", "ana", *WHY)
    rows = [
        {
            "transaction_id": f"t{number}",
            "card_id": "card",
            "occurred_at": f"2026-03-14T10:0{number}:00Z",
            "amount": "1.00",
            "currency": "USD",
            "merchant": {"name": "Shop", "mcc": "5411", "city": city, "country": country},
            "location": {"lat": lat, "lon": lon, "radius_km": 0},
            "channel": "card_present",
            "entry_mode": "chip",
        }
        for number, (city, country, lat, lon) in enumerate(
            [("Singapore", "SG", 1.4360, 103.7860), ("Johor Bahru", "MY", 1.5300, 103.9170)]
        )
    ]
    feed = tmp_path / "feed.ndjson"
    feed.write_text("\n".join(map(json.dumps, rows)))
    assert ringback("judge", str(feed)).stdout == ""
    for named in ("2026.2", str(file)):
        alert = json.loads(ringback("judge", str(feed), "--ruleset", named).stdout)
        assert (alert["suspect"], alert["ruleset_version"]) == ("t1", "2026.2")
    assert "there is no rule set 2026.9" in said(ringback("judge", str(feed), "--ruleset", "2026.9"))


async def test_what_a_version_raised_is_listed_and_counted(kafka_servers: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RINGBACK_KAFKA_SERVERS", kafka_servers)
    ensure_topics(kafka_servers, Settings())

    def message(number: int, **changes: str) -> Outgoing:
        alert = EXAMPLES["impossible-journey"] | {"alert_id": f"a{number}", "ruleset_version": "2026.2"} | changes
        return Outgoing("fraud-alerts", "card-1", json.dumps(alert).encode())

    messages = [
        message(1, mode="shadow"),
        message(1, mode="shadow", status="withdrawn"),
        message(1),
        message(2, mode="shadow", card_id="card-2"),
        message(3, ruleset_version="2026.1"),
        Outgoing("fraud-alerts", "card-1", b"not ours"),
    ]
    async with Producer(kafka_servers, client_id="test") as producer:
        assert all(isinstance(answer, Sent) for answer in await producer.send_all(messages))

    async def alerts(*more: str) -> str:
        words = ("rules", "alerts", *more)
        result = await asyncio.to_thread(lambda: CliRunner().invoke(build(words), words))
        assert result.exit_code == 0
        return result.output

    assert "2026.2: 1 live on 1 cards, 0 withdrawn; 2 shadow on 2 cards, 1 withdrawn" in await alerts("2026.2")
    lines = (await alerts("2026.2", "--mode", "shadow", "--json")).splitlines()
    assert {(json.loads(line)["alert_id"], json.loads(line)["status"]) for line in lines} == {
        ("a1", "withdrawn"),
        ("a2", "raised"),
    }
    assert "no alert of 2026.9" in await alerts("2026.9")
