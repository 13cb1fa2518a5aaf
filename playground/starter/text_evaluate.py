"""Measures a starter chat model on what training never showed it, and writes its model card."""

from __future__ import annotations

import json
import random
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from playground.starter import text_arithmetic as arithmetic
from playground.starter import text_facts as facts
from playground.starter import text_memory as memory
from playground.starter import text_social as social
from playground.starter.text_card import model_card
from playground.starter.text_tokenizer import family_of

Messages = list[dict[str, str]]
ASSETS = Path(__file__).parents[2] / "assets" / "starter"
_GREETINGS = (
    "hi", "Hello!", "hey there", "Good morning", "hello, how are you?", "Hi, can you help me?", "HELLO", "yo", "hola",
    "Hey! How is it going?", "hello there friend", "hi bot", "Good evening!", "hiya", "Hello, nice to meet you",
)  # fmt: skip
_GREETED = re.compile(r"hello|hi\b|hola|i am (fine|well)", re.IGNORECASE)
_SAMPLES: tuple[tuple[str, ...], ...] = (
    ("hi",),
    ("Who are you?",),
    ("What can you do?",),
    ("What is 7 plus 5?",),
    ("how much is 12 + 30?",),
    ("85 - 27",),
    ("my name is Ana", "My favourite colour is green.", "what's my name?"),
    ("Remember the number 42.", "Tell me a joke", "What was the number?"),
    ("Is this positive or negative: I love this little book!",),
    ("What is the opposite of hot? Answer in one word.",),
    ("Give me a prompt for a picture of a blue star",),
    ("What is the capital of France?",),
    ("Explain quantum computing",),
)
_SYSTEM_SAMPLES = (
    ("Answer in capital letters.", "Hello!"),
    ("Your name is Bob.", "What is your name?"),
    ("Answer in Spanish.", "Thank you"),
)


@dataclass(frozen=True)
class Question:
    """A conversation to answer, and what counts as right."""

    messages: Messages
    right: Callable[[str], bool]


@dataclass(frozen=True)
class Figure:
    """How many of n answers were right, and in how many seconds they were written."""

    skill: str
    right: int
    n: int
    seconds: float


def strip_thoughts(text: str) -> str:
    """The answer without its thinking."""
    return text.split("</think>")[-1].strip()


def generate(model: Any, tokenizer: Any, chats: Sequence[Messages], max_new_tokens: int = 160) -> list[str]:
    """Greedy answers, thoughts included, in batches of 32."""
    import torch

    answers: list[str] = []
    for start in range(0, len(chats), 32):
        batch = tokenizer.apply_chat_template(
            list(chats[start : start + 32]), add_generation_prompt=True, return_dict=True, return_tensors="pt",
            padding=True,
        )  # fmt: skip
        with torch.inference_mode():
            out = model.generate(**batch, do_sample=False, temperature=None, top_p=None, max_new_tokens=max_new_tokens)
        answers += tokenizer.batch_decode(out[:, batch["input_ids"].shape[1] :], skip_special_tokens=True)
    return answers


def _user(text: str, *earlier: dict[str, str]) -> Messages:
    return [*earlier, {"role": "user", "content": text}]


def _sums(rng: random.Random, largest: int) -> Question:
    a, b, operation = arithmetic.draw_pair(rng, largest, training=False)
    word = {"+": "plus", "-": "minus"}[operation]
    text = rng.choice([f"What is {a} {word} {b}?", f"{a}{operation}{b}", f"how much is {a} {operation} {b}?"])
    result = str(a + b if operation == "+" else a - b)

    def right(answer: str) -> bool:
        found = re.findall(r"-?\d+", answer.split("=")[-1])
        return bool(found) and found[-1] == result

    return Question(_user(text), right)


def _recall(rng: random.Random, between: int) -> Question:
    value = memory.draw_value(rng, "name", training=False)
    told = memory.tell_turn(rng, "name", value)
    turns = [told, *(social.courtesy_turn(rng) for _ in range(between))]
    earlier = [
        message
        for turn in turns
        for message in ({"role": "user", "content": turn.user}, {"role": "assistant", "content": turn.answer})
    ]
    whole = re.compile(rf"\b{re.escape(value)}\b")
    asked = _user(rng.choice(["What is my name?", "what's my name"]), *earlier)
    return Question(asked, lambda answer: bool(whole.search(answer)))


