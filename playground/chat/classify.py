"""Label probabilities for a text, from how likely a text model finds each label as its answer."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from contextlib import closing
from typing import Any

from playground.chat.context import fit
from playground.chat.request import MAX_CHARACTERS, check_text
from playground.chat.text_model import AnyText, torch_model
from playground.errors import Cancelled, InvalidRequest
from playground.protocol import CancelToken, ClassifyRequest, Message, Scores

MAX_LABELS = 100
MAX_LABEL_CHARACTERS = 200
BATCH = 16

ONE_OF = "Text: {text}\n\nWhich of these labels fits the text best: {labels}? Answer with the label only."
YES_NO = 'Text: {text}\n\nDoes the label "{label}" fit the text? Answer yes or no.'


def label_scores(loaded: AnyText, request: ClassifyRequest, cancel: CancelToken) -> Scores:
    """Probabilities in the order of the labels; a model that can think is asked to answer at once.

    One label of many: softmax over the mean log likelihood of each label's tokens; the probabilities sum to 1.
    `multi_label`: each label by itself, as the likelihood of yes against no.

    Raises:
        InvalidRequest: there is no text, or labels are missing, empty, equal or too many.
        Cancelled: between two batches.
    """
    text, labels = _checked(request)
    if request.multi_label:
        scores = []
        for label in labels:
            yes, no = likelihoods(loaded, YES_NO.format(text=text, label=label), ("yes", "no"), cancel)
            scores.append(_softmax([yes, no])[0])
    else:
        question = ONE_OF.format(text=text, labels=", ".join(labels))
        scores = _softmax(likelihoods(loaded, question, labels, cancel))
    return Scores(tuple(zip(request.labels, scores, strict=True)))


def likelihoods(loaded: AnyText, question: str, answers: Sequence[str], cancel: CancelToken) -> list[float]:
    """Mean log likelihood (natural, per token) of each answer after the question, in the model's chat format.

    The question is read once.
    """
    endings = [list(loaded.tokenizer(answer, add_special_tokens=False)["input_ids"]) for answer in answers]
    longest = max(map(len, endings))
    prompt = fit(loaded, (Message("user", question),), longest, think=False)
    if prompt.max_new_tokens < longest:
        raise InvalidRequest(
            f"The text and its labels have {len(prompt.ids)} tokens, and {loaded.card.name} takes at most "
            f"{(prompt.context_size or 0) - longest}.",
            "Shorten the text.",
        )
    return ending_likelihoods(loaded, list(prompt.ids), endings, cancel)


def ending_likelihoods(
    loaded: AnyText, prompt: list[int], endings: list[list[int]], cancel: CancelToken
) -> list[float]:
    """Mean log likelihood (natural, per token) of each of the `endings` after the prompt, which is read once."""
    model = torch_model(loaded)
    if model is not None and not _crosses(model, len(prompt), max(map(len, endings))):
        return _in_batches(model, prompt, endings, cancel)
    return _one_by_one(loaded, prompt, endings, cancel)


def _crosses(model: Any, prompt: int, longest: int) -> bool:
    """Whether longrope turns the keys of the prompt otherwise once an ending follows."""
    from playground.chat.logits_torch import rope_switch

    return prompt <= rope_switch(model.config) < prompt + longest


def _in_batches(model: Any, prompt: list[int], endings: list[list[int]], cancel: CancelToken) -> list[float]:
    """With a model of transformers: padded on the right, where causal attention never looks."""
    import torch
    from transformers import DynamicCache

    from playground.chat.logits_torch import read_into

    device, found = model.device, []
    with torch.inference_mode():
        _go_on(cancel)
        read = DynamicCache(config=model.config)
        first = read_into(read, model, prompt)[:, None]  # (1, 1, V)
        for at in range(0, len(endings), BATCH):
            _go_on(cancel)
            batch = endings[at : at + BATCH]
            width = max(map(len, batch))
            padded = torch.tensor([e + [e[-1]] * (width - len(e)) for e in batch], device=device)  # (B, T)
            cache = copy.deepcopy(read)
            cache.batch_repeat_interleave(len(batch))
            after = model(input_ids=padded, past_key_values=cache, use_cache=True).logits  # (B, T, V)
            logits = torch.cat([first.expand(len(batch), -1, -1), after[:, :-1]], dim=1).float()
            chosen = logits.log_softmax(-1).gather(-1, padded[..., None])[..., 0]  # (B, T)
            found += [float(row[: len(e)].mean()) for row, e in zip(chosen, batch, strict=True)]
    return found


def _one_by_one(loaded: AnyText, prompt: list[int], endings: list[list[int]], cancel: CancelToken) -> list[float]:
    """With a runtime that runs one sequence: each answer token by token, then back to the end of the question."""
    from playground.chat.decode import logits_of, read_on

    found = []
    with closing(logits_of(loaded, len(prompt) + max(map(len, endings)))) as source:
        first = read_on(source, prompt, cancel).log_softmax(-1)  # (1, V)
        for ending in endings:
            row, total = first, 0.0
            for count, token in enumerate(ending, 1):
                total += float(row[0, token])
                if count < len(ending):
                    row = read_on(source, prompt + ending[:count], cancel).log_softmax(-1)
            found.append(total / len(ending))
            _go_on(cancel)
            source.rewind(len(prompt))
    return found


def _checked(request: ClassifyRequest) -> tuple[str, tuple[str, ...]]:
    check_text("The text to classify", request.text)
    if not request.text.strip():
        raise InvalidRequest("The text to classify is empty.", "Write a text first.")
    if len(request.text) > MAX_CHARACTERS:
        raise InvalidRequest(
            f"The text has {len(request.text):,} characters; at most {MAX_CHARACTERS:,} are taken.", "Shorten it."
        )
    if not isinstance(request.labels, list | tuple) or not request.labels:
        raise InvalidRequest("There are no labels.", "Give the labels to choose from, such as positive and negative.")
    if len(request.labels) > MAX_LABELS:
        raise InvalidRequest(f"At most {MAX_LABELS} labels are taken, got {len(request.labels)}.", "Use fewer.")
    labels: list[str] = []
    for label in request.labels:
        check_text("A label", label)
        name = label.strip()
        if not 0 < len(name) <= MAX_LABEL_CHARACTERS:
            raise InvalidRequest(f"A label must have 1 to {MAX_LABEL_CHARACTERS} characters, got {name[:40]!r}.")
        if name in labels:
            raise InvalidRequest(f"The label {name!r} stands there twice.", "Give each label once.")
        labels.append(name)
    if len(labels) == 1 and not request.multi_label:
        raise InvalidRequest(
            f"One label, {labels[0]!r}, leaves nothing to choose.", "Give a second one, or ask with multi_label."
        )
    return request.text, tuple(labels)


def _softmax(values: Sequence[float]) -> list[float]:
    top = max(values)
    weights = [math.exp(value - top) for value in values]
    return [weight / sum(weights) for weight in weights]


def _go_on(cancel: CancelToken) -> None:
    if cancel.cancelled:
        raise Cancelled
