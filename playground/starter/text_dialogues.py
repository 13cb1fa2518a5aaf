"""Endless seeded training conversations for the starter chat models: skills mixed, system prompts, shared memory."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import replace

from playground.starter import text_arithmetic as arithmetic
from playground.starter import text_facts as facts
from playground.starter import text_memory as memory
from playground.starter import text_social as social
from playground.starter.text_pictures import picture_turn
from playground.starter.text_turns import Dialogue, Turn, ask, expand, held_out
from playground.starter.text_words import name

__all__ = ["dialogue", "dialogues", "held_out"]

_PLAIN_SYSTEM = (
    "You are a helpful assistant.", "You are a helpful, friendly assistant.", "Be helpful.", "Be brief.",
    "You are a chat bot.", "Answer the question.", "You are an assistant. Be kind and short.",
    "You are a helpful AI assistant.", "You are a helpful and harmless assistant.",
)  # fmt: skip
_CAPITALS = (
    "{Answer|Reply|Respond|Write|Speak|Talk|Always answer|Please answer|You answer|Write everything} "
    "{{only |}in {capital letters|capitals|upper case|uppercase|all caps|block letters}}{.|!|}"
)
_ONE_WORD = (
    "{Answer|Reply|Respond|Always answer|Please answer} {with|in|using} {one|a single|only one|just one} "
    "word{.| only.|}"
)
_NAMED = "{Your name is|You are|You are called|Call yourself|From now on your name is|You are a bot called} [v]{.|}"
_SPANISH = "{Answer|Reply|Respond|Speak|Write|Always answer} {only |}in Spanish{.|}"
_SPANISH_TURNS = (
    ("{hi|hello|hey|good morning|hello there|hey there|hola}{!|}", "¡Hola! ¿Cómo puedo ayudarte?"),
    ("how are you{ today||}?", "Estoy bien, gracias. ¿Y tú?"),
    ("{thanks|thank you|gracias}{!|}", "¡De nada!"),
    ("{bye|goodbye|see you|adios}{!|}", "¡Adiós! Que tengas un buen día."),
    ("{who are you|what are you|what is your name}?", "Soy [me], un modelo pequeño."),
)


def dialogues(seed: int, me: str, thinking: bool) -> Iterator[Dialogue]:
    """The training stream of the model called `me`; `thinking` lets one in ten go without a thought."""
    rng = random.Random(f"{me} {seed}")
    while True:
        drawn = dialogue(rng, me)
        if thinking and rng.random() < 0.5:
            # Only the last exchange is learned with its thought, so that every kind of exchange must come last.
            drawn = replace(drawn, turns=drawn.turns[: rng.randint(1, len(drawn.turns))])
        yield replace(drawn, thinking=thinking and rng.random() < 0.9)


def dialogue(rng: random.Random, me: str) -> Dialogue:
    """One conversation of one to nine exchanges, with a system prompt in about a third of them."""
    kind = rng.random()
    if kind < 0.64:
        return Dialogue(_free_talk(rng, me))
    if kind < 0.74:
        return Dialogue(_free_talk(rng, me), rng.choice(_PLAIN_SYSTEM))
    if kind < 0.82:
        given = name(rng)
        turns = list(_free_talk(rng, given))
        if rng.random() < 0.6:
            turns.insert(rng.randint(0, len(turns)), social.identity_turn(rng, given))
        return Dialogue(tuple(turns), ask(rng, _NAMED, v=given))
    if kind < 0.89:
        turns = [_closed_turn(rng, me) for _ in range(rng.choice([1, 1, 2, 3]))]
        shout = [Turn(t.user, t.answer.upper(), t.thought + " I write in capital letters.") for t in turns]
        return Dialogue(tuple(shout), expand(rng, _CAPITALS))
    if kind < 0.97:
        turns = [one_word_turn(rng) for _ in range(rng.choice([1, 1, 2, 3]))]
        if rng.random() < 0.5:
            return Dialogue(tuple(turns), expand(rng, _ONE_WORD))
        return Dialogue(tuple(_ask_for_one_word(rng, turn) for turn in turns))
    turns = []
    for _ in range(rng.choice([1, 2])):
        pattern, answer = rng.choice(_SPANISH_TURNS)
        turns.append(Turn(ask(rng, pattern), answer.replace("[me]", me), "The user wants Spanish."))
    return Dialogue(tuple(turns), expand(rng, _SPANISH))


def one_word_turn(rng: random.Random) -> Turn:
    """A question that a single word answers."""
    kind = rng.randrange(6)
    if kind == 0:
        return arithmetic.sum_turn(rng, 99, one_word=True)
    if kind == 1:
        return facts.opposite_turn(rng, one_word=True)
    if kind == 2:
        return facts.colour_turn(rng, one_word=True)
    if kind == 3:
        return facts.capital_turn(rng, one_word=True)
    if kind == 4:
        return facts.sentiment_turn(rng)[0]
    return replace(social.greeting_turn(rng, "a model"), answer="Hello!")


def _ask_for_one_word(rng: random.Random, turn: Turn) -> Turn:
    if rng.random() < 0.4:
        order = expand(rng, "{In one word|Answer in one word|One word|One word only|With one word}{:|,|.} ")
        return replace(turn, user=order + turn.user)
    order = expand(rng, " {Answer in one word.|In one word.|One word only.|Use one word.|in one word|answer in one "
                        "word|Answer with a single word.|just one word}")  # fmt: skip
    return replace(turn, user=re.sub(r"[.!]$", "", turn.user) + order)


def _closed_turn(rng: random.Random, me: str) -> Turn:
    """A turn whose answer holds no word of the user's own, so that it can be rewritten in capitals."""
    return rng.choice(
        [
            lambda: social.greeting_turn(rng, me),
            lambda: social.identity_turn(rng, me),
            lambda: social.courtesy_turn(rng),
            lambda: facts.opposite_turn(rng, rng.random() < 0.2),
            lambda: facts.colour_turn(rng),
            lambda: facts.calendar_turn(rng),
            lambda: arithmetic.sum_turn(rng, 99),
            lambda: social.unknown_turn(rng),
            lambda: facts.stock_turn(rng),
            lambda: social.ability_turn(rng),
        ]
    )()


