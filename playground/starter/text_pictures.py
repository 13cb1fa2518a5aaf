"""Prompts for the image models: as asked for, improved, or explained. All names come from the image world itself."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

from playground.starter.colours import COLOURS
from playground.starter.layouts import NEVER_OUTLINED
from playground.starter.text_turns import Turn, note
from playground.starter.text_wording import ask, capital, pick
from playground.starter.text_words import COLOURS as COLOUR_ROWS
from playground.starter.text_words import rows
from playground.starter.words import POSITION_WORDS, STYLE_WITH, plural, with_article
from playground.starter.world import GROUND_KINDS, POSITIONS, RELATIONS, SHAPES, STYLES

_INKS = tuple(COLOURS)
_PLACES = tuple(position for position in POSITIONS if position != "center")
_NUMBERS = {2: "two", 3: "three", 4: "four"}
_FREE = {
    "en": (
        "{give me|write|suggest|make|can you give me|I need|invent|tell me|show me} {a|an|another|a good|one|a nice} "
        "{prompt|image prompt|picture prompt|idea} {for a picture|for an image|for the image model|for Stable "
        "Diffusion|"
        "for a drawing||for an image model}{?|.|}",
        "{what should I draw|what can I draw|what picture should I make|what image should I make|help me make a "
        "picture|I "
        "want to make a picture|suggest a picture|describe a picture|describe an image|I want a picture}{?|.|}",
    ),
    "es": ("{dame|escribe|sugiere} {un prompt|una idea} para {una imagen|un dibujo}{.|}",),
    "fr": ("{donne-moi|écris|propose} {un prompt|une idée} pour {une image|un dessin}{.|}",),
    "de": ("{gib mir|schreib mir|nenne} {einen Prompt|eine Idee} für {ein Bild|eine Zeichnung}{.|}",),
    "zh": ("{给我|写|推荐}一个{图片|绘画}提示词{。|}",),
}
_WANTED = {
    "en": (
        "{give me|write|suggest|make|I need|can you write|can you give me} {a|an|another} {prompt|image prompt|picture "
        "prompt} {for|of|for a picture of|for an image of|with} [w]{?|.|}",
        "{draw|paint|make a picture of|make an image of|draw me|I want a picture of|describe a picture of|picture "
        "of} [w]"
        "{.|}",
    ),
    "es": ("{dame|escribe} un prompt para [w]{.|}", "{dibuja|quiero una imagen de} [w]{.|}"),
    "fr": ("{donne-moi|écris} un prompt pour [w]{.|}", "{dessine|je veux une image avec} [w]{.|}"),
    "de": ("{gib mir|schreib} einen Prompt für [w]{.|}", "{zeichne|male|ich möchte} [w]{.|}"),
    "zh": ("写一个提示词：[w]", "{画|我想要一张图：}[w]"),
}
_BETTER = "{improve this prompt:|improve the prompt|make this prompt better:|add details to this prompt:} [w]{.|}"
# English / Spanish / French / German / Chinese; colours that follow keep their plain form behind a colon.
_SHAPE_ROWS = rows("""
    circle/un círculo/un cercle/einen Kreis/圆形
    square/un cuadrado/un carré/ein Quadrat/正方形
    triangle/un triángulo/un triangle/ein Dreieck/三角形
    star/una estrella/une étoile/einen Stern/星星
    heart/un corazón/un cœur/ein Herz/心形
    diamond/un rombo/un losange/eine Raute/菱形
    ring/un anillo/un anneau/einen Ring/圆环
    cross/una cruz/une croix/ein Kreuz/十字
    hexagon/un hexágono/un hexagone/ein Sechseck/六边形
    moon/una luna/une lune/einen Mond/月亮
    arrow/una flecha/une flèche/einen Pfeil/箭头
    crown/una corona/une couronne/eine Krone/皇冠
