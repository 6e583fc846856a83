"""What somebody has said of a card's payments: which were hers, which believed ones were not, and what follows.

- What she confirms is believed for good: the walk passes through it whatever the clock says, and it is no suspect.
- What she strikes out (it was believed, and not hers) is no sighting any more.
- A confirmed payment that the walk could not have reached makes the way between the two places, there and back, *quiet*
  for some weeks from that payment on.

All of it belongs to the card and lies in its memory. It decides alike before and after the payments that it names have
come, and a name that never comes changes nothing.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from rules.journey import distance_km
from rules.memory import Context, Entry, Memory, QuietPair
from rules.ruleset import RuleSet

MOST_NAMED: Final = 64
"""No more confirmed, and no more struck-out payments are kept of a card: the last named."""
_SECOND_US: Final = 1_000_000


def merged(before: Context | None, confirmed: Sequence[str], struck_out: Sequence[str], at_us: int) -> Context:
    """The context after one more word on some payments; of one payment the last word counts.

    Args:
        before: what was said so far.
        confirmed: transaction ids that were hers.
        struck_out: transaction ids that were believed, and were not hers.
        at_us: when it was said, microseconds since 1970 UTC.
    """
    before = before or Context()
    sure = dict.fromkeys([*(one for one in before.confirmed if one not in struck_out), *confirmed])
    out = dict.fromkeys([*(one for one in before.struck_out if one not in confirmed), *struck_out])
    same = tuple(sure) == before.confirmed and tuple(out) == before.struck_out
    return Context(
        version=before.version + (not same),
        at_us=max(before.at_us, at_us),
        confirmed=tuple(sure)[-MOST_NAMED:],
        struck_out=tuple(out)[-MOST_NAMED:],
        quiet={name: pair for name, pair in before.quiet.items() if name in sure},
    )


class Said:
    """What was said of a card's payments, as a walk through them asks it.

    A word on one of a payment and its repeats is a word on all of them.

    Attributes:
        jumps: the quiet pairs that a walk has found so far, by the confirmed payment.
    """

    def __init__(self, memory: Memory, family: Mapping[str, str], ruleset: RuleSet) -> None:
        context = memory.context or Context()
        self._confirmed = _families(context.confirmed, family)
        self._struck_out = _families(context.struck_out, family)
        self._given = context.quiet
        kept = [pair for name, pair in memory.passed.items() if name not in context.quiet]
        self._quiet = [*context.quiet.values(), *kept]
        self._quiet_km = ruleset.quiet_km
        self._quiet_us = ruleset.quiet_s * _SECOND_US
        self.jumps: dict[str, QuietPair] = {}

    def confirmed(self, entry: Entry) -> bool:
        """Whether it was hers."""
        return entry.transaction_id in self._confirmed

    def struck_out(self, entry: Entry) -> bool:
        """Whether it was not hers, and so says nothing of where she was."""
        return entry.transaction_id in self._struck_out

    def jump(self, before: Entry, confirmed: Entry) -> None:
        """From this confirmed payment on, the way between the two places is quiet."""
        name = confirmed.transaction_id
        if name not in self._given and name not in self.jumps:
            pair = QuietPair(before.lat_e7, before.lon_e7, confirmed.lat_e7, confirmed.lon_e7, confirmed.at_us)
            self.jumps[name] = pair
            self._quiet.append(pair)

    def quiet(self, one: Entry, later: Entry) -> bool:
        """Whether the way between the two is one that she has confirmed, and lately."""
        for pair in self._quiet:
            if pair.since_us <= later.at_us <= pair.since_us + self._quiet_us and (
                (self._at(one, pair.lat_e7, pair.lon_e7) and self._at(later, pair.other_lat_e7, pair.other_lon_e7))
                or (self._at(later, pair.lat_e7, pair.lon_e7) and self._at(one, pair.other_lat_e7, pair.other_lon_e7))
            ):
                return True
        return False

    def _at(self, entry: Entry, lat_e7: int, lon_e7: int) -> bool:
        return distance_km(entry.lat_e7 / 1e7, entry.lon_e7 / 1e7, lat_e7 / 1e7, lon_e7 / 1e7) <= self._quiet_km


def _families(names: Sequence[str], family: Mapping[str, str]) -> frozenset[str]:
    if not names:
        return frozenset()
    counting = {family.get(name, name) for name in names}
    return frozenset({*names, *counting, *(name for name, other in family.items() if other in counting)})
