"""Finds out which tool format a tokenizer and its chat template can carry, by trying each with a probe.

Many templates drop tools and results without a word. Knows nothing of weights.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from playground.chat.templates import rendered
from playground.chat.tools.formats import MistralFormat, OwnFormat, TemplateFormat, ToolFormat, ToolPrompt
from playground.chat.tools.markup import CallMarkup, schema_for_template, value_of
from playground.chat.tools.reading import CallSplitter, calls_in
from playground.errors import InvalidRequest
from playground.protocol import Message, ToolCall, ToolSpec

if TYPE_CHECKING:
    from playground.chat.templates import Tokenizer

_MARK = re.compile(r"(<[^<>\s]{1,40}>|\[[A-Z_]{2,40}\])(\s*\[?\s*)$")
_PROBE_ARGUMENTS = {"zq_key": "zq-value"}
_PROBE_TOOL = ToolSpec("zq_probe", "zq-description", '{"type": "object", "properties": {"zq_key": {"type": "string"}}}')
_PROBE = (
    Message("user", "zq-asked"),
    Message("assistant", "", tool_calls=(ToolCall("zqprobe01", "zq_probe", json.dumps(_PROBE_ARGUMENTS)),)),
    Message("tool", "zq-result", tool_call_id="zqprobe01", name="zq_probe"),
)


def tool_prompt(
    tokenizer: Tokenizer, tools: Sequence[ToolSpec], messages: Sequence[Message], *, thinks: bool
) -> ToolPrompt | None:
    """The tools and earlier calls in the format of this tokenizer; None where there are neither."""
    if not tools and not any(m.role == "tool" or m.tool_calls for m in messages):
        return None
    return ToolPrompt(format_of(tokenizer), tuple(tools), _special_tokens(tokenizer), thinks)


def format_of(tokenizer: Tokenizer) -> ToolFormat:
    """The first that holds for this tokenizer and its chat template: the template's own, Mistral's tokens, our own."""
    markup = _own_markup_of_template(tokenizer)
    if markup is not None:
        return TemplateFormat(markup)
    mistral = MistralFormat(_is_token(tokenizer, "[TOOL_CONTENT]"))
    return mistral if _takes_mistral(tokenizer, mistral) else OwnFormat()


def _own_markup_of_template(tokenizer: Tokenizer) -> CallMarkup | None:
    """How the template writes a call, where it was seen to write function, call and result and the call can be read."""
    try:
        text = rendered(tokenizer, _PROBE, think=True, tools=[schema_for_template(_PROBE_TOOL)])
        plain = rendered(tokenizer, [Message("user", "x"), Message("assistant", "y"), Message("user", "z")], think=True)
    except InvalidRequest:
        return None
    if _PROBE_TOOL.description not in text:
        return None
    for name in re.finditer(r"zq_probe", text):
        found = _markup_at(text, name.start())
        # A mark that stands in every conversation, such as the end of a role's name, does not begin a call.
        if found is not None and found.open not in plain and "zq-result" in text[name.end() :]:
            return found
    return None


def _markup_at(text: str, name: int) -> CallMarkup | None:
    """The markup of the call in `text` whose function's name begins at `name`; None where there is none."""
    start = text.rfind("{", 0, name)
    arguments = re.compile(r'\{\s*"zq_key"\s*:\s*"zq-value"\s*\}').search(text, name)
    mark = _MARK.search(text, 0, start) if start >= 0 else None
    if arguments is None or mark is None:
        return None
    mirrored = re.sub(r"^(\W+)", r"\1/", mark[1])
    rest = text[arguments.end() :]
    close = mirrored if re.match(rf"[\s\}}\]]*{re.escape(mirrored)}", rest) else ""
    ended = name + len(_PROBE_TOOL.name)
    markup = CallMarkup(mark[1], close, text[mark.end(1) : name], text[ended : arguments.start()])
    splitter = CallSplitter(markup.open, markup.close)
    splitter.feed(text[mark.start() :])
    splitter.finish()
    said = [call for block in splitter.blocks[:1] for call in calls_in(block)]
    read = len(said) == 1 and said[0].name == _PROBE_TOOL.name and value_of(said[0].arguments) == _PROBE_ARGUMENTS
    return markup if read else None


def _takes_mistral(tokenizer: Tokenizer, mistral: MistralFormat) -> bool:
    """Whether the tokenizer has Mistral's tokens and its template leaves our placeholders where they belong."""
    tokens = ("[INST]", "[/INST]", "[AVAILABLE_TOOLS]", "[/AVAILABLE_TOOLS]", "[TOOL_CALLS]", "[TOOL_RESULTS]")
    if not all(_is_token(tokenizer, token) for token in tokens):
        return False
    try:
        text = rendered(tokenizer, mistral.told(_PROBE, [_PROBE_TOOL]), think=True)
    except InvalidRequest:
        return False
    text = mistral.finished(text, [_PROBE_TOOL])
    order = (r"\[AVAILABLE_TOOLS\].*zq-description.*\[/AVAILABLE_TOOLS\]\[INST\]\s*zq-asked.*\[TOOL_CALLS\].*zq_probe"
             r".*\[TOOL_RESULTS\].*zq-result.*\[/TOOL_RESULTS\]")  # fmt: skip
    return re.search(order, text, re.DOTALL) is not None and mistral.mark not in text


def _is_token(tokenizer: Tokenizer, text: str) -> bool:
    ids = list(tokenizer(text, add_special_tokens=False)["input_ids"])
    return len(ids) == 1 and str(tokenizer.decode(ids)).strip() == text


def _special_tokens(tokenizer: Tokenizer) -> tuple[str, ...]:
    """Names of the tokens that are no text, longest first."""
    added = getattr(tokenizer, "get_added_vocab", None)
    names = set(added()) if added is not None else set(_USUAL)
    return tuple(sorted((name for name in names if set(name) & set("<>[]|")), key=len, reverse=True))


_USUAL = (
    "<|im_start|>", "<|im_end|>", "<|im_sep|>", "<|system|>", "<|user|>", "<|assistant|>", "<|end|>", "<|endoftext|>",
    "<s>", "</s>", "[INST]", "[/INST]", "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]", "[TOOL_CALLS]", "[AVAILABLE_TOOLS]",
    "[/AVAILABLE_TOOLS]", "[TOOL_RESULTS]", "[/TOOL_RESULTS]", "<|eot_id|>", "<|start_header_id|>",
    "<|end_header_id|>", "<start_of_turn>", "<end_of_turn>",
)  # fmt: skip
