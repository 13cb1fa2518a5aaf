"""Requests to translate small sentences between the five languages, in any of them."""

from __future__ import annotations

import random

from playground.starter.text_sentences import draw_meaning
from playground.starter.text_turns import LANGUAGES, Turn, note
from playground.starter.text_wording import ask, pick

_ASKED = {
    "en": ("{translate|translate this|can you translate|please translate} {to|into} [l]: [q]",
           "translate {this |}from [f] {to|into} [l]: [q]", "{how do you say|what is|say} [s] in [l]?",
           "what does [s] mean in [l]?", "[q] {in|to} [l]{?|, please}", "{translate|translate this}: [s] to [l]{.|}"),
    "es": ("{traduce|traduce esto|¿puedes traducir} al [l]: [q]", "¿cómo se dice [s] en [l]?"),
    "fr": ("{traduis|traduis ceci|peux-tu traduire} en [l] : [q]", "comment dit-on [s] en [l] ?"),
    "de": ("{übersetze|übersetze das|kannst du übersetzen} {ins [d]e|auf [d]}: [q]", "was heißt [s] auf [d]?"),
    "zh": ("{翻译成|把这句话翻译成|请翻译成}[l]：[q]", "[s]用[l]怎么说？"),
}  # fmt: skip
_NAMES = {
    "en": ("English", "Spanish", "French", "German", "Chinese"), "es": ("inglés", "español", "francés", "alemán",
    "chino"),
    "fr": ("anglais", "espagnol", "français", "allemand", "chinois"),
    "de": ("Englisch", "Spanisch", "Französisch", "Deutsch", "Chinesisch"), "zh": ("英语", "西班牙语", "法语", "德语",
    "中文"),
}  # fmt: skip
_MARKS = {"en": ('"', "'"), "es": ('"',), "fr": ('"',), "de": ('"',), "zh": ('"',)}


def translation_turn(
    rng: random.Random, lang: str = "en", training: bool = True, pair: tuple[str, str] | None = None
) -> Turn:
    """A request in `lang` to translate from one language to another; one of the two is usually `lang`.

    `pair` sets the languages of the text and of its translation.
    """
    said = draw_meaning(rng, training)
    other = pick(rng, [code for code in LANGUAGES if code != lang])
    source, target = pair or ((lang, other) if rng.random() < 0.7 else (other, lang))
    text, wanted = said[source], said[target]
    pattern = pick(rng, _ASKED[lang])
    mark = pick(rng, _MARKS[lang])
    bare = text.rstrip(".。") if rng.random() < 0.3 or "[s]" in pattern else text
    name = _NAMES[lang][LANGUAGES.index(target)]
    user = ask(
        rng, pattern, lang, l=name, d=name, f=_NAMES[lang][LANGUAGES.index(source)], s=f"{mark}{bare}{mark}",
        q=bare if rng.random() < 0.7 else f"{mark}{bare}{mark}",
    )  # fmt: skip
    english = "" if "en" in (source, target) else f" In English: {said['en']}"
    thought = f"From {_NAMES['en'][LANGUAGES.index(source)]} into {_NAMES['en'][LANGUAGES.index(target)]}.{english}"
    return Turn(user, wanted, note(lang, thought))
