"""Label scores against a plain computation that reads every label by itself."""

from __future__ import annotations

import math

import pytest
import torch

from playground.chat.classify import ONE_OF, YES_NO, label_scores, likelihoods
from playground.chat.context import fit
from playground.errors import Cancelled, InvalidRequest
from playground.models.loaded import LoadedText
from playground.protocol import CancelToken, ClassifyRequest, Message


def plain(model: LoadedText, question: str, label: str) -> float:
    prompt = list(fit(model, (Message("user", question),), 10, think=False).ids)
    ending = model.tokenizer(label, add_special_tokens=False)["input_ids"]
    with torch.inference_mode():
        logits = model.model(input_ids=torch.tensor([prompt + ending]), use_cache=False).logits[0].float()
    steps = logits.log_softmax(-1)[len(prompt) - 1 : -1]
    return sum(float(step[i]) for step, i in zip(steps, ending, strict=True)) / len(ending)


def test_scores_are_a_softmax_over_mean_log_likelihoods(tiny: LoadedText) -> None:
    labels = tuple(f"{word} {i}" if i % 3 else word for i, word in enumerate(["cat", "the hat", "b", "naïve 🙂"] * 5))
    labels = tuple(dict.fromkeys(labels))  # more than one batch would hold, of different lengths
    labels += tuple(f"q{i}" for i in range(6))
    assert len(labels) > 16
    scores = label_scores(tiny, ClassifyRequest("m", "the cat", labels), CancelToken())
    question = ONE_OF.format(text="the cat", labels=", ".join(labels))
    values = [plain(tiny, question, label) for label in labels]
    weights = [math.exp(v) for v in values]
    assert [label for label, _ in scores.scores] == list(labels)
    for (_, score), weight in zip(scores.scores, weights, strict=True):
        assert score == pytest.approx(weight / sum(weights), rel=1e-3)
    assert sum(score for _, score in scores.scores) == pytest.approx(1)


def test_with_multi_label_each_label_is_yes_against_no(tiny: LoadedText) -> None:
    request = ClassifyRequest("m", "the cat", ("animal", "hat"), multi_label=True)
    for label, score in label_scores(tiny, request, CancelToken()).scores:
        question = YES_NO.format(text="the cat", label=label)
        yes, no = plain(tiny, question, "yes"), plain(tiny, question, "no")
        assert score == pytest.approx(1 / (1 + math.exp(no - yes)), rel=1e-3)


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("", ("a", "b")), ("x", ()), ("x", ("a", "a ")), ("x", ("a", "")), ("x", ("a", " ")), ("x", ("a", 5)),
        ("x", "ab"), ("x", ("a",)), (5, ("a", "b")), ("x", tuple(map(str, range(101)))), ("x" * 900, ("a", "b")),
    ],
)  # fmt: skip
def test_labels_that_mean_nothing_are_refused(tiny_phi: LoadedText, text: object, labels: object) -> None:
    with pytest.raises(InvalidRequest):
        label_scores(tiny_phi, ClassifyRequest("m", text, labels), CancelToken())  # type: ignore[arg-type]


def test_a_cancel_ends_it(tiny_phi: LoadedText) -> None:
    cancel = CancelToken()
    cancel.cancel()
    with pytest.raises(Cancelled):
        likelihoods(tiny_phi, "the cat?", ("a", "b"), cancel)
