"""Topic ``customers``, key ``customer_id``, compacted: who owns which cards and how they can be reached."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, StringConstraints

from streams.contracts.shape import Contract, Country, RecordedIdentifier


class Card(Contract):
    """A card of the customer's. ``card_id`` is the token that transactions carry."""

    card_id: RecordedIdentifier
    last_four: Annotated[str, StringConstraints(pattern=r"^([0-9]{4})?$")] = ""


class Home(Contract):
    """Where the customer lives, as near as a city."""

    city: str
    country: Country
    lat: float | None = Field(default=None, ge=-90, le=90)
    lon: float | None = Field(default=None, ge=-180, le=180)


class TravelNotice(Contract):
    """The customer has said that they will be in a country, first and last day included."""

    model_config = ConfigDict(populate_by_name=True)

    country: Country
    first_day: str = Field(alias="from", pattern=r"^\d{4}-\d\d-\d\d$")
    last_day: str = Field(alias="to", pattern=r"^\d{4}-\d\d-\d\d$")


class CustomerMessage(Contract):
    """What the bank says of a customer, whole; the newest message stands."""

    customer_id: RecordedIdentifier
    name: str = Field(min_length=1, max_length=200)
    phone: Annotated[str, StringConstraints(pattern=r"^(\+[1-9][0-9]{6,14})?$")] = Field(
        default="", description="E.164; the number that the customer gave."
    )
    email: str = Field(default="", max_length=254, pattern=r"^([^@\s]+@[^@\s]+)?$")
    language: str = Field(default="en", pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]+)*$", description="BCP 47.")
    home_zone: str = Field(default="UTC", description="IANA name of the time zone of the customer's home.")
    home: Home | None = None
    jurisdiction: Country = Field(default="US", description="Whose rules of contact apply.")
    consents: tuple[Literal["sms", "email", "voice"], ...] = Field(default=(), strict=False)
    cards: tuple[Card, ...] = Field(default=(), strict=False)
    travel_notices: tuple[TravelNotice, ...] = Field(default=(), strict=False)


EXAMPLES: dict[str, dict[str, object]] = {
    "traveller": {
        "customer_id": "customer-sokha",
        "name": "Sokha Chan",
        "phone": "+14155550142",
        "email": "sokha.chan@example.com",
        "language": "en",
        "home_zone": "America/Los_Angeles",
        "home": {"city": "San Francisco", "country": "US", "lat": 37.7749, "lon": -122.4194},
        "jurisdiction": "US",
        "consents": ["sms", "email"],
        "cards": [{"card_id": "card-sokha-visa", "last_four": "4821"}],
        "travel_notices": [{"country": "KH", "from": "2026-03-10", "to": "2026-03-24"}],
    },
    "least": {"customer_id": "customer-2", "name": "Ana Souza"},
}
