"""Short passages about invented people and places, and questions that the passage answers, or does not.

Every sentence states one attribute of one person, so that each question has one answer.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

from playground.starter.text_names import first_name, town
from playground.starter.text_turns import Turn, note
from playground.starter.text_wording import ask, expand, fill, pick, say
from playground.starter.text_words import COLOURS, FOODS, JOBS, PETS

ATTRIBUTES = ("town", "age", "colour", "pet", "food", "job", "friend")
# By attribute and language: as told, as asked, as answered; [n] is the person, [v] the value.
_SAID: dict[str, dict[str, tuple[str, str, str]]] = {
    "town": {
        "en": ("[n] {lives in|comes from|is from} [v].", "where {does [n] live|is [n] from|does [n] come from}?",
               "[n] lives in [v]."),
        "es": ("[n] vive en [v].", "¿dónde vive [n]?", "[n] vive en [v]."),
        "fr": ("[n] habite à [v].", "où habite [n] ?", "[n] habite à [v]."),
        "de": ("[n] wohnt in [v].", "wo wohnt [n]?", "[n] wohnt in [v]."),
        "zh": ("[n]住在[v]。", "[n]住在哪里？", "[n]住在[v]。"),
    },
    "age": {
        "en": ("[n] is [v] years old.", "how old is [n]?", "[n] is [v] years old."),
        "es": ("[n] tiene [v] años.", "¿cuántos años tiene [n]?", "[n] tiene [v] años."),
        "fr": ("[n] a [v] ans.", "quel âge a [n] ?", "[n] a [v] ans."),
        "de": ("[n] ist [v] Jahre alt.", "wie alt ist [n]?", "[n] ist [v] Jahre alt."),
        "zh": ("[n]今年[v]岁。", "[n]几岁？", "[n][v]岁。"),
    },
    "colour": {
        "en": ("{The favourite colour of [n] is [v]|[n] likes the colour [v]}.",
               "{what is the favourite colour of [n]|which colour does [n] like}?", "[n] likes [v]."),
        "es": ("El color favorito de [n] es el [v].", "¿cuál es el color favorito de [n]?",
               "El color favorito de [n] es el [v]."),
        "fr": ("[n] préfère la couleur [v].", "quelle couleur préfère [n] ?", "[n] préfère la couleur [v]."),
        "de": ("Die Lieblingsfarbe von [n] ist [v].", "was ist die Lieblingsfarbe von [n]?",
               "Die Lieblingsfarbe von [n] ist [v]."),
        "zh": ("[n]最喜欢的颜色是[v]。", "[n]最喜欢什么颜色？", "[n]最喜欢[v]。"),
    },
    "pet": {
        "en": ("[n] has [v].", "{what pet|which animal|what animal} does [n] have?", "[n] has [v]."),
        "es": ("[n] tiene [v].", "¿qué animal tiene [n]?", "[n] tiene [v]."),
        "fr": ("[n] a [v].", "quel animal a [n] ?", "[n] a [v]."),
        "de": ("[n] hat [v].", "welches Tier hat [n]?", "[n] hat [v]."),
        "zh": ("[n]有[v]。", "[n]有什么动物？", "[n]有[v]。"),
    },
    "food": {
        "en": ("[n] likes to eat [v].", "what does [n] like to eat?", "[n] likes to eat [v]."),
        "es": ("A [n] le gusta comer [v].", "¿qué le gusta comer a [n]?", "A [n] le gusta comer [v]."),
        "fr": ("[n] aime manger [v].", "qu'est-ce que [n] aime manger ?", "[n] aime manger [v]."),
        "de": ("[n] isst gern [v].", "was isst [n] gern?", "[n] isst gern [v]."),
        "zh": ("[n]喜欢吃[v]。", "[n]喜欢吃什么？", "[n]喜欢吃[v]。"),
    },
    "job": {
        "en": ("[n] works as [v].", "{what is the job of [n]|what does [n] work as}?", "[n] works as [v]."),
        "es": ("[n] trabaja [v].", "¿dónde trabaja [n]?", "[n] trabaja [v]."),
        "fr": ("[n] travaille [v].", "où travaille [n] ?", "[n] travaille [v]."),
        "de": ("[n] arbeitet [v].", "wo arbeitet [n]?", "[n] arbeitet [v]."),
        "zh": ("[n]是[v]。", "[n]的工作是什么？", "[n]是[v]。"),
    },
    "friend": {
        "en": ("[n] {is a friend of|knows} [v].", "who {does [n] know|is a friend of [n]}?", "[n] knows [v]."),
        "es": ("[n] conoce a [v].", "¿a quién conoce [n]?", "[n] conoce a [v]."),
        "fr": ("[n] connaît [v].", "qui connaît [n] ?", "[n] connaît [v]."),
        "de": ("[n] kennt [v].", "wen kennt [n]?", "[n] kennt [v]."),
        "zh": ("[n]认识[v]。", "[n]认识谁？", "[n]认识[v]。"),
    },
}  # fmt: skip
_FRAMES = {
    "en": ("{Read this|Text|Passage|Here is a text|Read the text and answer}: [p]\n{|Question: }[q]",
           "[p]\n\n[q]", "[p] [q]", "{Answer from the text|Use only this text}. Text: [p] Question: [q]",
           "[q]\n\n{Text|Context}: [p]"),
    "es": ("{Lee esto|Texto|Lee el texto}: [p]\n{|Pregunta: }[q]", "[p]\n\n[q]", "[p] [q]"),
    "fr": ("{Lis ceci|Texte|Lis le texte} : [p]\n{|Question : }[q]", "[p]\n\n[q]", "[p] [q]"),
    "de": ("{Lies das|Text|Lies den Text}: [p]\n{|Frage: }[q]", "[p]\n\n[q]", "[p] [q]"),
    "zh": ("{阅读|短文|请读}：[p]\n{|问题：}[q]", "[p]\n\n[q]", "[p][q]"),
}  # fmt: skip
_NOT_SAID = {"en": "The text does not say.", "es": "El texto no lo dice.", "fr": "Le texte ne le dit pas.",
             "de": "Das steht nicht im Text.", "zh": "文中没有说。"}  # fmt: skip


@dataclass(frozen=True)
class Statement:
    """What a passage says: one attribute of one person."""

    person: str
    attribute: str
    value: str


def draw_value(rng: random.Random, attribute: str, lang: str, training: bool = True) -> str:
    """A value of an attribute in a language; towns and names from the training ones or from those kept out."""
    if attribute == "town":
        return town(rng, training, lang)
    if attribute == "age":
        return str(rng.randint(3, 99))
    if attribute == "friend":
        return first_name(rng, lang, training)
    return pick(rng, {"colour": COLOURS, "pet": PETS, "food": FOODS, "job": JOBS}[attribute])[lang]


def told(rng: random.Random, statement: Statement, lang: str) -> str:
    """The sentence of a statement."""
    return say(rng, _SAID[statement.attribute][lang][0], n=statement.person, v=statement.value)


def draw_statements(rng: random.Random, lang: str, training: bool = True) -> list[Statement]:
    """Two to six statements about one to three people, in any order, no attribute of a person twice."""
    people = [first_name(rng, lang, training) for _ in range(pick(rng, (1, 1, 2, 2, 3)))]
    wanted = {(p, a) for p in people for a in ATTRIBUTES}
    chosen = rng.sample(sorted(wanted), min(len(wanted), rng.randint(max(2, len(people)), 6)))
    return [Statement(p, a, draw_value(rng, a, lang, training)) for p, a in chosen]


def question(rng: random.Random, person: str, attribute: str, lang: str) -> str:
    """How an attribute of a person is asked for."""
    return ask(rng, _SAID[attribute][lang][1], lang, n=person)


def _passage(rng: random.Random, lang: str, training: bool) -> tuple[list[Statement], str]:
    statements = draw_statements(rng, lang, training)
    return statements, ("" if lang == "zh" else " ").join(told(rng, statement, lang) for statement in statements)


def _question_turn(rng: random.Random, statements: list[Statement], lang: str, answerable: bool) -> Turn:
    """A question about the statements, without the passage."""
    about = pick(rng, statements)
    if not answerable:
        known = {(s.person, s.attribute) for s in statements}
        missing = [a for a in ATTRIBUTES if (about.person, a) not in known]
        attribute = pick(rng, missing)
        thought = f"I look for the {attribute} of {about.person}. The text does not say it."
        return Turn(question(rng, about.person, attribute, lang), _NOT_SAID[lang], note(lang, thought))
    answer = say(rng, _SAID[about.attribute][lang][2], n=about.person, v=about.value)
    thought = f"I look for the {about.attribute} of {about.person}. The text says: {about.value}."
    short = "" if " " in about.value else about.value
    return Turn(question(rng, about.person, about.attribute, lang), answer, note(lang, thought), short)


def passage_turn(rng: random.Random, lang: str = "en", training: bool = True, answerable: bool | None = None) -> Turn:
    """A passage with a question; about one in seven is not answered by it, unless `answerable` says which."""
    statements, text = _passage(rng, lang, training)
    turn = _question_turn(rng, statements, lang, rng.random() > 0.14 if answerable is None else answerable)
    return replace(turn, user=fill(expand(rng, pick(rng, _FRAMES[lang])), p=text, q=turn.user))


def questions(rng: random.Random, lang: str, number: int) -> tuple[str, tuple[Turn, ...]]:
    """A passage by itself, and so many questions about it."""
    statements, text = _passage(rng, lang, True)
    return text, tuple(_question_turn(rng, statements, lang, rng.random() > 0.14) for _ in range(number))
