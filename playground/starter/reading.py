"""Teaches a text encoder what captions say, before a UNet has to learn to draw it from them.

Colours reach a UNet's pictures within some hundred steps, but which word is the shape, and whose colour is which, it
learns slowly through the diffusion loss alone: a UNet that began with an encoder that knew it drew every shape after
a quarter of the pictures. So the encoder first learns to name the facts of the scene from any token behind the last
word. Text only: it sees captions of training scenes and their facts, never a picture.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from playground.starter.captions import caption
from playground.starter.loop import Outcome, Plan, in_half, train_loop
from playground.starter.scenes import scene_at
from playground.starter.world import (
    GROUND_KINDS,
    LAYOUTS,
    POSITIONS,
    RELATIONS,
    SHAPES,
    SIZES,
    STYLES,
    WORLD,
    Item,
    Scene,
    World,
)

if TYPE_CHECKING:
    from transformers import CLIPTextModel, CLIPTokenizer

READING_SEED = 51
SLOTS = 4
_ITEM = {"shape": SHAPES, "colour": WORLD.colours, "size": SIZES, "outline": (False, True)}
_SCENE = {
    "layout": LAYOUTS,
    "position": POSITIONS,
    "relation": RELATIONS,
    "style": STYLES,
    "kind": GROUND_KINDS,
    "colour": WORLD.colours,
    "second": WORLD.colours,
    "direction": ("vertical", "horizontal"),
}
UNSAID = -100  # what cross_entropy ignores


def in_reading_order(items: Sequence[Item]) -> list[Item]:
    """Sort objects from left to right, or from top to bottom where they stand on top of each other."""
    wide = max(item.x for item in items) - min(item.x for item in items)
    tall = max(item.y for item in items) - min(item.y for item in items)
    return sorted(items, key=lambda item: (item.x, item.y) if wide > tall else (item.y, item.x))


def facts_of(scene: Scene) -> list[int]:
    """Return the facts of a scene as class numbers, in the order of `HEADS`; UNSAID where it has none."""
    found = {
        "layout": scene.layout,
        "position": scene.position,
        "relation": scene.relation,
        "style": scene.style,
        "kind": scene.ground.kind,
        "colour": scene.ground.colour,
        "second": scene.ground.second,
        "direction": scene.ground.direction,
    }
    numbers = [_SCENE[name].index(value) if value is not None else UNSAID for name, value in found.items()]
    items = in_reading_order(scene.items)[:SLOTS]
    for slot in range(SLOTS):
        for name, values in _ITEM.items():
            numbers.append(values.index(getattr(items[slot], name)) if slot < len(items) else UNSAID)
    return numbers


HEADS = (*(len(values) for values in _SCENE.values()), *([len(values) for values in _ITEM.values()] * SLOTS))


def reading_loss(logits: Tensor, facts: Tensor) -> Tensor:
    """Return the mean cross entropy over facts (B, len(HEADS)) that a scene has, of logits (B, sum of HEADS)."""
    parts = zip(logits.float().split(list(HEADS), dim=1), facts.unbind(1), strict=True)
    losses = [F.cross_entropy(part, fact, ignore_index=UNSAID, reduction="sum") for part, fact in parts]
    return torch.stack(losses).sum() / (facts != UNSAID).sum()


def teach_reading(
    text_encoder: CLIPTextModel,
    tokenizer: CLIPTokenizer,
    plan: Plan,
    work: Path,
    *,
    world: World = WORLD,
    batch: int = 128,
    resume: bool = False,
) -> Outcome:
    """Train the encoder to tell a scene's facts at a random token behind the caption; leaves averaged weights in it."""
    device = text_encoder.device
    reader = nn.Linear(text_encoder.config.hidden_size, sum(HEADS)).to(device)  # one linear head a fact, side by side
    text_encoder.train()
    if device.type == "cpu":
        text_encoder.set_attn_implementation("eager")

    def loss_at(step: int) -> Tensor:
        rng = random.Random(f"reading/{step}")
        scenes = [scene_at(READING_SEED, step * batch + index, world) for index in range(batch)]
        words = tokenizer([caption(scene, rng) for scene in scenes], padding=True, return_tensors="pt")
        # The end token is the padding as well, and all that come behind the words have seen all words.
        # Most steps read a few of these, which is faster; one in four reads as many as a UNet will be given.
        more = 4 if step % 4 else tokenizer.model_max_length - words.input_ids.shape[1]
        ids = F.pad(words.input_ids, (0, more), value=int(tokenizer.pad_token_id)).to(device)
        ends = words.attention_mask.sum(1) - 1
        behind = torch.tensor([rng.randint(int(end), ids.shape[1] - 1) for end in ends], device=device)
        facts = torch.tensor([facts_of(scene) for scene in scenes], device=device)
        with in_half(device):
            hidden = text_encoder(input_ids=ids).last_hidden_state
            logits = reader(hidden[torch.arange(batch, device=device), behind])
        return reading_loss(logits, facts)

    outcome = train_loop({"text_encoder": text_encoder, "reader": reader}, loss_at, plan, work, resume=resume)
    text_encoder.eval()
    return outcome
