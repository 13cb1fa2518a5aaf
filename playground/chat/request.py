"""A chat request with every value checked and every default filled in. Knows cards, nothing of models or tokens.

Values come from pages and from raw HTTP, where a hint is only a hint: anything may arrive as anything.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from playground.catalog import ModelCard
from playground.chat.constraints.spec import spec_of
from playground.chat.tools.history import characters_of, check_calls
from playground.chat.tools.schemas import checked_tools
from playground.errors import InvalidRequest
from playground.protocol import ChatRequest, Message

ROLES = ("system", "user", "assistant", "tool")
EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max", "auto")

TEMPERATURE = 0.7
TOP_P = 0.95
MAX_NEW_TOKENS = 512
MAX_CHARACTERS = 500_000
MAX_SEED = 2**63 - 1
MAX_STOPS = 16
MAX_PROBES = 20
PROBE_EVERY = 32  # tokens
MAX_STOP_CHARACTERS = 200
PROMPT_LOOKUP = "prompt lookup"


def checked_chat(request: ChatRequest, card: ModelCard) -> ChatRequest:
    """The same request with the card's defaults in place of None (only `seed` and those of reasoning may stay None).

    Raises:
        InvalidRequest: a value has the wrong type or is out of range; names the value.
    """
    defaults = card.defaults
    bound = spec_of(request) is not None
    messages = checked_messages(request.messages)
    if bound and messages[-1].role == "assistant" and messages[-1].content.strip():
        raise InvalidRequest(
            "An answer that has to fit a form cannot be gone on with.", "Ask for it anew, or take the form away."
        )
    temperature = TEMPERATURE if defaults.temperature is None else defaults.temperature
    tools, tool_choice = checked_tools(request.tools, request.tool_choice)
    return replace(
        request,
        messages=messages,
        temperature=_number("temperature", request.temperature, temperature, low=0, high=5),
        top_p=_number("top_p", request.top_p, defaults.top_p or TOP_P, low=0, high=1, above=True),
        top_k=_whole("top_k", request.top_k, 0, low=0, high=1_000_000),
        min_p=_number("min_p", request.min_p, 0.0, low=0, high=1),
        repetition_penalty=_number("repetition_penalty", request.repetition_penalty, 1.0, low=0.1, high=10),
        presence_penalty=_number("presence_penalty", request.presence_penalty, 0.0, low=-2, high=2),
        frequency_penalty=_number("frequency_penalty", request.frequency_penalty, 0.0, low=-2, high=2),
        max_new_tokens=_whole(
            "max_new_tokens", request.max_new_tokens, defaults.max_new_tokens or MAX_NEW_TOKENS, low=1, high=1_000_000
        ),
        seed=_whole_or_none("seed", request.seed, high=MAX_SEED),
        stop=_stops(request.stop),
        reasoning_effort=_effort(request.reasoning_effort),
        reasoning_budget=_whole_or_none("reasoning_budget", request.reasoning_budget, high=1_000_000),
        stable_probes=_probes(request.stable_probes),
        probe_every=_whole("probe_every", request.probe_every, PROBE_EVERY, low=1, high=100_000),
        choices=tuple(request.choices or ()),
        tools=tools,
        tool_choice=tool_choice,
        shared_characters=_whole("shared_characters", request.shared_characters, 0, low=0, high=MAX_CHARACTERS),
        speculation=_speculation(request.speculation),
    )


def checked_messages(messages: Sequence[Message]) -> tuple[Message, ...]:
    """The conversation with at most one system message, which stands first.

    The last message is the user's, tools' results, or an answer that is unfinished, to be gone on with.

    Raises:
        InvalidRequest: a role, a text or a call is not valid, the last message is empty, or all is too long.
    """
    if not isinstance(messages, list | tuple) or not messages:
        raise InvalidRequest("The conversation is empty.", "Write a message first.")
    for message in messages:
        if not isinstance(message, Message) or message.role not in ROLES:
            role = message.role if isinstance(message, Message) else message
            raise InvalidRequest(f"A message's role must be {', '.join(ROLES)}, got {_shown(role)}.")
        check_text(f"The text of a {message.role} message", message.content)
    check_calls(messages)
    total = sum(map(characters_of, messages))
    if total > MAX_CHARACTERS:
        raise InvalidRequest(
            f"The conversation has {total:,} characters; at most {MAX_CHARACTERS:,} are taken.", "Shorten it."
        )
    last = messages[-1]
    if last.role == "system":
        raise InvalidRequest("The last message is the system's.", "Write a message first.")
    if last.role == "assistant" and not (last.content or last.reasoning):
        raise InvalidRequest("There is nothing to go on from: the last answer is empty.", "Ask again instead.")
    if all(message.role != "user" for message in messages):
        raise InvalidRequest("The conversation has no message of the user.", "Write a message first.")
    if last.role == "user" and not (last.content.strip() or last.images or last.audio):
        raise InvalidRequest("The message is empty.", "Write a message first.")
    first_turn = next(i for i, m in enumerate(messages) if m.role != "system")
    if any(m.role == "system" for m in messages[first_turn:]):
        raise InvalidRequest(
            "A system message stands in the middle of the conversation.", "Put the system prompt before all turns."
        )
    system = "\n\n".join(m.content for m in messages[:first_turn] if m.content.strip())
    turns = tuple(messages[first_turn:])
    return (Message("system", system), *turns) if system else turns


def check_text(what: str, text: object) -> None:
    """Raises InvalidRequest unless `text` is a string that UTF-8 can hold; `what` begins the sentence."""
    if not isinstance(text, str):
        raise InvalidRequest(f"{what} must be text, got {_shown(text)}.")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise InvalidRequest(f"{what} holds half a character at position {error.start}.", "Type it again.") from None


def _number(name: str, value: object, default: float, *, low: float, high: float, above: bool = False) -> float:
    """`value` as a float from `low` to `high`; with `above`, `low` itself is refused."""
    if value is None:
        return default
    valid = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not valid or not low <= value <= high or (above and value == low):  # type: ignore[operator]
        bounds = f"above {low} and at most {high}" if above else f"from {low} to {high}"
        raise InvalidRequest(f"{name} must be a number {bounds}, got {_shown(value)}.")
    return float(value)  # type: ignore[arg-type]


def _whole(name: str, value: object, default: int, *, low: int, high: int) -> int:
    """`value` as an int from `low` to `high`; whole floats pass, since JSON clients send 256.0."""
    if value is None:
        return default
    number = int(value) if isinstance(value, float) and math.isfinite(value) and value.is_integer() else value
    if not isinstance(number, int) or isinstance(number, bool) or not low <= number <= high:
        raise InvalidRequest(f"{name} must be a whole number from {low} to {high}, got {_shown(value)}.")
    return number


def _whole_or_none(name: str, value: object, *, high: int) -> int | None:
    return None if value is None else _whole(name, value, 0, low=0, high=high)


def _probes(value: object) -> int:
    """One draft is the same as itself, so that two are the fewest that say something."""
    number = _whole("stable_probes", value, 0, low=0, high=MAX_PROBES)
    if number == 1:
        raise InvalidRequest(f"stable_probes must be 0 for none, or 2 to {MAX_PROBES}, got 1.")
    return number


def _stops(value: object) -> tuple[str, ...]:
    stops = (value,) if isinstance(value, str) else value or ()
    if not isinstance(stops, list | tuple):
        raise InvalidRequest(f"stop must be a list of texts, got {_shown(value)}.")
    if len(stops) > MAX_STOPS:
        raise InvalidRequest(f"stop takes at most {MAX_STOPS} texts, got {len(stops)}.")
    for stop in stops:
        check_text("A stop text", stop)
        if not 0 < len(stop) <= MAX_STOP_CHARACTERS:
            raise InvalidRequest(f"A stop text must have 1 to {MAX_STOP_CHARACTERS} characters, got {_shown(stop)}.")
    return tuple(stops)


def _effort(value: object) -> str | None:
    if value is None or value == "":
        return None
    if value not in EFFORTS:
        raise InvalidRequest(f"reasoning_effort must be one of {', '.join(EFFORTS)}, got {_shown(value)}.")
    return str(value)


def _speculation(value: object) -> str:
    if not isinstance(value, str | None):
        raise InvalidRequest(f"speculation must be {PROMPT_LOOKUP!r} or the id of a card, got {_shown(value)}.")
    return value or ""


def _shown(value: object, limit: int = 60) -> str:
    """The value as a person may read it in one sentence."""
    text = repr(value)
    return text if len(text) <= limit else text[: limit - 1] + "…"
