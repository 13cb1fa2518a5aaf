"""Writes a parsed prompt down again, so that parsing it gives the same meaning."""

from __future__ import annotations

import re

from playground.images.prompts.loras import lora_text
from playground.images.prompts.nodes import Alternating, Break, Nodes, Prompt, Scheduled, Text, Weighted, number_text

_SPECIAL = re.compile(r"([()\[\]:|<\\])")


def printed(prompt: Prompt) -> str:
    """The prompt in one fixed notation: every weight as `(x:w)`, every schedule as `[a:b:when]`."""
    if len(prompt.parts) == 1:
        text = _nodes(prompt.parts[0].nodes)
    else:
        text = " AND ".join(f"{_nodes(part.nodes)}:{number_text(part.weight)}" for part in prompt.parts)
    return text + "".join(lora_text(tag) for tag in prompt.loras)


def _nodes(nodes: Nodes) -> str:
    out = []
    for node in nodes:
        if isinstance(node, Text):
            out.append(_SPECIAL.sub(r"\\\1", node.text))
        elif isinstance(node, Break):
            out.append(" BREAK ")
        elif isinstance(node, Weighted):
            out.append(f"({_nodes(node.nodes)}:{number_text(node.weight)})")
        elif isinstance(node, Scheduled):
            when = str(node.when) if isinstance(node.when, int) else number_text(node.when)
            out.append(f"[{_nodes(node.before)}:{_nodes(node.after)}:{when}]")
        elif isinstance(node, Alternating):
            out.append(f"[{'|'.join(_nodes(option) for option in node.options)}]")
    return "".join(out)
