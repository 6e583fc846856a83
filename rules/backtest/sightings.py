"""What Ringback takes for a sighting, and where: so that others' rules see what ours sees."""

from rules.backtest.strategies import Seen
from rules.gazetteer import world
from rules.in_transit import InTransit
from rules.ruleset import RuleSet
from rules.sighting import NONE, place_of, trust
from rules.transaction import EPOCH, MICROSECOND, Transaction


class Sightings:
    """The sighting of a transaction, under a rule set's trust and places."""

    def __init__(self, ruleset: RuleSet) -> None:
        self._ruleset = ruleset
        self._in_transit = InTransit(ruleset.in_transit)
        self._gazetteer = world()

    def __call__(self, transaction: Transaction) -> Seen | None:
        """None if it says nothing of where the card was."""
        kind = (transaction.entry_mode, transaction.channel, transaction.type, transaction.instrument)
        if trust(*kind).level == NONE:
            return None
        merchant = transaction.merchant
        if merchant is not None and self._in_transit.find(merchant.mcc, merchant.name) is not None:
            return None
        place = place_of(transaction, self._gazetteer, self._ruleset)
        if place is None:
            return None
        at_us = (transaction.occurred_at - EPOCH) // MICROSECOND
        return Seen(at_us, transaction.transaction_id, place.lat, place.lon, place.radius_km or 0.0)
