"""Trains a starter chat model on generated conversations, on a CPU, resumable at any checkpoint."""

from __future__ import annotations

import json
import math
import random
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from playground.starter.text_dialogues import dialogues
from playground.starter.text_model import build_model, export, mistral_weights
from playground.starter.text_tokenizer import Family, family_of, pieces, tokenizer_for
from playground.starter.text_turns import Dialogue

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerFast

_IGNORED = -100
_LONGEST = 640
_TOKENS_A_STEP = 2048
_POOL = 512
_SAVE_SECONDS = 120.0
_MINUTES = 60.0


@dataclass
class Progress:
    """How far a training is; written beside the weights for the model card."""

    step: int = 0
    tokens: int = 0
    learned_tokens: int = 0
    seconds: float = 0.0
    loss: float = math.nan
    started_from: str = ""


def encode(tokenizer: PreTrainedTokenizerFast, family: Family, dialogue: Dialogue) -> tuple[list[int], list[int]]:
    """Token ids and labels of a conversation; labels are -100 where nothing is learned."""
    ids: list[int] = []
    labels: list[int] = []
    for piece in pieces(family, dialogue):
        part = tokenizer.backend_tokenizer.encode(piece.text, add_special_tokens=False).ids
        ids += part
        labels += part if piece.learned else [_IGNORED] * len(part)
    return ids, labels


