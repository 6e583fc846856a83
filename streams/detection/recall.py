"""The records that passed here lately, compressed: most of what an alert shows need not be asked of the broker.

A look-up in the topic costs milliseconds, eleven of them an alert. Kept here are the newest records of all partitions
in hand, in blocks of 128, up to `RING_BYTES` in all: transactions are much alike, so that one takes some 30 to 60
bytes, and a look-up a tenth of a millisecond.
"""

import threading
from array import array
from bisect import bisect_left
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Final, NamedTuple

import zstandard

RING_BYTES: Final = 48 * 1024 * 1024
"""No more than this is kept, whatever the number of partitions; so many bytes hold about a million records."""
BLOCK: Final = 128
_OVERHEAD: Final = 400
_LEVEL: Final = -5
"""Twice as fast as level 1 and twice as large."""


class _Zstd(threading.local):
    """Compressor and decompressor of a thread: to make one costs more than a block's use of it."""

    def __init__(self) -> None:
        self.compress: Final = zstandard.ZstdCompressor(level=_LEVEL).compress
        self.decompress: Final = zstandard.ZstdDecompressor().decompress


_zstd: Final = _Zstd()


class Block(NamedTuple):
    """Some consecutive records of one partition.

    Attributes:
        offsets: ascending.
        sizes: of the records, in bytes.
        data: all of them, one after the other, compressed.
    """

    offsets: Sequence[int]
    sizes: Sequence[int]
    data: bytes

    @property
    def size(self) -> int:
        """About how many bytes it takes."""
        return len(self.data) + 4 * len(self.sizes) + _OVERHEAD

    def records(self, wanted: Iterable[int]) -> dict[int, bytes]:
        """Those of the wanted offsets that are here."""
        ends = list(accumulate(self.sizes))
        raw = _zstd.decompress(self.data, max_output_size=ends[-1])
        found: dict[int, bytes] = {}
        for offset in wanted:
            at = bisect_left(self.offsets, offset)
            if at < len(self.offsets) and self.offsets[at] == offset:
                found[offset] = raw[ends[at] - self.sizes[at] : ends[at]]
        return found


def block(offsets: Sequence[int], values: Sequence[bytes]) -> Block:
    """One block of these records, at least one."""
    return next(_blocks(offsets, values, len(offsets)))


def blocks(offsets: Sequence[int], values: Sequence[bytes]) -> list[Block]:
    """As many whole blocks as the records fill; what is left over is less than a block."""
    return list(_blocks(offsets, values, BLOCK))


def _blocks(offsets: Sequence[int], values: Sequence[bytes], size: int) -> Iterator[Block]:
    compress = _zstd.compress
    for begin in range(0, len(offsets) - size + 1, size):
        end = begin + size
        first, last = offsets[begin], offsets[end - 1]
        own = values[begin:end]
        # what is compressed comes in the room that the worst case would have taken: only the copy is small
        data = bytes(memoryview(compress(b"".join(own))))
        gapless = last - first + 1 == size
        yield Block(
            range(first, last + 1) if gapless else array("q", offsets[begin:end]),
            array("I", list(map(len, own))),
            data,
        )


class Recall:
    """The ring of one worker; the oldest block goes first, whichever partition it is of.

    What does not fill a block yet is kept as it came: less than `BLOCK` records a partition.

    Attributes:
        identity: of the topic that the records are of.
    """

    def __init__(self, at_most: int = RING_BYTES) -> None:
        self.identity = ""
        self._at_most = at_most
        self._bytes = 0
        self._order: deque[int] = deque()
        self._blocks: dict[int, deque[Block]] = {}
        self._tails: dict[int, dict[int, bytes]] = {}

    @property
    def size(self) -> int:
        """About how many bytes the blocks take."""
        return self._bytes

    def keep(self, number: int, offsets: Sequence[int], values: Sequence[bytes], ready: Sequence[Block] = ()) -> None:
        """Takes the next records of a partition.

        Args:
            number: of the partition.
            offsets: ascending, above all before.
            values: of the same length.
            ready: blocks of the first of them, if they have been made already.
        """
        tail = self._tails.setdefault(number, {})
        if ready and tail:  # blocks stay in the order of their offsets
            self._add(number, block(list(tail), list(tail.values())))
            tail.clear()
        for one in ready:
            self._add(number, one)
        done = BLOCK * len(ready)
        tail.update(zip(offsets[done:], values[done:], strict=True))
        if len(tail) >= BLOCK:
            self._add(number, block(list(tail), list(tail.values())))
            tail.clear()

    def find(self, number: int, offsets: Iterable[int]) -> tuple[dict[int, bytes], list[tuple[Block, list[int]]]]:
        """What is known of these records.

        Returns:
            Those at hand, and for the others the blocks to look into (`Block.records`, from any thread).
        """
        tail: Mapping[int, bytes] = self._tails.get(number, {})
        here = {offset: tail[offset] for offset in offsets if offset in tail}
        kept = self._blocks.get(number, ())
        inside: dict[int, list[int]] = {}
        for offset in offsets:
            at = bisect_left(kept, offset, key=_last)
            if offset not in here and at < len(kept) and kept[at].offsets[0] <= offset:
                inside.setdefault(at, []).append(offset)
        return here, [(kept[at], wanted) for at, wanted in inside.items()]

    def begin(self, identity: str) -> None:
        """Lets go of everything: the partitions are claimed anew, and the topic may be another."""
        self.identity = identity
        self._bytes = 0
        self._order.clear()
        self._blocks.clear()
        self._tails.clear()

    def _add(self, number: int, one: Block) -> None:
        self._blocks.setdefault(number, deque()).append(one)
        self._order.append(number)
        self._bytes += one.size
        while self._bytes > self._at_most:
            self._bytes -= self._blocks[self._order.popleft()].popleft().size


def _last(one: Block) -> int:
    return one.offsets[-1]
