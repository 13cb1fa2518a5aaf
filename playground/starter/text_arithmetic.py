"""Sums, differences and small products in five languages, with column-by-column working for the reasoning model."""

from __future__ import annotations

import random

from playground.starter.text_turns import Turn, held_out, note
from playground.starter.text_wording import ask, pick
from playground.starter.text_words import NUMBER_WORDS

_COLUMNS = ("ones", "tens", "hundreds", "thousands")
_WHAT = "{what is|what's|whats|how much is|calculate|compute|work out|tell me|can you do|what does|solve|find|||||}"
ASKED: dict[str, dict[str, tuple[str, ...]]] = {
    "en": {
        "+": (
            _WHAT + " [a]{ + | + |+| plus | and | added to }[b]{?|?|| =| = ?|.}",
            "{what is|what's|how much is|calculate|find|} the sum of [a] and [b]?",
            "{add|please add|can you add|could you add|add up} [a] {and|to} [b]{.|?||please}",
            "{what do you get|what do I get|what happens} if {you|I} add [a] and [b]?",
            "[a] {plus|+} [b] {is|equals|makes}{ what||}?",
            "{what is |}[a]{+| + | plus }[b]{?|}",
        ),
        "-": (
            _WHAT + " [a]{ - | - |-| minus | take away }[b]{?|?|| =| = ?|.}",
            "{subtract|please subtract|can you subtract|take|take away} [b] from [a]{.|?|}",
            "{what is |}[a]{-| - | minus }[b]{?|}",
        ),
        "×": (
            _WHAT + " [a]{ x | * |*| × |×| times | multiplied by }[b]{?|?|| =| = ?|.}",
            "{what is|what's|calculate|find|} the product of [a] and [b]?",
            "{multiply|please multiply|can you multiply} [a] {by|and|with} [b]{.|?|}",
            "{what is |}[a]{*| * | x | times }[b]{?|}",
        ),
    },
    "es": {
        "+": ("{¿cuánto {es|son}|calcula|dime cuánto es|¿qué es|¿cuál es el resultado de||}"
              " [a]{ + |+| más | y }[b]?", "{suma|¿cuál es la suma de|¿puedes sumar} [a] y [b]?"),
        "-": ("{¿cuánto {es|son}|calcula|dime cuánto es||} [a]{ - |-| menos }[b]?", "{resta|quita} [b] {a|de} [a]."),
        "×": ("{¿cuánto {es|son}|calcula|dime||} [a]{ x | * | × | por }[b]?", "multiplica [a] por [b]."),
    },
    "fr": {
        "+": ("{combien {font|fait}|calcule|dis-moi combien font|quel est le résultat de||}"
              " [a]{ + |+| plus | et }[b] ?", "{additionne|quelle est la somme de} [a] et [b] ?"),
        "-": ("{combien {font|fait}|calcule|quel est le résultat de||} [a]{ - |-| moins }[b] ?",
              "{soustrais|enlève} [b] {à|de} [a]."),
        "×": ("{combien {font|fait}|calcule||} [a]{ x | * | × | fois }[b] ?", "multiplie [a] par [b]."),
    },
    "de": {
        "+": ("{{was|wie viel} ist|berechne|rechne|was ergibt||} [a]{ + |+| plus | und }[b]?",
              "{addiere|was ist die Summe von} [a] und [b]?"),
        "-": ("{{was|wie viel} ist|berechne|rechne|was ergibt||} [a]{ - |-| minus | weniger }[b]?",
              "{ziehe|zieh} [b] von [a] ab."),
        "×": ("{{was|wie viel} ist|berechne|rechne||} [a]{ x | * | × | mal }[b]?", "multipliziere [a] {mit|und} [b]."),
    },
    "zh": {
        "+": ("{请问|计算|算一下|}[a]{ + |+|加|加上}[b]{等于多少|是多少|等于几|=|}？", "[a]和[b]的和是多少？"),
        "-": ("{请问|计算|算一下|}[a]{ - |-|减|减去}[b]{等于多少|是多少|等于几|=|}？",),
        "×": ("{请问|计算|算一下|}[a]{ × | x | * |乘|乘以}[b]{等于多少|是多少|等于几|=|}？",),
    },
}  # fmt: skip


def is_held_out(a: int, b: int, operation: str) -> bool:
    """Whether a pair, in either order, is kept for evaluation: one in ten of those that are no single step.

    Single steps, which the working of others needs, are sums and differences with a number under ten or a multiple of
    ten, and products to 12 x 12 or with a multiple of ten.
    """
    low, high = min(a, b), max(a, b)
    is_round = high % 10 == 0 if operation == "×" else a % 10 == 0 or b % 10 == 0
    step = is_round or (high <= 12 or low < 2 if operation == "×" else low <= 9)
    return not step and held_out("pair", high, operation, low)


def result_of(a: int, b: int, operation: str) -> int:
    """The result; raises KeyError for an operation other than +, - and ×."""
    return {"+": a + b, "-": a - b, "×": a * b}[operation]


def columns(a: int, b: int, operation: str) -> str:
    """The working, column by column, ending in the result.

    Sums and differences have up to three digits; of a product, one factor has a single digit or both are up to 12.
    """
    if operation == "+":
        return _columns_of_sum(a, b)
    if operation == "×":
        return _columns_of_product(max(a, b), min(a, b))
    if a < b:
        return f"{a} - {b}: {b} is more, so I do {b} - {a} with a minus. {_columns_of_difference(b, a, '-')}"
    return f"{a} - {b}: {_columns_of_difference(a, b, '')}"


