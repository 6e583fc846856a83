"""Text from outside on a terminal."""


def harmless(text: str) -> str:
    """The text without anything that steers a terminal: such characters are replaced, line ends kept."""
    return "".join(letter if letter.isprintable() or letter == "\n" else "\N{REPLACEMENT CHARACTER}" for letter in text)
