"""Answers in a wanted form: one word, JSON with given keys, capital letters, or another language."""

from __future__ import annotations

import json
import random
import re
from dataclasses import replace
from typing import Any

from playground.starter.text_names import coined, first_name
from playground.starter.text_passages import Statement, draw_value, told
from playground.starter.text_turns import Turn, held_out, note
from playground.starter.text_wording import expand, fill, pick
from playground.starter.text_words import COMMON, article

# Before the question, then after it.
_ONE_WORD = {
    "en": ("{In one word|Answer in one word|One word|One word only|With one word}{:|,|.} [q]",
           "[q] {Answer in one word.|In one word.|One word only.|Use one word.|in one word|answer in one word|Answer "
           "with a single word.|just one word|Reply with one word.}"),
    "es": ("{En una palabra|Responde con una palabra}: [q]", "[q] {Responde con una sola palabra.|En una palabra.}"),
    "fr": ("{En un mot|Réponds en un mot} : [q]", "[q] {Réponds en un seul mot.|En un mot.}"),
    "de": ("{In einem Wort|Antworte mit einem Wort}: [q]", "[q] {Antworte mit einem Wort.|In einem Wort.}"),
    "zh": ("{用一个词回答|只用一个词}：[q]", "[q]{用一个词回答。|只回答一个词。}"),
}  # fmt: skip
ONE_WORD_SYSTEM = (
    "{Answer|Reply|Respond|Always answer|Please answer} {with|in|using} {one|a single|only one|just one} "
    "word{.| only.|}"
)
CAPITALS_SYSTEM = (
    "{Answer|Reply|Respond|Write|Speak|Talk|Always answer|Please answer|You answer|Write everything} "
    "{{only |}in {capital letters|capitals|upper case|uppercase|all caps|block letters}}{.|!|}"
)
JSON_SYSTEM = '{Answer|Reply|Respond|Always answer} {in|as|with} JSON{ only|}{ with|, using} the key {"[k]"|[k]}{.|}'
LANGUAGE_SYSTEM = {
    "en": "{Answer|Reply|Respond|Speak|Write|Always answer} {only |}in English{.|}",
    "es": "{Answer|Reply|Respond|Speak|Write|Always answer} {only |}in Spanish{.|}",
    "fr": "{Answer|Reply|Respond|Speak|Write|Always answer} {only |}in French{.|}",
    "de": "{Answer|Reply|Respond|Speak|Write|Always answer} {only |}in German{.|}",
    "zh": "{Answer|Reply|Respond|Speak|Write|Always answer} {only |}in Chinese{.|}",
}
_ONE_KEY = {
    "en": ('[q] {Answer|Reply|Respond} {as|in|with} JSON {with the key|using the key|with key} {"[k]"|[k]}{.|}',
           '{As JSON|Answer as JSON}{,|} {with the key|key} {"[k]"|[k]}: [q]'),
    "es": ('[q] Responde {en|como} JSON con la clave {"[k]"|[k]}.',),
    "fr": ('[q] Réponds en JSON avec la clé {"[k]"|[k]}.',),
    "de": ('[q] Antworte als JSON mit dem Schlüssel {"[k]"|[k]}.',),
    "zh": ('[q]用JSON回答，键是{"[k]"|[k]}。',),
}  # fmt: skip
_MORE_KEYS = {
    "en": ("{Turn this into|Write this as|Extract} JSON with the keys [k]: [p]", "[p] {As|Give me} JSON with the "
    "keys [k].",
           "{Answer|Reply} as JSON with the keys [k]. [p]"),
    "es": ("{Escribe esto como|Convierte esto en} JSON con las claves [k]: [p]",),
    "fr": ("{Écris ceci en|Convertis ceci en} JSON avec les clés [k] : [p]",),
    "de": ("{Schreib das als|Mach daraus} JSON mit den Schlüsseln [k]: [p]",),
    "zh": ("用JSON写出来，键是[k]：[p]",),
}  # fmt: skip
_KEYS = {
    "name": ("name", "name", "person", "who"), "age": ("age", "age", "years"), "town": ("town", "city", "home"),
    "colour": ("colour", "color", "favourite_colour"), "pet": ("pet", "animal"), "food": ("food", "favourite_food"),
    "job": ("job", "work"), "friend": ("friend", "knows"),
}  # fmt: skip
_ONE_KEYS = ("answer", "result", "value", "answer", "result", "output", "word", "reply")