def batches(
    tokenizer: PreTrainedTokenizerFast, family: Family, seed: int, tokens: int = _TOKENS_A_STEP
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Endless (ids, labels) of shape (B, T) with B * T about `tokens`; conversations of like length go together."""
    import torch

    stream = dialogues(seed, family.name, thinking=bool(family.plain))
    rng = random.Random(seed)
    while True:
        rows = [encode(tokenizer, family, dialogue) for dialogue in islice(stream, _POOL)]
        rows = sorted((row for row in rows if len(row[0]) <= _LONGEST), key=lambda row: len(row[0]))
        groups: list[list[tuple[list[int], list[int]]]] = []
        group: list[tuple[list[int], list[int]]] = []
        for row in rows:
            if group and (len(group) + 1) * len(row[0]) > tokens:
                groups.append(group)
                group = []
            group.append(row)
        groups.append(group)
        rng.shuffle(groups)
        for group in groups:
            width = max(len(ids) for ids, _ in group)
            # Padding stands on the right, so that causal attention needs no mask.
            yield (
                torch.tensor([ids + [0] * (width - len(ids)) for ids, _ in group]),
                torch.tensor([labels + [_IGNORED] * (width - len(labels)) for _, labels in group]),
            )


def loss_of(model: Any, ids: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Mean cross-entropy of the learned tokens; the head runs on those positions only."""
    import torch
    import torch.nn.functional as F

    with torch.autocast("cpu", torch.bfloat16):
        hidden = model.model(input_ids=ids, use_cache=False).last_hidden_state[:, :-1]  # (B, T - 1, C)
        wanted = labels[:, 1:]
        chosen = wanted != _IGNORED
        logits = model.lm_head(hidden[chosen])
    return F.cross_entropy(logits.float(), wanted[chosen])


def rate(done: float) -> float:
    """Learning-rate factor at a share of the training: short warm-up, flat, linear decay over the last half."""
    return min(1.0, done / 0.01, max(0.02, (1.0 - done) / 0.5))


def optimizers(model: Any) -> list[torch.optim.Optimizer]:
    """Muon (Jordan 2024) for the matrices inside the blocks, AdamW for embeddings and norms."""
    import torch

    matrices = [p for n, p in model.named_parameters() if p.ndim == 2 and "embed" not in n and "lm_head" not in n]
    inside = {id(p) for p in matrices}
    others = [p for p in model.parameters() if id(p) not in inside]
    return [
        torch.optim.Muon(matrices, lr=5e-3, weight_decay=0.01, momentum=0.95, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(others, lr=3e-3, betas=(0.9, 0.98), weight_decay=0.0),
    ]


def train(
    name: str, out: Path, work: Path, minutes: float | None, steps: int | None, resume: bool, start: Path | None = None
) -> None:
    """Trains for so many minutes or steps and exports to `out`; checkpoints and the log lie in `work`.

    `start` is a folder with an exported starter-phi whose weights the training begins with. Raises ValueError for an
    unknown name or when both minutes and steps are given; with neither it trains for an hour.
    """
    import torch

    if minutes is not None and steps is not None:
        raise ValueError(f"give minutes or steps, not both, got minutes={minutes} and steps={steps}")
    if minutes is None and steps is None:
        minutes = _MINUTES
    family = family_of(name)
    torch.manual_seed(0)
    work.mkdir(parents=True, exist_ok=True)
    checkpoint = work / "checkpoint.pt"
    tokenizer = _tokenizer(name, work)
    model = build_model(name, tokenizer)
    optims = optimizers(model)
    bases = [optim.param_groups[0]["lr"] for optim in optims]
    progress = Progress(started_from="starter-phi" if start else "")
    if start is not None:
        model.load_state_dict(_starting_weights(name, start))
    if resume and checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        model.load_state_dict(state["model"])
        for optim, saved in zip(optims, state["optimizers"], strict=True):
            optim.load_state_dict(saved)
        progress = Progress(**state["progress"])
    model.train()
    # Measured on one CPU thread at these lengths: twice the speed of the fused kernels' backward pass.
    model.set_attn_implementation("eager")
    # A resumed stream must not repeat what was seen, so that its seed is the step.
    stream = batches(tokenizer, family, seed=1 + progress.step)
    clock = time.monotonic()
    saved_at = clock
    smooth = progress.loss
    while True:
        done = progress.step / steps if steps is not None else progress.seconds / (60 * (minutes or 1))
        if done >= 1:
            break
        for optim, base in zip(optims, bases, strict=True):
            for group in optim.param_groups:
                group["lr"] = base * rate(done + 1e-4)
        ids, labels = next(stream)
        loss = loss_of(model, ids, labels)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optim in optims:
            optim.step()
            optim.zero_grad(set_to_none=True)
        smooth = loss.item() if math.isnan(smooth) else 0.98 * smooth + 0.02 * loss.item()
        now = time.monotonic()
        progress = Progress(
            progress.step + 1,
            progress.tokens + ids.numel(),
            progress.learned_tokens + int((labels != _IGNORED).sum()),
            progress.seconds + now - clock,
            smooth,
            progress.started_from,
        )
        clock = now
        if progress.step % 50 == 0:
            with (work / "log.jsonl").open("a") as log:
                log.write(json.dumps(asdict(progress)) + "\n")
        if now - saved_at > _SAVE_SECONDS:
            _save(checkpoint, model, optims, progress)
            saved_at = now
    _save(checkpoint, model, optims, progress)
    export(model, tokenizer, out)
    (out / "training.json").write_text(json.dumps(asdict(progress)))


def export_checkpoint(name: str, out: Path, work: Path) -> None:
    """Exports the last checkpoint of a training, running or ended."""
    import torch

    tokenizer = _tokenizer(name, work)
    model = build_model(name, tokenizer)
    state = torch.load(work / "checkpoint.pt", weights_only=True)
    model.load_state_dict(state["model"])
    export(model, tokenizer, out)
    (out / "training.json").write_text(json.dumps(state["progress"]))


def _starting_weights(name: str, folder: Path) -> dict[str, torch.Tensor]:
    from transformers import Phi3ForCausalLM

    weights = Phi3ForCausalLM.from_pretrained(folder, local_files_only=True).float().state_dict()
    return weights if name == "starter-phi" else mistral_weights(weights)


def _tokenizer(name: str, work: Path) -> Any:
    """The tokenizer that this training started with; kept, because its ids depend on the data of that day."""
    from transformers import AutoTokenizer

    kept = work / "tokenizer"
    if not kept.exists():
        tokenizer_for(name).save_pretrained(kept)
    return AutoTokenizer.from_pretrained(kept, local_files_only=True)


def _save(path: Path, model: Any, optims: list[Any], progress: Progress) -> None:
    import torch

    beside = path.with_suffix(".tmp")
    torch.save(
        {
            "model": model.state_dict(),
            "optimizers": [optim.state_dict() for optim in optims],
            "progress": asdict(progress),
        },
        beside,
    )
    beside.replace(path)
