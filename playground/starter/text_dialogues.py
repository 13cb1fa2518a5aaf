"""Endless seeded training conversations for the starter chat models: skills mixed, system prompts, shared memory.

Conversation number `index` of a stream is a function of the model's name, the seed and the index alone.
"""

from __future__ import annotations

import random
from bisect import bisect
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import accumulate, count

from playground.starter import text_arithmetic as arithmetic
from playground.starter import text_facts as facts
from playground.starter import text_format as forms
from playground.starter import text_identity as identity
from playground.starter import text_judging as judging
from playground.starter import text_memory as memory
from playground.starter import text_passages as passages
from playground.starter import text_social as social
from playground.starter import text_tools as tools
from playground.starter import text_topics as topics
from playground.starter.text_names import first_name
from playground.starter.text_pictures import picture_turn
from playground.starter.text_problems import problem_turn
from playground.starter.text_python import python_turn
from playground.starter.text_tool_offers import draw_tool
from playground.starter.text_translation import translation_turn
from playground.starter.text_turns import LANGUAGES, Dialogue, Turn, held_out
from playground.starter.text_unknown import unknown_turn
from playground.starter.text_wording import expand, fill, pick

__all__ = ["dialogue_at", "dialogues", "held_out", "skill_turn"]

_PLAIN_SYSTEM = (
    "You are a helpful assistant.", "You are a helpful, friendly assistant.", "Be helpful.", "Be brief.",
    "You are a chat bot.", "Answer the question.", "You are an assistant. Be kind and short.",
    "You are a helpful AI assistant.", "You are a helpful and harmless assistant.",
)  # fmt: skip
_NAMED = "{Your name is|You are|You are called|Call yourself|From now on your name is|You are a bot called} [v]{.|}"
_USER_IS = "{The user is called|The name of the user is|You talk to} [v]{.|}"
# Half of all conversations are in English.
_LANGUAGES = ("en",) * 8 + ("es", "fr", "de", "zh") * 2
Skill = Callable[[random.Random, str, str], Turn]
# Each skill with its weight in English and in each other language.
_SKILLS: dict[str, tuple[Skill, float, float]] = {
    "talk": (lambda r, g, me: social.talk_turn(r, g), 6, 9),
    "about": (lambda r, g, me: identity.about_turn(r, me, g), 4, 6),
    "sum": (lambda r, g, me: _sum(r, g, me), 17, 14),
    "compare": (lambda r, g, me: arithmetic.compare_turn(r), 1.5, 0),
    "problem": (lambda r, g, me: problem_turn(r, g), 7, 6),
    "passage": (lambda r, g, me: passages.passage_turn(r, g), 8, 8),
    "record": (lambda r, g, me: forms.record_turn(r, g), 5, 3),
    "sentiment": (lambda r, g, me: judging.sentiment_turn(r, g)[0], 7, 7),
    "topic": (lambda r, g, me: topics.topic_turn(r, g), 4, 4),
    "fits": (lambda r, g, me: topics.fits_turn(r), 1, 0),
    "translation": (lambda r, g, me: translation_turn(r, g), 8, 9),
    "python": (lambda r, g, me: python_turn(r), 7, 0),
    "picture": (lambda r, g, me: picture_turn(r, g), 6, 3),
    "unknown": (lambda r, g, me: unknown_turn(r, g), 10, 9),
    "fact": (lambda r, g, me: facts.fact_turn(r, g), 6, 6),
    "echo": (lambda r, g, me: social.echo_turn(r), 3, 0),
    "story": (lambda r, g, me: social.story_turn(r), 1, 0),
}
_BRIEF = ("talk", "about", "sum", "fact", "sentiment", "unknown", "compare", "echo", "talk", "sum")
_SHORT = ("sum", "fact", "sentiment", "topic", "passage", "compare", "sum", "fact", "problem")
_CLOSED = ("talk", "about", "fact", "unknown", "talk", "fact")


def _sum(rng: random.Random, lang: str, me: str) -> Turn:
    """starter-mistral, which works in columns, also gets three digits; starter-phi seldom."""
    larger = rng.random() < (0.3 if me == "starter-mistral" else 0.08)
    return arithmetic.sum_turn(rng, lang, 999 if larger else 99)


def _table(column: int) -> tuple[tuple[str, ...], tuple[float, ...]]:
    names = tuple(name for name, row in _SKILLS.items() if row[column])
    return names, tuple(accumulate(float(_SKILLS[name][column]) for name in names))  # type: ignore[arg-type]


_ENGLISH, _OTHER = _table(1), _table(2)


def skill_turn(rng: random.Random, name: str, lang: str, me: str) -> Turn:
    """One exchange of a skill; those known in English only fall back to a sum in other languages."""
    skill, _, other = _SKILLS[name]
    return skill(rng, lang, me) if lang == "en" or other else _sum(rng, lang, me)


