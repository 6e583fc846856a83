"""What the commands share on a terminal: text from outside without what steers it, and a bar of progress."""

from collections.abc import Sequence

from rich.console import Console
from rich.padding import Padding
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

_INDENT = 4


def harmless(text: str) -> str:
    """The text without anything that steers a terminal: such characters are replaced, line ends kept."""
    return "".join(letter if letter.isprintable() or letter == "\n" else "\N{REPLACEMENT CHARACTER}" for letter in text)


def progress_bar(*, quiet: bool) -> Progress:
    """How much of how much is done, and how long the rest takes; on the standard error, or nowhere."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        disable=quiet,
    )


def print_entries(console: Console, columns: Sequence[str], rows: Sequence[tuple[Sequence[str], str]]) -> None:
    """Rows of short cells, each with its text below it: beside them, 80 columns would leave the text a word's width.

    Args:
        console: where to.
        columns: what the cells are.
        rows: the cells of each, and its text; both harmless.
    """
    widths = [max(map(len, cells)) for cells in zip(columns, *(cells for cells, _ in rows), strict=True)]

    def line(cells: Sequence[str]) -> str:
        return "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()

    console.print(Text(line(columns), style="bold"), soft_wrap=True)
    for cells, text in rows:
        console.print(Text(line(cells)), soft_wrap=True)
        if text:
            console.print(Padding(Text(text), (0, 0, 0, _INDENT)))