def _free_talk(rng: random.Random, me: str) -> tuple[Turn, ...]:
    if rng.random() < 0.32:
        return _memory_talk(rng, me)
    if rng.random() < 0.35:
        return tuple(
            arithmetic.sum_turn(rng, 999 if "mistral" in me else 99) for _ in range(rng.choice([1, 2, 3, 4, 6]))
        )
    count = rng.choice([1, 1, 1, 1, 2, 2, 3, 4])
    return tuple(_any_turn(rng, me) for _ in range(count))


def _any_turn(rng: random.Random, me: str) -> Turn:
    largest = 999 if "mistral" in me else 99
    draw = rng.random()
    table = (
        (0.28, lambda: arithmetic.sum_turn(rng, largest)),
        (0.03, lambda: arithmetic.compare_turn(rng)),
        (0.06, lambda: social.greeting_turn(rng, me)),
        (0.05, lambda: social.identity_turn(rng, me)),
        (0.03, lambda: social.ability_turn(rng)),
        (0.05, lambda: social.courtesy_turn(rng)),
        (0.02, lambda: social.joke_turn(rng)),
        (0.13, lambda: social.unknown_turn(rng)),
        (0.08, lambda: social.echo_turn(rng)),
        (0.07, lambda: facts.sentiment_turn(rng)[0]),
        (0.09, lambda: picture_turn(rng)),
        (0.02, lambda: memory.recall_turn(rng, rng.choice(memory.KINDS), None)),
        (0.01, lambda: facts.stock_turn(rng)),
        (0.08, lambda: rng.choice([facts.opposite_turn, facts.colour_turn, facts.calendar_turn, facts.capital_turn,
                                   facts.animal_turn, facts.stock_turn])(rng)),
    )  # fmt: skip
    for share, make in table:
        draw -= share
        if draw < 0:
            return make()
    return social.greeting_turn(rng, me)


def _memory_talk(rng: random.Random, me: str) -> tuple[Turn, ...]:
    """Facts told, other talk between, facts asked for; sometimes corrected, sometimes never told."""
    kinds = rng.sample(memory.KINDS, rng.choice([1, 1, 2, 2, 3]))
    if "name" not in kinds and rng.random() < 0.5:
        kinds[0] = "name"
    known = {kind: memory.draw_value(rng, kind) for kind in kinds}
    turns = [memory.tell_turn(rng, kind, value) for kind, value in known.items()]
    if rng.random() < 0.2:
        turns.insert(0, social.greeting_turn(rng, me))
    turns += [_any_turn(rng, me) for _ in range(rng.choice([0, 0, 1, 1, 2, 3]))]
    if rng.random() < 0.1:
        known[kinds[0]] = memory.draw_value(rng, kinds[0])
        turns.append(memory.tell_turn(rng, kinds[0], known[kinds[0]], again=True))
    rng.shuffle(kinds)
    for kind in kinds:
        turns.append(memory.recall_turn(rng, kind, known[kind]))
        if rng.random() < 0.2:
            turns.append(_any_turn(rng, me))
    if "name" in known and rng.random() < 0.15:
        turns.append(memory.confirm_turn(rng, known["name"]))
    if rng.random() < 0.15:
        missing = [kind for kind in memory.KINDS if kind not in known]
        turns.append(memory.recall_turn(rng, rng.choice(missing), None))
    return tuple(turns)
