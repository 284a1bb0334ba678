"""A payload, read strictly: what each of the six fields says, or that this is no record at all.

Spark's JSON parser takes the first object of a line and drops what follows, keeps the last of two
equal keys, and shows `1.5`, `true` and `"1.5"` as the same text. So every payload takes one of three ways.
A *plain* one matches a pattern that leaves no room for any of that: one flat object of six members, each
a string without escapes or an integer; the parser's reading of it is exact. A plain one whose members also
stand in our own order and spacing, as most senders write them, needs no parser: its quotes tell where
its values are, at a seventh of the cost. Any other payload is read inside an envelope that shows whether
the parser came to its end, with its keys counted and its types looked at.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce

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

_NUMBER = r"(?:0|-?[1-9][0-9]*+)"


def _layout(comma: str, colon: str, number: str) -> str:
    """The pattern of a payload whose members stand in our order, so separated; ids are strings."""
    values = dict.fromkeys(EVENT_FIELDS, number) | dict.fromkeys(IDS, _STRING)
    members = [f'"{name}"{colon}{value}' for name, value in values.items()]
    return rf"\A\{{{comma.join(members)}\}}\z"


_SPACINGS = {"comma": ",", "colon": ":"}, {"comma": ", ", "colon": ": "}
LAYOUTS = [_layout(**spacing, number=number) for spacing in _SPACINGS for number in (_NUMBER, _STRING)]
"""A pattern each, for none of them may be slow: an optional space at every place doubles the time."""

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
    payload, is_text = F.col("payload"), F.coalesce("valid_utf8", F.lit(False))
    in_layout = reduce(Column.__or__, [payload.rlike(layout) for layout in LAYOUTS])
    pieces = deliveries.withColumn("_pieces", F.when(is_text & in_layout, F.split("payload", '"')))
    of_pieces = F.when(F.col("_pieces").isNotNull(), _cut(F.col("_pieces")))
    # Cut before the parser is named: where it is, each row is copied from what was before it.
    cut = pieces.select(*deliveries.columns, of_pieces.alias("_cut"))
    said = F.when(F.col("_cut").isNotNull(), F.col("_cut")).otherwise(_parsed(payload, is_text))
    texts = cut.select(*deliveries.columns, said.alias("_said")).select(*deliveries.columns, "_said.*")
    return texts.transform(_typed, deliveries.columns)


def _let(value: Column, of: Callable[[Column], Column]) -> Column:
    """What `of` makes of the value, which is computed once, and only where it is asked for: elsewhere Spark
    would put it in the place of each use, or compute it of every row.
    """
    return F.get(F.transform(F.array(value), of), F.lit(0))


def _said(texts: Callable[[str], Column], well_formed: Column, extra: Column) -> Column:
    """What a payload says, as a struct: well_formed, extra_fields, and the text of each field."""
    fields = {name: F.when(well_formed, F.coalesce(texts(name), F.lit(""))) for name in EVENT_FIELDS}
    return F.struct(
        well_formed.alias("well_formed"),
        F.when(well_formed & (F.size(extra) > 0), extra).alias("extra_fields"),
        *[text.alias(name) for name, text in fields.items()],
    )


def _cut(pieces: Column) -> Column:
    """What a payload in one of the LAYOUTS says, cut into pieces at each quote.

    A member whose value is a string takes four pieces, one whose value is a number two.
    """
    numbers = len(EVENT_FIELDS) - len(IDS)
    is_text = F.size(pieces) == 4 * len(EVENT_FIELDS) + 1

    def text(name: str) -> Column:
        place = EVENT_FIELDS.index(name)
        as_text = F.get(pieces, F.lit(4 * place + 3))
        if name in IDS:
            return F.when(is_text, as_text).otherwise(F.get(pieces, F.lit(4 * place + 3 - 2 * numbers)))
        return F.when(is_text, as_text).otherwise(F.btrim(F.get(pieces, F.lit(2 * place + 2)), F.lit(":, ")))

    return _said(text, F.lit(True), F.lit(None).cast("array<string>"))


def _parsed(payload: Column, is_text: Column) -> Column:
    """What any other payload says."""

    def plain_or_exact(read: Column) -> Column:
        is_whole = reduce(Column.__and__, [read[name].isNotNull() for name in EVENT_FIELDS])
        plain = _said(lambda name: read[name], F.lit(True), F.lit(None).cast("array<string>"))
        exact = F.when(is_text, _without_lone_surrogates(payload))
        return F.when(is_text & payload.rlike(PLAIN) & is_whole, plain).otherwise(_let(exact, _exact))

    return _let(F.from_json(payload, _SIX, _STRICT), plain_or_exact)


def _exact(text: Column) -> Column:
    """What a payload says that is read inside an envelope: an array of the payload and a seal that no payload
    can forge, its own digest.

    Whatever ends the array early, or adds an element, keeps the seal from standing second and last.
    """

    def opened(envelope: Column) -> Column:
        first, second = (F.get(envelope, F.lit(place)) for place in (0, 1))
        is_whole = (F.size(envelope) == len(("payload", "seal"))) & (second["seal"] == F.md5(text))
        return _let(F.when(is_whole, first), understood)

    def understood(record: Column) -> Column:
        keys = F.map_keys(record)
        ours = F.filter(keys, lambda key: key.isin(*EVENT_FIELDS))
        well_formed = F.coalesce(F.size(ours) == F.size(F.array_distinct(ours)), F.lit(False))
        extra = F.array_except(F.array_distinct(keys), F.array(*[F.lit(name) for name in EVENT_FIELDS]))
        types = F.from_json(text, _TYPED_IDS, _STRICT)
        return _let(
            types, lambda types: _said(lambda name: _value(name, record, text, types), well_formed, extra)
        )

    sealed = F.concat(F.lit("["), text, F.lit(',{"seal":"'), F.md5(text), F.lit('"}]'))
    return _let(F.from_json(sealed, _ENVELOPE, _STRICT), opened)


def _value(name: str, record: Column, text: Column, types: Column) -> Column:
    """The field's text when it is a string or an integer, else null."""
    value = F.element_at(record, F.lit(name))
    if name not in IDS:
        return value
    is_string = F.schema_of_variant(types[name]) == "STRING"
    # The parser reads the integer -0 as 0; an integer id is its text.
    is_minus_zero = (value == "0") & text.rlike(rf'"{name}"\s*:\s*-0\s*[,}}]')
    return F.when(is_minus_zero, F.lit("-0")).when(is_string | value.rlike(INTEGER), value)


