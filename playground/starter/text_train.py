"""Trains a starter chat model on generated conversations, on a CPU or a GPU, resumable at any checkpoint."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from playground.starter.loop import curve_of, in_half
from playground.starter.text_batches import Batch, batch_of, batches
from playground.starter.text_copying import copying_rows, drawn_order
from playground.starter.text_model import build_model, export, mistral_weights
from playground.starter.text_rendering import IGNORED
from playground.starter.text_templates import family_of
from playground.starter.text_tokenizer import tokenizer_for

if TYPE_CHECKING:
    import torch

_SAVE_SECONDS = 120.0
_LOG_SECONDS = 15.0
_MINUTES = 60.0
_SEED = 1
# Drawn rows whose loss is below this are copied, and each such step widens the vocabulary by so much of the whole way.
# At 0.8 the vocabulary had grown by a seventh of the way after 500 steps; at 1.6 it was whole after 500.
_COPIED, _WIDER = 1.6, 1 / 500


@dataclass(frozen=True)
class Recipe:
    """How a training runs on one kind of device; rates are those of the long flat stretch in the middle.

    Rows of drawn tokens (`text_copying`), of `copying_tokens` a step, come first: until they are copied over the whole
    vocabulary, or for the share `copying` of the training; after it, one step in `copying_every` until the rate falls.
    """

    tokens: int
    rate: float
    others_rate: float
    attention: str
    workers: int
    warmup_steps: int = 100
    decay_share: float = 0.4
    ema: float = 0.998
    copying: float = 0.3
    copying_tokens: int = 1536
    copying_every: int = 10


# Measured at equal CPU time: after 45 s Muon with AdamW stood at a held-out loss of 3.35, AdamW alone at 4.00. Muon at
# 6e-3 and batches of 3,072 tokens stood still from step 3,000 to 9,500, and learned no copying in 13,000 steps (loss
# 0.60). After drawn rows the loss was there within 620 steps of conversations, and at 0.25 after 1,800.
# On a CPU, plain attention has twice the speed of the fused kernel's backward pass at these lengths.
CPU = Recipe(tokens=4096, rate=2e-3, others_rate=2e-3, attention="eager", workers=0)
# A GPU needs large batches to be busy, and those bear a higher rate.
CUDA = Recipe(tokens=32_768, rate=8e-3, others_rate=4e-3, attention="sdpa", workers=12, ema=0.999, copying_tokens=6144)


@dataclass(frozen=True)
class Progress:
    """How far a training is; written beside the weights for the model card."""

    step: int = 0
    tokens: int = 0
    learned_tokens: int = 0
    seconds: float = 0.0
    loss: float | None = None
    started_from: str = ""
    pool: int = -1
    device: str = "cpu"
    widened: float = 0.0


def loss_of(model: Any, ids: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Mean cross-entropy of the learned tokens, in bfloat16 autocast; the head runs on those positions only.

    ids and labels are (B, T); a label is compared with the prediction one place before it.
    """
    import torch.nn.functional as F

    with in_half(ids.device):
        hidden = model.model(input_ids=ids, use_cache=False).last_hidden_state[:, :-1]  # (B, T - 1, C)
        wanted = labels[:, 1:]
        chosen = wanted != IGNORED
        logits = model.lm_head(hidden[chosen])
    return F.cross_entropy(logits.float(), wanted[chosen])


def rate(done: float, step: int, recipe: Recipe) -> float:
    """Learning-rate factor at a share of the training: warm-up, flat, then a linear decay (Hu et al. 2024, WSD)."""
    return min(1.0, (step + 1) / recipe.warmup_steps, max(0.01, (1.0 - done) / recipe.decay_share))


def optimizers(model: Any, recipe: Recipe = CPU) -> list[torch.optim.Optimizer]:
    """Muon for the matrices inside the blocks, AdamW for embeddings and norms."""
    import torch

    from playground.starter.muon import Muon

    matrices = [p for n, p in model.named_parameters() if p.ndim == 2 and "embed" not in n and "lm_head" not in n]
    inside = {id(p) for p in matrices}
    others = [p for p in model.parameters() if id(p) not in inside]
    return [
        Muon(matrices, lr=recipe.rate, momentum=0.95, decay=0.01),
        torch.optim.AdamW(others, lr=recipe.others_rate, betas=(0.9, 0.98), weight_decay=0.0),
    ]


