"""GGUF files: sizes beforehand, what loads them, tokenizers that read as the original does, and what is refused."""

from __future__ import annotations

import weakref
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer

from playground.catalog import ASSETS, ModelCard
from playground.chat.context import fit
from playground.chat.decode import logits_of, read_on
from playground.errors import Cancelled, InvalidRequest, ModelUnavailable
from playground.models import gguf_model, gguf_tokenizer
from playground.models.gguf_header import read_gguf
from playground.models.gguf_model import NATIVE, UNPACKED, LoadedGguf, gguf_bytes, load_gguf
from playground.protocol import CancelToken, Message
from tests.chat.tiny import loaded as tiny

pytest.importorskip("gguf", reason="needs the extra gguf")
from tests.models.gguf_builder import write_gguf

ORIGINAL = {
    name: AutoTokenizer.from_pretrained(ASSETS / "starter" / name) for name in ("starter-phi", "starter-mistral")
}
FLOAT32 = torch.float32


@pytest.fixture
def unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gguf_model, "gguf_runtime", lambda: UNPACKED)


@pytest.fixture
def native(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("llama_cpp", reason="needs the extra llama-cpp-python")
    monkeypatch.setattr(gguf_model, "gguf_runtime", lambda: NATIVE)


def card_of(file: str = "model.gguf") -> ModelCard:
    return ModelCard(id="m", name="M", kind="chat", source="/x", licence="MIT", format="gguf", file=file)


def written(folder: Path, family: str = "mistral", **values: Any) -> Path:
    model = tiny(family, **values.pop("config", {}))
    architecture = "phi3" if family == "phi3" else "llama"
    values = {"architecture": architecture, "pre": "gpt-2"} | values
    return write_gguf(folder / "model.gguf", model.model, model.tokenizer, **values)


def load(folder: Path) -> LoadedGguf:
    return load_gguf(card_of(), folder, "cpu", FLOAT32, None)


# --- sizes and runtimes --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("quantization", ["F32", "F16", "Q8_0"])
def test_the_unpacked_size_is_told_before_loading(tmp_path: Path, unpacked: None, quantization: str) -> None:
    path = written(tmp_path, config={"hidden_size": 64}, quantization=quantization)
    expected = gguf_bytes(path, "float32", unpacked=True)
    model = load(tmp_path)
    assert model.runtime == "transformers, unpacked"
    assert model.bytes == pytest.approx(expected, rel=0.01)
    assert gguf_bytes(path, "bfloat16", unpacked=True) == expected // 2
    assert gguf_bytes(path, "bfloat16", unpacked=False) == read_gguf(path).bytes <= path.stat().st_size


def test_a_packed_model_takes_what_its_file_says(tmp_path: Path, native: None) -> None:
    path = written(tmp_path, config={"hidden_size": 64}, quantization="Q8_0")
    model = load(tmp_path)
    assert (model.runtime, model.device, model.dtype) == ("llama.cpp", "cpu", "Q8_0")
    assert model.bytes == pytest.approx(gguf_bytes(path, "float32", unpacked=False), rel=0.01)
    assert model.bytes < gguf_bytes(path, "float32", unpacked=True) / 3


def test_nothing_that_reads_gguf_names_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path)
    monkeypatch.setattr(gguf_model, "find_spec", lambda name: None)
    assert gguf_model.gguf_runtime() is None
    with pytest.raises(ModelUnavailable, match="pip install llama-cpp-python"):
        load(tmp_path)


def test_llama_cpp_comes_before_unpacking(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gguf_model, "find_spec", lambda name: object())
    assert gguf_model.gguf_runtime() == NATIVE
    monkeypatch.setattr(gguf_model, "find_spec", lambda name: None if name == "llama_cpp" else object())
    assert gguf_model.gguf_runtime() == UNPACKED


@pytest.mark.parametrize("runtime", ["unpacked", "native"])
def test_quantized_weights_say_nearly_what_the_plain_ones_say(
    tmp_path: Path, runtime: str, request: pytest.FixtureRequest
) -> None:
    request.getfixturevalue(runtime)
    # 64 wide, so that blocks of 32 divide the rows
    plain = tiny("mistral", hidden_size=64, initializer_range=0.2)
    write_gguf(tmp_path / "model.gguf", plain.model, plain.tokenizer, quantization="Q8_0", pre="gpt-2")
    model = load(tmp_path)
    ids = list(fit(model, (Message("user", "Hello there"),), 20).ids)
    expected = read_on(logits_of(plain, 64), ids, CancelToken())[0]
    found = read_on(logits_of(model, 64), ids, CancelToken())[0]
    assert torch.nn.functional.cosine_similarity(expected, found, dim=0) > 0.999
    assert not torch.equal(expected, found)


