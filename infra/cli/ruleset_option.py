"""Which rule set a command works with: the built-in one, a file, or a version of the history."""

from pathlib import Path

from rules.ruleset import LIVE, RuleSet
from rules.ruleset_text import parsed
from rules.thresholds import Problem, UnusableRuleSet

_ENDINGS = frozenset({".toml", ".json"})


def chosen_ruleset(name: str | None) -> RuleSet:
    """The rule set that an option names.

    Args:
        name: a file (TOML or JSON), or a version; None or the built-in version: that one, without any server.

    Raises:
        UnusableRuleSet: the file is none.
        RuleSetRefused: there is no such version.
        NothingRunning, Unavailable: the history, which a version is looked up in, cannot be reached.
    """
    if name is None or name == LIVE.version:
        return LIVE
    path = Path(name)
    if path.suffix in _ENDINGS or path.is_file():
        return read_ruleset(path)
    return _looked_up(name)


def read_ruleset(path: Path) -> RuleSet:
    """The rule set of a file.

    Raises:
        UnusableRuleSet: it is none.
        OSError: it cannot be read.
    """
    try:
        return parsed(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError:
        raise UnusableRuleSet([Problem(str(path), "it is no text in UTF-8")]) from None


def _looked_up(version: str) -> RuleSet:
    """Asks the history; the drivers of its servers take longer to import than a file takes to be judged."""
    import asyncio  # noqa: PLC0415

    from infra.cli.logs import keep_logs_apart  # noqa: PLC0415
    from infra.cli.opened import history_settings, opened_history  # noqa: PLC0415
    from infra.clock import utc_now  # noqa: PLC0415
    from streams.rulesets.service import RuleSets  # noqa: PLC0415

    async def look() -> RuleSet:
        async with opened_history(history_settings(), readable=False) as history:
            return (await RuleSets(history, utc_now).look(version))[0].ruleset

    keep_logs_apart()
    return asyncio.run(look())
