"""What is written in bulk is what Redis's own client would write."""

from typing import Any

import hiredis
from hypothesis import given
from hypothesis import strategies as st

from streams.detection.wire import commands

WORDS = st.lists(st.one_of(st.binary(max_size=40), st.just(b"x" * 20_000)), min_size=1, max_size=8)


@given(st.lists(WORDS, max_size=4))
def test_commands_are_as_the_client_packs_them(several: list[list[bytes]]) -> None:
    pack: Any = hiredis.pack_command  # declared for one word only
    assert commands(several) == b"".join(pack(tuple(words)) for words in several)
