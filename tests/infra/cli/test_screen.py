"""What the commands share on a terminal."""

import io

from rich.console import Console

from infra.cli.screen import print_entries


def test_a_long_text_stands_below_its_row_and_fills_the_width_of_the_terminal() -> None:
    stream = io.StringIO()
    text = "the value of the field entry_mode is not one that the contract has; it is one of chip, contactless"
    print_entries(
        Console(file=stream, width=80), ("id", "from"), [(("80b1", "a.ndjson, line 9"), text), (("1", "b"), "")]
    )
    lines = stream.getvalue().splitlines()
    assert lines[:2] == ["id    from", "80b1  a.ndjson, line 9"]
    assert " ".join(line.strip() for line in lines[2:4]) == text
    assert all(line.startswith("    ") and len(line) <= 80 for line in lines[2:4])
    assert lines[4] == "1     b"
