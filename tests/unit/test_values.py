"""A value in any of the forms that the API is seen to use becomes the one value of its type."""

from __future__ import annotations

import math
import re
from datetime import date, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tap_crowdtwist.records import timestamps, values
from tap_crowdtwist.records.values import ConversionError

if TYPE_CHECKING:
    from collections.abc import Callable

UTC = timezone.utc
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LARGEST = 2**63 - 1

UNTIL_2200 = 7_258_118_400

few = settings(max_examples=60, deadline=None)


def fits(convert: Callable[[Any], Any], value: Any) -> bool:
    try:
        convert(value)
    except ConversionError:
        return False
    return True


def reads_as_a_date(number: int) -> bool:
    """Return whether a number is a date in digits, by a test that is stricter than needed."""
    return len(str(number)) in {4, 6, 8, 12, 14} and str(number)[:2] in {"19", "20", "21"}


def devanagari(text: str) -> str:
    """Spell digits in another script, which `int` would read."""
    return text.translate({ord("0") + n: 0x966 + n for n in range(10)})


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats()
    | st.text(max_size=30)
    | st.text("0123456789+-.eTZ: ", max_size=25),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)


@pytest.mark.parametrize(
    "convert",
    [
        values.text,
        values.integer,
        values.number,
        values.boolean,
        timestamps.normalize_timestamp,
        timestamps.normalize_date,
    ],
)
@few
@given(value=anything)
def test_a_value_is_converted_or_a_misfit_and_nothing_else(
    convert: Callable[[Any], Any], value: Any
) -> None:
    if fits(convert, value):
        assert isinstance(convert(value), (str, int, float, bool, type(None)))


@pytest.mark.parametrize(
    "convert",
    [
        values.integer,
        values.number,
        values.boolean,
        timestamps.normalize_timestamp,
        timestamps.normalize_date,
    ],
)
@pytest.mark.parametrize("blank", ["", " ", "\t\r\n"])
def test_a_blank_text_is_none(convert: Callable[[Any], Any], blank: str) -> None:
    assert convert(blank) is None


@pytest.mark.parametrize(
    "convert",
    [values.text, values.integer, values.number, values.boolean, timestamps.normalize_timestamp],
)
@pytest.mark.parametrize("value", [[], {}, [1], {"a": 1}])
def test_arrays_and_objects_are_no_scalars(convert: Callable[[Any], Any], value: Any) -> None:
    assert not fits(convert, value)


# Texts


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("", ""),
        (" a ", " a "),
        (5, "5"),
        (-5, "-5"),
        (1.5, "1.5"),
        (True, "true"),
        (False, "false"),
    ],
)
def test_a_text_stays_and_anything_single_is_spelled(value: Any, text: str) -> None:
    assert values.text(value) == text


# Integers


@few
@given(number=st.integers(-(2**63), LARGEST))
def test_an_integer_comes_as_itself_and_as_text(number: int) -> None:
    for form in (number, str(number), f" {number} ", f"{number}.0", f"{number}."):
        assert values.integer(form) == number


@few
@given(number=st.integers(-(2**53), 2**53))
def test_an_integer_comes_as_a_float(number: int) -> None:
    assert values.integer(float(number)) == number
    assert type(values.integer(float(number))) is int


@pytest.mark.parametrize(("value", "number"), [("007", 7), ("+7", 7), ("-0", 0), (-0.0, 0)])
def test_odd_spellings_of_an_integer(value: Any, number: int) -> None:
    assert values.integer(value) == number


@pytest.mark.parametrize(
    "value",
    [
        LARGEST + 1,
        -(2**63) - 1,
        str(LARGEST + 1),
        str(-(2**63) - 1),
        1e19,
        pytest.param("9" * 5000, id="5000 digits"),
        1.5,
        "1.5",
        "1e3",
        "1,000",
        "1_000",
        "0x10",
        devanagari("12"),
        "²",
        "12a",
        "--1",
        "+",
        True,
        False,
        None,
        math.inf,
        -math.inf,
        math.nan,
        "inf",
        "nan",
    ],
)
def test_what_is_no_integer_of_64_bits_is_a_misfit(value: Any) -> None:
    assert not fits(values.integer, value)


