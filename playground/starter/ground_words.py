"""Put the ground of a scene into words: solid colours, gradients, stripes, dots and checks."""

from __future__ import annotations

import random

from playground.starter.words import (
    CHECKERED_WORDS,
    CHECKS_WORDS,
    COLOUR_WORDS,
    DOTS_WORDS,
    PLAIN_WORDS,
    with_article,
)
from playground.starter.world import Ground

# How often the colours of a pattern or gradient are left unsaid, and how often a direction is said.
COLOURLESS, DIRECTED = 0.05, 0.4


def _colours(ground: Ground, rng: random.Random) -> list[str]:
    words = [rng.choice(COLOUR_WORDS[name]) if rng.random() < 0.12 else name for name in ground.colours]
    if ground.kind in ("stripes", "checks") and rng.random() < 0.5:
        words.reverse()
    return words


def _noun(ground: Ground, rng: random.Random) -> str:
    """Name the ground without an article or "on", such as "white background" or "blue to pink gradient"."""
    words = _colours(ground, rng)
    direction = f"{ground.direction} " if ground.direction and rng.random() < DIRECTED else ""
    unsaid = rng.random() < COLOURLESS
    if ground.kind == "gradient":
        behind = rng.choice(("", " background"))
        if unsaid:
            return f"{direction}gradient background"
        if rng.random() < 0.5:
            return f"{direction}gradient from {words[0]} to {words[1]}"
        return f"{direction}{words[0]} to {words[1]} gradient{behind}"
    both = "" if unsaid else f"{' and '.join(words)} "
    if ground.kind == "stripes":
        if direction:
            return f"background of {direction}{both}stripes"
        return rng.choice((f"{both}striped background", f"{both}striped background", f"background of {both}stripes"))
    if ground.kind == "checks":
        checkered = CHECKERED_WORDS[0] if rng.random() < 0.7 else rng.choice(CHECKERED_WORDS)
        board = f"{both}{rng.choice(CHECKS_WORDS[1:])}"
        return rng.choice((f"{both}{checkered} background", f"{checkered} {both}background", board))
    if ground.kind == "dots":
        dots = rng.choice(DOTS_WORDS) if rng.random() < 0.4 else DOTS_WORDS[0]
        return f"background with {dots}" if unsaid else f"{words[0]} background with {words[1]} {dots}"
    plain = f"{rng.choice(PLAIN_WORDS)} " if rng.random() < 0.04 else ""
    return f"{plain}{words[0]} background"


def say_ground(ground: Ground, rng: random.Random) -> str:
    """Word a ground as what follows the objects, such as "on a white background"."""
    if rng.random() < 0.25:
        short = _short(ground, rng)
        if short:
            return short
    return f"{'against' if rng.random() < 0.12 else 'on'} {with_article(_noun(ground, rng))}"


def _short(ground: Ground, rng: random.Random) -> str:
    words = _colours(ground, rng)
    if ground.kind == "solid":
        return f"on {words[0]}"
    if ground.kind == "stripes":
        direction = f"{ground.direction} " if rng.random() < DIRECTED else ""
        return f"on {direction}{' and '.join(words)} stripes"
    if ground.kind == "dots":
        return f"on {words[0]} with {words[1]} dots"
    return f"on {' and '.join(words)} checks" if ground.kind == "checks" else ""


def tag_ground(ground: Ground, rng: random.Random) -> str:
    """Word a ground as a tag, such as "white background"."""
    if ground.kind == "stripes" and rng.random() < 0.4:
        return f"{' and '.join(_colours(ground, rng))} stripes"
    return _noun(ground, rng)


def plain_ground(ground: Ground) -> str:
    """Word a ground fully in the plainest words, the same each time."""
    colours = " and ".join(ground.colours)
    if ground.kind == "gradient":
        return f"on a {ground.direction} gradient from {ground.colour} to {ground.second}"
    if ground.kind == "stripes":
        return f"on {ground.direction} {colours} stripes"
    if ground.kind == "checks":
        return f"on {with_article(f'{colours} checkered background')}"
    if ground.kind == "dots":
        return f"on {with_article(f'{ground.colour} background with {ground.second} dots')}"
    return f"on {with_article(f'{ground.colour} background')}"
