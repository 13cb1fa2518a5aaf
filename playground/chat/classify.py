"""Label probabilities for texts, from how likely a text model finds each label as its answer."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from typing import Any

from playground.chat.context import fit
from playground.chat.questions import ONE_OF, YES_NO, Questions, checked_text, checked_texts, questions
from playground.chat.text_model import AnyText, torch_model
from playground.errors import Cancelled, InvalidRequest
from playground.protocol import CancelToken, ClassifyRequest, Message, Scores

__all__ = ["ONE_OF", "YES_NO", "ending_likelihoods", "label_scores", "likelihoods", "score_texts"]

BATCH = 16
WINDOW = 64  # neighbouring texts that are put in order of length, so that little is padded
# Zhao et al. 2021 average over these three.
CONTENT_FREE = ("N/A", "[MASK]", "")


def label_scores(loaded: AnyText, request: ClassifyRequest, cancel: CancelToken) -> Scores:
    """Probabilities in the order of the labels for the request's `text`; as `score_texts`, which see.

    Raises:
        InvalidRequest: there is no text, it is too long, or labels are missing, empty, equal or too many.
        Cancelled: between two steps.
    """
    checked_text(request.text)
    (found,) = (scores for scores in score_texts(loaded, request, cancel) if scores is not None)
    return found


def score_texts(loaded: AnyText, request: ClassifyRequest, cancel: CancelToken) -> Iterator[Scores | None]:
    """Scores of each text as soon as it is finished, not always in order; None where others may use the model.

    One label of many: softmax over the mean log likelihood of each label's tokens; the probabilities sum to 1.
    `multi_label`: each label by itself, as the likelihood of yes against no. A model that can think is asked to answer
    at once.

    `calibrate`: each probability is divided by the mean of what texts without content get, and all are brought to sum
    to 1 again (contextual calibration, Zhao et al. 2021, https://arxiv.org/abs/2102.09690, with W = diag(p_cf)^-1 and
    b = 0; they take a softmax of the quotients, which orders labels alike).

    Raises:
        InvalidRequest: labels, descriptions or template are not valid, or the request's only text is not.
        Cancelled: between two steps.
    """
    scorer = _Scorer(loaded, request, cancel)
    one = not request.texts
    texts = (request.text,) if one else checked_texts(request.texts)
    bias: list[list[float]] | None = None
    if request.calibrate:
        free = yield from scorer.many([scorer.prompts(text) for text in CONTENT_FREE])
        bias = [[sum(column) / len(free) for column in zip(*rows, strict=True)] for rows in zip(*free, strict=True)]
    for at in range(0, len(texts), WINDOW):
        prompts: dict[int, list[list[int]]] = {}
        for index, text in enumerate(texts[at : at + WINDOW], at):
            try:
                prompts[index] = scorer.prompts(checked_text(text))
            except InvalidRequest as error:
                if one:
                    raise
                yield Scores((), index, error=str(error))
        order = sorted(prompts, key=lambda index: len(prompts[index][0]))
        while order:
            began = time.perf_counter()
            some = order[: scorer.count([prompts[index] for index in order])]
            order = order[len(some) :]
            found = yield from scorer.many([prompts[index] for index in some])
            seconds = time.perf_counter() - began
            for index, rows in zip(some, found, strict=True):
                chances = rows if bias is None else [_calibrated(*pair) for pair in zip(rows, bias, strict=True)]
                values = [row[0] for row in chances] if request.multi_label else chances[0]
                yield Scores(tuple(zip(request.labels, values, strict=True)), index, seconds)


class _Scorer:
    """Asks a model; what its questions have in common is read once."""

    def __init__(self, loaded: AnyText, request: ClassifyRequest, cancel: CancelToken) -> None:
        self._loaded, self._cancel = loaded, cancel
        self._asked: Questions = questions(request.labels, request.multi_label, request.descriptions, request.template)
        self._multi = request.multi_label
        answers = ("yes", "no") if self._multi else self._asked.labels
        self._endings = [list(loaded.tokenizer(answer, add_special_tokens=False)["input_ids"]) for answer in answers]
        self._longest = max(map(len, self._endings))
        self._batches = _batches(loaded)
        self._beginning: list[int] | None = None

    def prompts(self, text: str) -> list[list[int]]:
        """The questions about a text as tokens: one, or one for each label."""
        asked = self._asked.yes_no(text) if self._multi else [self._asked.one_of(text)]
        return [_prompt(self._loaded, question, self._longest) for question in asked]

    def count(self, texts: Sequence[list[list[int]]]) -> int:
        """How many of these texts, the shortest first, go together."""
        if self._batches is None or self._multi:
            return 1
        own = [len(prompts[0]) - len(self._beginning or ()) for prompts in texts]
        return max(n for n in range(1, len(own) + 1) if n == 1 or n <= self._batches.rows(own[n - 1], self._endings))

    def many(self, texts: Sequence[list[list[int]]]) -> Generator[None, None, list[list[list[float]]]]:
        """Probabilities [text][question][answer]."""
        if self._batches is None:
            found = []
            for prompts in texts:
                means = []
                for prompt in prompts:
                    means.append(ending_likelihoods(self._loaded, prompt, self._endings, self._cancel))
                    yield
                found.append([_softmax(row) for row in means])
            return found
        from playground.chat.label_batches import common_length

        groups = texts if self._multi else [[prompts[0] for prompts in texts]]
        rows: list[list[float]] = []
        for group in groups:
            if len(group) == 1:
                common = len(group[0]) - 1
            elif self._multi:
                common = min(common_length(group), min(map(len, group)) - 1)
            else:
                # What the run's first texts begin with, unless it was by chance more than the others do.
                common = min(common_length(group), *(len(prompt) - 1 for prompt in group))
                if self._beginning is not None:
                    common = min(common, common_length([self._beginning, group[0]]))
                self._beginning = group[0][:common]
            rows += yield from self._batches.score(group, self._endings, common, self._cancel)
        size = len(self._asked.labels) if self._multi else 1
        return [[_softmax(row) for row in rows[at : at + size]] for at in range(0, len(rows), size)]


def _batches(loaded: AnyText) -> Any:
    model = torch_model(loaded)
    if model is None:
        return None
    from playground.chat.label_batches import LabelBatches, joins

    return LabelBatches(model) if joins(model) else None


def _calibrated(chances: Sequence[float], free: Sequence[float]) -> list[float]:
    """The chances divided by those of texts without content, summing to 1 again."""
    weights = [chance / max(of, 1e-12) for chance, of in zip(chances, free, strict=True)]
    return [weight / sum(weights) for weight in weights]


def likelihoods(loaded: AnyText, question: str, answers: Sequence[str], cancel: CancelToken) -> list[float]:
    """Mean log likelihood (natural, per token) of each answer after the question, in the model's chat format.

    The question is read once.
    """
    endings = [list(loaded.tokenizer(answer, add_special_tokens=False)["input_ids"]) for answer in answers]
    return ending_likelihoods(loaded, _prompt(loaded, question, max(map(len, endings))), endings, cancel)


def _prompt(loaded: AnyText, question: str, longest: int) -> list[int]:
    """The question in the model's chat format, with room for the longest answer after it."""
    prompt = fit(loaded, (Message("user", question),), longest, think=False)
    if prompt.max_new_tokens < longest:
        raise InvalidRequest(
            f"The text and its labels have {len(prompt.ids)} tokens, and {loaded.card.name} takes at most "
            f"{(prompt.context_size or 0) - longest}.",
            "Shorten the text.",
        )
    return list(prompt.ids)


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


def _softmax(values: Sequence[float]) -> list[float]:
    top = max(values)
    weights = [math.exp(value - top) for value in values]
    return [weight / sum(weights) for weight in weights]


def _go_on(cancel: CancelToken) -> None:
    if cancel.cancelled:
        raise Cancelled
