"""A payload, read strictly: what each of the six fields says, or that this is no record at all.

Spark's JSON parser takes the first object of a line and drops what follows, keeps the last of two
equal keys, and shows `1.5`, `true` and `"1.5"` as the same text. So every payload takes one of two ways.
A *plain* one matches a pattern that leaves no room for any of that: one flat object of six members, each
a string without escapes or an integer; the parser's reading of it is exact. Any other is read inside an
envelope that shows whether the parser came to its end, with its keys counted and its types looked at.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from conf.tables import EVENT_FIELDS, IDS

EARLIEST = 946_684_800
"""2000-01-01T00:00:00Z in unix seconds: no ad event is older."""

INTEGER = r"\A-?(?:0|[1-9][0-9]*)\z"

NESTING = 1000
"""Brackets within brackets beyond which a payload does not count as JSON."""

COLUMNS = ("well_formed", "timestamp", "timestamp_outside", "event_type", *IDS)
"""What a reading offers to rules, beside `refused`, which the rules themselves decide."""

_STRING = r'"[^"\\\x00-\x1f]*+"'
_GAP = r"[ \t\r]*+"
_MEMBER = rf"{_STRING}{_GAP}:{_GAP}(?:{_STRING}|(?:0|-?[1-9][0-9]*+)(?![0-9.eE])){_GAP}"
PLAIN = rf"\A{_GAP}\{{{_GAP}{_MEMBER}(?:,{_GAP}{_MEMBER}){{{len(EVENT_FIELDS) - 1}}}\}}{_GAP}\z"

_STRICT = {
    "allowSingleQuotes": "false",
    "allowNonNumericNumbers": "false",
    "maxNumLen": str(1 << 30),
    "maxStringLen": str(1 << 30),
    "maxNestingDepth": str(NESTING + len("[")),
}
_SIX = ", ".join(f"{name} STRING" for name in EVENT_FIELDS)
_TYPED_IDS = ", ".join(f"{name} VARIANT" for name in IDS)
_ENVELOPE = "ARRAY<MAP<STRING, STRING>>"

_HIGH = r"\\u[dD][89abAB][0-9a-fA-F]{2}"
_LOW = r"\\u[dD][c-fC-F][0-9a-fA-F]{2}"


def readings(deliveries: DataFrame) -> DataFrame:
    """One row per delivered record: its columns in `deliveries` and what its payload says.

    Adds well_formed boolean; extra_fields array<string>, names beyond the six, null when there are none;
    and, null where not well formed:
    timestamp string, the integer's text, empty when it is none;
    timestamp_seconds bigint, null when not an integer;
    timestamp_outside bigint, seconds it lies before EARLIEST (negative) or past ingested_at (positive),
    0 in between, null when not an integer;
    event_type int, -1 when it is no integer; the four ids string, empty when absent or not an id.
    """
    return deliveries.transform(_parsed).transform(_understood).transform(_typed)


def _parsed(deliveries: DataFrame) -> DataFrame:
    payload = F.col("payload")
    plain = deliveries.withColumn("_read", F.from_json(payload, _SIX, _STRICT)).withColumn(
        "_plain",
        F.coalesce("valid_utf8", F.lit(False))
        & payload.rlike(PLAIN)
        & F.coalesce(_all(F.col(f"_read.{name}").isNotNull() for name in EVENT_FIELDS), F.lit(False)),
    )
    exact = F.when(~F.col("_plain") & F.col("valid_utf8"), _without_lone_surrogates(payload))
    sealed = F.concat(F.lit("["), "_exact", F.lit(',{"seal":"'), F.md5("_exact"), F.lit('"}]'))
    return (
        plain.withColumn("_exact", exact)
        .withColumn("_envelope", F.from_json(sealed, _ENVELOPE, _STRICT))
        .withColumn("_types", F.from_json("_exact", _TYPED_IDS, _STRICT))
    )


def _without_lone_surrogates(payload: Column) -> Column:
    """Half a surrogate pair is no character. The parser would show it as a question mark, and two ids
    as one; as U+0000 it stays what it is, a value no id may hold.
    """
    unpaired = F.regexp_replace(payload, r"\\\\", r"\\u005c")
    for lone in (rf"{_HIGH}(?!{_LOW})", rf"(?<!{_HIGH}){_LOW}"):
        unpaired = F.regexp_replace(unpaired, lone, r"\\u0000")
    return F.when(payload.contains("\\u"), unpaired).otherwise(payload)


def _understood(parsed: DataFrame) -> DataFrame:
    """Adds _keys array<string> and _record map, both null where the payload is not one JSON object.

    The envelope is an array of the payload and a seal no payload can forge, its own digest. Whatever
    ends the array early, or adds an element, keeps the seal from standing second and last.
    """
    first, second = (F.get("_envelope", F.lit(place)) for place in (0, 1))
    whole = (F.size("_envelope") == len(("payload", "seal"))) & (second["seal"] == F.md5("_exact"))
    record = F.when(whole, first)
    return parsed.withColumn("_record", record).withColumn("_keys", F.map_keys("_record"))


def _typed(understood: DataFrame) -> DataFrame:
    ours = F.filter("_keys", lambda key: key.isin(*EVENT_FIELDS))
    well_formed = F.col("_plain") | F.coalesce(F.size(ours) == F.size(F.array_distinct(ours)), F.lit(False))
    extra = F.array_except(F.array_distinct("_keys"), F.array(*[F.lit(name) for name in EVENT_FIELDS]))
    kept = [name for name in understood.columns if not name.startswith("_")]
    texts = understood.select(
        *kept,
        well_formed.alias("well_formed"),
        F.when(well_formed & (F.size(extra) > 0), extra).alias("extra_fields"),
        *[F.when(well_formed, F.coalesce(_text(name), F.lit(""))).alias(name) for name in EVENT_FIELDS],
    )
    seconds = F.when(F.col("timestamp").rlike(INTEGER), _saturated("timestamp"))
    kind = F.when(F.col("event_type").rlike(INTEGER), F.expr("try_cast(event_type AS INT)"))
    return texts.select(
        *kept,
        "well_formed",
        "extra_fields",
        F.when(F.col("timestamp").rlike(INTEGER), F.col("timestamp"))
        .when(F.col("well_formed"), F.lit(""))
        .alias("timestamp"),
        seconds.alias("timestamp_seconds"),
        _outside(seconds).alias("timestamp_outside"),
        F.when(F.col("well_formed"), F.coalesce(kind, F.lit(-1))).alias("event_type"),
        *IDS,
    )


def _text(name: str) -> Column:
    """The field's text when it is a string or an integer, else null."""
    plain = F.col(f"_read.{name}")
    exact = F.element_at("_record", F.lit(name))
    if name in IDS:
        is_string = F.schema_of_variant(f"_types.{name}") == "STRING"
        # The parser reads the integer -0 as 0; an integer id is its text.
        is_minus_zero = (exact == "0") & F.col("_exact").rlike(rf'"{name}"\s*:\s*-0\s*[,}}]')
        exact = F.when(is_minus_zero, F.lit("-0")).when(is_string | exact.rlike(INTEGER), exact)
    return F.when(F.col("_plain"), plain).otherwise(exact)


def _saturated(name: str) -> Column:
    """The integer as bigint; one beyond 64 bits is as far outside as can be."""
    beyond = F.when(F.col(name).startswith("-"), F.lit(-(1 << 63))).otherwise(F.lit((1 << 63) - 1))
    return F.coalesce(F.expr(f"try_cast({name} AS BIGINT)"), beyond)


def _outside(seconds: Column) -> Column:
    delivered = F.unix_seconds("ingested_at")
    return (
        F.when(seconds < EARLIEST, F.greatest(seconds, F.lit(-(1 << 62))) - EARLIEST)
        .when(seconds > delivered, F.least(seconds, F.lit(1 << 62)) - delivered)
        .when(seconds.isNotNull(), F.lit(0).cast("bigint"))
    )


def _all(conditions: object) -> Column:
    first, *rest = list(conditions)  # type: ignore[call-overload]
    whole: Column = first
    for condition in rest:
        whole = whole & condition
    return whole
