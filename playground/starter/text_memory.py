"""Facts that the user tells and asks for later: name, favourite colour, number, pet, town."""

from __future__ import annotations

import random

from playground.starter import text_words as words
from playground.starter.text_turns import Turn, ask, say

COLOURS = ("red", "green", "blue", "yellow", "orange", "purple", "pink", "white", "black", "grey", "brown", "cyan")
PETS = ("dog", "cat", "bird", "fish", "horse", "rabbit", "turtle", "mouse", "parrot", "snake")
KINDS = ("name", "colour", "number", "pet", "town")

_TELL = {
    "name": ("{my name is|my name's|I am|I'm|call me|you can call me|the name is|please call me|this is} [v]{.|!|}",
             "{hi|hello|hey}{,|!|} {my name is|I am|I'm|this is|call me} [v]{.|!|}",
             "{remember|remember that|please remember that} my name is [v]{.|}",
             "{my name is|I am|I'm} [v]{, nice to meet you| and I am new here|. How are you?|, what about you?}"),
    "colour": ("my {favourite|favorite} {colour|color} is [v]{.|!|}", "I {like|love} {the colour |the color |}[v]"
               "{.|!|}",
               "{remember|please remember}{ that|} my {favourite|favorite} {colour|color} is [v]{.|}",
               "[v] is my {favourite|favorite} {colour|color}{.|!|}"),
    "number": ("{remember|please remember|keep in mind|memorise|note} the number [v]{.|}",
               "my {number|lucky number|favourite number|favorite number} is [v]{.|}", "I am [v] years old{.|}"),
    "pet": ("I have a [v]{.|!|}", "my pet is a [v]{.|!|}", "{at home |}I {have|own} a {little |nice |}[v]{.|}"),
    "town": ("I {live in|am from|come from} [v]{.|!|}", "my {town|city|home} is [v]{.|}", "I'm from [v]{.|}"),
}  # fmt: skip
_ASK = {
    "name": "{what is my name|what's my name|whats my name|do you remember my name|who am I|"
            "say my name|tell me my name|do you know my name|can you remember my name|what was my name|"
            "what am I called|my name is?}?",
    "colour": "{what is|what's|whats|what was|tell me|do you remember|do you know} "
              "my {favourite|favorite} {colour|color}?",
    "number": "{what is|what's|whats|what was|tell me|do you remember|which was} {my|the} number?",
    "pet": "{what {pet|animal} do I have|which animal do I have|what is my pet|do you remember my pet|what's my pet}?",
    "town": "{where do I live|where am I from|where do I come from|do you know where I live|which town do I live in|"
            "what is my town|what is my city}?",
}  # fmt: skip
_NOTED = {
    "name": "{Nice to meet you|Hello|Hi}, [v]!",
    "colour": "{[c] is a nice colour.|I will remember that you like [v].}",
    "number": "I will remember the number [v].",
    "pet": "A [v] is a nice {pet|friend}!",
    "town": "{I will remember that you live in [v].}",
}
_KNOWN = {
    "name": "Your name is [v].",
    "colour": "Your favourite colour is [v].",
    "number": "{Your|The} number is [v].",
    "pet": "You have a [v].",
    "town": "You live in [v].",
}
_NOT_TOLD = {
    "name": "You have not told me your name yet.",
    "colour": "You have not told me your favourite colour yet.",
    "number": "You have not told me a number yet.",
    "pet": "You have not told me about a pet yet.",
    "town": "You have not told me where you live yet.",
}


def draw_value(rng: random.Random, kind: str, training: bool = True) -> str:
    """A value for one kind of fact; names come from the training names or from the held-out ones."""
    if kind == "name":
        value = words.name(rng, training)
        return value.lower() if training and rng.random() < 0.2 else value
    if kind == "colour":
        return rng.choice(COLOURS)
    if kind == "number":
        return str(rng.randint(1, rng.choice([9, 99, 99, 999])))
    if kind == "pet":
        return rng.choice(PETS)
    return rng.choice([*words.CAPITALS.values(), words.coined(rng).capitalize(), words.coined(rng).capitalize()])


def tell_turn(rng: random.Random, kind: str, value: str, again: bool = False) -> Turn:
    """The user tells a fact; `again` corrects an earlier one."""
    pattern = rng.choice(_TELL[kind])
    if again:
        pattern = "{actually|no, actually|sorry, I was wrong:|wait,} " + pattern
    user = ask(rng, pattern, v=value)
    if "years old" in user.lower():
        return Turn(user, f"I will remember the number {value}.", f"The user is {value} years old. I keep {value}.")
    answer = say(rng, _NOTED[kind], v=value, c=value.capitalize())
    return Turn(user, answer, f"The user tells me a {kind}: {value}. I keep it.")


def recall_turn(rng: random.Random, kind: str, value: str | None, one_word: bool = False) -> Turn:
    """The user asks for a fact; `value` is None where it was never told."""
    user = ask(rng, _ASK[kind])
    if value is None:
        return Turn(user, _NOT_TOLD[kind], f"The user asks for the {kind}. I was not told.")
    thought = f"The user asks for the {kind}. Earlier: {value}."
    return Turn(user, f"{value}." if one_word else say(rng, _KNOWN[kind], v=value), thought)


def confirm_turn(rng: random.Random, name: str) -> Turn:
    """Questions that are answered with the name in a sentence."""
    user = ask(rng, "{greet me|say hello to me|say hi to me|say goodbye to me by name|say hello with my name}{.|!|}")
    word = "Goodbye" if "bye" in user.lower() else "Hello"
    return Turn(user, f"{word}, {name}!", f"The name is {name}.")