def test_another_rope_base_is_read(tmp_path: Path, unpacked: None) -> None:
    rope = {"rope_parameters": {"rope_type": "default", "rope_theta": 1e6}}
    written(tmp_path, config=rope)
    assert load(tmp_path).model.config.rope_parameters["rope_theta"] == 1e6  # type: ignore[union-attr]


# --- tokenizers ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def vocabularies(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The shipped tokenizers, each in a GGUF file with a model that is too small to matter."""
    found = {}
    for name, tokenizer in ORIGINAL.items():
        path = tmp_path_factory.mktemp(name) / "model.gguf"
        model = tiny("mistral", vocab_size=2048).model
        found[name] = write_gguf(path, model, tokenizer)
    return found


@pytest.mark.parametrize("name", ORIGINAL)
def test_transformers_reads_text_as_the_original_tokenizer(name: str, vocabularies: dict[str, Path]) -> None:
    path = vocabularies[name]
    made = gguf_tokenizer.fast_tokenizer(path, read_gguf(path))
    assert made is not None

    @settings(max_examples=150, deadline=None)
    @given(st.text() | st.text("ab 12.\n'<|>/end", max_size=40))
    def same(text: str) -> None:
        text += "<|endoftext|> <unk> <think>1234  5</think> [INST]"
        wanted = ORIGINAL[name](text, add_special_tokens=False)["input_ids"]
        assert made(text, add_special_tokens=False)["input_ids"] == wanted
        assert made.decode(wanted) == ORIGINAL[name].decode(wanted)
        assert made.decode(wanted, skip_special_tokens=True) == ORIGINAL[name].decode(wanted, skip_special_tokens=True)

    same()
    assert made.chat_template == ORIGINAL[name].chat_template
    assert ORIGINAL[name].eos_token_id in gguf_tokenizer.end_ids(made, read_gguf(path))


@pytest.mark.parametrize("name", ORIGINAL)
def test_llama_cpp_reads_text_as_the_original_tokenizer(name: str, vocabularies: dict[str, Path], native: None) -> None:
    from playground.models.gguf_tokenizer import LlamaTokenizer
    from playground.models.llama_native import LlamaModel

    original = ORIGINAL[name]
    made = LlamaTokenizer(LlamaModel(vocabularies[name], "cpu", lambda share: True), original.chat_template)

    @settings(max_examples=150, deadline=None)
    @given(st.text(st.characters(blacklist_categories=("Cs", "Cc", "Cn", "Co"))) | st.text("ab 12.\n'", max_size=40))
    def same(text: str) -> None:
        wanted = original(text, add_special_tokens=False)["input_ids"]
        assert made(text, add_special_tokens=False)["input_ids"] == wanted
        assert made.decode(wanted, skip_special_tokens=True) == original.decode(wanted, skip_special_tokens=True)

    same()
    talk = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yo"}, {"role": "user", "content": "x"}]
    assert made.apply_chat_template(talk, add_generation_prompt=True) == original.apply_chat_template(
        talk, tokenize=False, add_generation_prompt=True
    )
    assert made.eos_token_id == original.eos_token_id


def test_a_tokenizer_that_transformers_does_not_know_is_left_to_llama_cpp(tmp_path: Path, native: None) -> None:
    written(tmp_path, pre="poro-chat")  # words cut in another way
    model = load(tmp_path)
    assert isinstance(model.tokenizer, gguf_tokenizer.LlamaTokenizer)
    text = "the cat and the hat. 🙂"
    ids = model.tokenizer(text, add_special_tokens=False)["input_ids"]
    assert model.tokenizer.decode(ids, skip_special_tokens=True) == text
    assert fit(model, (Message("user", "Hello"),), 8).ids


def test_no_token_lies_outside_the_vocabulary(tmp_path: Path, unpacked: None) -> None:
    """transformers builds byte-level tokenizers with an <|endoftext|> of its own, past the last row of the model."""
    written(tmp_path)
    model = load(tmp_path)
    ids = model.tokenizer("a<|endoftext|>b<unk></s>", add_special_tokens=False)["input_ids"]
    assert max(ids) < model.model.config.vocab_size  # type: ignore[union-attr]


