"""The words for what the image world holds; captions choose from them and prompts are read by them. No torch.

Each name of the world comes with its synonyms; the name itself is the plainest word.
"""

from __future__ import annotations

SHAPE_WORDS: dict[str, tuple[str, ...]] = {
    "circle": ("disc", "disk", "ball"),
    "square": ("box",),
    "triangle": (),
    "star": ("five-pointed star",),
    "heart": ("love heart",),
    "diamond": ("rhombus",),
    "ring": ("donut", "doughnut"),
    "cross": ("plus", "plus sign"),
    "hexagon": (),
    "moon": ("crescent", "crescent moon"),
    "arrow": (),
    "drop": ("teardrop", "droplet", "raindrop"),
    "rectangle": ("oblong",),
    "crown": (),
}
ANY_SHAPE = ("shape", "object", "figure")
COLOUR_WORDS: dict[str, tuple[str, ...]] = {
    "red": ("crimson", "scarlet"),
    "orange": ("tangerine",),
    "yellow": ("lemon", "golden"),
    "green": ("emerald",),
    "cyan": ("turquoise", "aqua"),
    "blue": ("cobalt", "royal blue"),
    "purple": ("violet",),
    "pink": ("rose",),
    "brown": ("chocolate",),
    "grey": ("gray", "gray", "silver"),
    "white": ("snow-white",),
    "black": ("jet black",),
}
SIZE_WORDS = {"medium": ("medium-sized",), "small": ("tiny", "little"), "big": ("large", "huge")}
NUMBER_WORDS = {1: ("one", "1"), 2: ("two", "2"), 3: ("three", "3"), 4: ("four", "4")}
POSITION_WORDS: dict[str, tuple[str, ...]] = {
    "center": ("in the center", "in the middle", "in the centre"),
    "left": ("on the left", "on the left side", "at the left"),
    "right": ("on the right", "on the right side", "at the right"),
    "top": ("at the top", "on the top", "at the top edge"),
    "bottom": ("at the bottom", "on the bottom", "at the bottom edge"),
    "top left": ("in the top left corner", "in the upper left corner", "at the top left", "in the top left"),
    "top right": ("in the top right corner", "in the upper right corner", "at the top right", "in the top right"),
    "bottom left": ("in the bottom left corner", "in the lower left corner", "at the bottom left"),
    "bottom right": ("in the bottom right corner", "in the lower right corner", "at the bottom right"),
}
RELATION_WORDS: dict[str, tuple[str, ...]] = {
    "left of": ("left of", "to the left of", "on the left of"),
    "right of": ("right of", "to the right of", "on the right of"),
    "above": ("above", "on top of", "over"),
    "below": ("below", "under", "beneath"),
    "inside": ("inside", "in", "within"),
}
# The same relations told from the second object's side.
AROUND_WORDS = ("around", "containing")
BESIDE_WORDS = ("next to", "beside")
ROW_WORDS = {"left of": ("from left to right",), "above": ("from top to bottom",)}
# Where the two of a pair are when each is given a place of its own: the first stands there, the second opposite.
PLACES_OF_RELATION = {
    "left of": ("left", "right"),
    "right of": ("right", "left"),
    "above": ("top", "bottom"),
    "below": ("bottom", "top"),
}
OUTLINED_WORDS = ("outlined", "hollow", "unfilled")
OUTLINE_NOUNS = ("outline", "outlines")
FILLED_WORDS = ("filled",)
OPENINGS = ("a picture of", "an image of", "a picture with", "an illustration of")
# By style: what may stand before the objects, right after them, and at the end behind a comma.
STYLE_OPENINGS: dict[str, tuple[str, ...]] = {
    "flat": ("a flat picture of", "a flat illustration of"),
    "shadow": (),
    "pixel": ("pixel art of", "a pixel art picture of", "a pixelated picture of"),
    "pencil": ("a pencil drawing of", "a pencil sketch of", "a pencil drawing with"),
}
STYLE_WITH: dict[str, tuple[str, ...]] = {
    "flat": ("without a shadow", "in a flat style"),
    "shadow": ("with a soft shadow", "with a soft shadow", "with a shadow", "casting a soft shadow"),
    "pixel": ("in pixel style", "as pixel art"),
    "pencil": ("in pencil", "drawn in pencil"),
}
STYLE_TAGS: dict[str, tuple[str, ...]] = {
    "flat": ("flat", "flat style"),
    "shadow": ("soft shadow", "drop shadow", "with a soft shadow"),
    "pixel": ("pixel art", "pixel style", "pixelated"),
    "pencil": ("pencil drawing", "pencil sketch", "pencil style"),
}
STRIPED_WORDS, STRIPES_WORDS = ("striped",), ("stripes",)
CHECKERED_WORDS, CHECKS_WORDS = ("checkered", "chequered"), ("checks", "checkerboard", "checkerboard pattern")
DOTS_WORDS, DOTTED_WORDS = ("dots", "polka dots"), ("dotted",)
DIRECTION_WORDS = ("vertical", "horizontal")
PLAIN_WORDS = ("plain", "solid")


def plural(noun: str) -> str:
    """Return the plural of a noun of this file."""
    return noun + ("es" if noun.endswith(("s", "x", "ch", "sh")) else "s")


def with_article(words: str) -> str:
    """Put "a" or "an" before a noun phrase."""
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


def spellings(name: str, words: dict[str, tuple[str, ...]]) -> tuple[str, ...]:
    """Return a name and its synonyms."""
    return name, *words[name]
