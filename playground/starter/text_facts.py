"""Questions about the small world: days, opposites, colours, capitals, animals, shapes, feelings of a sentence."""

from __future__ import annotations

import random

from playground.starter import text_words as words
from playground.starter.text_turns import Turn, ask, capital, held_out, say

_SIDES = {"triangle": 3, "square": 4, "circle": 0, "rectangle": 4, "pentagon": 5, "hexagon": 6}
_STOCK = (
    ("why is the sky blue", "Sunlight scatters in the air, and blue light scatters the most."),
    ("how many days are in a week", "A week has seven days."),
    ("how many months are in a year", "A year has twelve months."),
    ("how many hours are in a day", "A day has 24 hours."),
    ("how many minutes are in an hour", "An hour has 60 minutes."),
    ("how many seconds are in a minute", "A minute has 60 seconds."),
    ("how many days are in a year", "A year has 365 days."),
    ("how many letters are in the alphabet", "The English alphabet has 26 letters."),
    ("{what are|name|list} the days of the week", "Monday, Tuesday, Wednesday, Thursday, Friday, Saturday and Sunday."),
    ("{what are|name|list} the {four |}seasons", "Spring, summer, autumn and winter."),
    ("{what are|name|list} the months of the year", ", ".join(words.MONTHS[:-1]) + " and December."),
    ("{what are|name|list} the primary colours", "Red, yellow and blue."),
    ("{name|tell me|list} {three|some|a few} colours", "Red, green and blue."),
    ("{name|tell me|list} {three|some|a few} animals", "A cat, a dog and a horse."),
    ("{name|tell me|list} {three|some|a few} fruits", "An apple, a banana and an orange."),
    ("{name|tell me|list} {three|some|a few} shapes", "A circle, a square and a star."),
    ("is the earth {round|flat}", "The Earth is round."),
    ("{what is|which is} the largest planet", "Jupiter is the largest planet."),
    ("what do bees make", "Bees make honey."),
    ("where do fish live", "Fish live in water."),
    ("what is ice", "Ice is frozen water."),
)


def opposite_turn(rng: random.Random, one_word: bool = False) -> Turn:
    """The opposite of a word."""
    a, b = rng.choice(words.OPPOSITES)
    unknown = rng.random() < 0.06 and not one_word
    asked = words.coined(rng) if unknown else a
    pattern = rng.choice(
        (
            "{what is|what's|tell me|give me|do you know|name||} the opposite of [a]?",
            "{what is|what's||} the opposite of the word [a]?",
            "opposite of [a]?",
            "what is the opposite of '[a]'?",
        )
    )
    user = ask(rng, pattern, a=asked)
    if unknown:
        return Turn(user, "I do not know that word.", f"{capital(asked)} is a word that I do not know.")
    return Turn(user, capital(b) + "." if one_word else f"The opposite of {a} is {b}.", f"{capital(a)}, then {b}.")


def colour_turn(rng: random.Random, one_word: bool = False) -> Turn:
    """The colour of a common thing, or of a mixture of two colours."""
    if rng.random() < 0.1:
        a, b, c = rng.choice([("red", "yellow", "orange"), ("red", "blue", "purple"), ("yellow", "blue", "green"),
                              ("red", "white", "pink"), ("black", "white", "grey")])  # fmt: skip
        a, b = rng.sample([a, b], 2)
        user = ask(rng, "{what {color|colour} {do you get from|do I get if I mix|is}|mix} [a] and [b]?", a=a, b=b)
        answer = capital(c) + "." if one_word else f"{capital(a)} and {b} make {c}."
        return Turn(user, answer, f"I mix {a} and {b}. That makes {c}.")
    thing = rng.choice(list(words.COLOUR_OF))
    colour = words.COLOUR_OF[thing]
    pattern = rng.choice(
        (
            "{what|which} {color|colour} {is|does|has} [thing]{ have|}?",
            "{what is|what's|tell me} the {color|colour} of [thing]?",
            "what {color|colour} is [thing]?",
        )
    )
    user = ask(rng, pattern, thing=thing)
    verb = f"{capital(thing)} is {colour}."
    return Turn(user, capital(colour) + "." if one_word else verb, f"I think of {thing}. The colour is {colour}.")


def calendar_turn(rng: random.Random) -> Turn:
    """Which day or month comes before or after another."""
    names = words.DAYS if rng.random() < 0.65 else words.MONTHS
    i = rng.randrange(len(names))
    kind = "day" if names is words.DAYS else "month"
    before, after = names[i - 1], names[(i + 1) % len(names)]
    here = names[i]
    choice = rng.randrange(4) if names is words.DAYS else rng.randrange(2)
    shown = here.lower() if rng.random() < 0.2 else here
    if choice == 0:
        user = ask(rng, f"{{what|which}} {{{kind} |}}{{comes after|is after|follows}} [day]?", day=shown)
        return Turn(user, f"After {here} comes {after}.", f"{here}, then {after}.")
    if choice == 1:
        user = ask(rng, f"{{what|which}} {{{kind} |}}{{comes before|is before|was before}} [day]?", day=shown)
        return Turn(user, f"Before {here} comes {before}.", f"{before}, then {here}.")
    if choice == 2:
        user = ask(rng, "{today is|if today is|it is} [day]. {what|which} day {is|will be} tomorrow?", day=shown)
        return Turn(user, f"Tomorrow is {after}.", f"Today {here}, tomorrow {after}.")
    user = ask(rng, "{today is|if today is|it is} [day]. {what|which} day was {yesterday|it yesterday}?", day=shown)
    return Turn(user, f"Yesterday was {before}.", f"Today {here}, yesterday {before}.")


