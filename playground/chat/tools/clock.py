"""The time in a place, by the time zone database; asks no network."""

from __future__ import annotations

import functools
import unicodedata
import zoneinfo
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from playground.chat.tools.tool import Tool, ToolError, make_tool
from playground.protocol import CancelToken

# Cities that people ask about and that the database does not name: the zone's own city -> others of that time.
_SAME_TIME = {
    "Europe/Berlin": ("Munich", "Hamburg", "Frankfurt", "Cologne", "Stuttgart", "Dresden", "Leipzig"),
    "Europe/Rome": ("Milan", "Naples", "Venice", "Florence", "Turin"),
    "Europe/Madrid": ("Barcelona", "Valencia", "Seville"),
    "Europe/Paris": ("Lyon", "Marseille", "Nice", "Bordeaux", "Strasbourg"),
    "Europe/Zurich": ("Geneva", "Basel", "Bern"),
    "Europe/London": ("Edinburgh", "Manchester", "Birmingham", "Liverpool", "Oxford", "Cambridge"),
    "Europe/Moscow": ("Saint Petersburg", "St Petersburg"),
    "America/New_York": ("Boston", "Washington", "Miami", "Atlanta", "Philadelphia"),
    "America/Chicago": ("Houston", "Dallas", "Austin"),
    "America/Los_Angeles": ("San Francisco", "Seattle", "San Diego", "Las Vegas", "Portland"),
    "America/Toronto": ("Montreal", "Ottawa", "Quebec"),
    "America/Sao_Paulo": ("Rio de Janeiro", "Rio", "Brasilia"),
    "Asia/Shanghai": ("Beijing", "Shenzhen", "Guangzhou"),
    "Asia/Tokyo": ("Osaka", "Kyoto"),
    "Asia/Kolkata": ("Delhi", "New Delhi", "Mumbai", "Bangalore", "Chennai"),
    "Australia/Sydney": ("Canberra",),
}


def zone_of(place: str) -> str:
    """The name of the time zone of a city, or of a zone such as `Europe/Oslo` or `UTC`; case does not matter.

    Raises:
        ToolError: no zone has this name.
    """
    found = _zones().get(_key(place))
    if found is None:
        raise ToolError(f"no time zone is known for {place[:60]!r}, give a name such as Europe/Oslo")
    return found


def time_in(place: str, now: datetime) -> dict[str, str]:
    """Date and time of the moment `now`, which knows its own zone, in a place."""
    zone = zone_of(place)
    there = now.astimezone(zoneinfo.ZoneInfo(zone))
    return {
        "time": there.strftime("%H:%M"),
        "date": there.strftime("%Y-%m-%d"),
        "weekday": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")[there.weekday()],
        "zone": zone,
    }


def clock(now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> Tool:
    """The clock as a tool; `now` gives the moment that it tells."""

    def run(arguments: dict[str, Any], cancel: CancelToken) -> dict[str, str]:
        return time_in(arguments.get("city") or "UTC", now())

    about = {"city": {"type": "string", "description": "City or time zone; UTC without it"}}
    return make_tool("get_time", "Get the time in a city", about, run, required=(), has_effects=False, timeout_s=5.0)


@functools.cache
def _zones() -> dict[str, str]:
    """Every name by which a zone is found; a zone's own name wins over its city, and that over the other cities."""
    names = sorted(name for name in zoneinfo.available_timezones() if not name.startswith(("posix", "right")))
    others = {_key(city): zone for zone, cities in _SAME_TIME.items() for city in cities if zone in names}
    cities = {_key(name.rpartition("/")[2]): name for name in names if not name.startswith("Etc/")}
    return others | cities | {_key(name): name for name in names}


def _key(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return " ".join(plain.replace("_", " ").lower().split())
