"""Writes the JSON Schemas and examples under ``docs/contracts``: ``python -m streams.contracts``."""

from rich.console import Console

from streams.contracts.published import write

for path in write():
    Console().print(f"wrote {path.name}")
