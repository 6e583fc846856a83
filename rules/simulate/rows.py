"""Simulated payments as rows of numbers, and as the columns of the transaction contract."""

from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
import polars as pl
from numpy.typing import NDArray

from rules.simulate.shops import SHOPS
from rules.simulate.world import World

Rows: TypeAlias = NDArray[np.void]

ROW: Final = np.dtype(
    [
        ("arrived_ms", "i8"),  # when the bank hears of it; orders the file
        ("told_ms", "i8"),  # the same, as the message says it: that of the first, where it comes twice
        ("at_ms", "i8"),  # the transaction's own time, as stated
        ("true_s", "f8"),  # when it truly was, seconds since the start
        ("customer", "u4"),
        ("number", "u4"),  # names the transaction, with the customer
        ("card", "u1"),
        ("wallet", "?"),
        ("shop", "u1"),
        ("merchant", "u4"),
        ("city", "i4"),  # as stated; -1: none
        ("country_of", "i4"),  # the city whose country is stated
        ("spelling", "u1"),
        ("point", "?"),
        ("lat", "f8"),
        ("lon", "f8"),
        ("radius_m", "u4"),  # 0: not stated
        ("cents", "u4"),
        ("currency_of", "i4"),  # the city whose currency it is
        ("channel", "u1"),
        ("entry", "u1"),
        ("type", "u1"),
        ("decline", "u1"),  # 0: approved
        ("deferred", "?"),
        ("repeat_of", "u4"),  # the number that it repeats, and 1; 0: none
        ("truth", "u1"),
        ("case", "u4"),  # number within the block, and 1; 0: none
    ]
)
"""One payment; some 100 bytes, whatever it will be written as."""

CHANNELS: Final = ("card_present", "card_not_present", "atm")
ENTRIES: Final = ("chip", "contactless", "magstripe", "fallback", "manual", "ecommerce", "credential_on_file")
TYPES: Final = ("purchase", "withdrawal", "refund", "reversal", "recurring", "advice")
DECLINES: Final = ("", "wrong_pin", "insufficient_funds", "suspected_fraud")
PROPER, CAPITALS, CUT, RESPELLED, SHORT = range(5)
"""How a city is spelt."""

_CUT_AT: Final = 13
_MIDDLE: Final = 4


@dataclass(frozen=True)
class Truth:
    """What a row is in truth, by its code; what nobody tells the bank."""

    names: tuple[str, ...] = (
        "ordinary",
        "commuting",
        "outing or journey",
        "airport",
        "in flight",
        "on the train",
        "aboard a ship",
        "transit tap",
        "late",
        "point of the head office",
        "registered elsewhere",
        "slow clock",
        "wrong time zone",
        "bad point",
        "misspelt city",
        "phone and plastic apart",
        "duplicate",
        "repeat",
        "fraud: counterfeit",
        "fraud: stolen",
        "fraud: card-absent",
    )

    def code(self, name: str) -> int:
        """The code of a name."""
        return self.names.index(name)


TRUTH: Final = Truth()


def empty(count: int) -> Rows:
    """So many rows of nought."""
    return np.zeros(count, dtype=ROW)


