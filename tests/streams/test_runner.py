"""What a role's process leaves behind."""

from pathlib import Path

import pytest

from infra.settings import Settings
from infra.telemetry import READY_FILE
from streams.topics import ensure_topics
from tests.streams.role import RoleProcess


async def test_a_role_that_is_killed_leaves_no_folder(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary, here = tmp_path / "temporary", tmp_path / "here"
    for folder in (temporary, here):
        folder.mkdir()
    ensure_topics(settings.kafka_servers or "", settings)
    monkeypatch.setenv("TMPDIR", str(temporary))
    monkeypatch.setenv(READY_FILE, str(tmp_path / "ready"))
    monkeypatch.setenv("PYTHONPATH", str(Path.cwd()))
    monkeypatch.chdir(here)
    role = RoleProcess("relay", settings, tmp_path / "log")
    with role:

        async def ready() -> bool:
            return (tmp_path / "ready").exists()

        await role.until(ready)
        role.kill()
    assert [*temporary.iterdir(), *here.iterdir()] == []
