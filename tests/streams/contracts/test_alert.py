"""What the rules write is what the contract reads, however little the payments say of themselves."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from infra.cli.main import build
from streams.contracts.alert import AlertMessage

BARE = {"amount": "4.50", "currency": "USD", "channel": "card_present", "entry_mode": "chip", "card_id": "card-1"}
PHNOM_PENH = {"lat": 11.5564, "lon": 104.9282}
PARIS = {"lat": 48.8606, "lon": 2.3376}


@pytest.mark.parametrize("merchant", [None, {}, {"name": "Louvre"}])
def test_an_alert_about_payments_that_name_little_keeps_its_contract(
    tmp_path: Path, merchant: dict[str, str] | None
) -> None:
    rows = [
        {**BARE, "transaction_id": "a", "occurred_at": "2026-03-14T10:00:00Z", "location": PHNOM_PENH},
        {**BARE, "transaction_id": "b", "occurred_at": "2026-03-14T10:20:00Z", "location": PARIS},
    ]
    file = tmp_path / "rows.ndjson"
    file.write_text("\n".join(json.dumps({**row, "merchant": merchant}) for row in rows))
    given = ["judge", str(file)]

    told = CliRunner().invoke(build(given), given, catch_exceptions=False).stdout.splitlines()

    assert [AlertMessage.model_validate_json(line).suspect for line in told] == ["b"]