def one_word(rng: random.Random, turn: Turn, lang: str = "en") -> Turn:
    """The turn, asked for and answered in one word; raises ValueError for a turn without a short answer."""
    if not turn.short:
        raise ValueError(f"a turn without a short answer cannot be told in one word: {turn.user!r}")
    pattern = _ONE_WORD[lang][rng.random() < 0.6]
    user = fill(expand(rng, pattern), q=re.sub(r"[.!。]$", "", turn.user) if pattern.endswith("[q]") else _ended(turn))
    return replace(shortened(turn), user=user)


def _ended(turn: Turn) -> str:
    """The question with a mark at its end, so that what follows begins a sentence."""
    return turn.user if turn.user[-1] in "?.!？。！" or turn.user[-1] > "\u2e80" else turn.user + "?"


def shortened(turn: Turn) -> Turn:
    """The turn with only its short answer."""
    end = "" if turn.short[-1:].isdigit() else "。" if turn.short[-1:] > "\u2e80" else "."
    first = turn.short[:1].upper() + turn.short[1:]
    return replace(turn, answer=first + end, thought=turn.thought + " One word.")


def in_capitals(turn: Turn) -> Turn:
    """The turn with its answer in capital letters."""
    return replace(turn, answer=turn.answer.upper(), thought=turn.thought + " I write in capital letters.")


def as_value(turn: Turn, key: str) -> Turn:
    """The turn answered as JSON of one key."""
    answer = json.dumps({key: _typed(turn.short)}, ensure_ascii=False)
    return replace(turn, answer=answer, thought=f"{turn.thought} JSON with the key {key}.")


def draw_key(rng: random.Random) -> str:
    """A key for a single answer: a usual word, or any."""
    return pick(rng, _ONE_KEYS) if rng.random() < 0.6 else pick(rng, COMMON) if rng.random() < 0.6 else coined(rng)


def one_key(rng: random.Random, turn: Turn, lang: str = "en") -> Turn:
    """The turn, asked for and answered as JSON with one key."""
    key = draw_key(rng)
    pattern = pick(rng, _ONE_KEY[lang])
    return replace(as_value(turn, key), user=fill(expand(rng, pattern), q=_ended(turn), k=key))


def _typed(short: str) -> int | str:
    return int(short) if re.fullmatch(r"-?\d{1,6}", short) else short


def record_turn(rng: random.Random, lang: str = "en", training: bool = True) -> Turn:
    """A sentence or two about a person or thing, to be written as JSON with two to four given keys."""
    while True:
        if lang == "en" and rng.random() < 0.3:
            text, record = _thing(rng)
        else:
            text, record = _person(rng, lang, training)
        if held_out("record", *record.items()) != training:
            break
    keys = list(record)
    mark = pick(rng, ('"', "", ""))
    listed = f"{mark}, {mark}".join(keys)
    shown = f"{mark}{listed}{mark}"
    if lang == "en" and rng.random() < 0.5:
        shown = " and ".join(shown.rsplit(", ", 1))
    user = fill(expand(rng, pick(rng, _MORE_KEYS[lang])), k=shown, p=text)
    thought = f"I write JSON. The keys are {', '.join(keys)}."
    return Turn(user, json.dumps(record, ensure_ascii=False), note(lang, thought))


def _person(rng: random.Random, lang: str, training: bool) -> tuple[str, dict[str, Any]]:
    person = first_name(rng, lang, training)
    chosen = rng.sample([a for a in _KEYS if a != "name"], rng.randint(1, 3))
    statements = [Statement(person, a, draw_value(rng, a, lang, training)) for a in chosen]
    text = ("" if lang == "zh" else " ").join(told(rng, statement, lang) for statement in statements)
    record: dict[str, Any] = {pick(rng, _KEYS["name"]): person}
    for statement in statements:
        record[pick(rng, _KEYS[statement.attribute])] = _typed(statement.value)
    return text, record


def _thing(rng: random.Random) -> tuple[str, dict[str, Any]]:
    thing = pick(rng, COMMON)
    number, price = rng.randint(2, 99), rng.randint(1, 99)
    open_, text = rng.random() < 0.5, ""
    record: dict[str, Any] = {pick(rng, ("item", "thing", "product")): thing}
    text = f"{article(thing).capitalize()} costs {price} dollars."
    record[pick(rng, ("price", "cost", "dollars"))] = price
    if rng.random() < 0.5:
        text += f" There are {number} left."
        record[pick(rng, ("left", "stock", "count"))] = number
    if rng.random() < 0.4:
        text += f" The shop is {'open' if open_ else 'closed'}."
        record["open"] = open_
    return text, record
