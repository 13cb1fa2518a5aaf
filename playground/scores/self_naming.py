"""Whether an answer says whose it is: a vote on it would be a vote on a name.

Chatbot Arena's published votes leave such battles out, too (FastChat, clean_battle_data). Knows words, no models.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

# Families and makers of text models that people know; a wrong one sways a vote as well as the right one.
KNOWN = (
    "chatgpt", "gpt", "openai", "claude", "anthropic", "gemini", "bard", "gemma", "deepmind", "llama", "meta ai",
    "mistral", "mixtral", "mistral ai", "phi", "microsoft", "copilot", "qwen", "alibaba", "deepseek", "grok", "xai",
    "falcon", "vicuna", "alpaca", "command r", "cohere", "smollm", "hugging face", "nemotron", "nvidia", "granite",
)  # fmt: skip
# Words that mean other things, too, tell only where the answer speaks of itself or a number follows.
_DOUBTFUL = frozenset(
    ("phi", "gpt", "bard", "grok", "falcon", "granite", "llama", "alpaca", "gemini", "copilot", "command r", "xai")
)
_MYSELF = (
    r"(?:\b(?:i am|i['’]m|my name is|called|call me|soy|me llamo|je suis|je m['’]appelle|ich bin|ich heiße)|我是|我叫)"
)
_BETWEEN = r"[^.!?。！？\n]{0,30}?"  # within the same sentence


def says_its_name(text: str, names: Iterable[str] = ()) -> str:
    """The first word of an answer that names a model or its maker, "" where there is none.

    `names` are those of the models in play, as cards write them; a hub id's owner counts as its maker.
    """
    found: list[tuple[int, str]] = []
    own = {part for name in names for part in _parts(name)}
    for word in own | set(KNOWN):
        said = f"(?<![a-z0-9]){re.escape(word)}(?![a-z0-9])".replace(r"\ ", r"[\s-]")
        doubtful = word in _DOUBTFUL or (word.isalpha() and len(word) < 4)
        pattern = rf"{_MYSELF}{_BETWEEN}({said})|({said})[\s-]?\d" if doubtful else f"({said})"
        match = re.search(pattern, text, re.IGNORECASE)
        if match is not None:
            group = next(i for i, part in enumerate(match.groups(), 1) if part is not None)
            found.append((match.start(group), match.group(group)))
    return min(found)[1] if found else ""


def _parts(name: str) -> tuple[str, ...]:
    """A name as it may be said: without where it is served, and the two halves of a hub id."""
    bare = name.lower().split("@")[0].split(" at ")[0].strip()
    return tuple(part for part in (bare, *bare.split("/")) if len(part) > 2 and part not in ("starter",))
