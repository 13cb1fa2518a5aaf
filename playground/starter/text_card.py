"""The model card of a starter chat model, from what was measured."""

from __future__ import annotations

import datetime
import platform
from collections.abc import Mapping, Sequence
from typing import Any

from playground.starter.figures import Figure
from playground.starter.text_model import SHAPE, Shape

_ABOUT = {
    "starter-phi": "`Phi3ForCausalLM`, {}. Answers directly. Tools go into the system prompt, calls come as "
    "`<|tool_call|>[{{\"name\", \"arguments\"}}]<|/tool_call|>`.",
    "starter-mistral": "`MistralForCausalLM`, {}. Thinks first, in `<think>`, then answers; `enable_thinking=False` in "
    "the chat template skips the thought. Calls of tools come as `[TOOL_CALLS][{{\"name\", \"arguments\"}}]`.",
}  # fmt: skip


def _sizes(shape: Shape) -> str:
    return (
        f"{shape.layers} layers, width {shape.width}, {shape.heads} query heads over {shape.kv_heads} key-value heads"
    )


def model_card(
    name: str,
    parameters: int,
    trained: Mapping[str, Any],
    figures: Sequence[Figure],
    talks: Sequence[Sequence[Mapping[str, Any]]],
) -> str:
    """README.md of a model; without a training record the training line says so."""
    from importlib.metadata import version

    if trained:
        start = f"It began with the weights of {trained['started_from']}, then: " if trained.get("started_from") else ""
        training = (
            f"{start}{trained['step']:,} steps, {trained['tokens']:,} tokens seen (padding included), of which "
            f"{trained['learned_tokens']:,} counted in the loss, in {trained['seconds']:,.0f} seconds on "
            f"{trained.get('device', 'cpu')}; last loss {trained['loss'] or 0:.3f} (mean of the last steps)."
        )
    else:
        training = "No record of the training lies beside the weights."
    rows = "\n".join(f"| {f.what} | {f.value:.1f}% | {f.low:.1f}% to {f.high:.1f}% | {f.n} |" for f in figures)
    shown = "\n\n".join("\n".join(f"{m['role']}: {m['content']}" for m in talk) for talk in talks)
    return f"""---
license: apache-2.0
language: [en, es, fr, de, zh]
library_name: transformers
pipeline_tag: text-generation
---

# {name}

{_ABOUT[name].format(_sizes(SHAPE))} {parameters:,} parameters, float16 safetensors, context 2,048 tokens, byte-level
BPE of 4,096 entries with digits and Chinese characters one by one.

## Data
Conversations made by a seeded program (`playground/starter/text_*.py`); no text from anywhere else. In English,
Spanish, French, German and Chinese: small talk, who it is and what it can do, sums, differences and small products,
word problems, remembering what it was told, answering from a passage, sentiment, topics, translation, JSON and one-word
answers, prompts for the image models, a few facts, and saying that it does not know. In English also tiny Python
functions and calls of tools. One in ten number pairs, names, towns, sentences, meanings, records, functions, kinds of
tools and unknown subjects was kept out of training, by hash; the figures use only those where there are any.

## Recipe
Muon for the matrices in the blocks, AdamW for the rest, bfloat16 autocast, warm-up, a flat rate, linear decay over the
last 30 %, a running mean of the weights; loss on the model's own messages only. {training}
`python -m playground.starter train {name}` makes it anew from nothing; `--minutes` says how long.

## Figures
Greedy decoding, float32 ({platform.machine()}), torch {version("torch")}, transformers {version("transformers")},
{datetime.datetime.now(datetime.UTC).date().isoformat()}, seed 7; Wilson 95 % intervals.

| what | right | 95 % interval | n |
|---|---|---|---|
{rows}

## Limits
A tiny model of a tiny world. It cannot divide, use large numbers without a calculator, write long texts, look anything
up or see pictures; it is wrong now and then, most of all on wordings unlike its training data.

## Sample conversations
Greedy, as they came.

```text
{shown}
```
"""
