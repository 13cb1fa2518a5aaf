"""What a conversation is called, what of it is searched, and where in it something was found. Pure, no database."""

from __future__ import annotations

import unicodedata

from playground.errors import InvalidRequest
from playground.talks.columns import Conversation

MOST_TITLE = 200
MOST_TERMS = 20
MOST_QUERY = 500
TITLE_FROM_QUESTION = 60  # characters
BEFORE, AFTER = 40, 120  # characters of a snippet around what was found


def folded(text: str) -> str:
    """The text as it is searched: one form for every width and case of a letter, nothing that a database refuses."""
    whole = text.encode("utf-8", "replace").decode()
    return unicodedata.normalize("NFKC", whole.replace("\0", " ")).casefold()


def terms_of(query: str) -> list[str]:
    """The parts that a query looks for, folded, each once; InvalidRequest where there are too many or none."""
    if not isinstance(query, str) or len(query) > MOST_QUERY:
        raise InvalidRequest(f"A search has at most {MOST_QUERY} characters.", "Search for fewer words.")
    terms = list(dict.fromkeys(folded(query).split()))
    if not terms:
        raise InvalidRequest("There is nothing to search for.", "Type a part of a title or of a message.")
    if len(terms) > MOST_TERMS:
        raise InvalidRequest(f"A search has at most {MOST_TERMS} words, got {len(terms)}.", "Search for fewer.")
    return terms


def texts(talk: Conversation) -> list[str]:
    """Every text of every column once, with the names of documents."""
    nodes = (node for column in talk.columns for node in column.tree.nodes)
    return list(dict.fromkeys(t for node in nodes for t in (*(d.name for d in node.documents), node.content) if t))


def folded_line(title: str) -> str:
    """A title as it is searched."""
    return " ".join(folded(title).split())


def search_text(title: str, talk: Conversation) -> str:
    """The folded title on the first line, all texts after it."""
    return "\n".join([folded_line(title), *map(folded, texts(talk))]) + "\n"


def snippet(talk: Conversation, terms: list[str]) -> str:
    """The text around the first of these terms in the first message that holds one, on one line; '' where none does."""
    for text in texts(talk):
        flat = " ".join(text.split())
        low = folded(flat)
        at = min((low.find(term) for term in terms if term in low), default=-1)
        if at >= 0:
            # Folding may change the length of a text, which moves a snippet by that much and loses nothing.
            start, stop = max(0, at - BEFORE), at + AFTER
            return ("…" if start else "") + flat[start:stop] + ("…" if stop < len(flat) else "")
    return ""


def title_line(text: str) -> str:
    """The text as a title: one line without control characters, not too long."""
    if not isinstance(text, str):
        raise InvalidRequest(f"A title must be text, got {type(text).__name__}.", "Type one.")
    whole = text.encode("utf-8", "replace").decode()
    line = " ".join("".join(c if c.isprintable() else " " for c in whole).split())
    return line if len(line) <= MOST_TITLE else line[: MOST_TITLE - 1] + "…"


def title_of(talk: Conversation) -> str:
    """The first question, or what of it fits in a list."""
    nodes = (node for column in talk.columns for node in column.tree.nodes)
    first = next((node for node in nodes if node.role == "user"), None)
    if first is None:
        return "New conversation"
    line = title_line(first.content) or next((d.name for d in first.documents), "A picture or a recording")
    if len(line) <= TITLE_FROM_QUESTION:
        return line
    cut = line[:TITLE_FROM_QUESTION]
    return (cut.rsplit(" ", 1)[0] if " " in cut[TITLE_FROM_QUESTION // 2 :] else cut) + "…"
