"""The journey that nobody could have made, as a map: the evidence's own, so that every reader is shown the same."""

from rules.map import JourneyMap, Place, draw

__all__ = ["JourneyMap", "Place", "draw"]
