"""Others' published rules of geographic velocity, as small strategies over one card's sightings.

Each was written for something else (sign-ins, cash machines) and is applied here as it is published. They see events
in order of arrival, as they would in production, and answer with the earlier event that they hold the new one against.
Each says what it was compared with, and when; where the original asks for something that a payment does not have (an
address on the network, a VPN) it is left out.
"""

from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple, Protocol

from rules.journey import distance_km

_HOUR_US: Final = 3_600_000_000
_MINUTE_US: Final = 60_000_000
_SECOND_US: Final = 1_000_000
_KM_A_MILE: Final = 1.609344


class Seen(NamedTuple):
    """One event of a card with a place."""

    at_us: int
    name: str
    lat: float
    lon: float
    radius_km: float


class Strategy(Protocol):
    """One card's state under somebody's rule."""

    def observe(self, seen: Seen) -> Seen | None:
        """The event that this one contradicts, if the rule alarms."""
        ...


def _km(one: Seen, other: Seen) -> float:
    return distance_km(one.lat, one.lon, other.lat, other.lon)


class Elastic:
    """At least 500 km apart and at least 800 km/h within 90 minutes; within one minute there is no speed, and no alert.

    Source: elastic/detection-rules, rules/integrations/azure/initial_access_entra_id_signin_impossible_travel.toml,
    read as of August 2026. The original looks every 30 minutes at the last 90, and measures the corners of a box round
    the centres of two to five regions; here each event is measured against each of the 90 minutes before it, which is
    exact where the original is coarse. The time is whole minutes, as there.
    """

    def __init__(self) -> None:
        self._window: deque[Seen] = deque()

    def observe(self, seen: Seen) -> Seen | None:
        """Against every event of the window."""
        while self._window and seen.at_us - self._window[0].at_us > 90 * _MINUTE_US:
            self._window.popleft()
        found = None
        for other in self._window:
            km = _km(seen, other)
            minutes = abs(seen.at_us - other.at_us) // _MINUTE_US
            if km >= 500 and minutes > 0 and km * 60 / minutes >= 800:  # noqa: PLR2004 - as published
                found = other
        self._window.append(seen)
        return found


class Panther:
    """More than 900 km/h since the last event, which is remembered for a day.

    Source: panther-labs/panther-analysis, rules/standard_rules/impossible_travel_login.py, read as of July 2026. There
    is no least distance. A late event has a negative speed, raises nothing, and is the new anchor; no time is 0.36 s.
    """

    def __init__(self) -> None:
        self._last: Seen | None = None

    def observe(self, seen: Seen) -> Seen | None:
        """Against the last event to arrive."""
        last, self._last = self._last, seen
        if last is None or seen.at_us - last.at_us > 24 * _HOUR_US:
            return None
        hours = (seen.at_us - last.at_us) / _HOUR_US or 0.0001
        return last if _km(seen, last) / hours > 900 else None  # noqa: PLR2004 - as published


class Splunk:
    """More than 500 miles an hour since the event before, without a least distance.

    Source: Splunk Enterprise Security, "Geographically Improbable Access Detected", as its users quote the search and
    Splunk's staff explain it (community.splunk.com, "Logic Behind Geographically Improbable Access Detected"). The
    search sorts by time, in whole seconds; no time counts as one second.
    """

    def __init__(self) -> None:
        self._last: Seen | None = None

    def observe(self, seen: Seen) -> Seen | None:
        """Against the latest event by its own time."""
        last = self._last
        if last is None or seen.at_us >= last.at_us:
            self._last = seen
        if last is None:
            return None
        seconds = abs(seen.at_us // _SECOND_US - last.at_us // _SECOND_US) or 1
        return last if _km(seen, last) * 3600 / seconds > 500 * _KM_A_MILE else None


class Okta:
    """Faster than 805 km/h, and more than 20 km from each of the last 20 places.

    Source: Okta's behaviours VELOCITY (``velocityKph``, 805 by default in the management API and its SDKs) and "New
    Geo-Location" (20 km from the last 20 sign-ins; help.okta.com, "About behavior types"). Both are asked here, which
    alarms less than either.
    """

    def __init__(self) -> None:
        self._places: deque[Seen] = deque(maxlen=20)

    def observe(self, seen: Seen) -> Seen | None:
        """Against the last event, if the place is new."""
        last = self._places[-1] if self._places else None
        found = None
        if last is not None:
            hours = abs(seen.at_us - last.at_us) / _HOUR_US or 0.0001
            fast = _km(seen, last) / hours > 805  # noqa: PLR2004 - as published
            if fast and all(_km(seen, place) > 20 for place in self._places):  # noqa: PLR2004 - as published
                found = last
        self._places.append(seen)
        return found


class Egnyte:
    """Faster than 500 miles an hour over the distance less both points' accuracy radii.

    After Egnyte's account of its detection of improbable logins, which could not be found again in 2026: the idea of
    the radii is taken from there, the speed is the usual one.
    """

    def __init__(self) -> None:
        self._last: Seen | None = None

    def observe(self, seen: Seen) -> Seen | None:
        """Against the last event to arrive."""
        last, self._last = self._last, seen
        if last is None:
            return None
        km = max(0.0, _km(seen, last) - seen.radius_km - last.radius_km)
        hours = abs(seen.at_us - last.at_us) / _HOUR_US or 0.0001
        return last if km / hours > 500 * _KM_A_MILE else None


class KsqlDb:
    """The same account at other coordinates within 10 minutes.

    Source: Confluent's stream processing cookbook, "ATM fraud detection" (confluentinc/ksql-recipes-try-it-at-home,
    atm-fraud-detection/README.md), compared in 2026: within (0, 10 minutes), another id, another time, other
    coordinates. Any will do: neighbouring cash machines alarm.
    """

    def __init__(self) -> None:
        self._window: deque[Seen] = deque()

    def observe(self, seen: Seen) -> Seen | None:
        """Against every event of the window."""
        while self._window and seen.at_us - self._window[0].at_us > 10 * _MINUTE_US:
            self._window.popleft()
        found = None
        for other in self._window:
            near_in_time = 0 < abs(seen.at_us - other.at_us) <= 10 * _MINUTE_US
            elsewhere = (other.lat, other.lon) != (seen.lat, seen.lon)
            if near_in_time and elsewhere and other.name != seen.name:
                found = other
        self._window.append(seen)
        return found


STRATEGIES: Final[dict[str, Callable[[], Strategy]]] = {
    "Elastic": Elastic,
    "Panther": Panther,
    "Splunk": Splunk,
    "Okta": Okta,
    "Egnyte": Egnyte,
    "ksqlDB": KsqlDb,
}
"""By the name under which they stand in the report."""
