"""Topic ``history-seals``: the end of the history, signed from time to time. Keep it where its database is not kept."""

from pydantic import Field

from streams.contracts.shape import Contract, Moment


class Seal(Contract):
    """The event at ``position`` had this hash when it was sealed. docs/history.md says what the signature is over."""

    number: int = Field(ge=1, description="From 1, without holes: one that is missing was taken out.")
    position: int = Field(ge=1, description="Of the event in the history.")
    hash: str = Field(pattern=r"^[0-9a-f]{64}$", description="The event's SHA-256.")
    recorded_at: Moment = Field(description="When the event was recorded.")
    sealed_at: Moment = Field(description="When it was sealed, by the sealer's clock.")
    key_id: str = Field(pattern=r"^[0-9a-f]{16}$", description="Which key signed: `ringback history seals key`.")
    signature: str = Field(pattern=r"^[0-9A-Za-z+/]{86}==$", description="Ed25519, base64.")


EXAMPLES: dict[str, dict[str, object]] = {
    "sealed": {
        "number": 1,
        "position": 3,
        "hash": "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
        "recorded_at": "2026-03-01T12:00:00.123456Z",
        "sealed_at": "2026-03-01T12:01:00.123456Z",
        "key_id": "56475aa75463474c",
        "signature": "pHt8vAYSltRI8l81BLqmqOarPHU5S+E640id6pR0bizDo0Iv14R65Qn0eyayExtnRb4fhEgmQyCYqvSIHSuuBQ==",
    }
}