def _any_turn(rng: random.Random, lang: str, me: str) -> Turn:
    names, weights = _ENGLISH if lang == "en" else _OTHER
    return _SKILLS[names[bisect(weights, rng.random() * weights[-1])]][0](rng, lang, me)


def dialogues(seed: int, me: str, start: int = 0) -> Iterator[Dialogue]:
    """The training stream of the model called `me`, from conversation number `start` on, without end."""
    return (dialogue_at(me, seed, index) for index in count(start))


def dialogue_at(me: str, seed: int, index: int) -> Dialogue:
    """Training conversation number `index`; one in eight of a reasoning model's goes without thinking."""
    rng = random.Random(f"{me}/{seed}/{index}")
    drawn = _draw(rng, me)
    if me != "starter-mistral":
        return replace(drawn, thinking=False)
    if len(drawn.turns) > 1 and rng.random() < 0.3:
        # Only the last exchange is learned with its thoughts, so that every kind of exchange must come last.
        drawn = replace(drawn, turns=drawn.turns[: rng.randint(1, len(drawn.turns))])
    thinking = rng.random() > 0.12
    steps = drawn.turns[-1].steps
    if thinking and (not steps or rng.random() < 0.7):
        return drawn
    targets = [i for i, step in enumerate(steps) if step.learned] + [len(steps)]
    return replace(drawn, thinking=thinking, target=pick(rng, targets))


def _draw(rng: random.Random, me: str) -> Dialogue:
    kind = rng.random()
    lang = pick(rng, _LANGUAGES)
    if kind < 0.38:
        return Dialogue(_free_talk(rng, me, lang, pick(rng, (1, 1, 1, 2, 2, 3, 4))))
    if kind < 0.54:
        return Dialogue(_memory_talk(rng, me, lang))
    if kind < 0.68:
        return _tool_talk(rng, me)
    if kind < 0.75:
        return _formed_talk(rng, me, lang)
    if kind < 0.80:
        return Dialogue(
            tuple(forms.one_key(rng, _short_turn(rng, lang, me), lang) for _ in range(pick(rng, (1, 1, 2))))
        )
    if kind < 0.86:
        return Dialogue(_free_talk(rng, me, lang, pick(rng, (1, 1, 2, 3))), pick(rng, _PLAIN_SYSTEM))
    if kind < 0.90:
        return _named_talk(rng, lang)
    if kind < 0.93:
        shouted = [_closed_turn(rng, "en", "en", me) for _ in range(pick(rng, (1, 1, 2, 3)))]
        return Dialogue(tuple(map(forms.in_capitals, shouted)), expand(rng, forms.CAPITALS_SYSTEM))
    if kind < 0.96:
        return _ordered_language(rng, me)
    if kind < 0.985:
        return _told_by_system(rng, lang)
    return Dialogue(_free_talk(rng, me, lang, rng.randint(6, 30)))


def _other_than(rng: random.Random, lang: str, chance: float) -> str:
    """The language of the next exchange: the same, or with the given chance any."""
    return pick(rng, LANGUAGES) if rng.random() < chance else lang


def _free_talk(rng: random.Random, me: str, lang: str, exchanges: int) -> tuple[Turn, ...]:
    told: dict[str, memory.Told] = {}
    turns = []
    for _ in range(exchanges):
        lang = _other_than(rng, lang, 0.1)
        kind = rng.random()
        if kind < 0.12:
            turns.append(_tell(rng, told, pick(rng, memory.KINDS), lang))
        elif kind < 0.17 or (told and kind < 0.3):
            turns.append(_recall(rng, told, lang))
        else:
            turns.append(_any_turn(rng, lang, me))
    return tuple(turns)


def _tell(rng: random.Random, told: dict[str, memory.Told], kind: str, lang: str) -> Turn:
    again = kind in told
    told[kind] = memory.draw_value(rng, kind, lang=lang)
    return memory.tell_turn(rng, told[kind], lang, again)


def _recall(rng: random.Random, told: dict[str, memory.Told], lang: str) -> Turn:
    """A question for something told, one time in ten for something that was not."""
    missing = [kind for kind in memory.KINDS if kind not in told]
    if not told or (missing and rng.random() < 0.1):
        return memory.recall_turn(rng, pick(rng, missing), None, lang)
    kind = pick(rng, tuple(told))
    if kind == "name" and lang == "en" and rng.random() < 0.08:
        return memory.confirm_turn(rng, told[kind])
    return memory.recall_turn(rng, kind, told[kind], lang)


