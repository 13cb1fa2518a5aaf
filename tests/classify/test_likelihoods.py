"""Scores of many texts against plain forward passes that read every text and every label by itself."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from playground.chat.classify import CONTENT_FREE, score_texts
from playground.chat.context import fit
from playground.chat.label_batches import LabelBatches, common_length, joins
from playground.chat.questions import ONE_OF, YES_NO, questions
from playground.errors import Cancelled, InvalidRequest
from playground.models.loaded import LoadedText
from playground.protocol import CancelToken, ClassifyRequest, Message, Scores
from tests.chat.tiny import loaded

LABELS = ("cat", "the hat", "naïve 🙂", "b")
TEXTS = (
    "the cat",
    "What is the sum?",
    "x",
    "the cat and the hat and the bat",
    "the",
    "the the the",
    "café 日本語 " * 4,
)


def plain(model: LoadedText, question: str, label: str) -> float:
    """The mean log likelihood of a label by one forward pass without a cache."""
    prompt = list(fit(model, (Message("user", question),), 10, think=False).ids)
    ending = model.tokenizer(label, add_special_tokens=False)["input_ids"]
    with torch.inference_mode():
        logits = model.model(input_ids=torch.tensor([prompt + ending]), use_cache=False).logits[0].float()
    steps = logits.log_softmax(-1)[len(prompt) - 1 : -1]
    return sum(float(step[i]) for step, i in zip(steps, ending, strict=True)) / len(ending)


def softmax(values: list[float]) -> list[float]:
    weights = [math.exp(v) for v in values]
    return [w / sum(weights) for w in weights]


def chances(model: LoadedText, text: str) -> list[float]:
    question = ONE_OF.format(text=text, labels=", ".join(LABELS))
    return softmax([plain(model, question, label) for label in LABELS])


def yes_chance(model: LoadedText, text: str, label: str) -> float:
    question = YES_NO.format(text=text, label=label)
    return softmax([plain(model, question, "yes"), plain(model, question, "no")])[0]


def scored(model: LoadedText, **values: object) -> dict[int, Scores]:
    request = replace(ClassifyRequest("m", "", LABELS, texts=TEXTS), **values)  # type: ignore[arg-type]
    found = [s for s in score_texts(model, request, CancelToken()) if s is not None]
    assert len(found) == len({s.index for s in found}), "a text was scored twice"
    return {s.index: s for s in found}


def test_many_texts_get_what_each_gets_by_itself(tiny: LoadedText) -> None:
    assert joins(tiny.model)
    found = scored(tiny)
    assert sorted(found) == list(range(len(TEXTS)))
    for index, text in enumerate(TEXTS):
        assert [p for _, p in found[index].scores] == pytest.approx(chances(tiny, text), rel=1e-3)
        assert [label for label, _ in found[index].scores] == list(LABELS)


def test_with_several_labels_each_is_yes_against_no(tiny: LoadedText) -> None:
    found = scored(tiny, multi_label=True)
    for index in (0, 4):
        expected = [yes_chance(tiny, TEXTS[index], label) for label in LABELS]
        assert [p for _, p in found[index].scores] == pytest.approx(expected, rel=1e-3)


def test_calibration_divides_by_what_texts_without_content_get(tiny_phi: LoadedText) -> None:
    found = scored(tiny_phi, calibrate=True)
    free = [chances(tiny_phi, text) for text in CONTENT_FREE]
    mean = [sum(column) / len(free) for column in zip(*free, strict=True)]
    quotients = [p / q for p, q in zip(chances(tiny_phi, TEXTS[1]), mean, strict=True)]
    expected = [q / sum(quotients) for q in quotients]
    assert [p for _, p in found[1].scores] == pytest.approx(expected, rel=1e-3)


def test_one_text_that_does_not_fit_leaves_the_others(tiny_phi: LoadedText) -> None:
    found = scored(tiny_phi, texts=("the cat", "x" * 900, " ", "the hat"))
    assert [bool(found[i].error) for i in range(4)] == [False, True, True, False]
    assert "takes at most" in found[1].error
    assert "empty" in found[2].error


def test_a_long_beginning_that_all_share_is_read_once(tiny_phi: LoadedText, monkeypatch: pytest.MonkeyPatch) -> None:
    """The meanings stand before the text, so that they are in the shared part."""
    read: list[int] = []
    forward = tiny_phi.model.forward

    def counted(*args: object, **values: object) -> object:
        read.append(values["input_ids"].numel())  # type: ignore[attr-defined]
        return forward(*args, **values)

    monkeypatch.setattr(tiny_phi.model, "forward", counted)
    template = "the cat and the hat and the bat " * 6 + "{labels}: {text}"
    texts = tuple(f"text {i}" for i in range(20))
    scored(tiny_phi, texts=texts, template=template, labels=("a", "b"))
    prompt = len(fit(tiny_phi, (Message("user", template.format(labels="a, b", text="text 11")),), 1, think=False).ids)
    assert prompt > 40
    assert sum(read) < 2 * prompt + 20 * 16


def test_in_16_bit_few_sizes_of_steps_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each size costs memory that torch never gives back there; the probabilities stay close."""
    half = loaded("phi3")
    half = replace(half, model=half.model.to(torch.bfloat16))
    sizes: set[int] = set()
    forward = half.model.forward

    def counted(*args: object, **values: object) -> object:
        sizes.add(values["input_ids"].numel())  # type: ignore[attr-defined]
        return forward(*args, **values)

    monkeypatch.setattr(half.model, "forward", counted)
    texts = tuple("the cat " * (1 + i % 19) for i in range(40))
    found = scored(half, texts=texts)
    assert len(found) == 40
    assert len(sizes) <= 24
    assert all(sum(p for _, p in s.scores) == pytest.approx(1) for s in found.values())


