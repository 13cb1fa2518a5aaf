"""What of the attached documents fits into a model's context, and the sentence that says how much. Knows no models.

Counting is asked of whoever knows the tokenizer, as an async function, since the page asks an engine. A document that
does not fit is refused, or cut at the end of a line or word, with a mark where it was cut that the model reads too.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from playground.attach.documents import Document
from playground.errors import InvalidRequest

Count = Callable[[str], Awaitable[int]]
Policy = Literal["refuse", "cut"]

LEAST_TOKENS = 32  # a document that is cut to less is left out
MOST_COUNTED = 2_000_000  # characters: the tokens of longer texts are told from this much of them
CLOSE = 0.98  # a cut is good enough when it fills this much of the room
MOST_TRIES = 12
SURE = 1.1  # how much less than the room a text must take whose tokens were told from a part
# No tokenizer in use puts more characters than this into one token on average; it bounds what is counted for a cut.
CHARACTERS_A_TOKEN = 16


@dataclass(frozen=True)
class Counted:
    """A document with its tokens, heading and all; `exact` is false where they were told from a part."""

    document: Document
    tokens: int
    exact: bool = True

    @property
    def shown(self) -> str:
        """1,234 tokens; about 1,234,000 tokens."""
        return f"{self.tokens:,} tokens" if self.exact else f"about {self.tokens:,} tokens"


@dataclass(frozen=True)
class Fitted:
    """The documents that go with the message, what they take, and one sentence for each that was cut or left out."""

    documents: tuple[Document, ...]
    tokens: int
    sentences: tuple[str, ...] = ()


async def counted(document: Document, count: Count) -> Counted:
    """The tokens of a document, to be shown before it is sent."""
    text = document.text
    if len(text) <= MOST_COUNTED:
        return Counted(document, await count(text))
    tokens = await count(text[:MOST_COUNTED]) * len(text) / MOST_COUNTED
    return Counted(document, round(tokens), exact=False)


async def fitted(documents: Sequence[Document], count: Count, room: int, policy: Policy) -> Fitted:
    """The documents within `room` tokens, first come first served.

    Args:
        count: the tokens of a text for the model at hand.
        room: tokens that the conversation, the message and the longest answer leave.
        policy: "refuse" raises where one does not fit; "cut" keeps what fits of it.

    Raises:
        InvalidRequest: a document does not fit and may not be cut, or not even its beginning fits; says how much does.
    """
    kept: list[Document] = []
    sentences: list[str] = []
    left = room
    for document in documents:
        whole = await counted(document, count)
        if whole.tokens * (1 if whole.exact else SURE) <= left:
            kept.append(document)
            left -= whole.tokens
            continue
        if policy == "refuse" or (left < LEAST_TOKENS and not kept):
            raise InvalidRequest(
                f"{document.name} has {whole.shown}, and {max(left, 0):,} fit beside the conversation.",
                "Let it be cut, start a new conversation, or choose a model with a longer context.",
            )
        part = await _cut(whole, count, left) if left >= LEAST_TOKENS else None
        if part is None:
            sentences.append(f"{document.name} was left out: it has {whole.shown}, and {max(left, 0):,} fit.")
            continue
        share = 100 * part.tokens / whole.tokens
        sentences.append(
            f"{document.name} was cut: the first {part.tokens:,} of its {whole.shown} are sent ({share:.0f} %)."
        )
        kept.append(part.document)
        left -= part.tokens
    if documents and not kept:
        raise InvalidRequest(sentences[0], "Choose a model with a longer context.")
    return Fitted(tuple(kept), room - left, tuple(sentences))


async def _cut(whole: Counted, count: Count, room: int) -> Counted | None:
    """The longest beginning found that fits into `room` tokens, None where none does; asks for at most 12 counts."""
    document = whole.document
    most = min(len(document.body), room * CHARACTERS_A_TOKEN)
    best: Counted | None = None
    fits, fails = 0, most + 1  # characters
    guess = min(most, int(len(document.body) * room / whole.tokens))
    for _ in range(MOST_TRIES):
        part = _beginning(whole, max(guess, 1))
        tokens = await count(part.text)
        if tokens <= room:
            fits = guess
            if best is None or tokens > best.tokens:
                best = Counted(part, tokens)
            if tokens >= CLOSE * room:
                break
        else:
            fails = guess
        if fails - fits <= 1:
            break
        # Where tokens are spread evenly this hits at once; else it halves what is left.
        even = int(guess * 0.99 * room / max(tokens, 1))
        guess = even if fits < even < fails else (fits + fails) // 2
    return best


def _beginning(whole: Counted, characters: int) -> Document:
    """The document up to the last end of a line or word within so many characters, with a mark that says so."""
    document = whole.document
    head = document.body[:characters]
    if characters < len(document.body):
        line, word = head.rfind("\n"), max(head.rfind(" "), head.rfind("\n"))
        head = head[:line] if line > 0.9 * characters else head[:word] if word > 0.9 * characters else head
    mark = f"[{document.name} was cut here: it has {whole.shown}.]"
    return replace(document, body=f"{head}\n\n{mark}")