def frame_of(rows: Rows, world: World, block: NDArray[Any]) -> pl.DataFrame:
    """The rows as the contract has them, ``merchant`` and ``location`` nested, with ``arrived_at`` beside them.

    Args:
        rows: in the order of the file.
        world: whose cities they name.
        block: of each row the number of its block.
    """
    customer = pl.Series(block.astype(np.int64) * 100_000 + rows["customer"]).cast(pl.String).str.zfill(9)
    number = pl.Series(rows["number"]).cast(pl.String)
    cents = pl.Series(rows["cents"])
    frame = pl.DataFrame(
        {
            "customer": customer,
            "transaction_id": "t" + customer + "-" + number,
            "card_id": "c" + customer + "-" + pl.Series(rows["card"]).cast(pl.String),
            "occurred_at": _moments(rows["at_ms"]),
            "arrived_at": _moments(rows["told_ms"]),
            "amount": (cents // 100).cast(pl.String) + "." + (cents % 100).cast(pl.String).str.zfill(2),
            "currency": _named(world.currencies, rows["currency_of"]),
            "name": _named([each.name for each in SHOPS], rows["shop"]),
            "mcc": _named([each.mcc for each in SHOPS], rows["shop"]),
            "city": _cities(world, rows),
            "country": _named(world.countries, rows["country_of"]),
            "merchant_id": "m" + pl.Series(rows["merchant"]).cast(pl.String),
            "point": rows["point"],
            "lat": np.round(rows["lat"], 5),
            "lon": np.round(rows["lon"], 5),
            "radius_km": rows["radius_m"] / 1000,
            "channel": _named(CHANNELS, rows["channel"]),
            "entry_mode": _named(ENTRIES, rows["entry"]),
            "type": _named(TYPES, rows["type"]),
            "decline": rows["decline"],
            "decline_reason": _named(DECLINES, rows["decline"]),
            "wallet": rows["wallet"],
            "deferred": rows["deferred"],
            "repeated": rows["repeat_of"],
        }
    )
    radius = pl.when(pl.col("radius_km") > 0).then("radius_km")
    return frame.select(
        "transaction_id",
        "card_id",
        "occurred_at",
        "amount",
        "currency",
        pl.struct("name", "mcc", "city", "country", id="merchant_id").alias("merchant"),
        pl.when("point").then(pl.struct("lat", "lon", radius_km=radius)).alias("location"),
        "channel",
        "entry_mode",
        "type",
        pl.when(pl.col("decline") > 0).then(pl.lit("declined")).otherwise(pl.lit("approved")).alias("outcome"),
        pl.when(pl.col("decline") > 0).then("decline_reason").alias("decline_reason"),
        pl.when("wallet").then(pl.lit("wallet")).otherwise(pl.lit("plastic")).alias("instrument"),
        pl.when("wallet").then("d" + pl.col("customer")).alias("device_id"),
        "deferred",
        pl.when(pl.col("repeated") > 0)
        .then("t" + pl.col("customer") + "-" + (pl.col("repeated") - 1).cast(pl.String))
        .alias("repeat_of"),
        "arrived_at",
    )


def labels_of(rows: Rows, block: NDArray[Any]) -> pl.DataFrame:
    """The truth of each row: its id, what it is, and its case."""
    customer = pl.Series(block.astype(np.int64) * 100_000 + rows["customer"]).cast(pl.String).str.zfill(9)
    case = pl.Series(block.astype(np.int64)).cast(pl.String) + "-" + pl.Series(rows["case"]).cast(pl.String)
    frame = pl.DataFrame(
        {
            "transaction_id": "t" + customer + "-" + pl.Series(rows["number"]).cast(pl.String),
            "card_id": "c" + customer + "-" + pl.Series(rows["card"]).cast(pl.String),
            "truth": _named(TRUTH.names, rows["truth"]),
            "case": "case" + case,
            "fraud": rows["case"] > 0,
        }
    )
    return frame.select("transaction_id", "card_id", "truth", pl.when("fraud").then("case").alias("case_id"), "fraud")


def _moments(milliseconds: NDArray[Any]) -> pl.Series:
    return pl.Series(milliseconds).cast(pl.Datetime("ms")).dt.strftime("%Y-%m-%dT%H:%M:%S%.3fZ")


def _named(names: Any, codes: NDArray[Any]) -> pl.Series:
    indices = pl.Series(codes.astype(np.int64))
    return pl.Series(names, dtype=pl.String).gather(indices.set(indices < 0, None))


def _cities(world: World, rows: Rows) -> pl.Series:
    """The stated cities, each as it is spelt."""
    city, spelling = rows["city"].astype(np.int64), rows["spelling"]
    names = _named(world.names, city)
    odd = np.flatnonzero(spelling > PROPER)
    spelt = [_spelt(world, int(city[n]), int(spelling[n])) for n in odd]
    return names.scatter(odd, pl.Series(spelt, dtype=pl.String))


def _spelt(world: World, city: int, spelling: int) -> str:
    name = world.names[city]
    if spelling == CAPITALS:
        return name.upper()
    if spelling == CUT:
        return name.upper()[:_CUT_AT]
    if spelling == RESPELLED:
        return world.respelled(city)
    return name[: len(name) // 2] + name[len(name) // 2 + 1 :] if len(name) > _MIDDLE else name
