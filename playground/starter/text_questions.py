"""What a starter chat model is asked when it is measured, held out of training, and what counts as right."""

from __future__ import annotations

import ast
import json
import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from playground.starter import text_format as forms
from playground.starter.text_arithmetic import sum_turn
from playground.starter.text_dialogues import skill_turn
from playground.starter.text_facts import opposite_turn
from playground.starter.text_identity import identity_turn
from playground.starter.text_judging import sentiment_turn
from playground.starter.text_memory import draw_value, recall_turn, tell_turn
from playground.starter.text_passages import passage_turn
from playground.starter.text_pictures import draw_wish, phrase, request
from playground.starter.text_problems import problem_turn
from playground.starter.text_python import explain_turn, write_turn
from playground.starter.text_rendering import messages
from playground.starter.text_social import answers_to_greeting, greeting_turn
from playground.starter.text_tool_offers import draw_tool
from playground.starter.text_tools import (
    call_turn,
    calls_of,
    corrected_turn,
    draw_kind,
    no_tool_turn,
    offered,
    schemas,
)
from playground.starter.text_topics import topic_turn
from playground.starter.text_translation import translation_turn
from playground.starter.text_turns import LANGUAGE_NAMES, LANGUAGES, Dialogue, Turn
from playground.starter.text_unknown import ADMITTED, unknown_turn
from playground.starter.text_wording import pick

_BETWEEN = ("talk", "about", "fact", "sum", "sentiment")


@dataclass(frozen=True)
class Question:
    """A conversation to answer, the tools offered in it, and what counts as right."""

    messages: list[dict[str, Any]]
    right: Callable[[str], bool]
    tools: tuple[Any, ...] = ()


Maker = Callable[[random.Random, str], Question]


def _asked(turn: Turn, right: Callable[[str], bool], *earlier: Turn) -> Question:
    return Question(messages(Dialogue((*earlier, turn))), right)


def bare(text: str) -> str:
    """Text in lower case without marks at its ends, to compare answers by."""
    return text.strip().strip(".!?。！？¡¿ \"'").casefold()


def last_number(text: str) -> str:
    """The last whole number of a text; empty where there is none."""
    found = re.findall(r"-?\d+", text.split("=")[-1])
    return found[-1] if found else ""


def holds(text: str, value: str) -> bool:
    """Whether a value stands in a text as a whole word, whatever its case."""
    return bool(re.search(rf"(?<![A-Za-z0-9]){re.escape(value.casefold())}(?![A-Za-z0-9])", text.casefold()))


def _same(turn: Turn) -> Question:
    return _asked(turn, lambda answer: bare(answer) == bare(turn.answer))


def _arithmetic(rng: random.Random, largest: int, lang: str = "en") -> Question:
    turn = sum_turn(rng, lang, largest, training=False)
    return _asked(turn, lambda answer: last_number(answer) == turn.short)


def _recall(rng: random.Random, me: str, between: int, lang: str = "en") -> Question:
    told = draw_value(rng, "name", training=False, lang=lang)
    others = [skill_turn(rng, pick(rng, _BETWEEN), lang, me) for _ in range(between)]
    turn = recall_turn(rng, "name", told, lang)
    return _asked(turn, lambda answer: holds(answer, told[lang]), tell_turn(rng, told, lang), *others)


def _sentiment(rng: random.Random, lang: str = "en") -> Question:
    turn, _ = sentiment_turn(rng, lang, training=False)
    return _same(turn)


def _unknown(rng: random.Random, lang: str = "en") -> Question:
    turn = unknown_turn(rng, lang, training=False)
    return _asked(turn, lambda answer: ADMITTED[lang] in answer.lower())


def _passage(rng: random.Random, lang: str = "en") -> Question:
    turn = passage_turn(rng, lang, training=False)
    return _same(turn)


def _problem(rng: random.Random, lang: str = "en") -> Question:
    turn = problem_turn(rng, lang, training=False)
    return _asked(turn, lambda answer: last_number(answer) == turn.short)


def _greeting(rng: random.Random, lang: str) -> Question:
    allowed = {bare(answer) for answer in answers_to_greeting(lang)}
    return _asked(greeting_turn(rng, lang), lambda answer: bare(answer) in allowed)


def _identity(rng: random.Random, me: str, lang: str) -> Question:
    end = {"en": "model", "es": "modelo", "fr": "modèle", "de": "Modell", "zh": "模型"}[lang]
    return _asked(identity_turn(rng, me, lang), lambda answer: holds(answer, me) and end in answer)


def _simple(rng: random.Random, me: str, lang: str) -> Question:
    """One of the simple tasks in a language, half of the time after an exchange in another."""
    kind = rng.randrange(8)
    makers: tuple[Callable[[], Question], ...] = (
        lambda: _greeting(rng, lang), lambda: _identity(rng, me, lang), lambda: _arithmetic(rng, 99, lang),
        lambda: _recall(rng, me, 1, lang), lambda: _sentiment(rng, lang), lambda: _unknown(rng, lang),
        lambda: _passage(rng, lang), lambda: _problem(rng, lang),
    )  # fmt: skip
    question = makers[kind]()
    if rng.random() < 0.5:
        other = skill_turn(rng, "talk", pick(rng, [code for code in LANGUAGES if code != lang]), me)
        said = [{"role": "user", "content": other.user}, {"role": "assistant", "content": other.answer}]
        return Question([*said, *question.messages], question.right)
    return question