# Numbers


@few
@given(number=st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_comes_as_itself_and_as_text(number: float) -> None:
    assert values.number(number) == number
    assert values.number(repr(number)) == number
    assert values.number(f" {number!r} ") == number


@few
@given(number=st.integers(-(2**63), LARGEST))
def test_a_whole_number_stays_exact(number: int) -> None:
    assert values.number(number) == number
    assert type(values.number(number)) is int


@pytest.mark.parametrize("number", [LARGEST + 1, -(10**30), 10**300])
def test_a_whole_number_beyond_64_bits_becomes_a_float(number: int) -> None:
    converted = values.number(number)
    assert type(converted) is float
    assert converted == pytest.approx(number)


@pytest.mark.parametrize(
    ("value", "number"),
    [("84.50", 84.5), (".5", 0.5), ("5.", 5.0), ("1e3", 1e3), ("-1E-2", -0.01)],
)
def test_odd_spellings_of_a_number(value: str, number: float) -> None:
    assert values.number(value) == number


@pytest.mark.parametrize(
    "value",
    [
        math.inf,
        -math.inf,
        math.nan,
        "inf",
        "nan",
        "NaN",
        "1e999",
        pytest.param(10**400, id="400 digits"),
        "1,5",
        "€ 5",
        devanagari("3"),
        ".",
        "e5",
        True,
        None,
    ],
)
def test_what_is_no_finite_number_is_a_misfit(value: Any) -> None:
    assert not fits(values.number, value)


# Booleans


@pytest.mark.parametrize("form", [True, 1, 1.0, "1", "true", "True", " TRUE "])
def test_true_comes_in_many_forms(form: Any) -> None:
    assert values.boolean(form) is True


@pytest.mark.parametrize("form", [False, 0, 0.0, -0.0, "0", "false", "False", " FALSE "])
def test_false_comes_in_many_forms(form: Any) -> None:
    assert values.boolean(form) is False


@pytest.mark.parametrize(
    "value", [2, -1, 0.5, math.nan, "yes", "2", "on", devanagari("1"), None, [], {}]
)
def test_what_is_neither_true_nor_false_is_a_misfit(value: Any) -> None:
    assert not fits(values.boolean, value)


# Instants

RFC_3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z", re.ASCII)
moments = st.datetimes(
    datetime(1, 1, 3),  # noqa: DTZ001 - the strategy wants naive bounds
    datetime(9999, 12, 29),  # noqa: DTZ001
    timezones=st.just(UTC),
)
offsets = st.integers(-(23 * 60 + 59), 23 * 60 + 59).map(lambda m: timezone(timedelta(minutes=m)))


def spelled(moment: datetime) -> str:
    """Spell an instant as RFC 3339 by the standard library alone."""
    text = moment.astimezone(UTC).strftime("%m-%dT%H:%M:%S")
    fraction = f".{moment.microsecond:06}" if moment.microsecond else ""
    return f"{moment.astimezone(UTC).year:04}-{text}{fraction}Z"


@few
@given(moment=moments, offset=offsets)
def test_an_instant_has_one_outcome_in_all_of_its_iso_spellings(
    moment: datetime, offset: timezone
) -> None:
    local = moment.astimezone(offset)
    clock = local.replace(tzinfo=None).isoformat()
    sign = "-" if offset.utcoffset(None) < timedelta() else "+"
    minutes = abs(offset.utcoffset(None)) // timedelta(minutes=1)
    hours, rest = f"{minutes // 60:02}", f"{minutes % 60:02}"
    plain = moment.replace(tzinfo=None).isoformat()
    forms = [
        f"{clock}{sign}{hours}:{rest}",
        f"{clock}{sign}{hours}{rest}",
        f"{clock} {sign}{hours}:{rest}",
        f" {clock.replace('T', ' ')}{sign}{hours}:{rest} ",
        f"{plain}Z",
        f"{plain}z",
        f"{plain.replace('T', 't')}Z",
        f"{plain.replace('.', ',')}Z",
        plain,
        spelled(moment),
    ]
    assert {timestamps.normalize_timestamp(form) for form in forms} == {spelled(moment)}
    assert RFC_3339.fullmatch(spelled(moment))


@few
@given(seconds=st.integers(-UNTIL_2200 + 1, UNTIL_2200 - 1))
def test_an_epoch_has_one_outcome_in_all_of_its_spellings(seconds: int) -> None:
    assume(not reads_as_a_date(seconds))
    moment = spelled(EPOCH + timedelta(seconds=seconds))
    for form in (
        seconds,
        str(seconds),
        f" {seconds} ",
        f"{seconds}.0",
        f"{seconds}.",
        float(seconds),
    ):
        assert timestamps.normalize_timestamp(form) == moment


@few
@given(milliseconds=st.integers(253_402_300_800, 253_402_300_799_999))
def test_an_epoch_in_milliseconds_is_exact(milliseconds: int) -> None:
    assume(not reads_as_a_date(milliseconds))
    moment = spelled(EPOCH + timedelta(milliseconds=milliseconds))
    assert timestamps.normalize_timestamp(milliseconds) == moment
    assert timestamps.normalize_timestamp(str(milliseconds)) == moment


@few
@given(second=st.integers(7_258_119, 253_402_300) | st.integers(-62_135_596, -7_258_119))
def test_whole_seconds_of_early_years_may_come_in_milliseconds(second: int) -> None:
    """As public scrapers met them: 946684800000 is a moment of 2000, and of no later time."""
    assume(not reads_as_a_date(second * 1000))
    moment = spelled(EPOCH + timedelta(seconds=second))
    for form in (second * 1000, f"{second}000", float(second * 1000)):
        assert timestamps.normalize_timestamp(form) == moment
        assert timestamps.normalize_date(form) == moment[:10]


@few
@given(microseconds=st.integers(-UNTIL_2200 * 10**6 + 1, UNTIL_2200 * 10**6 - 1))
def test_a_fraction_of_an_epoch_is_kept_to_the_microsecond(microseconds: int) -> None:
    assume(not reads_as_a_date(microseconds // 10**6))
    seconds = microseconds / 10**6
    outcome = timestamps.normalize_timestamp(seconds)
    assert outcome is not None
    told = datetime.fromisoformat(outcome.replace("Z", "+00:00"))
    assert abs(told - (EPOCH + timedelta(microseconds=microseconds))) <= timedelta(microseconds=2)


@pytest.mark.parametrize(
    ("value", "outcome"),
    [
        ("2026-02-03T14:05:00Z", "2026-02-03T14:05:00Z"),
        ("2026-02-03T14:05:00.000Z", "2026-02-03T14:05:00Z"),
        ("2026-02-03T10:05:00-04:00", "2026-02-03T14:05:00Z"),
        ("2026-02-03T16:05:00+02", "2026-02-03T14:05:00Z"),
        ("2026-02-03T14:05", "2026-02-03T14:05:00Z"),
        ("2026-02-03T14:05Z", "2026-02-03T14:05:00Z"),
        ("2026-02-03", "2026-02-03T00:00:00Z"),
        ("2026-02-03T14:05:00.5Z", "2026-02-03T14:05:00.500000Z"),
        ("2026-02-03T14:05:00.123456789Z", "2026-02-03T14:05:00.123456Z"),
        ("2024-02-29T00:00:00Z", "2024-02-29T00:00:00Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
        (0, "1970-01-01T00:00:00Z"),
        (-1, "1969-12-31T23:59:59Z"),
        ("-86400", "1969-12-31T00:00:00Z"),
        ("1.5", "1970-01-01T00:00:01.500000Z"),
        ("1e3", "1970-01-01T00:16:40Z"),
        ("17E8", "2023-11-14T22:13:20Z"),
        (99_999_999_999, "5138-11-16T09:46:39Z"),
        (946_684_800_000, "2000-01-01T00:00:00Z"),
        (32_503_593_600, "2999-12-31T00:00:00Z"),
        (253_402_214_400, "9999-12-31T00:00:00Z"),
        (253_402_300_799, "9999-12-31T23:59:59Z"),
        (253_402_300_799_000, "9999-12-31T23:59:59Z"),
        (-62_135_596_800, "0001-01-01T00:00:00Z"),
        (2_026_011_002, "2034-03-15T04:50:02Z"),
        (-20_260_110, "1969-05-11T12:11:30Z"),
        (100_000_000_000, "1973-03-03T09:46:40Z"),
        (1_700_000_000_123, "2023-11-14T22:13:20.123000Z"),
        (-100_000_000_000, "1966-10-31T14:13:20Z"),
    ],
)
def test_instants_as_they_are_seen(value: Any, outcome: str) -> None:
    assert timestamps.normalize_timestamp(value) == outcome


@pytest.mark.parametrize(
    "value",
    [
        True,
        None,
        math.nan,
        math.inf,
        -math.inf,
        pytest.param(10**400, id="400 digits"),
        pytest.param("9" * 5000, id="5000 digits"),
        "1e400",
        10**17,
        -(10**17),
        "never",
        "0000-00-00",
        "0000-00-00 00:00:00",
        "0000-01-01T00:00:00Z",
        "2026-02-30T00:00:00Z",
        "2026-02-30",
        "2025-02-29T00:00:00Z",
        "2026-13-01",
        "2026-02-03T24:00:00Z",
        "2026-02-03T23:60:00Z",
        "2016-12-31T23:59:60Z",
        "2026-02-03T14Z",
        "2026-02-03T14:05.5Z",
        "2026-02-03T14:05:00+24:00",
        "2026-02-03T14:05:00+01:60",
        "2026-02-03T14:05:00 UTC",
        "2026-02-03Z",
        "2026-2-3",
        "26-02-03",
        "02/03/2026",
        devanagari("2026-02-03T14:05:00Z"),
        devanagari("1700000000"),
        "0001-01-01T00:00:00+01:00",
        "9999-12-31T23:59:59-01:00",
    ],
)
def test_what_is_no_instant_is_a_misfit(value: Any) -> None:
    assert not fits(timestamps.normalize_timestamp, value)


@few
@given(day=st.text("0123456789", min_size=8, max_size=8), clock=st.text("0123456789", min_size=6))
def test_an_instant_is_accepted_exactly_if_the_calendar_has_it(day: str, clock: str) -> None:
    text = f"{day[:4]}-{day[4:6]}-{day[6:]}T{clock[:2]}:{clock[2:4]}:{clock[4:6]}"
    try:
        there = datetime.strptime(text, "%Y-%m-%dT%H:%M:%S")  # noqa: DTZ007 - it has no offset
    except ValueError:
        assert not fits(timestamps.normalize_timestamp, f"{text}Z")
    else:
        if int(clock[4:6]) < 60:  # strptime alone knows leap seconds
            assert timestamps.normalize_timestamp(f"{text}Z") == spelled(there.replace(tzinfo=UTC))


# Dates in digits


@few
@given(
    moment=st.datetimes(
        datetime(1900, 1, 1),  # noqa: DTZ001 - the strategy wants naive bounds
        datetime(2100, 12, 31, 23, 59, 59),  # noqa: DTZ001
        timezones=st.just(UTC),
    )
)
def test_a_date_in_digits_is_that_date_and_no_epoch(moment: datetime) -> None:
    for form, since in (
        ("%Y%m%d", moment.replace(hour=0, minute=0, second=0, microsecond=0)),
        ("%Y%m%d%H%M", moment.replace(second=0, microsecond=0)),
        ("%Y%m%d%H%M%S", moment.replace(microsecond=0)),
    ):
        digits = moment.strftime(form)
        for spelling in (digits, f" {digits} ", int(digits), f"{digits}.0", float(digits)):
            assert timestamps.normalize_timestamp(spelling) == spelled(since)
            assert timestamps.normalize_date(spelling) == since.date().isoformat()


@few
@given(month=st.dates(date(1900, 1, 1), date(2100, 12, 31)))
def test_a_year_or_a_month_in_digits_is_a_misfit_and_no_invented_day(month: date) -> None:
    for digits in (f"{month:%Y}", f"{month:%Y%m}"):
        for spelling in (digits, int(digits), float(digits)):
            assert not fits(timestamps.normalize_date, spelling)
            assert not fits(timestamps.normalize_timestamp, spelling)


@pytest.mark.parametrize("sign", [1, -1])
def test_a_birthday_in_epoch_seconds_never_reads_as_a_date(sign: int) -> None:
    """Midnight in any time zone is a multiple of 900 seconds, and what ends in 00 is no day."""
    for seconds in range(0, 10**8, 900):
        midnight = EPOCH + timedelta(seconds=sign * seconds)
        assert timestamps.normalize_date(sign * seconds) == midnight.date().isoformat()


@pytest.mark.parametrize("number", [20261301, 20260230, 20260100, 18991231, 21010101, 202613])
def test_a_number_that_the_calendar_does_not_have_is_an_epoch(number: int) -> None:
    assert timestamps.normalize_timestamp(number) == spelled(EPOCH + timedelta(seconds=number))


# Days


@few
@given(day=st.dates(), clock=st.sampled_from(["", "T00:00:00Z", " 23:59:59.999-11:00", "T12:00"]))
def test_a_day_is_the_one_that_is_written(day: date, clock: str) -> None:
    assert timestamps.normalize_date(f" {day.isoformat()}{clock}") == day.isoformat()


@few
@given(day=st.dates(date(1740, 1, 2), date(2199, 12, 31)))
def test_a_day_comes_as_an_epoch(day: date) -> None:
    seconds = (day - date(1970, 1, 1)) // timedelta(seconds=1)
    for form in (seconds, seconds + 86_399, str(seconds), f"{seconds}.0", float(seconds)):
        assert timestamps.normalize_date(form) == day.isoformat()


@pytest.mark.parametrize(
    "value", ["1990-02-30", "1990-1-1", "31.01.1990", "1990-01-01T25:00", "1e400", True, [], "x"]
)
def test_what_is_no_day_is_a_misfit(value: Any) -> None:
    assert not fits(timestamps.normalize_date, value)


# Open objects


@pytest.mark.parametrize(
    ("value", "outcome"),
    [
        ({}, {}),
        ({"a": 1}, {"a": 1}),
        ('{"a": 1}', {"a": 1}),
        (' {"a": {"b": [1]}} ', {"a": {"b": [1]}}),
        ([], {}),
        ("[]", {}),
        ("", None),
        (" ", None),
        ("null", None),
        (None, None),
    ],
)
def test_an_open_object_comes_as_itself_or_as_json_text(value: Any, outcome: Any) -> None:
    assert values.open_object(value) == outcome


@few
@given(value=st.dictionaries(st.text(max_size=5), st.integers(-9, 9) | st.text(max_size=5)))
def test_an_open_object_survives_as_json_text(value: dict[str, Any]) -> None:
    assert values.open_object(msgspec.json.encode(value).decode()) == value


@pytest.mark.parametrize("value", ["{", "text", "5", "[1]", [1], 5, 0, True, "[" * 9999, "\ud800"])
def test_what_is_no_object_is_a_misfit(value: Any) -> None:
    assert not fits(values.open_object, value)