class Trainer:
    """A model in training: its weights, their running mean, optimizers and progress, and how they are kept."""

    def __init__(self, name: str, work: Path, device: str, recipe: Recipe, start: Path | None = None) -> None:
        import torch

        torch.manual_seed(0)
        self.name, self.work, self.recipe = name, work, recipe
        self.device = torch.device(device)
        self.tokenizer = kept_tokenizer(name, work)
        model: Any = build_model(name, self.tokenizer)
        # Weights to start from copy already.
        self.progress = Progress(
            started_from="starter-phi" if start else "", device=device, widened=1.0 if start else 0.0
        )
        if start is not None:
            model.load_state_dict(_starting_weights(name, start))
        self.model: Any = model.to(device=self.device).train()
        self.model.set_attn_implementation(recipe.attention)
        self.optimizers = optimizers(self.model, recipe)
        self._bases = [optimizer.param_groups[0]["lr"] for optimizer in self.optimizers]
        self._weights: list[Any] = list(self.model.parameters())
        self._mean = [weight.detach().clone() for weight in self._weights]
        # Ordinary tokens only: the special ones come after them.
        self.drawn_from = drawn_order(range(min(self.tokenizer.all_special_ids)), _SEED)

    @property
    def checkpoint(self) -> Path:
        """Where the state is kept."""
        return self.work / "checkpoint.pt"

    def load(self) -> None:
        """Go on from the checkpoint."""
        import torch

        state = torch.load(self.checkpoint, weights_only=True, map_location=self.device)
        self.model.load_state_dict(state["model"])
        for mean, kept in zip(self._mean, state["mean"], strict=True):
            mean.copy_(kept)
        for optimizer, kept in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(kept)
        self.progress = Progress(**{**state["progress"], "device": self.device.type})

    def save(self) -> None:
        """Keep the state, whole or not at all."""
        import torch

        beside = self.checkpoint.with_suffix(".tmp")
        state = {
            "model": self.model.state_dict(),
            "mean": self._mean,
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "progress": asdict(self.progress),
        }
        torch.save(state, beside)
        beside.replace(self.checkpoint)

    def step(self, batch: Batch, factor: float) -> torch.Tensor:
        """Learn one batch at a share of the full rate; returns the loss."""
        import torch

        for optimizer, base in zip(self.optimizers, self._bases, strict=True):
            for group in optimizer.param_groups:
                group["lr"] = base * factor
        ids = batch.ids.to(self.device, non_blocking=True)
        loss = loss_of(self.model, ids, batch.labels.to(self.device, non_blocking=True))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self._weights, 1.0)
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        decay = min(self.recipe.ema, (1 + self.progress.step) / (10 + self.progress.step))
        with torch.no_grad():
            torch._foreach_lerp_(self._mean, [weight.detach() for weight in self._weights], 1 - decay)
        return loss.detach()

    def export(self, out: Path) -> None:
        """Write the running mean of the weights as a model folder, with what is known of the training."""
        import torch

        now = [weight.detach().clone() for weight in self._weights]
        with torch.no_grad():
            torch._foreach_copy_(self._weights, self._mean)
            export(self.model, self.tokenizer, out)
            torch._foreach_copy_(self._weights, now)
        done = self.progress
        stage = {"steps": done.step, "seconds": done.seconds, "loss": done.loss}
        log = self.work / "log.jsonl"
        record = {
            "stages": {"conversations": stage | {"curve": curve_of(log) if log.exists() else ()}},
            "parameters": {"model": self.model.num_parameters()},
            **asdict(done),
        }
        (out / "training.json").write_text(json.dumps(record) + "\n")


