"""One model through every runtime: the answers, limits, stops and figures that the plain transformers model gives."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from playground.catalog import ASSETS, ModelCard
from playground.chat.classify import label_scores
from playground.chat.context import fit
from playground.chat.count import count_tokens
from playground.chat.decode import logits_of, read_on
from playground.chat.generate import answer
from playground.chat.request import checked_chat
from playground.chat.text_model import AnyText, context_size, end_ids
from playground.errors import Cancelled, InvalidRequest
from playground.models import gguf_model
from playground.models.gguf_model import NATIVE, UNPACKED, load_gguf
from playground.models.loaded import LoadedText
from playground.models.onnx_model import load_onnx
from playground.protocol import CancelToken, ChatRequest, ChatStats, ClassifyRequest, Event, Message, Token
from tests.chat.tiny import loaded as tiny

os.environ["ORT_DISABLE_TELEMETRY"] = "1"
CPU = ("cpu", torch.float32, None)
PROMPTS = (
    "Hello!", "Who are you?", "What is 12 + 30?", "the cat and the hat", "Name three colours.", "naïve café 🙂 日本語",
    "What is the capital of France?", "a", "Is 7 greater than 5?\n\nAnswer  yes or no.", "Say it again: [1, 2], {x}",
)  # fmt: skip
TEXT = ("llama.cpp-mistral", "llama.cpp-phi3", "llama.cpp-starter-mistral", "llama.cpp-starter-phi")
KINDS = ("unpacked-mistral", "unpacked-phi3", *TEXT, "onnx-starter-phi")


@dataclass(frozen=True)
class Pair:
    """The plain model and the same through another runtime; `close` is how far their logits may be apart."""

    plain: LoadedText
    other: AnyText
    close: float


def starter(name: str) -> LoadedText:
    folder = ASSETS / "starter" / name
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, use_safetensors=True).eval()
    thinking = ("thinking",) if name == "starter-mistral" else ()
    card = ModelCard(
        id=name, name=name, kind="chat", source=f"starter/{name}", licence="MIT", capabilities=thinking, context=2048
    )
    return LoadedText(card, model, AutoTokenizer.from_pretrained(folder), "cpu", torch.float32, 0)


def in_gguf(plain: LoadedText, folder: Path, architecture: str, runtime: str, pre: str) -> AnyText:
    from tests.models.gguf_builder import write_gguf

    card = plain.card.model_copy(update={"format": "gguf", "file": "model.gguf", "source": str(folder)})
    write_gguf(folder / card.file, plain.model, plain.tokenizer, architecture=architecture, quantization="F32", pre=pre)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gguf_model, "gguf_runtime", lambda: runtime)
        return load_gguf(card, folder, *CPU)


def made(kind: str, folder: Path) -> Pair:
    runtime, _, name = kind.partition("-")
    if runtime == "onnx":
        from tests.models.onnx_builder import onnx_starter

        plain = starter(name)
        return Pair(plain, load_onnx(plain.card, onnx_starter(name), *CPU), 2e-3)
    plain = starter(name) if name.startswith("starter") else tiny(name)
    assert plain.model.generation_config is not None
    plain.model.generation_config.eos_token_id = plain.tokenizer.eos_token_id  # a GGUF file names one
    architecture = "phi3" if name == "phi3" else "llama"
    pre = "smollm" if name.startswith("starter") else "gpt-2"
    chosen = UNPACKED if runtime == "unpacked" else NATIVE
    return Pair(plain, in_gguf(plain, folder, architecture, chosen, pre), 2e-3)


@pytest.fixture(scope="module", params=KINDS)
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    if request.param.startswith("onnx"):
        pytest.importorskip("onnxruntime_genai", reason="needs the extra onnxruntime-genai")
        pytest.importorskip("onnx_ir", reason="the builder needs onnx_ir")
    else:
        pytest.importorskip("gguf", reason="needs the extra gguf")
    if request.param.startswith("llama.cpp"):
        pytest.importorskip("llama_cpp", reason="needs the extra llama-cpp-python")
    with pytest.MonkeyPatch.context() as patch:
        # Random weights are never sure of a word, so that 16 bit would decide between two now and then.
        patch.setattr("playground.chat.logits_gguf.CACHE_TYPE", 0)
        patch.setattr("playground.chat.logits_gguf.FLASH_ATTENTION", 0)
        yield made(request.param, tmp_path_factory.mktemp("model"))


def ask(
    model: AnyText, text: str = "Hello!", cancel: CancelToken | None = None, **values: Any
) -> tuple[str, ChatStats]:
    values = {"temperature": 0, "max_new_tokens": 40} | values
    events: list[Event] = []
    request = checked_chat(ChatRequest(model.card.id, (Message("user", text),), **values), model.card)
    stats = answer(model, request, cancel or CancelToken(), events.append)
    return "".join(e.text for e in events if isinstance(e, Token)), stats


def test_greedy_answers_are_those_of_the_plain_model(pair: Pair) -> None:
    for prompt in PROMPTS:
        expected, wanted = ask(pair.plain, prompt)
        text, stats = ask(pair.other, prompt)
        assert text == expected
        assert (stats.completion_tokens, stats.stop_reason) == (wanted.completion_tokens, wanted.stop_reason)
        assert (stats.prompt_tokens, stats.context_size) == (wanted.prompt_tokens, wanted.context_size)
        assert stats.reasoning_tokens == wanted.reasoning_tokens


@pytest.mark.parametrize("name", ["starter-mistral", "starter-phi"])
def test_a_cache_of_16_bit_changes_no_answer_of_the_shipped_models(name: str, tmp_path: Path) -> None:
    pytest.importorskip("gguf", reason="needs the extra gguf")
    pytest.importorskip("llama_cpp", reason="needs the extra llama-cpp-python")
    pair = made(f"llama.cpp-{name}", tmp_path)
    assert [ask(pair.other, prompt)[0] for prompt in PROMPTS] == [ask(pair.plain, prompt)[0] for prompt in PROMPTS]


def test_logits_are_those_of_the_plain_model_token_by_token(pair: Pair) -> None:
    for prompt in PROMPTS:
        ids = list(fit(pair.plain, (Message("user", prompt),), 20).ids)
        assert list(fit(pair.other, (Message("user", prompt),), 20).ids) == ids
        with closing(logits_of(pair.plain, 200)) as plain, closing(logits_of(pair.other, 200)) as other:
            for _ in range(20):
                expected, found = (read_on(source, ids, CancelToken()) for source in (plain, other))
                assert found.dtype == torch.float32
                assert found.shape == expected.shape
                torch.testing.assert_close(found, expected, rtol=0, atol=pair.close)
                ids.append(int(expected.argmax()))


def test_tokens_context_and_ends_are_known(pair: Pair) -> None:
    for text in PROMPTS:
        assert count_tokens(pair.other, text) == count_tokens(pair.plain, text)
    assert context_size(pair.other) == context_size(pair.plain)
    assert end_ids(pair.plain) & end_ids(pair.other)
    assert pair.other.tokenizer.chat_template == pair.plain.tokenizer.chat_template


def test_a_prompt_read_in_chunks_gives_the_same_answer(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    import playground.chat.decode as decode

    whole, _ = ask(pair.other, PROMPTS[3])
    monkeypatch.setattr(decode, "PREFILL_CHUNK", 3)
    assert ask(pair.other, PROMPTS[3])[0] == whole


def test_one_seed_gives_one_answer_and_another_seed_another(pair: Pair) -> None:
    hot = {"temperature": 1.5, "top_p": 1.0}
    first = ask(pair.other, seed=5, **hot)[0]
    assert first == ask(pair.other, seed=5, **hot)[0]
    assert any(ask(pair.other, seed=seed, **hot)[0] != first for seed in (6, 7, 8))


def test_a_cancel_stops_within_one_token(pair: Pair) -> None:
    cancel, seen = CancelToken(), []
    request = checked_chat(
        ChatRequest("m", (Message("user", "Hello!"),), temperature=0.0, max_new_tokens=40), pair.other.card
    )

    def emit(event: Event) -> None:
        seen.append(cancel.cancelled)
        cancel.cancel()

    stats = answer(pair.other, request, cancel, emit)
    assert stats.stop_reason == "stopped"
    assert stats.completion_tokens is not None
    assert 0 < stats.completion_tokens < 10
    assert seen.count(True) <= 1


def test_a_cancelled_prompt_is_left_between_chunks(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    import playground.chat.decode as decode

    monkeypatch.setattr(decode, "PREFILL_CHUNK", 4)
    cancel = CancelToken()
    with closing(logits_of(pair.other, 64)) as source:
        read = source.read
        chunks = []

        def counted(ids: list[int]) -> torch.Tensor:
            chunks.append(len(ids))
            if len(chunks) == 2:
                cancel.cancel()
            return read(ids)

        monkeypatch.setattr(source, "read", counted)
        with pytest.raises(Cancelled):
            read_on(source, list(range(3, 43)), cancel)
    assert chunks == [4, 4]


def test_length_and_stop_texts(pair: Pair) -> None:
    prompt = next(p for p in PROMPTS if len(ask(pair.plain, p, reasoning_effort="none")[0]) > 8)
    whole, _ = ask(pair.other, prompt, reasoning_effort="none")
    text, stats = ask(pair.other, prompt, reasoning_effort="none", stop=(whole[4:7],))
    assert stats.stop_reason == "stop string"
    assert text == whole[: whole.index(whole[4:7])]
    _, stats = ask(pair.other, max_new_tokens=2)
    assert (stats.stop_reason, stats.completion_tokens) == ("length", 2)


def test_a_conversation_may_fill_the_context_to_the_last_token(pair: Pair) -> None:
    size = context_size(pair.other)
    assert size is not None
    each = count_tokens(pair.other, "the " * 100)[0] / 100
    text = "the " * int((size - 60) / each)
    _, stats = ask(pair.other, text, max_new_tokens=size, temperature=2.0, top_p=1.0, seed=3)
    assert stats.prompt_tokens is not None
    assert stats.context_used is not None
    assert stats.context_used <= size
    assert stats.stop_reason == "end" or stats.context_used == size
    with pytest.raises(InvalidRequest, match=f"of its {size:}"):
        ask(pair.other, "the " * size * 4)


def test_labels_have_the_probabilities_of_the_plain_model(pair: Pair) -> None:
    request = ClassifyRequest("m", "What a lovely day", ("good news", "bad", "a question?"))
    expected, found = (label_scores(model, request, CancelToken()).scores for model in (pair.plain, pair.other))
    for (label, wanted), (other, score) in zip(expected, found, strict=True):
        assert label == other
        assert score == pytest.approx(wanted, abs=0.02)


def test_a_rewound_sequence_goes_on_as_if_nothing_had_come_after(pair: Pair) -> None:
    ids = list(fit(pair.other, (Message("user", "Hello!"),), 20).ids)
    with closing(logits_of(pair.other, 64)) as source:
        read_on(source, ids, CancelToken())
        first = read_on(source, [*ids, 20], CancelToken())
        read_on(source, [*ids, 20, 21, 22], CancelToken())
        assert source.rewind(len(ids)) in (len(ids), 0)
        again = read_on(source, [*ids, 20], CancelToken())
    torch.testing.assert_close(again, first, rtol=0, atol=1e-3)


def test_drafts_while_thinking_are_those_of_the_plain_model(pair: Pair) -> None:
    from playground.chat.probes import Probes

    ids = list(fit(pair.other, (Message("user", "Hello!"),), 20).ids)
    made = []
    for model in (pair.plain, pair.other):
        with closing(Probes(model, 2, 1, len(ids) + 30, CancelToken())) as probes:
            for i, more in enumerate(([], [21], [21, 22])):
                probes.settled(i, [*ids, *more], [20])
                made.append((i, probes.draft, probes.tokens))
    assert made[:3] == made[3:]


HOSTILE: dict[str, tuple[str, str]] = {
    "endless": ("{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}", "takes longer than"),
    "escape": ("{{ ''.__class__.__mro__[1].__subclasses__() }}", "must not do"),
    "recursion": ("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "RecursionError"),
    "division": ("{{ 1 / 0 }}", "ZeroDivisionError"),
    "files": ("{% include '/etc/passwd' %}", "fails with"),
    "flood": ("{{ 'x' * 10000000 }}", "10,000,000 characters"),
    "syntax": ("{% for", "cannot be read"),
    "mutation": ("{{ messages.append(messages) }}", "must not do"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_template_ends_in_one_sentence(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from playground.chat import templates

    monkeypatch.setattr(templates, "MAX_SECONDS", 0.2)
    template, said = HOSTILE[name]
    with pytest.raises(InvalidRequest, match=said) as refused:
        fit(tiny("phi3", template), (Message("user", "x"),), 10)
    assert "\n" not in str(refused.value)


def test_a_template_of_any_runtime_sees_the_same_values(pair: Pair) -> None:
    template = "{{ bos_token }}|{{ eos_token }}|{{ enable_thinking }}|{{ messages[0].content | trim }}<|end|>"
    texts: list[str] = []
    render: Callable[[Any], str] = lambda tokenizer: tokenizer.apply_chat_template(  # noqa: E731
        [{"role": "user", "content": " x "}], tokenize=False, add_generation_prompt=True, enable_thinking=False
    )
    for tokenizer in (pair.plain.tokenizer, pair.other.tokenizer):
        before = tokenizer.chat_template
        tokenizer.chat_template = template
        texts.append(render(tokenizer))
        tokenizer.chat_template = before
    assert texts[0] == texts[1]
