"""Prompts for the image models: shapes, colours and backgrounds, as asked for or free."""

from __future__ import annotations

import random

from playground.starter.text_turns import Turn, ask
from playground.starter.text_words import COLOURS, SHAPES

_FREE = (
    "{give me|write|suggest|make|can you give me|I need|invent|tell me|what is|show me} "
    "{a|an|another|a good|one|a nice} {prompt|image prompt|picture prompt|idea} "
    "{for a picture|for an image|for the image model|for Stable Diffusion|for a drawing||for an image model}{?|.|}",
    "{what should I draw|what can I draw|what picture should I make|what image should I make|help me make a picture|"
    "I want to make a picture|suggest a picture|describe a picture|describe an image|"
    "I want a picture|give me an idea for a picture}{?|.|}",
)
_WANTED = (
    "{give me|write|suggest|make|I need|can you write|can you give me} {a|an|another} "
    "{prompt|image prompt|picture prompt} {for|of|for a picture of|for an image of|about|with} [w]{?|.|}",
    "{draw|paint|make a picture of|make an image of|draw me|I want a picture of|describe a "
    "picture of|picture of} [w]{.|}",
)


def _article(word: str) -> str:
    return "an" if word[0] in "aeiou" else "a"


def scene(rng: random.Random, colour: str | None, shape: str | None, ground: str | None, second: bool) -> str:
    """A prompt such as "a red circle on a white background"; None leaves a free choice."""
    shape = shape or rng.choice(SHAPES)
    # A free colour must differ from the background, or nothing would be seen.
    colour = colour or rng.choice([c for c in COLOURS if c != ground])
    text = f"{_article(colour)} {colour} {shape}"
    taken = {colour}
    if second:
        other = rng.choice([c for c in COLOURS if c not in (colour, ground)])
        text += f" and {_article(other)} {other} {rng.choice([s for s in SHAPES if s != shape])}"
        taken.add(other)
    ground = ground or rng.choice([c for c in ("white", "black", "white", "grey", *COLOURS) if c not in taken])
    return f"{text} on {_article(ground)} {ground} background"


def picture_turn(rng: random.Random) -> Turn:
    """A request for an image prompt; the answer is the prompt alone."""
    if rng.random() < 0.35:
        prompt = scene(rng, None, None, None, rng.random() < 0.3)
        return Turn(ask(rng, rng.choice(_FREE)), prompt, f"The user wants a prompt. I choose {prompt}.")
    colour = rng.choice([None, rng.choice(COLOURS), rng.choice(COLOURS)])
    shape = rng.choice([None, rng.choice(SHAPES), rng.choice(SHAPES)])
    if colour is None and shape is None:
        shape = rng.choice(SHAPES)
    ground = rng.choice([None, None, rng.choice([c for c in COLOURS if c != colour])])
    thing = shape or rng.choice(["shape", "thing", "figure", "something"])
    wanted = thing if colour is None else f"{colour} {thing}"
    wanted = f"something {colour}" if thing == "something" else f"{_article(wanted)} {wanted}"
    if ground:
        wanted += f" on {_article(ground)} {ground} background"
    prompt = scene(rng, colour, shape, ground, False)
    return Turn(ask(rng, rng.choice(_WANTED), w=wanted), prompt, f"The user wants {wanted}. So {prompt}.")
