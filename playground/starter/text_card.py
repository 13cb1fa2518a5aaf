"""The model card of a starter chat model, from what was measured."""

from __future__ import annotations

import datetime
import platform
from collections.abc import Mapping, Sequence
from typing import Any

_ABOUT = {
    "starter-phi": "`Phi3ForCausalLM`, 5 layers, width 160, 6 query heads over 2 key-value heads. Answers directly.",
    "starter-mistral": "`MistralForCausalLM`, 5 layers, width 160, 6 query heads over 2 key-value heads. Thinks "
    "first, in `<think>`, then answers; `enable_thinking=False` in the chat template skips the thought.",
}


def model_card(
    name: str,
    parameters: int,
    trained: Mapping[str, Any],
    figures: Sequence[Mapping[str, Any]],
    talks: Sequence[Sequence[Mapping[str, str]]],
) -> str:
    """README.md of a model; without a training record the training line says so."""
    from importlib.metadata import version

    if trained:
        start = f"It began with the weights of {trained['started_from']}, then: " if trained.get("started_from") else ""
        training = (
            f"{start}{trained['step']:,} steps, {trained['tokens']:,} tokens seen (padding included), of which "
            f"{trained['learned_tokens']:,} counted in the loss, in {trained['seconds']:,.0f} seconds on one CPU "
            f"thread; last loss {trained['loss']:.3f} (running mean)."
        )
    else:
        training = "No record of the training lies beside the weights."
    rows = "\n".join(f"| {f['skill']} | {f['right']} | {f['n']} | {f['seconds']} |" for f in figures)
    shown = "\n\n".join("\n".join(f"{m['role']}: {m['content']}" for m in talk) for talk in talks)
    return f"""---
license: apache-2.0
language: en
library_name: transformers
pipeline_tag: text-generation
---

# {name}

{_ABOUT[name]} {parameters:,} parameters, float16 safetensors, context 2,048 tokens (trained on conversations of up to
640), byte-level BPE of 2,048 entries with digits one by one.

## Data
Conversations made by a seeded program (`playground/starter/text_*.py`); no text from anywhere else. Skills: small talk,
who it is, adding and subtracting, remembering what it was told, sentiment, one-word answers, simple system prompts,
prompts for pictures of coloured shapes, a few facts, and saying that it does not know. One in ten number pairs, names,
sentences and unknown subjects was kept out of training, by hash.

## Recipe
Muon for the matrices in the blocks, AdamW for the rest, about 2,048 tokens a step, bfloat16 autocast, loss on answers
only. {training}
`python -m playground.starter train {name}` makes it anew from nothing; `--minutes` says how long.

## Figures
Greedy decoding, float32, one CPU thread ({platform.machine()}), batches of 32, torch {version("torch")}, transformers
{version("transformers")}, {datetime.datetime.now(datetime.UTC).date().isoformat()}, seed 7.

| skill | right | n | seconds |
|---|---|---|---|
{rows}

## Limits
A tiny model of a tiny world. English only, apart from a few Spanish greetings. It cannot multiply, write code or long
texts, look anything up or see pictures; it is wrong now and then, most of all on wordings unlike its training data.

## Sample conversations
Greedy, as they came.

```text
{shown}
```
"""