def _memory_talk(rng: random.Random, me: str, lang: str) -> tuple[Turn, ...]:
    """One to four facts are told, other things follow, and facts are asked for at the end."""
    told: dict[str, memory.Told] = {}
    kinds = ["name"] if rng.random() < 0.5 else []
    kinds += rng.sample(memory.KINDS, pick(rng, (1, 1, 2, 3)))
    turns = [_tell(rng, told, kind, _other_than(rng, lang, 0.08)) for kind in kinds]
    for _ in range(pick(rng, (0, 1, 2, 3, 4, 4, 5, 6))):
        turns.insert(rng.randint(1, len(turns)), skill_turn(rng, pick(rng, _BRIEF), _other_than(rng, lang, 0.08), me))
    turns += [_recall(rng, told, _other_than(rng, lang, 0.15)) for _ in range(pick(rng, (1, 1, 2)))]
    return tuple(turns)


def _tool_talk(rng: random.Random, me: str) -> Dialogue:
    """Tools are offered, and mostly one of them fits each request."""
    lang = "en" if rng.random() < 0.8 else pick(rng, LANGUAGES)
    wanted = draw_tool(rng, tools.draw_kind(rng, lang=lang))
    offer = tools.offered(rng, wanted)
    turns: list[Turn] = []
    for _ in range(pick(rng, (1, 1, 1, 2, 3))):
        kind = rng.random()
        served = wanted if lang != "en" or rng.random() < 0.6 else pick(rng, offer)
        if kind < 0.62:
            turns.append(tools.call_turn(rng, served, lang))
        elif kind < 0.7 and lang == "en":
            turns.append(tools.two_calls_turn(rng, served, pick(rng, offer)))
        elif kind < 0.82:
            turns.append(tools.corrected_turn(rng, served, lang))
        elif kind < 0.91:
            turns.append(tools.no_tool_turn(rng, offer))
        else:
            turns.append(skill_turn(rng, pick(rng, ("talk", "about", "talk", "sentiment", "fact")), lang, me))
    system = pick(rng, _PLAIN_SYSTEM) if rng.random() < 0.3 else ""
    return Dialogue(tuple(turns), system, tools=tools.schemas(offer))


def _short_turn(rng: random.Random, lang: str, me: str) -> Turn:
    while not (turn := skill_turn(rng, pick(rng, _SHORT), lang, me)).short or "Answer " in turn.user:
        pass
    return turn


def _formed_talk(rng: random.Random, me: str, lang: str) -> Dialogue:
    """Answers in one word, or as JSON with one key, ordered by each message or once by the system prompt."""
    turns = [_short_turn(rng, _other_than(rng, lang, 0.1), me) for _ in range(pick(rng, (1, 1, 2, 3)))]
    kind = rng.random()
    if kind < 0.4:
        return Dialogue(tuple(forms.one_word(rng, _short_turn(rng, lang, me), lang) for _ in turns))
    if kind < 0.8:
        return Dialogue(tuple(map(forms.shortened, turns)), expand(rng, forms.ONE_WORD_SYSTEM))
    key = forms.draw_key(rng)
    system = fill(expand(rng, forms.JSON_SYSTEM), k=key)
    return Dialogue(tuple(forms.as_value(turn, key) for turn in turns), system)


def _named_talk(rng: random.Random, lang: str) -> Dialogue:
    given = first_name(rng)
    turns = list(_free_talk(rng, given, lang, pick(rng, (0, 1, 1, 2))))
    turns.insert(rng.randint(0, len(turns)), identity.identity_turn(rng, given, lang))
    return Dialogue(tuple(turns), fill(expand(rng, _NAMED), v=given))


def _closed_turn(rng: random.Random, lang: str, out: str, me: str) -> Turn:
    """A turn whose answer holds no word of the user's own, in any language."""
    kind = pick(rng, _CLOSED)
    if kind == "talk":
        return social.talk_turn(rng, lang, out)
    if kind == "about" or lang != out:
        return identity.about_turn(rng, me, lang, out)
    return skill_turn(rng, kind, lang, me)


def _ordered_language(rng: random.Random, me: str) -> Dialogue:
    """The system prompt orders a language; the user speaks any."""
    out = pick(rng, LANGUAGES)
    turns = [
        _closed_turn(rng, pick(rng, ("en", out, pick(rng, LANGUAGES))), out, me) for _ in range(pick(rng, (1, 2, 3)))
    ]
    return Dialogue(tuple(turns), expand(rng, forms.LANGUAGE_SYSTEM[out]))


def _told_by_system(rng: random.Random, lang: str) -> Dialogue:
    """The system prompt says who the user is, or holds the passage that the questions are about."""
    if rng.random() < 0.4:
        told = memory.draw_value(rng, "name", lang=lang)
        return Dialogue((memory.recall_turn(rng, "name", told, lang),), fill(expand(rng, _USER_IS), v=told[lang]))
    text, turns = passages.questions(rng, lang, pick(rng, (1, 2, 3)))
    return Dialogue(turns, text)
