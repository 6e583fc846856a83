"""The ring of recent records: gives back what was kept, and never grows beyond its bound."""

import random
import tracemalloc

from hypothesis import given
from hypothesis import strategies as st

from streams.detection.recall import BLOCK, Recall, blocks


def looked_up(recall: Recall, number: int, offsets: list[int]) -> dict[int, bytes]:
    found, packed = recall.find(number, offsets)
    for block, wanted in packed:
        found |= block.records(wanted)
    return found


@given(
    batches=st.lists(st.tuples(st.integers(1, 3 * BLOCK), st.booleans()), min_size=1, max_size=6),
    gap=st.integers(1, 3),
)
def test_every_record_is_found_again_however_it_came(batches: list[tuple[int, bool]], gap: int) -> None:
    recall = Recall()
    kept: dict[int, bytes] = {}
    at = 0
    for count, prepared in batches:
        offsets = [at + gap * each for each in range(count)]
        values = [b"" if offset % 5 == 0 else str(offset).encode() for offset in offsets]
        recall.keep(7, offsets, values, blocks(offsets, values) if prepared else ())
        kept |= dict(zip(offsets, values, strict=True))
        at = offsets[-1] + gap
    assert looked_up(recall, 7, list(range(-2, at + 2))) == kept
    assert looked_up(recall, 8, [0]) == {}


def test_the_ring_keeps_to_its_bound_and_lets_the_oldest_go() -> None:
    noise = random.Random(1)
    recall = Recall(at_most=200_000)
    for batch in range(40):
        offsets = range(batch * BLOCK, (batch + 1) * BLOCK)
        recall.keep(batch % 2, offsets, [noise.randbytes(300) for _ in offsets])
        assert recall.size <= 200_000
    newest = 40 * BLOCK - 1
    assert list(looked_up(recall, 1, [BLOCK, newest])) == [newest]


def test_the_ring_takes_no_more_room_than_it_says() -> None:
    values = [b'{"merchant": "Market Street", "number": %d}' % number for number in range(BLOCK)] * 50
    recall = Recall()
    tracemalloc.start()
    try:
        recall.keep(0, range(len(values)), values, blocks(range(len(values)), values))
        taken, _most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert taken < 1.5 * recall.size


def test_a_new_claim_begins_with_nothing() -> None:
    recall = Recall()
    recall.keep(0, range(300), [b"x"] * 300)
    recall.begin("another topic")
    assert (looked_up(recall, 0, [0, 299]), recall.size) == ({}, 0)