# --- what is refused -----------------------------------------------------------------------------------------------

UNREADABLE: dict[str, tuple[dict[str, Any], str]] = {
    "unknown words": ({"pre": "poro-chat"}, "tokenizer 'poro-chat'"),
    "long context": ({"extra": {"llama.rope.scaling.type": "yarn"}}, "long-context rope"),
    "parts": ({"extra": {"split.count": 2}}, "one of 2 parts"),
    "part of a head turned": ({"family": "phi3", "extra": {"phi3.rope.dimension_count": 6}}, "turns 12 .* says 6"),
    "shape": ({"config": {"num_attention_heads": 5}}, "transformers says"),
}


@pytest.mark.parametrize("what", UNREADABLE)
def test_what_transformers_would_read_wrongly_is_refused(tmp_path: Path, unpacked: None, what: str) -> None:
    values, said = UNREADABLE[what]
    written(tmp_path, **values)
    with pytest.raises(ModelUnavailable, match=said) as refused:
        load(tmp_path)
    assert "\n" not in str(refused.value)


def test_an_unknown_architecture_names_the_package(tmp_path: Path, unpacked: None) -> None:
    path = written(tmp_path)
    path.write_bytes(path.read_bytes().replace(b"llama", b"lamma"))
    with pytest.raises(ModelUnavailable, match=r"'lamma'.* pip install llama-cpp-python"):
        load(tmp_path)


def test_an_adapter_beside_the_file_is_refused(tmp_path: Path, unpacked: None) -> None:
    written(tmp_path)
    (tmp_path / "adapter_config.json").write_text('{"base_model_name_or_path": "somebody/else"}')
    with pytest.raises(ModelUnavailable, match=r"adapter_config\.json"):
        load(tmp_path)


@pytest.mark.parametrize("runtime", ["unpacked", "native"])
def test_a_cut_file_is_refused(tmp_path: Path, runtime: str, request: pytest.FixtureRequest) -> None:
    request.getfixturevalue(runtime)
    path = written(tmp_path)
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(ModelUnavailable, match="not a whole GGUF file"):
        load(tmp_path)


def test_a_file_that_llama_cpp_refuses_says_why(tmp_path: Path, native: None) -> None:
    path = written(tmp_path)
    path.write_bytes(path.read_bytes().replace(b"llama", b"lamma"))
    with pytest.raises(ModelUnavailable, match=r"cannot load model\.gguf: .*lamma"):
        load(tmp_path)


@pytest.mark.parametrize("runtime", ["unpacked", "native"])
def test_a_hostile_template_does_no_more_than_fail(
    tmp_path: Path, runtime: str, request: pytest.FixtureRequest
) -> None:
    request.getfixturevalue(runtime)
    written(tmp_path, template="{{ ''.__class__.__mro__[1].__subclasses__() }}")
    with pytest.raises(InvalidRequest, match="must not do"):
        fit(load(tmp_path), (Message("user", "x"),), 8)


# --- life ----------------------------------------------------------------------------------------------------------


def test_a_cancel_ends_the_load(tmp_path: Path, native: None) -> None:
    written(tmp_path)
    cancel = CancelToken()
    cancel.cancel()
    with pytest.raises(Cancelled):
        load_gguf(card_of(), tmp_path, "cpu", FLOAT32, None, cancel)


def test_progress_grows_to_the_whole(tmp_path: Path, native: None) -> None:
    written(tmp_path)
    told: list[float | None] = []
    load_gguf(card_of(), tmp_path, "cpu", FLOAT32, lambda share, text: told.append(share))
    shares = [share for share in told if share is not None]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_the_last_reference_frees_the_model(tmp_path: Path, native: None, monkeypatch: pytest.MonkeyPatch) -> None:
    from playground.models.llama_native import LlamaModel, binding

    freed = []
    free = binding().llama_model_free
    monkeypatch.setattr(binding(), "llama_model_free", lambda handle: (freed.append(handle), free(handle)))
    written(tmp_path)
    model = load(tmp_path)
    assert isinstance(model.model, LlamaModel)
    gone, handle = weakref.ref(model.model), model.model.handle
    answered = read_on(logits_of(model, 16), [3, 4, 5], CancelToken())
    del model
    assert gone() is None  # at once, without a collector
    assert freed.count(handle) == 1
    assert answered.isfinite().all()
