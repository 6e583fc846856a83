"""Redis commands as they go over the wire, for what is written in bulk.

A flush has thousands of words; `hiredis.pack_command` takes three times as long for them.
"""

from collections.abc import Sequence


class _Heads(dict[int, bytes]):
    """By its size, what stands before a word: the end of what was before it, and the size."""

    def __missing__(self, size: int) -> bytes:
        head = b"\r\n$%d\r\n" % size
        if size < _REMEMBERED:
            self[size] = head
        return head


_REMEMBERED = 10_000
_heads = _Heads()


def commands(several: Sequence[Sequence[bytes]]) -> bytes:
    """Commands one after the other, in RESP, which every version of Redis speaks."""
    heads = _heads
    parts: list[bytes] = []
    for words in several:
        parts.append(b"*%d" % len(words))
        parts += [part for word in words for part in (heads[len(word)], word)]
        parts.append(b"\r\n")
    return b"".join(parts)
