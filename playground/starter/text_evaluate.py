"""Measures a starter chat model on what training never showed it, and writes its model card."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from playground.starter.figures import Figure, share
from playground.starter.quality import write_quality
from playground.starter.text_card import model_card
from playground.starter.text_questions import Question, questions, rows_of
from playground.starter.text_templates import family_of

Messages = list[dict[str, Any]]
ASSETS = Path(__file__).parents[2] / "assets" / "starter"
BATCH = 50
# Per cent that the first rows have to reach.
_ALIKE = {
    "recall across 4 turns": 95.0,
    "sentiment on held-out sentences": 92.0,
    "says it does not know": 90.0,
}
BARS: dict[str, dict[str, float]] = {
    "starter-phi": _ALIKE | {"arithmetic on held-out pairs": 90.0, "valid and right tool call": 90.0},
    "starter-mistral": _ALIKE | {"arithmetic on held-out pairs": 95.0, "valid and right tool call": 95.0},
}
_SAMPLES: tuple[tuple[str, ...], ...] = (
    ("hi",),
    ("Who are you?",),
    ("What can you do?",),
    ("What is 47 plus 38?", "and 12 times 9?"),
    ("Tom has 12 apples, buys 5 more and then loses 6. How many apples are left?",),
    ("my name is Zorbin", "My favourite colour is green.", "what's my name?"),
    ("Mina lives in Torvale. Mina has a dog. Where does Mina live?",),
    ("Is this positive or negative: I love this little book!",),
    ("What is the opposite of hot? Answer in one word.",),
    ("Write this as JSON with the keys name and age: Ana is 31 years old.",),
    ("Translate to French: The dog is in the garden.",),
    ("Write a Python function called triple that multiplies x by 3.",),
    ("Give me a prompt for a picture of a blue star",),
    ("Hola, ¿cómo estás?", "¿Cuánto es 15 + 9?"),
    ("你好", "我叫小明。", "我叫什么名字？"),
    ("Wer bist du?", "Bonjour, qui es-tu ?"),
    ("Explain quantum computing",),
)
_SYSTEM_SAMPLES = (
    ("Answer in capital letters.", "Hello!"),
    ("Your name is Bob.", "What is your name?"),
    ("Answer in Spanish.", "Thank you"),
)


def strip_thoughts(text: str) -> str:
    """The answer without its thinking."""
    return text.split("</think>")[-1].strip()


def generate(
    model: Any,
    tokenizer: Any,
    chats: Sequence[Messages],
    max_new_tokens: int = 200,
    tools: Sequence[Sequence[Any]] | None = None,
) -> list[str]:
    """Greedy answers, thoughts included, in batches of prompts of like length; `tools` are those of each chat."""
    import torch

    offered = tools or [()] * len(chats)
    texts = [
        tokenizer.apply_chat_template(chat, tools=list(offer) or None, tokenize=False, add_generation_prompt=True)
        for chat, offer in zip(chats, offered, strict=True)
    ]
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    answers = [""] * len(texts)
    for start in range(0, len(order), BATCH):
        chosen = order[start : start + BATCH]
        batch = tokenizer([texts[i] for i in chosen], add_special_tokens=False, padding=True, return_tensors="pt",
                          return_token_type_ids=False).to(model.device)  # fmt: skip
        with torch.inference_mode():
            out = model.generate(**batch, do_sample=False, temperature=None, top_p=None, max_new_tokens=max_new_tokens)
        said = tokenizer.batch_decode(out[:, batch["input_ids"].shape[1] :], skip_special_tokens=True)
        for i, text in zip(chosen, said, strict=True):
            answers[i] = text
    return answers


def measure(name: str, model: Any, tokenizer: Any, row: str, asked: Sequence[Question]) -> Figure:
    """The figure of one row of the model called `name`."""
    said = generate(model, tokenizer, [q.messages for q in asked], tools=[q.tools for q in asked])
    right = [q.right(strip_thoughts(answer)) for q, answer in zip(asked, said, strict=True)]
    return share(name, row, right, BARS[name].get(row))


def samples(model: Any, tokenizer: Any) -> list[Messages]:
    """Some short conversations as the model goes through them, greedily, thoughts kept."""
    starts: list[tuple[Messages, tuple[str, ...]]] = [([], asked) for asked in _SAMPLES]
    starts += [([{"role": "system", "content": system}], (asked,)) for system, asked in _SYSTEM_SAMPLES]
    talks = []
    for talk, asked in starts:
        for text in asked:
            talk = [*talk, {"role": "user", "content": text}]
            talk.append({"role": "assistant", "content": generate(model, tokenizer, [talk])[0]})
        talks.append(talk)
    return talks


def load(folder: Path) -> tuple[Any, Any]:
    """The model, in float32, and the tokenizer of a folder."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    return AutoModelForCausalLM.from_pretrained(folder, local_files_only=True, dtype=torch.float32).eval(), tokenizer


def figures_of(name: str, model: Any, tokenizer: Any, count: int = 200, seed: int = 7) -> list[Figure]:
    """The figures of a model, one a row, `count` questions each, printed as they come; writes nothing."""
    figures = []
    for row in rows_of(name):
        start = time.monotonic()
        figures.append(measure(name, model, tokenizer, row, questions(row, name, count, seed)))
        print(f"{row}: {figures[-1].value:.1f} % of {count} in {time.monotonic() - start:.1f} s", flush=True)
    return figures


def evaluate(name: str, folder: Path | None = None, count: int = 200, seed: int = 7) -> list[Figure]:
    """Figures of a starter chat model, printed with samples and written to README.md in its folder.

    Raises ValueError for an unknown name.
    """
    family_of(name)
    folder = folder or ASSETS / name
    model, tokenizer = load(folder)
    start = time.monotonic()
    figures = figures_of(name, model, tokenizer, count, seed)
    write_quality(folder, figures, time.monotonic() - start)
    talks = samples(model, tokenizer)
    for talk in talks:
        print("\n".join(f"{message['role']}: {message['content']}" for message in talk), end="\n\n")
    progress = folder / "training.json"
    trained = json.loads(progress.read_text()) if progress.exists() else {}
    (folder / "README.md").write_text(model_card(name, model.num_parameters(), trained, figures, talks))
    return figures