""")
_SHAPE_OF = {row["en"]: row for row in _SHAPE_ROWS if row["en"] in SHAPES}
_COLOUR_OF = {row["en"]: row for row in COLOUR_ROWS if row["en"] in COLOURS}
_IN_COLOUR = {"es": "{} en {}", "fr": "{} en {}", "de": "{} in {}", "zh": "{1}的{0}"}


@dataclass(frozen=True)
class Wish:
    """What a picture shows; None leaves a free choice, "" and 1 are the plain case."""

    colour: str | None = None
    shape: str | None = None
    size: str = ""
    outlined: bool = False
    number: int = 1
    place: str = ""
    second: tuple[str, str, str] | None = None
    kind: str | None = None
    ground: tuple[str, ...] = ()
    style: str = ""


def phrase(wish: Wish) -> str:
    """What is wished for, in words; only what is set is said."""
    words = [wish.size, "outlined" if wish.outlined else "", wish.colour or ""]
    noun = wish.shape or "shape"
    if wish.number > 1:
        words = [_NUMBERS[wish.number], *words, plural(noun)]
    text = " ".join(word for word in [*words, *([] if wish.number > 1 else [noun])] if word)
    text = text if wish.number > 1 else with_article(text)
    if wish.second:
        relation, colour, shape = wish.second
        text += f" {relation} {with_article(colour)} {shape}"
    if wish.place:
        text += f" {POSITION_WORDS[wish.place][0]}"
    if wish.kind:
        text += f" on {ground_phrase(wish.kind, wish.ground)}"
    if wish.style:
        text += f", {STYLE_WITH[wish.style][0]}"
    return text


def ground_phrase(kind: str, colours: tuple[str, ...]) -> str:
    """A ground in words, such as "a red and white striped background"; one colour for a solid one, else two."""
    if kind == "solid":
        return with_article(f"{colours[0]} background")
    first, second = colours
    said = {
        "gradient": f"{first} to {second} gradient background",
        "stripes": f"{first} and {second} striped background",
        "dots": f"{first} background with {second} dots",
        "checks": f"{first} and {second} checkered background",
    }
    return with_article(said[kind])


def draw_wish(rng: random.Random, details: float) -> Wish:
    """A wish with each detail set with the chance `details`; colours that touch differ."""
    shape = pick(rng, SHAPES) if rng.random() < 0.85 else None
    colour = pick(rng, _INKS) if rng.random() < 0.85 else None
    wish = Wish(colour, shape)
    if rng.random() < details:
        wish = replace(wish, size=pick(rng, ("small", "big", "tiny", "large")))
    if rng.random() < details * 0.4 and shape not in NEVER_OUTLINED:
        wish = replace(wish, outlined=True)
    layout = rng.random()
    if layout < details * 0.7:
        wish = replace(wish, place=pick(rng, _PLACES))
    elif layout > 1 - details * 0.4:
        wish = replace(wish, number=pick(rng, (2, 3, 4)))
    elif layout > 1 - details:
        other = (pick(rng, [c for c in _INKS if c != colour]), pick(rng, [s for s in SHAPES if s != shape]))
        wish = replace(wish, second=(pick(rng, [r for r in RELATIONS if r != "inside"]), *other))
    if rng.random() < details * 0.6:
        wish = replace(wish, style=pick(rng, [style for style in STYLES if style != "flat"]))
    if rng.random() < 0.3 + details:
        wish = _grounded(rng, wish, pick(rng, GROUND_KINDS) if rng.random() < 0.5 else "solid")
    return wish


def _grounded(rng: random.Random, wish: Wish, kind: str) -> Wish:
    used = {wish.colour, wish.second[1] if wish.second else None}
    liked = ("white", "white", "black", "grey", *_INKS)
    first = pick(rng, [c for c in liked if c not in used])
    if kind == "solid":
        return replace(wish, kind=kind, ground=(first,))
    return replace(wish, kind=kind, ground=(first, pick(rng, [c for c in _INKS if c not in {*used, first}])))


def completed(rng: random.Random, wish: Wish) -> Wish:
    """The wish with a colour, a shape and a ground, all that was wished for kept."""
    taken = {*wish.ground, wish.second[1] if wish.second else None}
    wish = replace(
        wish,
        colour=wish.colour or pick(rng, [c for c in _INKS if c not in taken]),
        shape=wish.shape or pick(rng, [s for s in SHAPES if s not in NEVER_OUTLINED]),
    )
    return wish if wish.kind else _grounded(rng, wish, "solid")


def _listed(names: tuple[str, ...]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}"


_EXPLAINED = (
    ("{how do I write {a|an image} prompt|how should I write a prompt|what makes a good prompt|how do I describe a "
    "picture|"
     "help me write a prompt|prompt tips|how do prompts work}?",
     "Name a colour, a shape, a place, a background and a style, such as: [p]."),
    ("{which|what} shapes {can I use|are there|do the image models know|can you draw}?", f"The shapes are "
    f"{_listed(SHAPES)}."),
    ("{which|what} {colours|colors} {can I use|are there|do the image models know}?", f"The colours are "
    f"{_listed(_INKS)}."),
    ("{which|what} {places|positions} {can I use|are there|do the image models know}?",
     f"The places are {_listed(POSITIONS)}."),
    ("{which|what} styles {can I use|are there|do the image models know}?",
     f"The styles are {_listed(STYLES)}. You can say: {STYLE_WITH['shadow'][0]}."),
    ("{which|what} backgrounds {can I use|are there|do the image models know}?",
     f"The backgrounds are {_listed(GROUND_KINDS)}, in any of the colours."),
    ("what is a negative prompt?", "It names what the picture must not show, such as a colour."),
    ("{how do I make a word {stronger|count more}|what does (word:1.5) mean|what are prompt weights}?",
     "Write (word:1.5): that word then counts one and a half times."),
    ("{can you {draw|make|show} {a picture|pictures|images}|are you an image model}?",
     "I cannot draw, but I can write a prompt for the image models."),
)  # fmt: skip
_TIP = {
    "es": ("¿cómo escribo un prompt?", "Nombra un color, una forma, un lugar y un fondo, en inglés: [p]."),
    "fr": ("comment écrire un prompt ?", "Nomme une couleur, une forme, un lieu et un fond, en anglais : [p]."),
    "de": ("wie schreibe ich einen Prompt?", "Nenne Farbe, Form, Ort und Hintergrund, auf Englisch: [p]."),
    "zh": ("{怎么写提示词|提示词怎么写}？", "用英语写出颜色、形状、位置和背景：[p]。"),
}


def explain_turn(rng: random.Random, lang: str = "en") -> Turn:
    """How prompts are written, and what the image world holds."""
    pattern, answer = _EXPLAINED[int(rng.random() ** 1.5 * len(_EXPLAINED))] if lang == "en" else _TIP[lang]
    answer = answer.replace("[p]", phrase(completed(rng, draw_wish(rng, 0.5))))
    return Turn(ask(rng, pattern, lang), answer, note(lang, "The user asks about pictures. I explain."))


def picture_turn(rng: random.Random, lang: str = "en") -> Turn:
    """A request for an image prompt, in English the prompt alone; now and then a question on how to write one."""
    kind = rng.random()
    if kind < 0.2:
        return explain_turn(rng, lang)
    if kind < 0.38:
        prompt = phrase(completed(rng, draw_wish(rng, 0.3)))
        return Turn(
            ask(rng, pick(rng, _FREE[lang]), lang), prompt, note(lang, f"The user wants a prompt. I choose {prompt}.")
        )
    if lang != "en":
        shape, colour = pick(rng, tuple(_SHAPE_OF)), pick(rng, tuple(_COLOUR_OF))
        said = _COLOUR_OF[colour][lang]
        wanted = _IN_COLOUR[lang].format(_SHAPE_OF[shape][lang], capital(said) if lang == "de" else said)
        prompt = phrase(completed(rng, Wish(colour, shape)))
        return Turn(ask(rng, pick(rng, _WANTED[lang]), lang, w=wanted), prompt, note(lang, f"I write: {prompt}."))
    if kind < 0.5:
        wish = Wish(pick(rng, _INKS), pick(rng, SHAPES))
        more = replace(draw_wish(rng, 0.6), colour=wish.colour, shape=wish.shape, outlined=False, second=None, number=1)
        clash = wish.colour in more.ground
        prompt = phrase(completed(rng, replace(more, kind=None, ground=()) if clash else more))
        return Turn(ask(rng, _BETTER, w=phrase(wish)), prompt, f"I add details to {phrase(wish)}.")
    return request(rng, draw_wish(rng, pick(rng, (0.0, 0.15, 0.4))))


def request(rng: random.Random, wish: Wish) -> Turn:
    """A request in English for a prompt with what is wished for."""
    prompt = phrase(completed(rng, wish))
    return Turn(ask(rng, pick(rng, _WANTED["en"]), w=phrase(wish)), prompt, f"The user wants {phrase(wish)}.")
