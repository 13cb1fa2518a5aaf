"""Tiny Python functions: to write from a sentence, to explain, and to say what they return."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from playground.starter.text_names import coined
from playground.starter.text_turns import Turn, held_out
from playground.starter.text_wording import ask, expand, fill, pick
from playground.starter.text_words import COMMON

FENCE = "```"


@dataclass(frozen=True)
class Task:
    """What a function does: its usual name, what it does in words, its body, and on which kind of parameters.

    [x] and [y] are parameters, [n] a number, [w] a word. `result` computes it where numbers go in.
    """

    name: str
    does: str
    body: str
    kind: str = "number"
    result: Callable[[int, int, int], object] | None = None


TASKS = (
    Task("add", "returns the sum of [x] and [y]", "return [x] + [y]", result=lambda x, y, n: x + y),
    Task("subtract", "returns [x] minus [y]", "return [x] - [y]", result=lambda x, y, n: x - y),
    Task("multiply", "returns the product of [x] and [y]", "return [x] * [y]", result=lambda x, y, n: x * y),
    Task("divide", "returns [x] divided by [y]", "return [x] / [y]"),
    Task("average", "returns the average of [x] and [y]", "return ([x] + [y]) / 2"),
    Task("add_number", "adds [n] to [x]", "return [x] + [n]", result=lambda x, y, n: x + n),
    Task("subtract_number", "subtracts [n] from [x]", "return [x] - [n]", result=lambda x, y, n: x - n),
    Task("times", "multiplies [x] by [n]", "return [x] * [n]", result=lambda x, y, n: x * n),
    Task("square", "returns the square of [x]", "return [x] * [x]", result=lambda x, y, n: x * x),
    Task("cube", "returns the cube of [x]", "return [x] ** 3"),
    Task("double", "doubles [x]", "return [x] * 2", result=lambda x, y, n: x * 2),
    Task("half", "returns half of [x]", "return [x] / 2"),
    Task("negate", "changes the sign of [x]", "return -[x]", result=lambda x, y, n: -x),
    Task("is_even", "checks if [x] is even", "return [x] % 2 == 0", result=lambda x, y, n: x % 2 == 0),
    Task("is_odd", "checks if [x] is odd", "return [x] % 2 == 1", result=lambda x, y, n: x % 2 == 1),
    Task("is_positive", "checks if [x] is positive", "return [x] > 0", result=lambda x, y, n: x > 0),
    Task("is_larger", "checks if [x] is larger than [n]", "return [x] > [n]", result=lambda x, y, n: x > n),
    Task("is_smaller", "checks if [x] is smaller than [n]", "return [x] < [n]", result=lambda x, y, n: x < n),
    Task("is_equal", "checks if [x] and [y] are equal", "return [x] == [y]", result=lambda x, y, n: x == y),
    Task("divides", "checks if [x] can be divided by [n]", "return [x] % [n] == 0"),
    Task("larger", "returns the larger of [x] and [y]", "return max([x], [y])", result=lambda x, y, n: max(x, y)),
    Task("smaller", "returns the smaller of [x] and [y]", "return min([x], [y])", result=lambda x, y, n: min(x, y)),
    Task("absolute", "returns the absolute value of [x]", "return abs([x])"),
    Task("area", "returns the area of a rectangle with sides [x] and [y]", "return [x] * [y]"),
    Task("perimeter", "returns the perimeter of a rectangle with sides [x] and [y]", "return 2 * ([x] + [y])"),
    Task("factorial", "returns the factorial of [x]",
         "result = 1\nfor i in range(1, [x] + 1):\n    result *= i\nreturn result"),
    Task("sum_to", "returns the sum of the numbers from 1 to [x]", "return sum(range(1, [x] + 1))"),
    Task("count_to", "returns a list of the numbers from 1 to [x]", "return list(range(1, [x] + 1))"),
    Task("sign", 'returns "even" if [x] is even and "odd" if not',
         'if [x] % 2 == 0:\n    return "even"\nreturn "odd"'),
    Task("length", "returns the length of the string [x]", "return len([x])", "text"),
    Task("reverse", "reverses the string [x]", "return [x][::-1]", "text"),
    Task("upper", "changes the string [x] to capital letters", "return [x].upper()", "text"),
    Task("lower", "changes the string [x] to small letters", "return [x].lower()", "text"),
    Task("first_letter", "returns the first letter of the string [x]", "return [x][0]", "text"),
    Task("last_letter", "returns the last letter of the string [x]", "return [x][-1]", "text"),
    Task("join", "joins the strings [x] and [y]", "return [x] + [y]", "text"),
    Task("repeat", "repeats the string [x] [n] times", "return [x] * [n]", "text"),
    Task("is_palindrome", "checks if the string [x] is a palindrome", "return [x] == [x][::-1]", "text"),
    Task("words", "splits the string [x] into words", "return [x].split()", "text"),
    Task("greet", "greets [x] with the word [w]", 'return "[w] " + [x]', "text"),
    Task("total", "returns the sum of the list [x]", "return sum([x])", "list"),
    Task("largest", "returns the largest number of the list [x]", "return max([x])", "list"),
    Task("smallest", "returns the smallest number of the list [x]", "return min([x])", "list"),
    Task("count", "returns how many items the list [x] has", "return len([x])", "list"),
    Task("ordered", "sorts the list [x]", "return sorted([x])", "list"),
    Task("first", "returns the first item of the list [x]", "return [x][0]", "list"),
    Task("last", "returns the last item of the list [x]", "return [x][-1]", "list"),
    Task("add_to_each", "adds [n] to each number of the list [x]", "return [i + [n] for i in [x]]", "list"),
    Task("multiply_each", "multiplies each number of the list [x] by [n]", "return [i * [n] for i in [x]]", "list"),
    Task("even_numbers", "returns the even numbers of the list [x]", "return [i for i in [x] if i % 2 == 0]", "list"),
    Task("larger_than", "returns the numbers of the list [x] that are larger than [n]",
         "return [i for i in [x] if i > [n]]", "list"),
    Task("count_number", "counts how often [n] is in the list [x]", "return [x].count([n])", "list"),
    Task("constant", "returns the number [n]", "return [n]", "nothing"),
    Task("say", "prints the word [w]", 'print("[w]")', "nothing"),
)  # fmt: skip
_PARAMETERS = {
    "number": ("x", "a", "n", "number", "value", "k", "num"), "text": ("text", "s", "word", "name", "string"),
    "list": ("numbers", "items", "values", "xs", "data"), "nothing": ("x",),
}  # fmt: skip
_SECOND = {"x": "y", "a": "b", "n": "m", "number": "other", "value": "other", "k": "m", "num": "other", "text": "other",
           "s": "t", "word": "other", "name": "other", "string": "other"}  # fmt: skip
_WRITE = (
    "{write|make|write me|create|define|give me|can you write} a {Python |python |tiny |}function {called|named} "
    "[f] that "
    "[d]{.|}",
    "{write|make|create|can you write} {in Python |}a function that [d]. {Call it|Name it} [f]{.|}",
    "{Python|python|in Python}: {write |}a function [f] that [d]{.|}",
    "{write|make|write me|can you write} a {Python |python |tiny Python |}function that [d]{.|?|}",
)
_EXPLAIN = (
    "{What does this {function|code} do|Explain this {code|function|Python code}|Explain|What is this code for}{?|"
    ":}\n[c]",
    "[c]\n{What does it do?|Explain it.|What does this function do?}",
)


@dataclass(frozen=True)
class Function:
    """A task with its names filled in: the source, what it does, and the default name's use."""

    task: Task
    name: str
    x: str
    y: str
    number: int
    word: str

    def _filled(self, text: str) -> str:
        return fill_names(text, x=self.x, y=self.y, n=str(self.number), w=self.word)

    @property
    def does(self) -> str:
        """What it does, with the names of its parameters."""
        return self._filled(self.task.does)

    @property
    def source(self) -> str:
        """Its source code."""
        names = () if self.task.kind == "nothing" else (self.x, self.y) if "[y]" in self.task.does else (self.x,)
        body = "\n".join("    " + line for line in self._filled(self.task.body).split("\n"))
        return f"def {self.name}({', '.join(names)}):\n{body}"


