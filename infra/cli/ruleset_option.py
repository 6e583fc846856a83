"""Which rule set a command works with: the built-in one, a file, or a version of the history."""

import asyncio
from pathlib import Path

from infra.cli.opened import history_settings, opened_history
from infra.clock import utc_now
from rules.ruleset import LIVE, RuleSet
from rules.ruleset_text import parsed
from rules.thresholds import Problem, UnusableRuleSet
from streams.rulesets.service import RuleSets

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
    return asyncio.run(_looked_up(name))


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


async def _looked_up(version: str) -> RuleSet:
    async with opened_history(history_settings(), readable=False) as history:
        return (await RuleSets(history, utc_now).look(version))[0].ruleset