def _columns_of_sum(a: int, b: int) -> str:
    steps, carry = [], 0
    for i in range(max(len(str(a)), len(str(b)))):
        x, y = a // 10**i % 10, b // 10**i % 10
        total = x + y + carry
        one = " + 1" if carry else ""
        carry = total // 10
        written = f"write {total % 10}, carry 1" if carry else f"write {total}"
        steps.append(f"{_COLUMNS[i]} {x} + {y}{one} = {total}, {written}.")
    if carry:
        steps.append("Write 1.")
    return f"{a} + {b}: {' '.join(steps)} Result {a + b}."


def _columns_of_difference(a: int, b: int, sign: str) -> str:
    steps, borrow = [], 0
    for i in range(len(str(a))):
        x, y = a // 10**i % 10, b // 10**i % 10
        one = " - 1" if borrow else ""
        low = x - y - borrow < 0
        digit = (x - y - borrow) % 10
        ten = 10 if low else 0
        borrow = int(low)
        steps.append(f"{_COLUMNS[i]} {x + ten} - {y}{one} = {digit}, write {digit}{', borrow 1' if low else ''}.")
    return f"{' '.join(steps)} Result {sign}{a - b}."


def _columns_of_product(a: int, b: int) -> str:
    if a <= 12 or b < 2:
        return f"{a} × {b}: I know it by heart. Result {a * b}."
    steps, carry = [], 0
    for i, digit in enumerate(reversed(str(a))):
        total = int(digit) * b
        step = f"{_COLUMNS[i]} {digit} × {b} = {total}"
        if carry:
            step += f", {total} + {carry} = {total + carry}"
        total, last = total + carry, i == len(str(a)) - 1
        carry = total // 10
        steps.append(
            f"{step}, write {total if last else total % 10}{f', carry {carry}' if carry and not last else ''}."
        )
    return f"{a} × {b}: {' '.join(steps)} Result {a * b}."


def equation(a: int, b: int, operation: str) -> str:
    """The written-out result; a product of two digits and one is split into tens and ones on the way."""
    result = result_of(a, b, operation)
    if operation == "×" and max(a, b) > 12 and max(a, b) % 10 and min(a, b) > 1:
        high, low = max(a, b), min(a, b)
        return f"{a} × {b} = {high // 10 * 10 * low} + {high % 10 * low} = {result}"
    return f"{a} {operation} {b} = {result}"


def draw_pair(rng: random.Random, largest: int = 99, training: bool = True) -> tuple[int, int, str]:
    """Two numbers up to `largest` and +, - or ×; from the training pairs, or from those kept out of training."""
    while True:
        operation = "++++---×××"[int(rng.random() * 10)]
        if operation == "×":
            a, b = rng.randint(0, pick(rng, (12, 12, 99, 99, 99))), rng.randint(0, 9)
            if a <= 12:
                b = rng.randint(0, 12)
            if rng.random() < 0.3:
                a, b = b, a
        else:
            low = pick(rng, (9, 20, 99, 99, 99, largest))
            a, b = rng.randint(0, low), rng.randint(0, pick(rng, (low, low, low, 9)))
            if operation == "-" and a < b and rng.random() < 0.8:
                a, b = b, a
        if is_held_out(a, b, operation) != training:
            return a, b, operation


def sum_turn(rng: random.Random, lang: str = "en", largest: int = 99, training: bool = True) -> Turn:
    """One question of arithmetic and its answer; the result is the short answer."""
    a, b, operation = draw_pair(rng, largest, training)
    result = str(result_of(a, b, operation))
    pattern = pick(rng, ASKED[lang][operation])
    x: int | str = a
    y: int | str = b
    worded = max(a, b) <= 20 and rng.random() < 0.15 and not any(sign in pattern for sign in "+*-")
    if worded:
        x, y = NUMBER_WORDS[lang][a], NUMBER_WORDS[lang][b]
    return Turn(
        ask(rng, pattern, lang, a=x, b=y),
        equation(a, b, operation) + ("。" if lang == "zh" else "."),
        note(lang, columns(a, b, operation)),
        result,
    )


def compare_turn(rng: random.Random) -> Turn:
    """Which of two numbers is larger or smaller, or whether one is even or odd, or what follows it."""
    a, b = rng.sample(range(100), 2)
    kind = rng.randrange(5)
    if kind == 0:
        user = ask(rng, "{which|what} {number |}is {bigger|larger|greater|more}{,|:|} [a] or [b]?", a=a, b=b)
        return Turn(user, f"{max(a, b)} is larger.", f"Compare {a} and {b}. {max(a, b)} is more.", str(max(a, b)))
    if kind == 1:
        user = ask(rng, "{which|what} {number |}is {smaller|less|lower}{,|:|} [a] or [b]?", a=a, b=b)
        return Turn(user, f"{min(a, b)} is smaller.", f"Compare {a} and {b}. {min(a, b)} is less.", str(min(a, b)))
    if kind == 2:
        word = "even" if a % 2 == 0 else "odd"
        user = ask(rng, "is {the number |}[a] {even or odd|odd or even|an even number|odd}?", a=a)
        return Turn(user, f"{a} is {word}.", f"The last digit of {a} is {a % 10}. It is {word}.", word.capitalize())
    if kind == 3:
        user = ask(rng, "{what|which} {number |}{comes after|is after|follows|is next after} [a]?", a=a)
        return Turn(user, f"After {a} comes {a + 1}.", f"I count on from {a}.", str(a + 1))
    last = rng.randint(2, 12)
    user = ask(rng, "{can you |please |}count {from 1 |up |}to [n]{.|?|}", n=last)
    return Turn(user, ", ".join(map(str, range(1, last + 1))) + ".", f"I count from 1 to {last}.")