def _without_lone_surrogates(payload: Column) -> Column:
    """Half a surrogate pair is no character. The parser would show it as a question mark, and two ids
    as one; as U+0000 it stays what it is, a value no id may hold.
    """
    unpaired = F.regexp_replace(payload, r"\\\\", r"\\u005c")
    for lone in (rf"{_HIGH}(?!{_LOW})", rf"(?<!{_HIGH}){_LOW}"):
        unpaired = F.regexp_replace(unpaired, lone, r"\\u0000")
    return F.when(payload.contains("\\u"), unpaired).otherwise(payload)


def _typed(texts: DataFrame, kept: list[str]) -> DataFrame:
    """The texts of well-formed records as the columns of a reading, beside those of `kept`."""
    is_number = F.col("_is_integer")
    whole = texts.withColumn("_is_integer", _is_integer("timestamp")).select(
        *kept,
        "well_formed",
        "extra_fields",
        F.when(is_number, F.col("timestamp")).when(F.col("well_formed"), F.lit("")).alias("timestamp"),
        F.when(is_number, _saturated("timestamp")).alias("timestamp_seconds"),
        F.when(_is_integer("event_type"), F.expr("try_cast(event_type AS INT)")).alias("event_type"),
        *IDS,
    )
    return whole.select(
        *kept,
        "well_formed",
        "extra_fields",
        "timestamp",
        "timestamp_seconds",
        _outside(F.col("timestamp_seconds")).alias("timestamp_outside"),
        F.when(F.col("well_formed"), F.coalesce("event_type", F.lit(-1))).alias("event_type"),
        *IDS,
    )


def _is_integer(name: str) -> Column:
    """Whether a text is an integer; most are as Spark writes them, which is told without a pattern."""
    as_written = F.expr(f"CAST(try_cast({name} AS BIGINT) AS STRING)") == F.col(name)
    return F.when(as_written, F.lit(True)).otherwise(F.col(name).rlike(INTEGER))


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
