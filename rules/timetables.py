"""Thirty real journeys, near and far, that the lower bound is held against (docs/detection.md; ``tests/rules``).

The times are typical scheduled times of the fastest regular service of the operator that is named, from departure to
arrival. They are here to show how far below the bound stays, and are not kept up to the minute.
"""

from typing import Final

import msgspec

BOARDING_MIN: Final = 20
"""Between a payment in the terminal and the departure of a flight lie so many minutes at least: so long before it gates
close (British Airways and Ryanair: 20 minutes; Lufthansa: 15)."""


class Real(msgspec.Struct, frozen=True):
    """A real journey between two stations, harbours, towns or airports, in degrees and minutes."""

    start: str
    start_at: tuple[float, float]
    end: str
    end_at: tuple[float, float]
    means: str
    scheduled_min: int
    operator: str

    @property
    def fastest_min(self) -> int:
        """From the last payment before it to the first one after it, at least."""
        return self.scheduled_min + (BOARDING_MIN if self.means == "flight" else 0)


_BEIJING, _SHANGHAI = (39.8652, 116.3786), (31.2495, 121.4557)
_PARIS_NORD, _ST_PANCRAS = (48.8809, 2.3553), (51.5308, -0.1261)
_TOKYO, _SYDNEY = (35.6812, 139.7671), (-33.9461, 151.1772)
_HEATHROW, _KENNEDY, _SINGAPORE = (51.4706, -0.4619), (40.6398, -73.7789), (1.3502, 103.9943)

JOURNEYS: Final[tuple[Real, ...]] = (
    Real("Shanghai", _SHANGHAI, "Suzhou", (31.3303, 120.6107), "train", 23, "China Railway"),
    Real("Guangzhou", (22.9887, 113.2694), "Shenzhen", (22.6093, 114.0291), "train", 29, "China Railway"),
    Real("Tokyo", _TOKYO, "Utsunomiya", (36.5593, 139.8982), "train", 48, "JR East"),
    Real("Beijing", _BEIJING, "Tianjin", (39.1365, 117.2096), "train", 30, "China Railway"),
    Real("Lyon", (45.7606, 4.8598), "Geneva", (46.2044, 6.1432), "car", 100, "route planner, empty road"),
    Real("Munich", (48.1372, 11.5755), "Nuremberg", (49.4521, 11.0767), "car", 95, "route planner, empty road"),
    Real("Cologne", (50.9430, 6.9586), "Frankfurt Airport", (50.0531, 8.5706), "train", 51, "Deutsche Bahn"),
    Real("Honolulu", (21.3187, -157.9225), "Kahului", (20.8986, -156.4305), "flight", 38, "Hawaiian Airlines"),
    Real("Phnom Penh", (11.5564, 104.9282), "Sihanoukville", (10.6270, 103.5222), "car", 120, "expressway, empty road"),
    Real("Buenos Aires", (-34.6, -58.3667), "Montevideo", (-34.9058, -56.2133), "ferry", 135, "Buquebus"),
    Real("Paris", _PARIS_NORD, "Brussels", (50.8357, 4.3365), "train", 82, "Eurostar"),
    Real("London", _ST_PANCRAS, "Brussels", (50.8357, 4.3365), "train", 113, "Eurostar"),
    Real("Seoul", (37.5547, 126.9706), "Busan", (35.1151, 129.0414), "train", 135, "Korail"),
    Real("New York", (40.7506, -73.9935), "Washington", (38.8973, -77.0063), "train", 165, "Amtrak Acela"),
    Real("London", _ST_PANCRAS, "Paris", _PARIS_NORD, "train", 136, "Eurostar"),
    Real("Paris", (48.8443, 2.3735), "Lyon", (45.7606, 4.8598), "train", 116, "SNCF"),
    Real("Tokyo", _TOKYO, "Osaka", (34.7335, 135.5002), "train", 141, "JR Central"),
    Real("Seoul Gimpo", (37.5583, 126.7906), "Jeju", (33.5113, 126.4930), "flight", 65, "Korean Air"),
    Real("Rome", (41.9010, 12.5019), "Milan", (45.4862, 9.2047), "train", 175, "Trenitalia"),
    Real("Madrid", (40.4064, -3.6909), "Barcelona", (41.3790, 2.1403), "train", 150, "Renfe"),
    Real("London", _HEATHROW, "Edinburgh", (55.9500, -3.3725), "flight", 80, "British Airways"),
    Real("Sydney", _SYDNEY, "Melbourne", (-37.6733, 144.8433), "flight", 90, "Qantas"),
    Real("Beijing", _BEIJING, "Shanghai", (31.1940, 121.3204), "train", 258, "China Railway"),
    Real("Nadi", (-17.7554, 177.4431), "Apia", (-13.8297, -172.0083), "flight", 110, "Fiji Airways"),
    Real("New York", _KENNEDY, "London", _HEATHROW, "flight", 400, "British Airways"),
    Real("Los Angeles", (33.9425, -118.4081), "Tokyo", (35.5523, 139.7800), "flight", 700, "ANA"),
    Real("Phnom Penh", (11.5466, 104.8441), "Paris", (49.0128, 2.5500), "flight", 900, "one change of aircraft"),
    Real("Sydney", _SYDNEY, "Santiago", (-33.3930, -70.7858), "flight", 750, "LATAM, past the South Pole"),
    Real("Perth", (-31.9403, 115.9669), "London", _HEATHROW, "flight", 1005, "Qantas"),
    Real("Singapore", _SINGAPORE, "New York", _KENNEDY, "flight", 1100, "Singapore Airlines"),
)
