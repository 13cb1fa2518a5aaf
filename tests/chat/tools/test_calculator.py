"""The calculator against Python's own arithmetic, and against expressions that mean harm."""

from __future__ import annotations

import asyncio
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from playground.chat.tools.calculator import MAX_BITS, calculate, calculator
from playground.chat.tools.running import run_tool
from playground.chat.tools.tool import ToolError
from playground.protocol import CancelToken

NUMBERS = st.one_of(st.integers(0, 999).map(str), st.floats(0, 1000, allow_nan=False).map(repr))
EXPRESSIONS = st.recursive(
    NUMBERS,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["+", "-", "*", "/", "//", "%"]), inner).map(" ".join),
        st.tuples(inner, st.integers(0, 3)).map(lambda pair: f"({pair[0]}) ** {pair[1]}"),
        inner.map(lambda text: f"({text})"),
        inner.map(lambda text: f"-{text}"),
        inner.map(lambda text: f"abs({text})"),
    ),
    max_leaves=8,
)


def value_or_sentence(text: str) -> float | str:
    try:
        return calculate(text)
    except ToolError as error:
        return error.message


@settings(max_examples=300, deadline=None)
@given(EXPRESSIONS)
def test_random_expressions_are_worth_what_python_says(text: str) -> None:
    try:
        expected = eval(text)
    except (ZeroDivisionError, OverflowError):
        with pytest.raises(ToolError):
            calculate(text)
        return
    too_large = math.isinf(expected) if isinstance(expected, float) else expected.bit_length() > MAX_BITS
    if isinstance(expected, complex) or too_large or math.isnan(expected):
        with pytest.raises(ToolError):
            calculate(text)
        return
    assert calculate(text) == expected


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2^10", 1024), ("6 × 7", 42), ("9 ÷ 2", 4.5), ("5 − 8", -3), ("sqrt(2)", math.sqrt(2)), ("ln(e)", 1),
        ("log(8, 2)", 3), ("max(1, 2, 3)", 3), ("round(2.567, 1)", 2.6), ("factorial(5)", 120), ("6 / 2", 3),
        ("2 ** -1", 0.5), (" 1e3 ", 1000), ("2**1000", 2**1000), ("cos(pi)", -1), ("1_000 + 1", 1001),
    ],
)  # fmt: skip
def test_what_people_type(text: str, value: float) -> None:
    found = calculate(text)
    assert found == pytest.approx(value)
    assert isinstance(found, int) == float(found).is_integer() if abs(value) < 2**53 else True


@pytest.mark.parametrize(
    "text",
    [
        "9**9**9", "9**9**9**9", "10**100000", "2**(2**20)", "factorial(99999)", "factorial(0.5)", "1e308*10",
        "(-8)**0.5", "sqrt(-1)", "0**-1", "1/0", "5 % 0", "1e999", "2j", "round(1, 99999999999)", "round(5, 1.5)",
        "x + 1", "__import__('os')", "().__class__", "abs.__call__(1)", "[1][0]", "lambda: 1", "'a' * 9", "True + 1",
        "f'{1}'", "1 if 1 else 2", "1 < 2", "1 and 2", "not 1", "~1", "1 << 9999", "(x := 5)", "sqrt()", "sqrt(1, 2)",
        "max(*[1])", "round(number=1)", "sin", "a.b", "1;2", "1\n2", "", "   ", "2 +", "\x00", "💥", "(" * 300,
        "-" * 450 + "1", "1" + "+1" * 249, "1" * 499 + "*" + "1", "9" * 500 + "0" * 500, "+".join(["1"] * 5000),
        "gcd(1.5, 3)", "exp(1000)", "(" * 249 + "1" + ")" * 249,
    ],
)  # fmt: skip
def test_hostile_expressions_are_refused_in_a_sentence_or_worth_a_number(text: str) -> None:
    value = value_or_sentence(text)
    if isinstance(value, str):
        assert 0 < len(value) < 400
        assert "\n" not in value
    else:
        assert type(value) in (int, float)
        assert math.isfinite(value) if isinstance(value, float) else value.bit_length() <= MAX_BITS


@settings(max_examples=200, deadline=None)
@given(st.text("0123456789+-*/%^().eE ,abcj_'\"[]{}:=<>!~&|@\\\n", max_size=80))
def test_any_text_ends_in_a_number_or_a_sentence(text: str) -> None:
    assert type(value_or_sentence(text)) in (int, float, str)


def test_as_a_tool() -> None:
    output = asyncio.run(run_tool(calculator(), {"expression": "6*7"}, CancelToken()))
    assert output.text == '{"result": 42}'
    assert not calculator().has_effects
