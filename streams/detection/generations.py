"""Two generations of cards in the process: those seen since the last change of generation, and those seen before it."""

from collections.abc import Mapping


def turned_over(young: dict[str, bytes], unwritten: Mapping[str, bytes]) -> tuple[dict[str, bytes], dict[str, bytes]]:
    """The older generation and the young one, after a change: who was young is old now, and who was old is let go.

    Args:
        young: by card, its memory; becomes the older generation, and is not copied: there may be a hundred thousand.
        unwritten: those of them, a few thousand, that are not in Redis yet and so must stay; they begin the young one.
    """
    for card in unwritten:
        young.pop(card, None)
    return young, dict(unwritten)
