"""Topic ``transactions-refused``: what could not be read, why, where it came from; never lost, no card number."""

from typing import Literal

from pydantic import Field

from streams.contracts.shape import Contract, Identifier, Moment


class Origin(Contract):
    """Where the bytes were: a row of a request, a line of a file, or a record of a topic."""

    kind: Literal["http", "file", "topic"]
    name: str = Field(description="The request's id, the file's name, or the topic.")
    row: int | None = Field(default=None, ge=0, description="Row of the request from 0, or line of the file from 1.")
    partition: int | None = Field(default=None, ge=0)
    offset: int | None = Field(default=None, ge=0)


class Refusal(Contract):
    """One refused transaction. ``refusal_id`` is derived from the origin: the same refusal again is the same."""

    refusal_id: Identifier
    reason: str = Field(description="A word for counting, for example `card_number`, `json`, `missing_field`.")
    detail: str = Field(default="", description="For a person: what is wrong and in which field; masked as well.")
    origin: Origin
    original: str = Field(
        description="The bytes as text, anything that looks like a card number masked; `encoding` gives them back."
    )
    encoding: Literal["utf-8", "latin-1"] = Field(
        default="utf-8", description="`latin-1` where the bytes are no UTF-8: one character a byte."
    )
    length_bytes: int = Field(ge=0, description="Length of the original bytes; `original` ends where they were cut.")
    masked: bool = Field(default=False, description="Digits were masked: `original` is not what came.")
    refused_at: Moment
    retried_at: Moment | None = Field(
        default=None,
        description="When it was sent again and taken; the refusal is told once more with it, under its id.",
    )


EXAMPLES: dict[str, dict[str, object]] = {
    "missing-field": {
        "refusal_id": "e1f2a3b4-c5d6-5e7f-8a9b-0c1d2e3f4a5b",
        "reason": "missing_field",
        "detail": "Object missing required field `occurred_at`",
        "origin": {"kind": "http", "name": "req-8c2f", "row": 3, "partition": None, "offset": None},
        "original": '{"transaction_id":"t-9","card_id":"card-9"}',
        "encoding": "utf-8",
        "length_bytes": 43,
        "masked": False,
        "refused_at": "2026-03-14T10:12:01Z",
        "retried_at": None,
    }
}
