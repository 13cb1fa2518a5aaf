"""Conversion of units: a table of factors, exact where the units are defined by each other. Knows no prefixes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from playground.chat.tools.tool import Tool, ToolError, make_tool
from playground.protocol import CancelToken

DIGITS = 10  # of a result


@dataclass(frozen=True)
class Unit:
    """One unit: its quantity, and how it becomes the quantity's base unit: value * factor + offset."""

    name: str
    quantity: str
    factor: Fraction
    offset: Fraction = Fraction(0)


# quantity -> {names, the first one shown: factor to the base unit, which has factor 1}
_FOOT, _MILE, _POUND, _GALLON = (
    Fraction("0.3048"),
    Fraction("1609.344"),
    Fraction("0.45359237"),
    Fraction("3.785411784"),
)
_TABLE: dict[str, dict[str, Fraction | int]] = {
    "length": {
        "m meter metre meters metres": 1, "km kilometer kilometre kilometers kilometres": 1000,
        "cm centimeter centimetre centimeters centimetres": Fraction(1, 100),
        "mm millimeter millimetre millimeters millimetres": Fraction(1, 1000),
        "um µm micrometer micrometre micrometers micrometres micron microns": Fraction(1, 10**6),
        "nm nanometer nanometre nanometers nanometres": Fraction(1, 10**9), "miles mile mi": _MILE,
        "yards yard yd": 3 * _FOOT, "feet foot ft": _FOOT, "inches inch in": _FOOT / 12,
        "nautical_miles nautical_mile nmi": 1852, "light_years light_year ly": 9_460_730_472_580_800,
    },
    "mass": {
        "kg kilogram kilograms kilo kilos": 1, "g gram grams": Fraction(1, 1000),
        "mg milligram milligrams": Fraction(1, 10**6),
        "t tonne tonnes metric_ton metric_tons": 1000, "pounds pound lb lbs": _POUND, "ounces ounce oz": _POUND / 16,
        "stone stones": 14 * _POUND, "tons ton short_ton short_tons": 2000 * _POUND,
    },
    "speed": {
        "m/s mps meters_per_second metres_per_second": 1,
        "km/h kmh kph kilometers_per_hour kilometres_per_hour": Fraction(1000, 3600),
        "mph miles_per_hour mi/h": _MILE / 3600, "knots knot kn kt": Fraction(1852, 3600),
        "ft/s feet_per_second fps": _FOOT,
    },
    "volume": {
        "l liters litres liter litre L": 1, "ml milliliters millilitres milliliter millilitre mL": Fraction(1, 1000),
        "cl centiliters centilitres centiliter centilitre": Fraction(1, 100),
        "m3 m^3 m³ cubic_meters cubic_metres": 1000,
        "cm3 cm^3 cm³ cc": Fraction(1, 1000), "gallons gallon gal": _GALLON, "quarts quart qt": _GALLON / 4,
        "pints pint pt": _GALLON / 8, "cups cup": _GALLON / 16, "fl_oz fluid_ounces fluid_ounce": _GALLON / 128,
        "tablespoons tablespoon tbsp": _GALLON / 256, "teaspoons teaspoon tsp": _GALLON / 768,
    },
    "data": {
        "bytes byte B": 1, "bits bit b": Fraction(1, 8), "kB KB kilobytes kilobyte": 10**3,
        "MB megabytes megabyte": 10**6,
        "GB gigabytes gigabyte": 10**9, "TB terabytes terabyte": 10**12, "PB petabytes petabyte": 10**15,
        "KiB kibibytes kibibyte": 2**10, "MiB mebibytes mebibyte": 2**20, "GiB gibibytes gibibyte": 2**30,
        "TiB tebibytes tebibyte": 2**40, "kbit kb kilobits kilobit": Fraction(10**3, 8),
        "Mbit Mb megabits megabit": Fraction(10**6, 8), "Gbit Gb gigabits gigabit": Fraction(10**9, 8),
    },
    "time": {
        "s seconds second sec secs": 1, "ms milliseconds millisecond": Fraction(1, 1000),
        "us µs microseconds microsecond": Fraction(1, 10**6), "ns nanoseconds nanosecond": Fraction(1, 10**9),
        "min minutes minute mins": 60, "h hours hour hr hrs": 3600, "days day d": 86400, "weeks week": 604800,
        "years year yr": 31_557_600,
    },
}  # fmt: skip
# kelvin = value * factor + offset
_TEMPERATURES = {
    "C celsius °C centigrade degrees_celsius": (Fraction(1), Fraction("273.15")),
    "F fahrenheit °F degrees_fahrenheit": (Fraction(5, 9), Fraction("459.67") * Fraction(5, 9)),
    "K kelvin kelvins": (Fraction(1), Fraction(0)),
}


def _units() -> dict[str, Unit]:
    found: dict[str, Unit] = {}
    for quantity, rows in _TABLE.items():
        for names, factor in rows.items():
            unit = Unit(names.split()[0], quantity, Fraction(factor))
            found |= dict.fromkeys(names.split(), unit)
    for names, (factor, offset) in _TEMPERATURES.items():
        found |= dict.fromkeys(names.split(), Unit(names.split()[0], "temperature", factor, offset))
    return found


UNITS = _units()
# Names that differ by case alone, such as MB and Mb, are found as they stand only.
_CASELESS: dict[str, set[Unit]] = {}
for _name, _unit in UNITS.items():
    _CASELESS.setdefault(_name.lower(), set()).add(_unit)


def unit_of(name: str) -> Unit:
    """The unit of this name or abbreviation.

    Raises:
        ToolError: none has it, or several that differ by case.
    """
    key = "_".join(name.strip().rstrip(".").split())
    if key in UNITS:
        return UNITS[key]
    found = _CASELESS.get(key.lower(), set())
    if len(found) == 1:
        return next(iter(found))
    if found:
        raise ToolError(f"{name!r} could be {' or '.join(sorted(unit.name for unit in found))}")
    known = ", ".join(dict.fromkeys(unit.name for unit in UNITS.values()))
    raise ToolError(f"no unit is called {name[:40]!r}, there are {known}")


def convert(value: float, source: str, target: str) -> float:
    """`value` in the unit `source`, as a value in the unit `target`, to ten significant digits.

    Raises:
        ToolError: a unit is unknown, the two measure different things, or the value is not finite.
    """
    old, new = unit_of(source), unit_of(target)
    if old.quantity != new.quantity:
        raise ToolError(f"{old.name} is a {old.quantity} and {new.name} is a {new.quantity}".replace("a data", "data"))
    if isinstance(value, float) and not math.isfinite(value):
        raise ToolError(f"{value} cannot be converted")
    try:
        exact = float((Fraction(value) * old.factor + old.offset - new.offset) / new.factor)
    except OverflowError:
        raise ToolError("the value is too large") from None
    rounded = float(f"{exact:.{DIGITS}g}")
    return int(rounded) if rounded.is_integer() and abs(rounded) < 2**53 else rounded


def unit_converter() -> Tool:
    """Conversion as a tool."""

    def run(arguments: dict[str, Any], cancel: CancelToken) -> dict[str, float]:
        return {"converted": convert(arguments["value"], arguments["from_unit"], arguments["to_unit"])}

    about = {"value": {"type": "number"}, "from_unit": {"type": "string"}, "to_unit": {"type": "string"}}
    described = "Convert a value from one unit to another"
    return make_tool("convert_units", described, about, run, has_effects=False, timeout_s=5.0)
