"""What the commands share on a terminal: text from outside without what steers it, and a bar of progress."""

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


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
