"""Right or wrong: an answer against the truth that was given. Pure; understands no paraphrase.

Words are compared without regard to case, width and punctuation. "contains": the words of the truth stand in the
answer, one after the other; "exact": the answer has no other words; "number": the last number in the answer is the
truth's.
"""

from __future__ import annotations

import re
import unicodedata
from decimal import Decimal, InvalidOperation

_WORD = re.compile(r"[+-]?\d+(?:[.,]\d+)*|[^\W\d_]+", re.UNICODE)
_NUMBER = re.compile(r"(?<![\w.])[+-]?\d+(?:,\d{3})*(?:\.\d+)?")


def judged(answer: str, truth: str, match: str) -> bool | None:
    """Whether the answer is right; None where there is no truth, or one without words (for "number": a number)."""
    if not truth.strip():
        return None
    if match == "number":
        wanted, found = _numbers(truth), _numbers(answer)
        return (bool(found) and found[-1] == wanted[-1]) if wanted else None
    wanted_words, words = _words(truth), _words(answer)
    if not wanted_words:
        return None
    if match == "exact":
        return words == wanted_words
    count = len(wanted_words)
    return any(words[i : i + count] == wanted_words for i in range(len(words) - count + 1))


def _words(text: str) -> list[str]:
    return [word.strip(".,") for word in _WORD.findall(unicodedata.normalize("NFKC", text).casefold())]


def _numbers(text: str) -> list[Decimal]:
    found = []
    for written in _NUMBER.findall(unicodedata.normalize("NFKC", text)):
        try:
            found.append(Decimal(written.replace(",", "")))
        except InvalidOperation:  # digits of a script that Decimal does not read
            continue
    return found
