"""Place names to points and radii; points to time zones."""


class Gazetteer:
    """City names by country, and the zone of the nearest city."""
