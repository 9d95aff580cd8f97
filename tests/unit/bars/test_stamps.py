"""Times as files write them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ztrade.errors import ConfigError
from ztrade.exchange.bars.stamps import DateOrder, date_order, is_ambiguous, local_fault, read_stamp, zone_named

INSTANT = datetime(2022, 2, 14, 14, 30, tzinfo=UTC)
LOCAL = datetime(2022, 2, 14, 6, 30)  # noqa: DTZ001 - naive on purpose


@pytest.mark.parametrize(
    "text",
    [
        "2022-02-14T14:30:00Z",
        "2022-02-14T14:30:00.000000000Z",
        "2022-02-14T14:30:00+00:00",
        "2022-02-14 09:30:00-05:00",
        "2022-02-14 14:30:00 UTC",
        "2022-02-14 09:30:00 -0500",
        "2/14/2022 14:30 Z",
        "1644849000",
        "1644849000000",
        "1644849000000.0",
        "1644849000000000",
        "1644849000000000000",
    ],
)
def test_an_instant_is_read_in_every_writing(text: str) -> None:
    """Epochs of four units and texts with a zone all name the same instant."""
    assert read_stamp(text) == INSTANT


@pytest.mark.parametrize(
    "text",
    [
        "2022-02-14 06:30:00",
        "2022-02-14T06:30",
        "2/14/2022 6:30",
        "02/14/2022 06:30:00",
        "2/14/2022 6:30 AM",
        "2/14/22 6:30",
        "2022/02/14 06:30",
        "2022.02.14 06:30",
        "14.02.2022 06:30",
        "14-Feb-2022 06:30",
        "Feb 14, 2022 06:30",
        "20220214 063000",
        "20220214 0630",
        "20220214;063000",
        "20220214063000",
        "202202140630",
    ],
)
def test_a_local_time_is_read_in_every_writing(text: str) -> None:
    """Times without a zone come back naive, whatever program wrote them."""
    assert read_stamp(text) == LOCAL


@pytest.mark.parametrize(
    "text",
    [
        "", "1.64E+12", "1.644849E+12", "########", "44606.2708", "30:00.0", "2022-02-14", "2022-13-14 06:30:00",
        "2022-02-30 06:30", "2022-02-14 25:00", "2/14/2022 13:30 PM", "nonsense", "12345", "99999999999999999999",
        "0001-01-01T00:00:00+14:00", "9999-12-31 23:59:59", "2022-02-14 06:30 +99", "1.64E+99", "nan", "-1644849000",
    ],
)  # fmt: skip
def test_what_is_no_time_of_day_is_unreadable(text: str) -> None:
    """Rounded epochs, dates without a clock, impossible days and other ages are never guessed at."""
    assert read_stamp(text) is None


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("20240306 09:30:00 US/Eastern", "14:30"),
        ("2024-03-06 09:30:00 America/New_York", "14:30"),
        ("2024-03-06T09:30:00-05:00[America/New_York]", "14:30"),
        ("2024-03-06 06:30 America/Los_Angeles", "14:30"),
        ("2024-03-06 09:30:00 EST", "14:30"),
        ("2024-03-06 10:30:00 EDT", "14:30"),
        ("03/06/2024 09:30 AM ET", "14:30"),
    ],
)
def test_a_zone_in_words_names_the_instant(text: str, utc: str) -> None:
    """Interactive Brokers, Java and US exports write the zone beside the time; no --tz is needed."""
    found = read_stamp(text)
    assert found is not None
    assert f"{found.astimezone(UTC):%Y-%m-%d %H:%M}" == f"2024-03-06 {utc}"


@pytest.mark.parametrize(
    "text", ["2024-11-03 01:30:00 America/New_York", "2024-03-06 09:30:00 Mars/Olympus", "2024-03-06 09:30:00 IST"]
)
def test_a_zone_in_words_that_leaves_a_doubt_is_no_instant(text: str) -> None:
    """Half past one happens twice on that day; nobody knows the other two zones."""
    assert read_stamp(text) is None


def test_written_zeros_of_an_epoch_are_digits() -> None:
    """1.709735400E+12 was not rounded, 1.64E+12 was."""
    assert read_stamp("1.709735400E+12") == datetime(2024, 3, 6, 14, 30, tzinfo=UTC)
    assert read_stamp("1.64E+12") is None


def test_an_epoch_in_full_scientific_writing_is_exact() -> None:
    """Eight digits and more name the minute; fewer are what a spreadsheet left."""
    assert read_stamp("1.6438122E+12") == datetime(2022, 2, 2, 14, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("texts", "order", "ambiguous"),
    [
        (["2/3/2022 6:30", "2/14/2022 6:30"], DateOrder.MONTH_FIRST, False),
        (["2/3/2022 6:30", "14/2/2022 6:30"], DateOrder.DAY_FIRST, False),
        (["2/3/2022 6:30"], None, True),
        (["2022-02-03 06:30:00", "03.02.2022 06:30"], None, False),
    ],
)
def test_the_order_of_day_and_month_is_proved_by_the_column(
    texts: list[str], order: DateOrder | None, ambiguous: bool
) -> None:
    """A part above 12 is the day; without one the order stays open, and that is said."""
    assert (date_order(texts), is_ambiguous(texts)) == (order, ambiguous)


def test_day_first_is_read_where_it_was_found() -> None:
    """3/2/2022 is the third of February where days come first."""
    assert read_stamp("3/2/2022 06:30", DateOrder.DAY_FIRST) == datetime(2022, 2, 3, 6, 30)  # noqa: DTZ001


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("2022-11-06 01:30:00", "happens twice"),
        ("2022-03-13 02:30:00", "does not exist"),
        ("2022-11-06 03:30:00", ""),
    ],
)
def test_local_times_at_the_clock_changes_are_found(text: str, says: str) -> None:
    """An hour that happens twice, or never, names no instant."""
    fault = local_fault(datetime.fromisoformat(text), zone_named("America/New_York"))
    assert says in fault
    assert bool(says) is bool(fault)


@pytest.mark.parametrize("name", ["New York", "", "../etc/passwd", "America", "+5", "+99:00"])
def test_an_unknown_zone_is_refused_with_an_example(name: str) -> None:
    """A zone must be a name of the time zone database, or an offset."""
    with pytest.raises(ConfigError, match=r"--tz: .*America/New_York"):
        zone_named(name)


def test_an_offset_is_a_zone() -> None:
    """A fixed offset serves files that never changed their clocks."""
    assert LOCAL.replace(tzinfo=zone_named("-08:00")) == INSTANT
