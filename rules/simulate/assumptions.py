"""What the simulation assumes, each number with its reason; all of them stand in the report of a backtest.

Few of these are published. Where a source gives one it is named; the others are estimates, chosen once, before the
rules were measured against them, and not changed to suit a result. ``noise`` scales everything that goes wrong.
"""

from dataclasses import dataclass, field
from typing import Final

CARDS_A_BLOCK: Final = 4_000
"""Cards that are simulated together; part of the seed: another number gives other transactions."""


@dataclass(frozen=True)
class Habits:
    """How people pay."""

    payments_a_day: float = 1.15
    """A card; 400,000 a day are then some 350,000 cards."""
    spread: float = 0.6
    """Sigma of the log-normal by which cards differ in it."""
    soon_after: float = 0.22
    """Share of payments that follow another of the same card within the hour: errands come together."""
    second_card: float = 0.25
    additional_cardholder: float = 0.12
    wallet: float = 0.35
    """Customers with the first card on a phone; half of their payments in shops are made with it."""
    lent_plastic: float = 0.01
    """Of these, homes where one carries the phone and another the plastic."""
    online: float = 0.22
    on_file: float = 0.03
    recurring: float = 0.06
    refunds: float = 0.012
    reversals: float = 0.004
    cash: float = 0.045
    transit: float = 0.035
    """Of all payments; what is left is paid in shops. (ECB and Federal Reserve payment studies: about a quarter of
    card payments are remote; quoted from memory, not looked up.)"""
    magstripe: float = 0.012
    fallback: float = 0.002
    manual: float = 0.0015
    """Of payments in shops. Chip is nearly all of them by now, less so in the US, where the first is four times this.
    (EMVCo's published shares could be read up to 2017: 98.6 % in Western Europe, 41 % in the US; what has come since
    is an estimate.)"""
    declined: float = 0.025


@dataclass(frozen=True)
class Travel:
    """How often people move, a year and person."""

    outings: float = 22.0
    """Half a day within 120 km by car."""
    weekends: float = 5.0
    """A day or two, 100 to 900 km."""
    holidays: float = 2.0
    """Three days to two weeks, anywhere, one to three places."""
    business: float = 1.6
    """There and back in a day or two, 200 to 2,500 km."""
    cruises: float = 0.03
    moves: float = 0.1
    commutes: float = 0.3
    """Share of people who work in another town within 60 km."""
    across: float = 0.35
    """Share of those who, with a border within 60 km, work behind it."""


@dataclass(frozen=True)
class Crime:
    """How cards are misused."""

    cards_a_payment: float = 300 / 400_000
    """Compromised cards a payment: 300 in 400,000 a day, which is about 0.25 % of payments."""
    counterfeit: float = 0.30
    stolen: float = 0.20
    """The rest is card-absent, which is most of card fraud by now (ECB, press release of 26 May 2023: 84 % of its value
    in 2021)."""
    same_city: float = 0.12
    near: float = 0.20
    middle: float = 0.28
    """Of counterfeits: within the city, 40 to 200 km away, 200 to 2,000 km; the rest further. Copies are sold on, and
    used where stripes are still taken."""
    single: float = 0.35
    """One payment; else a burst of two to nine."""


@dataclass(frozen=True)
class Noise:
    """What goes wrong on the way, shares of payments in shops unless said otherwise."""

    no_point: float = 0.15
    """The terminal gives no coordinates; the city stands alone."""
    null_island: float = 0.002
    swapped: float = 0.0005
    lost_sign: float = 0.0005
    out_of_range: float = 0.0003
    no_city: float = 0.04
    misspelt: float = 0.04
    """In capitals, cut to 13 characters (ISO 8583, element 43), respelled, or a letter short."""
    head_office_point: float = 0.001
    """Of merchants: the point is the head office's, the city is true."""
    registered_elsewhere: float = 0.0004
    """Of merchants: point and city are where the firm is registered (market traders, taxis, pop-up shops). Nothing in
    the message tells; the truth can only be found by asking."""
    slow_clock: float = 0.01
    """Of merchants: a clock that is minutes off."""
    wrong_zone: float = 0.0003
    """Of merchants: local time sent with the wrong offset, by whole hours."""
    late: float = 0.004
    """Offline and stand-in: hours late. Transit taps come hours to seven days late."""
    duplicates: float = 0.001
    repeats: float = 0.0005
    """Of all payments: the same message again, and a repeat under an id of its own."""


@dataclass(frozen=True)
class Assumptions:
    """All of it."""

    habits: Habits = field(default_factory=Habits)
    travel: Travel = field(default_factory=Travel)
    crime: Crime = field(default_factory=Crime)
    noise: Noise = field(default_factory=Noise)


HOMES: Final = {
    "FR": 0.20,
    "DE": 0.13,
    "GB": 0.13,
    "US": 0.13,
    "ES": 0.06,
    "IT": 0.06,
    "BE": 0.05,
    "CH": 0.04,
    "LU": 0.01,
    "NL": 0.03,
    "DK": 0.02,
    "SG": 0.05,
    "MY": 0.05,
    "TH": 0.02,
    "KH": 0.02,
}
"""Where customers live: a banking group with borders to cross, trains, seas, and two far continents."""

RAIL: Final = frozenset(("FR", "DE", "GB", "ES", "IT", "BE", "CH", "LU", "NL", "DK", "AT", "SE", "PL", "CZ"))
"""Countries between which people take the train; Great Britain is reached through the tunnel."""

CRUISES: Final = (
    (("Barcelona", "ES"), ("Marseille", "FR"), ("Genoa", "IT"), ("Civitavecchia", "IT"), ("Naples", "IT")),
    (("Piraeus", "GR"), ("Kuşadası", "TR"), ("Ródos", "GR"), ("Irákleion", "GR"), ("Piraeus", "GR")),
    (("Southampton", "GB"), ("Bergen", "NO"), ("Ålesund", "NO"), ("Stavanger", "NO"), ("Southampton", "GB")),
    (("Copenhagen", "DK"), ("Stockholm", "SE"), ("Tallinn", "EE"), ("Helsinki", "FI"), ("Copenhagen", "DK")),
    (("Miami", "US"), ("Nassau", "BS"), ("Montego Bay", "JM"), ("George Town", "KY"), ("Cozumel", "MX")),
    (("Singapore", "SG"), ("George Town", "MY"), ("Kuah", "MY"), ("Phuket", "TH"), ("Singapore", "SG")),
)
"""Ports that ships call at, a day each, and sail on by night."""
