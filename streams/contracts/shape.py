"""What the fields of all contracts have in common: identifiers, codes, moments, and how strictly they are read."""

from datetime import datetime
from typing import Annotated, Any, TypeAlias

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, StringConstraints, WithJsonSchema

Identifier: TypeAlias = Annotated[str, StringConstraints(min_length=1, max_length=64)]
RecordedIdentifier: TypeAlias = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[^\x00]+$")]
"""Of what names streams, subjects and rows of read models: PostgreSQL keeps no text with a NUL in it."""
Country: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")]
DecimalText: TypeAlias = Annotated[str, StringConstraints(pattern=r"^-?[0-9]+(\.[0-9]+)?$")]


def _read_moment(value: Any) -> datetime:
    if isinstance(value, datetime):
        return value
    if isinstance(value, str):
        return datetime.fromisoformat(value)
    raise ValueError("a moment is an RFC 3339 string with an offset")


Moment: TypeAlias = Annotated[
    AwareDatetime, BeforeValidator(_read_moment), WithJsonSchema({"type": "string", "format": "date-time"})
]
"""RFC 3339 with an offset; never a number of seconds."""


class Contract(BaseModel):
    """One message. Immutable; values are never coerced to another type; unknown fields are ignored."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore", allow_inf_nan=False)
