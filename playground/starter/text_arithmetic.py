"""Sums and differences in many wordings, with column-by-column working for the reasoning model."""

from __future__ import annotations

import random

from playground.starter.text_turns import Turn, ask, held_out, say

_WORDS = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty",
)  # fmt: skip
_COLUMNS = ("ones", "tens", "hundreds", "thousands")
_ADD = (
    "{what is|what's|whats|how much is|calculate|compute|work out|tell me|can you do|what does|add up:|solve|find|||} "
    "[a]{ + | + |+|+| plus | and | added to }[b]{?|?|| =| = ?|.}",
    "{what is|what's|how much is|calculate|find|} the sum of [a] and [b]?",
    "{add|please add|can you add|could you add|add up} [a] {and|to} [b]{.|?||please}",
    "{what do you get|what do I get|what happens} if {you|I} add [a] and [b]?",
    "[a] {plus|+} [b] {is|equals|makes}{ what||}?",
    "[a]+[b]",
    "[a] + [b]",
    "what is [a] + [b]?",
    "what is [a] plus [b]?",
)
_SUBTRACT = (
    "{what is|what's|whats|how much is|calculate|compute|work out|tell me|can you do|what does|solve|find|||} "
    "[a]{ - | - |-|-| minus | take away }[b]{?|?|| =| = ?|.}",
    "{subtract|please subtract|can you subtract|take|take away} [b] from [a]{.|?|}",
    "{what is|what's|how much is} the difference between [a] and [b]?",
    "[a] minus [b]?",
    "[a]-[b]",
    "[a] - [b]",
    "what is [a] - [b]?",
    "what is [a] minus [b]?",
)
_STORY_ADD = (
    "I have [a] [thing] and {get|buy|find} [b] more. How many [thing] do I have{ now|}?",
    "There are [a] [thing] on the table and [b] in the box. How many [thing] are there{ in all|}?",
)
_STORY_SUBTRACT = (
    "I have [a] [thing] and {give away|lose|eat} [b]. How many [thing] {are left|do I have left|remain}?",
    "There were [a] [thing]. [b] are gone. How many [thing] are left?",
)
_THINGS = ("apples", "books", "coins", "pens", "eggs", "cards", "cats", "balls", "cookies", "stars", "cups", "oranges")


def is_held_out(a: int, b: int, operation: str) -> bool:
    """Whether a pair, in either order, is kept for evaluation: one in ten of those with a number above 19.

    Smaller numbers are the single steps of the column working, which training needs.
    """
    return max(a, b) > 19 and held_out("pair", max(a, b), operation, min(a, b))


def columns(a: int, b: int, operation: str) -> str:
    """The working of a sum or difference of numbers of up to three digits, column by column, ending in the result."""
    if operation == "+":
        return _columns_of_sum(a, b)
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


def draw_pair(rng: random.Random, largest: int, training: bool = True) -> tuple[int, int, str]:
    """Two numbers up to `largest` and `+` or `-`; from the training pairs, or from those kept out of training."""
    while True:
        low = rng.choice([9, 20, 99, 99, 99, largest])
        a, b = rng.randint(0, low), rng.randint(0, rng.choice([low, low, low, 9]))
        operation = "+" if rng.random() < 0.6 else "-"
        if operation == "-" and a < b and rng.random() < 0.8:
            a, b = b, a
        if is_held_out(a, b, operation) != training:
            return a, b, operation


def sum_turn(rng: random.Random, largest: int, one_word: bool = False) -> Turn:
    """One question of arithmetic and its answer; `one_word` answers with the number alone."""
    a, b, operation = draw_pair(rng, largest)
    result = a + b if operation == "+" else a - b
    thought = columns(a, b, operation)
    kind = rng.random()
    if kind < 0.06 and result >= 0 and not one_word:
        thing = rng.choice(_THINGS)
        stories = _STORY_ADD if operation == "+" else _STORY_SUBTRACT
        return Turn(
            ask(rng, rng.choice(stories), a=a, b=b, thing=thing), f"{a} {operation} {b} = {result} {thing}.", thought
        )
    pattern = rng.choice(_ADD if operation == "+" else _SUBTRACT)
    if kind < 0.16 and max(a, b) <= 20:
        if "+[b]" in pattern or "-[b]" in pattern:
            pattern = "what is [a] plus [b]?" if operation == "+" else "what is [a] minus [b]?"
        user = ask(rng, pattern, a=_WORDS[a], b=_WORDS[b])
    else:
        user = ask(rng, pattern, a=a, b=b)
    if one_word:
        return Turn(user, str(result), thought)
    return Turn(user, f"{a} {operation} {b} = {result}.", thought)


def compare_turn(rng: random.Random) -> Turn:
    """Which of two numbers is larger or smaller, or whether one is even or odd, or what follows it."""
    a, b = rng.sample(range(100), 2)
    kind = rng.randrange(5)
    if kind == 0:
        user = ask(rng, "{which|what} {number |}is {bigger|larger|greater|more}{,|:|} [a] or [b]?", a=a, b=b)
        return Turn(user, f"{max(a, b)} is larger.", f"Compare {a} and {b}. {max(a, b)} is more.")
    if kind == 1:
        user = ask(rng, "{which|what} {number |}is {smaller|less|lower}{,|:|} [a] or [b]?", a=a, b=b)
        return Turn(user, f"{min(a, b)} is smaller.", f"Compare {a} and {b}. {min(a, b)} is less.")
    if kind == 2:
        word = "even" if a % 2 == 0 else "odd"
        user = ask(rng, "is {the number |}[a] {even or odd|odd or even|an even number|odd}?", a=a)
        return Turn(user, f"{a} is {word}.", f"The last digit of {a} is {a % 10}. It is {word}.")
    if kind == 3:
        user = ask(rng, "{what|which} {number |}{comes after|is after|follows|is next after} [a]?", a=a)
        return Turn(user, f"After {a} comes {a + 1}.", f"I count on from {a}.")
    last = rng.randint(2, 12)
    user = ask(rng, "{can you |please |}count {from 1 |up |}to [n]{.|?|}", n=last)
    return Turn(user, ", ".join(map(str, range(1, last + 1))) + ".", say(rng, "I count from 1 to [n].", n=last))