def fill_names(text: str, **names: str) -> str:
    """Text with each `[key]` that is one of the names replaced; other brackets are code and stay."""
    for key, name in names.items():
        text = text.replace(f"[{key}]", name)
    return text


def draw_function(rng: random.Random, training: bool = True) -> Function:
    """A task with names; those of evaluation are apart by task, name, parameter and number."""
    while True:
        task = pick(rng, TASKS)
        x = pick(rng, _PARAMETERS[task.kind])
        name = task.name if rng.random() < 0.4 else _function_name(rng)
        made = Function(task, name, x, _SECOND.get(x, "y"), rng.randint(2, 20), pick(rng, COMMON))
        if name != x and held_out("function", task.name, name, x, made.number) != training:
            return made


def _function_name(rng: random.Random) -> str:
    first = pick(rng, COMMON) if rng.random() < 0.5 else "".join(c for c in coined(rng) if c.isascii()) or "f"
    name = first if rng.random() < 0.6 else f"{first}_{pick(rng, COMMON)}"
    return f"{name}_it" if name in {"in", "is", "or", "as", "if", "line"} else name


def write_turn(rng: random.Random, training: bool = True) -> Turn:
    """A function to write; the request names it, or leaves the usual name."""
    made = draw_function(rng, training)
    pattern = pick(rng, _WRITE[:3]) if made.name != made.task.name else pick(rng, _WRITE)
    user = ask(rng, pattern, f=made.name, d=made.does)
    answer = f"{FENCE}python\n{made.source}\n{FENCE}"
    return Turn(user, answer, f"I write a function {made.name} that {made.does}.")


def explain_turn(rng: random.Random, training: bool = True) -> Turn:
    """A function to explain in a sentence."""
    made = draw_function(rng, training)
    code = f"{FENCE}python\n{made.source}\n{FENCE}" if rng.random() < 0.6 else made.source
    user = fill(expand(rng, pick(rng, _EXPLAIN)), c=code)
    last = made.source.split("\n")[-1].strip()
    return Turn(user, f"The function {made.name} {made.does}.", f"The last line is: {last}.")


def run_turn(rng: random.Random) -> Turn:
    """What a function of small numbers returns."""
    while (made := draw_function(rng)).task.result is None:
        pass
    x, y, n = rng.randint(1, 12), rng.randint(1, 9), min(made.number, 9)
    made = Function(made.task, made.name, made.x, made.y, n, made.word)
    given = f"{x}, {y}" if "[y]" in made.task.does else str(x)
    assert made.task.result is not None
    result = str(made.task.result(x, y, n))
    call = f"{made.name}({given})"
    user = fill(
        expand(rng, "{[c]\n{What does [k] return?|What is [k]?}|{What does [k] return?|What is [k]?}\n[c]}"),
        c=made.source,
        k=call,
    )
    return Turn(user, f"{call} returns {result}.", f"The function {made.does}. So {call} is {result}.", result)


def python_turn(rng: random.Random) -> Turn:
    """A function to write, to explain or to run in the head."""
    kind = rng.random()
    return write_turn(rng) if kind < 0.55 else explain_turn(rng) if kind < 0.85 else run_turn(rng)