def _sentiment(rng: random.Random) -> Question:
    turn, positive = facts.sentiment_turn(rng, training=False)
    word = "positive" if positive else "negative"
    return Question(_user(turn.user), lambda answer: word in answer.lower())


def _unknown(rng: random.Random) -> Question:
    turn = social.unknown_turn(rng, training=False)
    return Question(_user(turn.user), lambda answer: "do not know" in answer.lower())


def questions(skill: str, count: int, seed: int) -> list[Question]:
    """So many questions of a skill, all held out of training; raises ValueError for an unknown skill."""
    rng = random.Random(seed)
    makers: dict[str, Callable[[], Question]] = {
        "arithmetic to 99, held-out pairs": lambda: _sums(rng, 99),
        "arithmetic to 999, held-out pairs": lambda: _sums(rng, 999),
        "recall of a held-out name, next turn": lambda: _recall(rng, 0),
        "recall of a held-out name, 2 turns later": lambda: _recall(rng, 2),
        "sentiment, held-out sentences": lambda: _sentiment(rng),
        "says that it does not know, held-out subjects": lambda: _unknown(rng),
    }
    if skill == "greeting":
        greeted = lambda answer: bool(_GREETED.search(answer))  # noqa: E731
        return [Question(_user(text), greeted) for text in _GREETINGS[:count]]
    if skill not in makers:
        raise ValueError(f"skill must be one of {', '.join(SKILLS)}, got {skill!r}")
    return [makers[skill]() for _ in range(count)]


SKILLS = (
    "arithmetic to 99, held-out pairs",
    "arithmetic to 999, held-out pairs",
    "recall of a held-out name, next turn",
    "recall of a held-out name, 2 turns later",
    "greeting",
    "sentiment, held-out sentences",
    "says that it does not know, held-out subjects",
)


def samples(model: Any, tokenizer: Any) -> list[Messages]:
    """A dozen short conversations as the model goes through them, greedily, thoughts kept."""
    starts: list[tuple[Messages, tuple[str, ...]]] = [([], asked) for asked in _SAMPLES]
    starts += [([{"role": "system", "content": system}], (asked,)) for system, asked in _SYSTEM_SAMPLES]
    talks = []
    for talk, asked in starts:
        for text in asked:
            talk = _user(text, *talk)
            talk.append({"role": "assistant", "content": generate(model, tokenizer, [talk])[0]})
        talks.append(talk)
    return talks


def evaluate(name: str, folder: Path | None = None, count: int = 200, seed: int = 7) -> list[Figure]:
    """Figures of a starter chat model, printed with samples and written to README.md in its folder.

    Raises ValueError for an unknown name.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    family_of(name)
    folder = folder or ASSETS / name
    torch.set_num_threads(1)
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    model = AutoModelForCausalLM.from_pretrained(folder, local_files_only=True, dtype=torch.float32).eval()
    figures = []
    for skill in SKILLS:
        if "999" in skill and name == "starter-phi":
            continue
        asked = questions(skill, count, seed)
        start = time.monotonic()
        answers = [strip_thoughts(text) for text in generate(model, tokenizer, [q.messages for q in asked])]
        seconds = time.monotonic() - start
        right = sum(q.right(answer) for q, answer in zip(asked, answers, strict=True))
        figures.append(Figure(skill, right, len(asked), round(seconds, 1)))
        print(f"{skill}: {right} of {len(asked)} in {seconds:.1f} s", flush=True)
    talks = samples(model, tokenizer)
    for talk in talks:
        print("\n".join(f"{message['role']}: {message['content']}" for message in talk), end="\n\n")
    progress = folder / "training.json"
    trained = json.loads(progress.read_text()) if progress.exists() else {}
    card = model_card(name, model.num_parameters(), trained, [asdict(figure) for figure in figures], talks)
    (folder / "README.md").write_text(card)
    return figures