def capital_turn(rng: random.Random, one_word: bool = False) -> Turn:
    """The capital of a country; for made-up countries, that it does not know."""
    country = rng.choice(list(words.CAPITALS))
    pattern = "{what is|what's|tell me|name|do you know||} the capital {city |}of [land]?"
    if rng.random() < 0.12 and not one_word:
        land = words.coined(rng).capitalize()
        return Turn(ask(rng, pattern, land=land), "I do not know that capital.", f"I do not know {land}.")
    city = words.CAPITALS[country]
    shown = country.lower() if rng.random() < 0.2 else country
    user = ask(rng, pattern, land=shown)
    return Turn(user, city + "." if one_word else f"The capital of {country} is {city}.", f"{country}, then {city}.")


def animal_turn(rng: random.Random) -> Turn:
    """What an animal says, how many legs it has, or how many sides a shape has."""
    kind = rng.randrange(3)
    if kind == 0:
        animal, sound = rng.choice(list(words.SOUNDS.items()))
        user = ask(rng, "what {sound does|noise does|does} {a|an|the} [x] {make|say}?", x=animal)
        return Turn(user, f"It says {sound}.", f"A {animal} says {sound}.")
    if kind == 1:
        animal, legs = rng.choice(list(words.LEGS.items()))
        user = ask(rng, "how many legs {does a|has a|does an|does the} [x] have?", x=animal)
        return Turn(user, f"It has {legs} legs.", f"Legs of a {animal}: {legs}.")
    shape, sides = rng.choice(list(_SIDES.items()))
    user = ask(rng, "how many {sides|corners} {does a|has a} [x] have?", x=shape)
    return Turn(user, f"A {shape} has {sides}.", f"I count for a {shape}: {sides}.")


def stock_turn(rng: random.Random) -> Turn:
    """A question with one fixed answer."""
    pattern, answer = rng.choice(_STOCK)
    user = ask(rng, pattern + "{?|?|}")
    return Turn(user, answer, "I know this one.")


def opinion(rng: random.Random, positive: bool) -> str:
    """A sentence that praises or blames something."""
    word = rng.choice(words.GOOD if positive else words.BAD)
    slots = {"x": rng.choice(words.REVIEWED), "w": word, "art": "an" if word[0] in "aeiou" else "a"}
    patterns = ["the [x] {was|is} {so |very |really |just ||}[w]", "[art] [w] [x]", "what [art] [w] [x]",
                "this {was|is} [art] [w] [x]", "I {think|find} the [x] [w]", "it was [art] [w] [x]"]  # fmt: skip
    patterns += (
        ["I {love|loved|like|enjoyed|really liked} {this|the|that} [x]", "I am {happy|pleased} with the [x]",
         "best [x] ever", "I would {buy|recommend} {this|the} [x] again", "I was happy with the [x]",
         "I am so happy today", "the [x] made me smile"]
        if positive
        else ["I {hate|hated|dislike|disliked|did not like|don't like} {this|the|that} [x]",
              "I am {unhappy|angry|sad} about the [x]", "worst [x] ever", "I want my money back for the [x]",
              "never again this [x]", "I feel so sad today", "the [x] was not good", "the [x] made me angry"]
    )  # fmt: skip
    return say(rng, rng.choice(patterns), **slots)


SENTIMENT_PATTERNS = (
    "{is this|is the following|is this sentence|is this text|is this review} {positive or negative|negative or "
    "positive}{:|?|: |} [q]",
    "[q] {Is that|Is this|Is it} {positive or negative|negative or positive}?",
    "{what is the sentiment of|sentiment of|sentiment:|classify as positive or negative:|sentiment of this:} [q]",
    "positive or negative{:|?} [q]",
    "classify the sentiment{ as positive or negative|}: [q]",
)


def sentiment_turn(rng: random.Random, training: bool = True) -> tuple[Turn, bool]:
    """A sentence to judge, and whether it is positive; training and held-out sentences are disjoint."""
    while True:
        positive = rng.random() < 0.5
        text = opinion(rng, positive)
        if held_out("opinion", text.lower()) != training:
            break
    quote = rng.choice(["'", '"', "", ""])
    shown = text + rng.choice([".", ".", "!", ""])
    if rng.random() < 0.2:
        shown = shown.lower()
    user = ask(rng, rng.choice(SENTIMENT_PATTERNS), q=f"{quote}{shown}{quote}")
    word = "positive" if positive else "negative"
    return Turn(user, capital(word) + ".", f"The text says: {text}. That sounds {word}."), positive
