"""Renders chat templates: programs that come with a model and that nobody vouches for.

They run in transformers' sandbox, which keeps them from files, modules and attributes; here their time and the length
of what they write are bounded, and whatever they raise becomes one sentence.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from playground.chat.time_limit import OutOfTime, time_limit
from playground.chat.tools.markup import value_of
from playground.errors import InvalidRequest
from playground.protocol import Message

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from playground.models.gguf_tokenizer import LlamaTokenizer

    Tokenizer: TypeAlias = PreTrainedTokenizerBase | LlamaTokenizer

MAX_SECONDS = 3.0  # of processor time; real templates take milliseconds
MAX_CHARACTERS = 4_000_000
TEMPLATE_FILE = "<template>"  # how jinja2 names the code that it makes of a template


def template_of(tokenizer: Tokenizer) -> str:
    """The chat template; empty for a base model."""
    template = getattr(tokenizer, "chat_template", None)
    if isinstance(template, dict):
        template = template.get("default") or next(iter(template.values()), "")
    return template or ""


def rendered(
    tokenizer: Tokenizer, messages: Sequence[Message], *, think: bool, tools: Sequence[dict[str, Any]] | None = None
) -> str:
    """What the tokenizer's template makes of the conversation, up to where the answer begins.

    `tools`: functions as JSON Schema, for templates that render them.

    Raises:
        InvalidRequest: the template refuses the conversation, fails, or takes too long.
    """
    from jinja2 import TemplateError, TemplateSyntaxError
    from jinja2.sandbox import SecurityError

    values: dict[str, Any] = {"enable_thinking": think} | ({"tools": list(tools)} if tools else {})
    try:
        with time_limit(MAX_SECONDS, TEMPLATE_FILE.__eq__):
            plain = [_plain(message) for message in messages]
            text = str(tokenizer.apply_chat_template(plain, tokenize=False, add_generation_prompt=True, **values))
    except OutOfTime:
        raise _broken(f"takes longer than {MAX_SECONDS:g} seconds") from None
    except SecurityError as error:
        raise _broken(f"tries what a template must not do: {error}") from None
    except TemplateSyntaxError as error:
        raise _broken(f"cannot be read: {error}") from None
    except TemplateError as error:
        raise InvalidRequest(
            f"The model's chat template refuses this conversation: {error}.",
            "User and assistant should take turns, beginning with the user.",
        ) from None
    except Exception as error:  # noqa: BLE001  # a template may raise anything
        raise _broken(f"fails with {type(error).__name__}: {error}") from None
    if len(text) > MAX_CHARACTERS:
        raise _broken(f"writes {len(text):,} characters")
    return text


def _plain(message: Message) -> dict[str, Any]:
    """The message as templates know it, with its calls in the form of the OpenAI API, arguments as an object."""
    plain: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.tool_calls:
        plain["tool_calls"] = [
            {"id": c.id, "type": "function", "function": {"name": c.name, "arguments": value_of(c.arguments)}}
            for c in message.tool_calls
        ]
    if message.role == "tool":
        plain |= {"tool_call_id": message.tool_call_id, "name": message.name}
    return plain


def _broken(what: str) -> InvalidRequest:
    said = " ".join(what.split())[:300]
    return InvalidRequest(f"The model's chat template {said.rstrip('.: ')}.", "Choose another build of the model.")
