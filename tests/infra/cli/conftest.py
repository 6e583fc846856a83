"""The command line as a person calls it, in this process."""

from collections.abc import Callable

import pytest
from typer.testing import CliRunner, Result

from infra.cli.main import build

Ringback = Callable[..., Result]


@pytest.fixture
def ringback() -> Ringback:
    """Runs one command; an error that ends it is in the result."""

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(build(arguments), arguments)

    return run
