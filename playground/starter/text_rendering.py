"""Conversations as training sees them: the template's text, cut where the loss starts and stops, and as messages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from playground.starter.text_templates import PHI, Family
from playground.starter.text_tools import as_json
from playground.starter.text_turns import Call, Dialogue, Step, Turn


@dataclass(frozen=True)
class Piece:
    """A stretch of rendered conversation; only `learned` pieces count in the loss.

    `but_first` leaves the first token out: what an answer begins with tells whether it is thought about.
    """

    text: str
    learned: bool
    but_first: bool = False


def _calls(calls: tuple[Call, ...]) -> str:
    return as_json([{"name": call.name, "arguments": dict(call.arguments)} for call in calls])


def listed_tools(dialogue: Dialogue) -> str:
    """The offered tools as the templates write them; empty where there are none."""
    return as_json([tool["function"] for tool in dialogue.tools]) if dialogue.tools else ""


def pieces(family: Family, dialogue: Dialogue) -> list[Piece]:
    """The conversation as the template renders it, cut where the loss starts and stops.

    starter-phi learns every answer and call. starter-mistral learns the last exchange with its thoughts; earlier ones
    are shown without theirs, so that their first tokens are not learned, which would teach it to skip thinking.
    """
    return _phi_pieces(dialogue) if family is PHI else _mistral_pieces(dialogue)


def _phi_pieces(dialogue: Dialogue) -> list[Piece]:
    listed = listed_tools(dialogue)
    head = dialogue.system + (f"<|tool|>{listed}<|/tool|>" if listed else "")
    text = f"<|system|>\n{head}<|end|>\n" if head else ""
    cut: list[Piece] = []
    for turn in dialogue.turns:
        text += f"<|user|>\n{turn.user}<|end|>\n<|assistant|>\n"
        for step in turn.steps:
            cut.append(Piece(text, False))
            cut.append(Piece(f"<|tool_call|>{_calls(step.calls)}<|/tool_call|><|end|>", step.learned))
            text = "\n" + "".join(f"<|tool_response|>\n{result}<|end|>\n" for result in step.results)
            text += "<|assistant|>\n"
        cut += [Piece(text, False), Piece(f"{turn.answer}<|end|>", True)]
        text = "\n"
    return cut


def _mistral_pieces(dialogue: Dialogue) -> list[Piece]:
    listed = listed_tools(dialogue)
    text = "<s>" + (f"[SYSTEM_PROMPT]{dialogue.system}[/SYSTEM_PROMPT]" if dialogue.system else "")
    cut: list[Piece] = []
    for turn in dialogue.turns[:-1]:
        text += f"[INST]{turn.user}[/INST]"
        for step in turn.steps:
            cut += [Piece(text, False), Piece(_mistral_calls(step), step.learned, but_first=True)]
            text = _mistral_results(step)
        cut += [Piece(text, False), Piece(f"{turn.answer}</s>", True, but_first=True)]
        text = ""
    last = dialogue.turns[-1]
    text += f"[AVAILABLE_TOOLS]{listed}[/AVAILABLE_TOOLS]" if listed else ""
    text += f"[INST]{last.user}[/INST]"
    if dialogue.target is not None:
        return [*cut, *_only_target(text, last, dialogue.target, dialogue.thinking)]
    for step in last.steps:
        cut += [Piece(text, False), Piece(f"<think>{step.thought}</think>{_mistral_calls(step)}", step.learned)]
        text = _mistral_results(step)
    return [*cut, Piece(text, False), Piece(f"<think>{last.thought}</think>{last.answer}</s>", True)]


def _only_target(text: str, turn: Turn, target: int, thinking: bool) -> list[Piece]:
    """One message of the exchange, the calls before it shown without their thoughts."""
    for step in turn.steps[:target]:
        text += _mistral_calls(step) + _mistral_results(step)
    if target < len(turn.steps):
        thought, said = turn.steps[target].thought, _mistral_calls(turn.steps[target])
    else:
        thought, said = turn.thought, f"{turn.answer}</s>"
    if not thinking:
        return [Piece(f"{text}<think></think>", False), Piece(said, True)]
    return [Piece(text, False), Piece(f"<think>{thought}</think>{said}", True)]


def _mistral_calls(step: Step) -> str:
    return f"[TOOL_CALLS]{_calls(step.calls)}</s>"


def _mistral_results(step: Step) -> str:
    return "".join(f"[TOOL_RESULTS]{result}[/TOOL_RESULTS]" for result in step.results)


def encode(tokenizer: Any, family: Family, dialogue: Dialogue) -> tuple[list[int], list[int]]:
    """Token ids and labels of a conversation; labels are -100 where nothing is learned."""
    ids: list[int] = []
    labels: list[int] = []
    for piece in pieces(family, dialogue):
        part = tokenizer.backend_tokenizer.encode(piece.text, add_special_tokens=False).ids
        ids += part
        shown = part if piece.learned else [IGNORED] * len(part)
        labels += [IGNORED, *shown[1:]] if piece.but_first else shown
    return ids, labels


IGNORED = -100


def messages(dialogue: Dialogue, steps: int | None = None) -> list[dict[str, Any]]:
    """The conversation as chat messages, up to where the last answer is due.

    `steps` counts the calls of the last exchange that have been made; None means all of them.
    """
    listed: list[dict[str, Any]] = [{"role": "system", "content": dialogue.system}] if dialogue.system else []
    for turn in dialogue.turns[:-1]:
        listed += [{"role": "user", "content": turn.user}, *_step_messages(turn.steps, thoughts=False)]
        listed.append({"role": "assistant", "content": turn.answer})
    last = dialogue.turns[-1]
    kept = dialogue.thinking and dialogue.target is None
    return [*listed, {"role": "user", "content": last.user}, *_step_messages(last.steps[:steps], thoughts=kept)]


def _step_messages(steps: tuple[Step, ...], *, thoughts: bool) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = []
    for step in steps:
        functions = [{"name": call.name, "arguments": dict(call.arguments)} for call in step.calls]
        listed.append(
            {
                "role": "assistant",
                "content": f"<think>{step.thought}</think>" if thoughts else "",
                "tool_calls": [{"type": "function", "function": function} for function in functions],
            }
        )
        listed += [{"role": "tool", "content": result} for result in step.results]
    return listed
