"""The ids that are derived are the standard's, so that anybody can derive them."""

from uuid import uuid5

from hypothesis import given
from hypothesis import strategies as st

from infra.history.event import NAMESPACE, derived_id


@given(st.lists(st.text(st.characters(codec="utf-8")) | st.integers() | st.none(), min_size=1))
def test_a_derived_id_is_the_uuid5_of_what_it_is_derived_from(parts: list[object]) -> None:
    derived, standard = derived_id(*parts), uuid5(NAMESPACE, "\x1f".join(map(str, parts)))
    assert (derived, str(derived), derived.version) == (standard, str(standard), 5)
