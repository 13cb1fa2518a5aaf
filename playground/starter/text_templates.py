"""The two chat formats: special tokens and chat templates, with system prompt, tools and thoughts.

Tools follow each family's own way: a JSON list of {"name", "arguments"} between `<|tool_call|>` and
`<|/tool_call|>`, or after `[TOOL_CALLS]`. Those marks, like `<think>`, are ordinary tokens that decoding keeps.
"""

from __future__ import annotations

from dataclasses import dataclass

# A tool may come bare or as {"type": "function", "function": …}; what the model reads is the function.
_LISTED = """{%- set listed = namespace(tools='') -%}
{%- if tools is defined and tools -%}
{%- for tool in tools -%}
{%- set listed.tools = listed.tools + (', ' if not loop.first else '') + ((tool.function or tool) | tojson) -%}
{%- endfor -%}
{%- endif -%}
"""
_CALLS = """{%- set made = namespace(calls='') -%}
{%- for call in message['tool_calls'] or [] -%}
{%- set call = call.function or call -%}
{%- set given = call.arguments if call.arguments is string else call.arguments | tojson -%}
{%- set made.calls = made.calls + (', ' if not loop.first else '') + '{"name": ' + (call.name | tojson) \
+ ', "arguments": ' + given + '}' -%}
{%- endfor -%}
"""
_PHI_TEMPLATE = (
    _LISTED
    + """{%- if listed.tools and (not messages or messages[0]['role'] != 'system') -%}
{{- '<|system|>\\n<|tool|>[' + listed.tools + ']<|/tool|><|end|>\\n' -}}
{%- endif -%}
{%- for message in messages -%}
{%- set text = message['content'] or '' -%}
{%- if message['role'] == 'system' -%}
{%- if loop.first and listed.tools -%}
{%- set text = text + '<|tool|>[' + listed.tools + ']<|/tool|>' -%}
{%- endif -%}
{%- if text -%}
{{- '<|system|>\\n' + text + '<|end|>\\n' -}}
{%- endif -%}
{%- elif message['role'] == 'user' -%}
{{- '<|user|>\\n' + text + '<|end|>\\n' -}}
{%- elif message['role'] == 'tool' -%}
{{- '<|tool_response|>\\n' + text + '<|end|>\\n' -}}
{%- elif message['role'] == 'assistant' -%}
"""
    + _CALLS
    + """{%- if '</think>' in text -%}
{%- set text = text.split('</think>')[-1] | trim -%}
{%- endif -%}
{%- if made.calls -%}
{%- set text = text + '<|tool_call|>[' + made.calls + ']<|/tool_call|>' -%}
{%- endif -%}
{%- if text -%}
{{- '<|assistant|>\\n' + text + '<|end|>\\n' -}}
{%- endif -%}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
{{- '<|assistant|>\\n' -}}
{%- endif -%}
"""
)
# Thoughts are dropped once the user has spoken again; those of a running chain of calls stay where they are given.
_MISTRAL_TEMPLATE = (
    _LISTED
    + """{%- set last = namespace(user=-1) -%}
{%- for message in messages -%}
{%- if message['role'] == 'user' -%}
{%- set last.user = loop.index0 -%}
{%- endif -%}
{%- endfor -%}
{{- '<s>' -}}
{%- for message in messages -%}
{%- set text = message['content'] or '' -%}
{%- if message['role'] == 'system' and text -%}
{{- '[SYSTEM_PROMPT]' + text + '[/SYSTEM_PROMPT]' -}}
{%- elif message['role'] == 'user' -%}
{%- if listed.tools and loop.index0 == last.user -%}
{{- '[AVAILABLE_TOOLS][' + listed.tools + '][/AVAILABLE_TOOLS]' -}}
{%- endif -%}
{{- '[INST]' + text + '[/INST]' -}}
{%- elif message['role'] == 'tool' -%}
{{- '[TOOL_RESULTS]' + text + '[/TOOL_RESULTS]' -}}
{%- elif message['role'] == 'assistant' -%}
"""
    + _CALLS
    + """{%- if '</think>' in text and loop.index0 < last.user -%}
{%- set text = text.split('</think>')[-1] | trim -%}
{%- endif -%}
{%- if made.calls -%}
{%- set text = text + '[TOOL_CALLS][' + made.calls + ']' -%}
{%- endif -%}
{{- text + '</s>' -}}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt and enable_thinking is defined and not enable_thinking -%}
{{- '<think></think>' -}}
{%- endif -%}
"""
)


@dataclass(frozen=True)
class Family:
    """Special tokens and template of one chat format; `plain` tokens survive `skip_special_tokens`."""

    name: str
    end: str
    pad: str
    begin: str | None
    special: tuple[str, ...]
    plain: tuple[str, ...]
    template: str
    thinks: bool


PHI = Family(
    "starter-phi",
    "<|end|>",
    "<|endoftext|>",
    None,
    (
        "<|endoftext|>",
        "<|end|>",
        "<|system|>",
        "<|user|>",
        "<|assistant|>",
        "<|tool|>",
        "<|/tool|>",
        "<|tool_response|>",
    ),
    ("<|tool_call|>", "<|/tool_call|>"),
    _PHI_TEMPLATE,
    thinks=False,
)
MISTRAL = Family(
    "starter-mistral",
    "</s>",
    "<pad>",
    "<s>",
    ("<pad>", "<s>", "</s>", "[INST]", "[/INST]", "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]", "[AVAILABLE_TOOLS]",
     "[/AVAILABLE_TOOLS]", "[TOOL_RESULTS]", "[/TOOL_RESULTS]"),
    ("<think>", "</think>", "[TOOL_CALLS]"),
    _MISTRAL_TEMPLATE,
    thinks=True,
)  # fmt: skip
FAMILIES = {family.name: family for family in (PHI, MISTRAL)}


def family_of(name: str) -> Family:
    """The chat format of a starter chat model; raises ValueError for another name."""
    if name not in FAMILIES:
        raise ValueError(f"name must be one of {', '.join(FAMILIES)}, got {name!r}")
    return FAMILIES[name]
