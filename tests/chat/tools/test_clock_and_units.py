"""The clock and the unit table, against the zone database and against figures from their definitions."""

from __future__ import annotations

import asyncio
import json
import zoneinfo
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from playground.chat.tools.clock import clock, time_in, zone_of
from playground.chat.tools.running import run_tool
from playground.chat.tools.tool import ToolError
from playground.chat.tools.units import UNITS, convert, unit_converter
from playground.protocol import CancelToken

NOON = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("place", "zone"),
    [
        ("Oslo", "Europe/Oslo"), ("new york", "America/New_York"), ("NEW_YORK", "America/New_York"), ("UTC", "UTC"),
        ("Europe/Oslo", "Europe/Oslo"), ("europe/oslo", "Europe/Oslo"), ("Zürich", "Europe/Zurich"),
        ("São Paulo", "America/Sao_Paulo"), ("Munich", "Europe/Berlin"), ("Beijing", "Asia/Shanghai"),
        (" San  Francisco ", "America/Los_Angeles"), ("Etc/GMT+3", "Etc/GMT+3"),
    ],
)  # fmt: skip
def test_places_are_found(place: str, zone: str) -> None:
    assert zone_of(place) == zone


@pytest.mark.parametrize("place", ["Nowhere", "", "../../etc/passwd", "/etc/passwd", "x" * 5000, "\x00", "Oslo\nOslo"])
def test_other_places_are_refused_in_a_sentence(place: str) -> None:
    with pytest.raises(ToolError) as refused:
        zone_of(place)
    assert len(refused.value.message) < 200


def test_time_knows_the_season_and_the_date_line() -> None:
    assert time_in("Oslo", NOON) == {
        "time": "14:00", "date": "2026-07-01", "weekday": "Wednesday", "zone": "Europe/Oslo",
    }  # fmt: skip
    assert time_in("Oslo", NOON.replace(month=1))["time"] == "13:00"
    assert time_in("Auckland", NOON)["date"] == "2026-07-02"


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from(sorted(zoneinfo.available_timezones())), st.datetimes(datetime(1980, 1, 1), datetime(2040, 1, 1))
)
def test_every_zone_tells_the_databases_time(zone: str, moment: datetime) -> None:
    moment = moment.replace(tzinfo=UTC)
    told = time_in(zone, moment)
    assert f"{told['date']} {told['time']}" == moment.astimezone(zoneinfo.ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M")


def test_the_clock_without_a_place_tells_utc() -> None:
    output = asyncio.run(run_tool(clock(lambda: NOON), {}, CancelToken()))
    assert json.loads(output.text)["time"] == "12:00"


@pytest.mark.parametrize(
    ("value", "source", "target", "expected"),
    [
        (5, "km", "miles", 3.106855961), (1, "mile", "km", 1.609344), (1, "foot", "inches", 12),
        (100, "C", "F", 212), (-40, "fahrenheit", "celsius", -40), (0, "K", "°C", -273.15), (1, "lb", "g", 453.59237),
        (1, "Gallon", "liters", 3.785411784), (36, "km/h", "m/s", 10), (1, "GiB", "MB", 1073.741824),
        (8, "Mb", "MB", 1), (8, "Mb", "mb", None), (1, "week", "hours", 168), (0.1, "m", "cm", 10),
        (3, "nautical miles", "km", 5.556), (1, "kb", "bytes", 125), (1, "kB", "bytes", 1000),
    ],
)  # fmt: skip
def test_conversions_from_the_definitions(value: float, source: str, target: str, expected: float | None) -> None:
    if expected is None:
        with pytest.raises(ToolError, match="could be MB or Mb"):
            convert(value, source, target)
    else:
        assert convert(value, source, target) == expected


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(sorted(UNITS)), st.sampled_from(sorted(UNITS)), st.integers(-10_000, 10_000))
def test_there_and_back_or_refused(source: str, target: str, value: int) -> None:
    if UNITS[source].quantity != UNITS[target].quantity:
        with pytest.raises(ToolError, match=" is "):
            convert(value, source, target)
        return
    there = convert(value, source, target)
    assert convert(there, target, source) == pytest.approx(value, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("value", [float("inf"), float("nan"), 10**400])
def test_values_without_a_float_are_refused(value: float) -> None:
    with pytest.raises(ToolError):
        convert(value, "km", "nm")


def test_an_unknown_unit_names_the_known_ones() -> None:
    with pytest.raises(ToolError, match=r"'parsec'.* km, .* kB"):
        convert(1, "parsec", "km")


def test_the_converter_as_a_tool() -> None:
    asked = {"value": 5, "from_unit": "km", "to_unit": "m"}
    assert asyncio.run(run_tool(unit_converter(), asked, CancelToken())).text == '{"converted": 5000}'
