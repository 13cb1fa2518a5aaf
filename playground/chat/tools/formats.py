"""How a model is told of tools and reads their results: by its own chat template, by Mistral's tokens, or our own way.

Each format turns a conversation into one that the template takes. Renders nothing, and does not know which one fits.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from playground.chat.tools.markup import (
    CallMarkup,
    as_json,
    call_json,
    function_of,
    harmless,
    schema_for_template,
    short_id,
    value_of,
)
from playground.protocol import Message, ToolSpec

_MISTRAL_MARKUP = CallMarkup("[TOOL_CALLS]", "", '[{"name": "', '", "arguments": ')
_OWN_MARKUP = CallMarkup("<tool_call>", "</tool_call>", '\n{"name": "', '", "arguments": ')


class ToolFormat(Protocol):
    """One way of telling tools. `told` before the template, `finished` after it."""

    @property
    def name(self) -> str: ...

    @property
    def markup(self) -> CallMarkup: ...

    def told(self, messages: Sequence[Message], tools: Sequence[ToolSpec]) -> list[Message]:
        """The conversation as the template takes it."""

    def schemas(self, tools: Sequence[ToolSpec]) -> list[dict[str, Any]] | None:
        """What the template gets as `tools`."""

    def finished(self, text: str, tools: Sequence[ToolSpec]) -> str:
        """The rendered prompt with what the template could not put in its place."""


@dataclass(frozen=True)
class TemplateFormat:
    """The template renders functions, calls and results itself; `markup` is what it was seen to write."""

    markup: CallMarkup
    name: str = "template"

    def told(self, messages: Sequence[Message], tools: Sequence[ToolSpec]) -> list[Message]:
        return [
            replace(
                message,
                tool_calls=tuple(replace(call, id=short_id(call.id)) for call in message.tool_calls),
                tool_call_id=short_id(message.tool_call_id) if message.role == "tool" else "",
            )
            for message in messages
        ]

    def schemas(self, tools: Sequence[ToolSpec]) -> list[dict[str, Any]] | None:
        return [schema_for_template(spec) for spec in tools] or None

    def finished(self, text: str, tools: Sequence[ToolSpec]) -> str:
        return text


@dataclass(frozen=True)
class MistralFormat:
    """Mistral's instruct format, for tokenizers that have its tokens under a template that does not use them.

    As mistral-common 1.13 writes it: version 7 where there is a token `[TOOL_CONTENT]`, else version 3. The template
    renders placeholders, which are then put right.
    """

    has_content_token: bool
    markup: CallMarkup = _MISTRAL_MARKUP
    name: str = "mistral"
    mark: str = field(default_factory=lambda: f"zq{secrets.token_hex(8)}")

    def told(self, messages: Sequence[Message], tools: Sequence[ToolSpec]) -> list[Message]:
        last = max((i for i, m in enumerate(messages) if m.role == "user"), default=-1)
        found: list[Message] = []
        for i, message in enumerate(messages):
            if message.role == "tool":
                before = found.pop().content.removesuffix(self.mark) if _is_result(found, self.mark) else self.mark
                found.append(Message("user", before + self._result(message) + self.mark))
            elif message.tool_calls:
                calls = ", ".join(call_json(call, with_id=True) for call in message.tool_calls)
                found.append(Message("assistant", f"{message.content}{self.markup.open}[{calls}]"))
            elif i == last:
                found.append(replace(message, content=self.mark + message.content))
            else:
                found.append(message)
        return found

    def schemas(self, tools: Sequence[ToolSpec]) -> list[dict[str, Any]] | None:
        return None

    def finished(self, text: str, tools: Sequence[ToolSpec]) -> str:
        mark = self.mark
        text = re.sub(rf"\[INST\]\s*{mark}(\[TOOL_RESULTS\].*?){mark}\s*\[/INST\]", r"\1", text, flags=re.DOTALL)
        listed = as_json([schema_for_template(spec) for spec in tools])
        offer = f"[AVAILABLE_TOOLS]{listed}[/AVAILABLE_TOOLS]" if tools else ""
        return re.sub(rf"\[INST\](\s*){mark}", lambda found: f"{offer}[INST]{found[1]}", text)

    def _result(self, message: Message) -> str:
        identity = short_id(message.tool_call_id)
        if self.has_content_token:
            return f"[TOOL_RESULTS]{identity}[TOOL_CONTENT]{message.content}[/TOOL_RESULTS]"
        body = {"content": value_of(message.content), "call_id": identity}
        return f"[TOOL_RESULTS]{as_json(body)}[/TOOL_RESULTS]"


@dataclass(frozen=True)
class OwnFormat:
    """Our own, for templates with nothing of the kind: functions in the system prompt, results as user turns.

    The tags are those that most models with tools were trained on (Hermes, Qwen).
    """

    markup: CallMarkup = _OWN_MARKUP
    name: str = "own"

    def told(self, messages: Sequence[Message], tools: Sequence[ToolSpec]) -> list[Message]:
        found: list[Message] = []
        if tools:
            system = [m.content for m in messages if m.role == "system"]
            found.append(Message("system", "\n\n".join([*system, _told_tools(tools)])))
            messages = [m for m in messages if m.role != "system"]
        after_result = False
        for message in messages:
            if message.role == "tool":
                message = replace(message, role="user", content=_told_result(message), tool_call_id="", name="")
                merges, after_result = after_result, True
            else:
                merges, after_result = after_result and message.role == "user", False
            if message.tool_calls:
                blocks = [f"<tool_call>\n{call_json(call)}\n</tool_call>" for call in message.tool_calls]
                message = replace(message, content=message.content + "\n".join(blocks), tool_calls=())
            if merges:  # templates want user and assistant to take turns
                message = replace(message, content=f"{found.pop().content}\n{message.content}")
            found.append(message)
        return found

    def schemas(self, tools: Sequence[ToolSpec]) -> list[dict[str, Any]] | None:
        return None

    def finished(self, text: str, tools: Sequence[ToolSpec]) -> str:
        return text


@dataclass(frozen=True)
class ToolPrompt:
    """The tools of one request in the format of its model.

    `special`: the tokenizer's own tokens, which results must not contain; `thinks`: the thoughts of the running chain
    of calls go back with their results, see `playground.chat.thoughts`.
    """

    format: ToolFormat
    tools: tuple[ToolSpec, ...]
    special: tuple[str, ...] = ()
    thinks: bool = False

    @property
    def schemas(self) -> list[dict[str, Any]] | None:
        return self.format.schemas(self.tools)

    def told(self, messages: Sequence[Message]) -> list[Message]:
        """The conversation as the template takes it."""
        ready: list[Message] = []
        for message in messages:
            if message.role == "tool":
                message = replace(message, content=harmless(message.content, self.special))
            ready.append(message)
        return self.format.told(ready, self.tools)

    def finished(self, text: str) -> str:
        return self.format.finished(text, self.tools)


def _told_tools(tools: Sequence[ToolSpec]) -> str:
    listed = "\n".join(as_json(function_of(spec)) for spec in tools)
    return (
        f"You can call these functions:\n{listed}\n\n"
        "To call one, end your message with:\n"
        '<tool_call>\n{"name": "NAME", "arguments": {…}}\n</tool_call>\n'
        "Write one such block for each call. The results come back in <tool_result>; answer from them. "
        "Where no function helps, answer without one."
    )


def _told_result(message: Message) -> str:
    body = as_json({"name": message.name, "result": value_of(message.content)})
    return f"<tool_result>\n{body}\n</tool_result>"


def _is_result(found: Sequence[Message], mark: str) -> bool:
    return bool(found) and found[-1].role == "user" and found[-1].content.endswith(mark)
