"""Customers of the rehearsal bank, the same from the same seed; none of them can be anybody.

Phone numbers are of the range 555-0100 to 555-0199, which the North American numbering plan keeps for fiction; email
addresses are at ``example.com`` and its like (RFC 2606).
"""

from random import Random
from typing import Any, Final, NamedTuple


class City(NamedTuple):
    """A city where people of the rehearsal live or travel to. Degrees north and east; IANA zone."""

    name: str
    country: str
    lat: float
    lon: float
    zone: str
    currency: str


SAN_FRANCISCO: Final = City("San Francisco", "US", 37.7749, -122.4194, "America/Los_Angeles", "USD")
PHNOM_PENH: Final = City("Phnom Penh", "KH", 11.5564, 104.9282, "Asia/Phnom_Penh", "USD")
PARIS: Final = City("Paris", "FR", 48.8566, 2.3522, "Europe/Paris", "EUR")

CITIES: Final = (
    SAN_FRANCISCO,
    PHNOM_PENH,
    PARIS,
    City("New York City", "US", 40.7128, -74.0060, "America/New_York", "USD"),
    City("Chicago", "US", 41.8781, -87.6298, "America/Chicago", "USD"),
    City("London", "GB", 51.5072, -0.1276, "Europe/London", "GBP"),
    City("Madrid", "ES", 40.4168, -3.7038, "Europe/Madrid", "EUR"),
    City("Warsaw", "PL", 52.2297, 21.0122, "Europe/Warsaw", "PLN"),
    City("Bangkok", "TH", 13.7563, 100.5018, "Asia/Bangkok", "THB"),
    City("Singapore", "SG", 1.3521, 103.8198, "Asia/Singapore", "SGD"),
    City("Tokyo", "JP", 35.6762, 139.6503, "Asia/Tokyo", "JPY"),
    City("Sydney", "AU", -33.8688, 151.2093, "Australia/Sydney", "AUD"),
    City("Nairobi", "KE", -1.2921, 36.8219, "Africa/Nairobi", "KES"),
    City("São Paulo", "BR", -23.5558, -46.6396, "America/Sao_Paulo", "BRL"),
)

_HOMES: Final = tuple(city for city in CITIES if city.country in {"US", "GB", "ES", "PL", "FR"})
_LANGUAGES: Final = {"US": ("en", "en", "en", "es"), "GB": ("en",), "ES": ("es",), "PL": ("pl",), "FR": ("en",)}
_FIRST: Final = (
    *("Ana", "Maria", "Jonas", "Linh", "Amir", "Grace", "Piotr", "Elena", "Samuel", "Noor"),
    *("Kofi", "Ingrid", "Mateo", "Yuki", "Farah", "Tomasz", "Chloe", "Daniel", "Rosa", "Vikram"),
)
_LAST: Final = (
    *("Silva", "Nowak", "Haddad", "Nguyen", "Okafor", "Larsen", "Moreau", "Garcia", "Ito"),
    *("Rahman", "Mensah", "Kowalska", "Brown", "Rossi", "Patel", "Chan", "Novak", "Diaz"),
)

STORY_CUSTOMER: Final = "customer-sokha"
STORY_CARD: Final = "card-sokha-visa"


def story_customer() -> dict[str, Any]:
    """The customer of the story, as the bank publishes her: Sokha Chan of San Francisco, travelling in Cambodia."""
    return {
        "customer_id": STORY_CUSTOMER,
        "name": "Sokha Chan",
        "phone": "+14155550142",
        "email": "sokha.chan@example.com",
        "language": "en",
        "home_zone": SAN_FRANCISCO.zone,
        "home": _home(SAN_FRANCISCO),
        "jurisdiction": "US",
        "consents": ["sms", "email"],
        "cards": [{"card_id": STORY_CARD, "last_four": "4821"}],
        "travel_notices": [],
    }


def customers(count: int, seed: int) -> list[dict[str, Any]]:
    """``count`` customers as the topic ``customers`` carries them, each with a card or two; the same for a seed."""
    return [_customer(Random(f"{seed}/customer/{number}"), number) for number in range(count)]  # noqa: S311 - a rehearsal, not a secret


def _customer(random: Random, number: int) -> dict[str, Any]:
    home = random.choice(_HOMES)
    name = f"{random.choice(_FIRST)} {random.choice(_LAST)}"
    cards = 2 if random.random() < 0.15 else 1  # noqa: PLR2004 - about one in seven has a second card
    return {
        "customer_id": f"customer-{number:05d}",
        "name": name,
        "phone": fictional_phone(number),
        "email": f"{name.lower().replace(' ', '.')}.{number}@example.{('com', 'org', 'net')[number % 3]}",
        "language": random.choice(_LANGUAGES[home.country]),
        "home_zone": home.zone,
        "home": _home(home),
        "jurisdiction": home.country,
        "consents": ["sms", "email"],
        "cards": [
            {"card_id": f"card-{number:05d}-{place}", "last_four": f"{random.randrange(10_000):04d}"}
            for place in range(1, cards + 1)
        ],
        "travel_notices": [],
    }


_AREAS: Final = (415, 212, 312, 213, 303, 404, 503, 512, 602, 617, 702, 713, 801, 808, 907, 202, 206, 305, 313, 314)


def fictional_phone(number: int) -> str:
    """The ``number``-th of the 2,000 telephone numbers that we take from the range kept for fiction; then around again.

    The story's own number, +1 415 555 0142, and the bank's, +1 415 555 0100, are left out.
    """
    area, line = divmod(number, 98)
    offset = line + 1 if line < 41 else line + 2  # noqa: PLR2004 - steps over 0100 and 0142
    return f"+1{_AREAS[area % len(_AREAS)]}5550{100 + offset}"


def _home(city: City) -> dict[str, Any]:
    return {"city": city.name, "country": city.country, "lat": city.lat, "lon": city.lon}