def _called(rng: random.Random) -> Question:
    tool = draw_tool(rng, draw_kind(rng, training=False))
    turn = call_turn(rng, tool, training=False)
    expected = list(turn.steps[0].calls)
    offer = schemas(offered(rng, tool))
    return Question(messages(Dialogue((turn,)), steps=0), lambda answer: calls_of(answer) == expected, offer)


def _corrected(rng: random.Random, me: str) -> Question:
    tool = draw_tool(rng, draw_kind(rng, training=False))
    turn = corrected_turn(rng, tool, training=False)
    expected = list(turn.steps[1].calls)
    shown = messages(Dialogue((turn,), thinking=me == "starter-mistral"), steps=1)
    return Question(shown, lambda answer: calls_of(answer) == expected, schemas(offered(rng, tool)))


def _read(rng: random.Random, me: str) -> Question:
    tool = draw_tool(rng, draw_kind(rng, training=False))
    turn = call_turn(rng, tool, training=False)
    shown = messages(Dialogue((turn,), thinking=me == "starter-mistral"))
    return Question(shown, lambda answer: bare(answer) == bare(turn.answer), schemas(offered(rng, tool)))


def _uncalled(rng: random.Random) -> Question:
    offer = offered(rng, None)
    turn = no_tool_turn(rng, offer, training=False)

    def right(answer: str) -> bool:
        return "tool_call" not in answer.lower() and ADMITTED["en"] in answer.lower()

    return Question(messages(Dialogue((turn,))), right, schemas(offer))


def _json(rng: random.Random) -> Question:
    turn = forms.record_turn(rng, pick(rng, ("en", "en", "en", *LANGUAGES)), training=False)
    expected = json.loads(turn.answer)

    def right(answer: str) -> bool:
        try:
            return bool(json.loads(answer) == expected)
        except json.JSONDecodeError:
            return False

    return _asked(turn, right)


def _one_word(rng: random.Random) -> Question:
    makers: tuple[Callable[[], Turn], ...] = (
        lambda: sentiment_turn(rng, "en", training=False)[0], lambda: sum_turn(rng, training=False),
        lambda: topic_turn(rng, training=False), lambda: opposite_turn(rng),
    )  # fmt: skip
    turn = pick(rng, makers)()
    while "Answer " in turn.user:
        turn = pick(rng, makers)()
    return _asked(forms.one_word(rng, turn), lambda answer: bare(answer) == bare(turn.short))


def _python(rng: random.Random) -> Question:
    if rng.random() < 0.4:
        return _same(explain_turn(rng, training=False))
    turn = write_turn(rng, training=False)
    return _asked(turn, lambda answer: same_code(answer, turn.answer))


def same_code(answer: str, wanted: str) -> bool:
    """Whether two answers hold the same Python, whatever its layout; nothing is run."""
    try:
        return ast.dump(ast.parse(_code(answer))) == ast.dump(ast.parse(_code(wanted)))
    except (SyntaxError, ValueError):
        return False


def _code(answer: str) -> str:
    found = re.search(r"```(?:python)?\n(.*?)```", answer, re.DOTALL)
    return found[1] if found else answer


def _picture(rng: random.Random) -> Question:
    wish = draw_wish(rng, 0.3)
    wanted = set(re.findall(r"[a-z]+", phrase(wish))) - {"a", "an", "shape"}
    turn = request(rng, wish)
    return _asked(turn, lambda answer: wanted <= set(re.findall(r"[a-z]+", answer)) and "background" in answer)


def _simple_in(lang: str) -> Maker:
    return lambda rng, me: _simple(rng, me, lang)


ROWS: dict[str, Maker] = {
    "arithmetic on held-out pairs": lambda rng, me: _arithmetic(rng, 99),
    "recall across 4 turns": lambda rng, me: _recall(rng, me, 4),
    "valid and right tool call": lambda rng, me: _called(rng),
    "sentiment on held-out sentences": lambda rng, me: _sentiment(rng),
    "says it does not know": lambda rng, me: _unknown(rng),
    **{f"simple tasks in {LANGUAGE_NAMES[lang]}": _simple_in(lang) for lang in LANGUAGES},
    "arithmetic to 999 on held-out pairs": lambda rng, me: _arithmetic(rng, 999),
    "word problems of one and two steps": lambda rng, me: _problem(rng),
    "answers from a passage": lambda rng, me: _passage(rng),
    "JSON with given keys": lambda rng, me: _json(rng),
    "answers in one word": lambda rng, me: _one_word(rng),
    "topic of held-out sentences": lambda rng, me: _same(topic_turn(rng, training=False)),
    "translation of held-out sentences": lambda rng, me: _same(
        translation_turn(rng, pick(rng, ("en", "en", *LANGUAGES)), training=False)
    ),
    "writes and explains tiny Python": lambda rng, me: _python(rng),
    "corrects a rejected tool call": lambda rng, me: _corrected(rng, me),
    "reads a tool's result": lambda rng, me: _read(rng, me),
    "calls no tool when none fits": lambda rng, me: _uncalled(rng),
    "image prompts that keep what was asked": lambda rng, me: _picture(rng),
}


def rows_of(me: str) -> tuple[str, ...]:
    """The rows that a model is measured on; starter-phi, which answers directly, is not asked three-digit sums."""
    return tuple(row for row in ROWS if "999" not in row or me == "starter-mistral")


def questions(row: str, me: str, count: int, seed: int) -> list[Question]:
    """So many questions of a row, all held out of training; raises ValueError for an unknown row."""
    if row not in ROWS:
        raise ValueError(f"row must be one of {', '.join(ROWS)}, got {row!r}")
    return [ROWS[row](random.Random(f"{row}/{seed}/{index}"), me) for index in range(count)]
