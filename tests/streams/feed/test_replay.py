"""``ringback feed`` on a real broker."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from infra.cli.main import build
from streams.contracts.refusal import Refusal
from tests.streams.feed.conftest import Ends, Row


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