def train(
    name: str,
    out: Path,
    work: Path,
    minutes: float | None,
    steps: int | None,
    resume: bool,
    start: Path | None = None,
    device: str | None = None,
) -> None:
    """Trains for so many minutes or steps in all and exports to `out`; checkpoints and log.jsonl lie in `work`.

    `start` is a folder with an exported starter-phi whose weights the training begins with. `device` is "cpu" or
    "cuda"; by default a GPU is used where there is one. Raises ValueError for an unknown name or when both minutes and
    steps are given; with neither it trains for an hour.
    """
    import torch

    if minutes is not None and steps is not None:
        raise ValueError(f"give minutes or steps, not both, got minutes={minutes} and steps={steps}")
    if minutes is None and steps is None:
        minutes = _MINUTES
    family = family_of(name)
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    recipe = CUDA if device.startswith("cuda") else CPU
    work.mkdir(parents=True, exist_ok=True)
    trainer = Trainer(name, work, device, recipe, start)
    if resume and trainer.checkpoint.exists():
        trainer.load()
    stream = batches(
        trainer.tokenizer, family, _SEED, recipe.tokens, first_pool=trainer.progress.pool + 1,
        workers=recipe.workers,
    )  # fmt: skip
    _run(trainer, stream, minutes, steps)
    trainer.save()
    trainer.export(out)


def _run(trainer: Trainer, stream: Iterator[Batch], minutes: float | None, steps: int | None) -> None:
    """Train until the minutes or steps are over, with a line of log and a checkpoint now and then."""
    started = time.monotonic()
    before, saved_at, logged_at = trainer.progress.seconds, started, started
    losses: list[torch.Tensor] = []
    while True:
        progress = trainer.progress
        done = progress.step / steps if steps is not None else progress.seconds / (60 * (minutes or 1))
        if done >= 1:
            if losses:
                _log(trainer, losses)
            return
        batch = _lesson(trainer, stream, done)
        loss = trainer.step(batch, rate(done, progress.step, trainer.recipe))
        losses.append(loss)
        learned = batch.pool < 0 and progress.widened < 1 and loss.item() < _COPIED
        now = time.monotonic()
        trainer.progress = replace(
            progress,
            step=progress.step + 1,
            tokens=progress.tokens + batch.ids.numel(),
            learned_tokens=progress.learned_tokens + int((batch.labels != IGNORED).sum()),
            seconds=before + now - started,
            pool=max(progress.pool, batch.pool),
            widened=min(1.0, progress.widened + learned * _WIDER),
        )
        # Reading a loss waits for the GPU, so that it is read seldom.
        if now - logged_at > _LOG_SECONDS:
            _log(trainer, losses)
            logged_at = now
            if now - saved_at > _SAVE_SECONDS:
                trainer.save()
                saved_at = now


def is_drawn(done: float, progress: Progress, recipe: Recipe) -> bool:
    """Whether a step learns from drawn rows: the first ones do, later ones now and then while the rate is high."""
    first = done < recipe.copying and progress.widened < 1
    return first or (done < 1 - recipe.decay_share and progress.step % recipe.copying_every == 0)


def _lesson(trainer: Trainer, stream: Iterator[Batch], done: float) -> Batch:
    """The batch of the step that comes next; drawn rows belong to no pool."""
    recipe, progress = trainer.recipe, trainer.progress
    if not is_drawn(done, progress, recipe):
        return next(stream)
    rows = copying_rows(_SEED, progress.step, trainer.drawn_from, recipe.copying_tokens, progress.widened)
    return batch_of(rows, -1)


def _log(trainer: Trainer, losses: list[torch.Tensor]) -> None:
    """Note the mean of the losses since the last line, and empty their list."""
    mean = sum(loss.item() for loss in losses) / len(losses)
    losses.clear()
    if not math.isfinite(mean):
        raise ValueError(f"the loss is {mean} at step {trainer.progress.step}; the checkpoint before is kept")
    trainer.progress = replace(trainer.progress, loss=mean)
    with (trainer.work / "log.jsonl").open("a") as log:
        log.write(json.dumps(asdict(trainer.progress)) + "\n")


def _starting_weights(name: str, folder: Path) -> dict[str, torch.Tensor]:
    from transformers import Phi3ForCausalLM

    weights = Phi3ForCausalLM.from_pretrained(folder, local_files_only=True).float().state_dict()
    return weights if name == "starter-phi" else mistral_weights(weights)


def kept_tokenizer(name: str, work: Path) -> Any:
    """The tokenizer that this training started with; kept, because its ids depend on the data of that day."""
    from transformers import AutoTokenizer

    kept = work / "tokenizer"
    if not kept.exists():
        tokenizer_for(name).save_pretrained(kept)
    return AutoTokenizer.from_pretrained(kept, local_files_only=True)