def test_a_model_that_cannot_join_is_asked_text_by_text() -> None:
    sliding = loaded("phi3", sliding_window=64)
    assert not joins(sliding.model)
    found = scored(sliding, texts=TEXTS[:3])
    assert [p for _, p in found[1].scores] == pytest.approx(chances(sliding, TEXTS[1]), rel=1e-3)


def test_a_stop_keeps_what_was_finished(tiny_phi: LoadedText) -> None:
    cancel = CancelToken()
    request = ClassifyRequest("m", "", LABELS, texts=tuple("the cat " * (1 + i % 12) for i in range(200)))
    found: list[Scores] = []

    def run() -> None:
        for scores in score_texts(tiny_phi, request, cancel):
            found.extend([scores] if scores else [])
            if found:
                cancel.cancel()

    with pytest.raises(Cancelled):
        run()
    assert 0 < len(found) < 200


def test_a_stop_within_a_long_text_ends_it() -> None:
    long = loaded("phi3", max_position_embeddings=8192, original_max_position_embeddings=8192)
    long.model.config.max_position_embeddings = 8192
    cancel = CancelToken()
    steps = score_texts(long, ClassifyRequest("m", "the cat " * 2000, LABELS), cancel)
    assert next(steps) is None  # the first chunk
    cancel.cancel()
    with pytest.raises(Cancelled):
        next(steps)


@settings(deadline=None)
@given(st.lists(st.lists(st.integers(0, 2), max_size=6), min_size=1, max_size=6))
def test_the_common_beginning(rows: list[list[int]]) -> None:
    length = common_length(rows)
    assert all(row[:length] == rows[0][:length] for row in rows)
    assert any(len(row) == length for row in rows) or len({row[length] for row in rows}) > 1


def test_as_many_go_together_as_the_machine_reads_in_a_moment(tiny_phi: LoadedText) -> None:
    batches = LabelBatches(tiny_phi.model)
    short, long = [[1], [2]], [[1] * 50, [2] * 50]
    assert batches.rows(40, short) > batches.rows(400, short) > batches.rows(5000, short) == 1
    assert batches.rows(40, short) > batches.rows(40, long)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"template": "no place"}, "{text}"),
        ({"template": "{text}", "multi_label": True}, "{label}"),
        ({"template": "{text} {label}"}, "{label}"),
        ({"template": 7}, "7"),
        ({"template": "{text}" + "x" * 20_001}, "20,007"),
        ({"descriptions": ("one",)}, "4 labels"),
        ({"descriptions": ("x" * 1001, "", "", "")}, "1,001"),
        ({"texts": ("x",) * 10_001}, "10,001"),
        ({"texts": ("x" * 500_000,) * 11}, "5,500,000"),
    ],
)
def test_what_cannot_be_asked_is_refused(tiny_phi: LoadedText, values: dict, said: str) -> None:
    with pytest.raises(InvalidRequest) as error:
        scored(tiny_phi, **values)
    assert said in str(error.value)


def test_what_is_filled_in_is_not_read_for_names() -> None:
    asked = questions(("{text}", "b"), template="{labels} | {text.__class__} {0} | {text}")
    assert asked.one_of("{labels}") == "{text}, b | {text.__class__} {0} | {labels}"


def test_meanings_stand_before_the_text() -> None:
    asked = questions(("good", "bad"), descriptions=("praise,\nmostly", ""))
    assert asked.one_of("x").startswith("The labels mean:\n- good: praise, mostly\n\nText: x\n\n")
    first, second = questions(("good", "bad"), True, ("praise", "")).yes_no("x")
    assert first.startswith('The label "good" means: praise\n\nText: x')
    assert second == YES_NO.format(text="x", label="bad")
