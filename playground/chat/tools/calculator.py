"""Arithmetic on text: Python's expression grammar, of which only numbers, operators and a few functions are let in.

Nothing is evaluated by Python itself, and every result is bounded before it is computed, so that no expression takes
long or much memory.
"""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable
from typing import Any, TypeAlias

from playground.chat.tools.tool import Tool, ToolError, make_tool
from playground.protocol import CancelToken

Number: TypeAlias = int | float

MAX_CHARACTERS = 500
MAX_BITS = 4096  # of a whole number, about 1,200 digits
MAX_FACTORIAL = 500  # has 3,768 bits

_SIGNS = str.maketrans({"×": "*", "·": "*", "÷": "/", "−": "-", "^": "**", "\u00a0": " "})  # type: ignore[arg-type]
_BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}
_CONSTANTS = {"pi": math.pi, "e": math.e, "tau": math.tau}
# name -> (function, fewest arguments, most)
_FUNCTIONS: dict[str, tuple[Callable[..., Any], int, int]] = {
    "sqrt": (math.sqrt, 1, 1), "cbrt": (math.cbrt, 1, 1), "exp": (math.exp, 1, 1), "log": (math.log, 1, 2),
    "ln": (math.log, 1, 1), "log2": (math.log2, 1, 1), "log10": (math.log10, 1, 1), "sin": (math.sin, 1, 1),
    "cos": (math.cos, 1, 1), "tan": (math.tan, 1, 1), "asin": (math.asin, 1, 1), "acos": (math.acos, 1, 1),
    "atan": (math.atan, 1, 1), "degrees": (math.degrees, 1, 1), "radians": (math.radians, 1, 1), "abs": (abs, 1, 1),
    "round": (round, 1, 2), "floor": (math.floor, 1, 1), "ceil": (math.ceil, 1, 1), "min": (min, 1, 20),
    "max": (max, 1, 20), "gcd": (math.gcd, 1, 20), "factorial": (math.factorial, 1, 1),
}  # fmt: skip


def calculate(expression: str) -> Number:
    """The value of an expression such as `2 * (3 + 4)`; `^` means a power, as on calculators.

    Raises:
        ToolError: it is not an expression of numbers, has no real value, or its value is too large.
    """
    text = expression.translate(_SIGNS).strip()
    if not text:
        raise ToolError("the expression is empty")
    if len(text) > MAX_CHARACTERS:
        raise ToolError(f"the expression has {len(text):,} characters; at most {MAX_CHARACTERS} are taken")
    try:
        tree = ast.parse(text, mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise ToolError(f"{_shown(text)} is not an expression of numbers") from None
    try:
        value = _value(tree.body)
    except ZeroDivisionError:
        raise ToolError(f"{_shown(text)} divides by zero") from None
    except OverflowError:
        raise ToolError(f"{_shown(text)} is too large") from None
    except (ValueError, TypeError):
        raise ToolError(f"{_shown(text)} has no real value") from None
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 2**53 else value


def calculator() -> Tool:
    """The calculator as a tool."""

    def run(arguments: dict[str, Any], cancel: CancelToken) -> dict[str, Number]:
        return {"result": calculate(arguments["expression"])}

    about = {"expression": {"type": "string", "description": "For example 2 * (3 + 4) or sqrt(2)"}}
    return make_tool("calculate", "Calculate an expression", about, run, has_effects=False, timeout_s=5.0)


def _value(node: ast.expr) -> Number:
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        return _bounded(node.value)
    if isinstance(node, ast.Name) and node.id in _CONSTANTS:
        return _CONSTANTS[node.id]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.UAdd | ast.USub):
        value = _value(node.operand)
        return value if isinstance(node.op, ast.UAdd) else -value
    if isinstance(node, ast.BinOp) and type(node.op) in _BINARY:
        left, right = _value(node.left), _value(node.right)
        if isinstance(node.op, ast.Pow):
            _check_power(left, right)
        return _bounded(_BINARY[type(node.op)](left, right))
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _FUNCTIONS:
        return _called(node.func.id, node)
    raise ToolError(
        f"{_shown(ast.unparse(node))} is not allowed, only numbers, + - * / // % ** and {', '.join(_FUNCTIONS)}"
    )


def _called(name: str, node: ast.Call) -> Number:
    function, fewest, most = _FUNCTIONS[name]
    if node.keywords or not fewest <= len(node.args) <= most:
        raise ToolError(f"{name} takes {fewest}{'' if fewest == most else f' to {most}'} numbers")
    values = [_value(argument) for argument in node.args]
    if name == "factorial" and values[0] > MAX_FACTORIAL:
        raise ToolError(f"factorial takes at most {MAX_FACTORIAL}, got {values[0]}")
    if name == "round" and len(values) == 2 and abs(values[1]) > 1000:
        raise ToolError(f"round takes at most 1000 digits, got {values[1]}")
    return _bounded(function(*values))


def _check_power(base: Number, exponent: Number) -> None:
    """Raises OverflowError before a power that would be too long is computed; floats raise it by themselves."""
    whole = isinstance(base, int) and isinstance(exponent, int)
    # The estimate is up to twice the length.
    if whole and abs(base) > 1 and abs(int(base)).bit_length() * exponent > 2 * MAX_BITS:
        raise OverflowError


def _bounded(value: Any) -> Number:
    """The value; raises OverflowError where it is too large and ValueError where it is no real number."""
    if isinstance(value, complex):
        raise ValueError
    if isinstance(value, int):
        if value.bit_length() > MAX_BITS:
            raise OverflowError
    elif math.isinf(value):
        raise OverflowError
    elif math.isnan(value):
        raise ValueError
    return value  # type: ignore[no-any-return]


def _shown(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 60 else text[:59] + "…"
