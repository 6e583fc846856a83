"""What a person reads of a command that did not work."""

from typer.testing import Result

from infra.cli.main import explain


def said(result: Result) -> str:
    """The one clear line."""
    assert result.exit_code != 0, result.output
    if isinstance(result.exception, SystemExit):
        return result.output
    assert isinstance(result.exception, Exception)
    return explain(result.exception) or ""
