"""Topic ``case-events``: the history for others, as CloudEvents 1.0 in structured mode.

Source: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md, and its extension ``sequence``.
"""

from typing import Any, Literal

from pydantic import Field

from streams.contracts.shape import Contract, Identifier, Moment


class CaseEvent(Contract):
    """One event of the history. Personal fields stay encrypted with the customer's key.

    ``sequence`` is the position in the history. A consumer ignores what is not above the last one that it has seen:
    that is how a repeat is told from something new.
    """

    specversion: Literal["1.0"]
    id: Identifier = Field(description="The event's own id.")
    source: str = Field(min_length=1, description="Which Ringback it comes from.")
    type: str = Field(min_length=1, description="The event's wire name, for example `case.opened`.")
    subject: str = Field(default="", description="The stream: `case-…`, `customer-…` or `card-…`.")
    time: Moment
    datacontenttype: Literal["application/json"] = "application/json"
    dataschema: str = ""
    sequence: str = Field(pattern=r"^[0-9]+$", description="Position in the history.")
    streamversion: str = Field(default="", pattern=r"^[0-9]*$", description="Place in its stream, from 1.")
    schemaversion: str = Field(
        default="", pattern=r"^[0-9]*$", description="Which form of its type `data` has, from 1."
    )
    actor: str = Field(default="", description="Who did it, for example `operator:dara` or `system:casework`.")
    data: dict[str, Any] = Field(default_factory=dict)


EXAMPLES: dict[str, dict[str, object]] = {
    "case-opened": {
        "specversion": "1.0",
        "id": "4d3c2b1a-0f9e-5d8c-8b7a-6f5e4d3c2b1a",
        "source": "ringback",
        "type": "case.opened",
        "subject": "case-2f4b8a10-0e5c-5f34-bb7e-6c1d2e3f4a5b",
        "time": "2026-03-14T10:12:01.300Z",
        "datacontenttype": "application/json",
        "sequence": "00000000000000000017",
        "streamversion": "1",
        "schemaversion": "1",
        "actor": "system:casework",
        "data": {
            "case_id": "2f4b8a10-0e5c-5f34-bb7e-6c1d2e3f4a5b",
            "case_code": "K7MQ4R",
            "customer_id": "customer-sokha",
            "card_id": "card-sokha-visa",
            "alert_id": "7c5e3f04-3ab5-5b5f-8a4f-0a9a1f0c7c11",
        },
    }
}
