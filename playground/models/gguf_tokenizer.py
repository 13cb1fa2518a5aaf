"""Tokenizers from a GGUF file's own metadata: transformers' where it reads the file rightly, else llama.cpp's.

transformers takes GPT-2's way of cutting words for every byte-level tokenizer whose name it does not know, without
saying so; here such a name is either completed or refused.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from playground.errors import ModelUnavailable
from playground.models.gguf_header import GgufHeader
from playground.models.llama_native import LlamaModel

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

# Names of byte-level tokenizers, as llama.cpp groups them (llama-vocab.cpp): words as GPT-2 cuts them, and the same
# after every digit has been set apart.
AS_GPT2 = frozenset({"gpt-2", "phi-2", "jina-es", "jina-de", "jina-v2-es", "jina-v2-de", "mellum", "mpt", "olmo"})
DIGITS_APART = frozenset({"starcoder", "refact", "command-r", "smollm", "codeshell", "exaone", "minerva-7b", "mellum2"})

# Names that end an answer whatever the metadata say: many files name only one of two such tokens.
END_NAMES = frozenset({
    "<|eot_id|>", "<|im_end|>", "<|end|>", "<|return|>", "<|call|>", "<end_of_turn>", "<|endoftext|>", "</s>",
    "<|eom_id|>", "<EOT>", "[EOT]", "[EOS]", "<|end_of_text|>", "<end_of_utterance>", "<eos>", "<turn|>",
    "<｜end▁of▁sentence｜>",
})  # fmt: skip

PROBE = "Hello, world! It's 12,345.67 — two  spaces\n\n\tnaïve CAFÉ 日本語 🙂 x=[1, 2];\r\n  {'a': don't}   END "


def fast_tokenizer(path: Path, header: GgufHeader) -> PreTrainedTokenizerFast | None:
    """transformers' tokenizer for the file, or None where it has none that is known to be right.

    Raises:
        ModelUnavailable: the file's vocabulary contradicts itself.
    """
    kind = header.metadata.get("tokenizer.ggml.model")
    pre = header.metadata.get("tokenizer.ggml.pre")
    from tokenizers import pre_tokenizers
    from transformers import PreTrainedTokenizerFast
    from transformers.integrations.gguf import gguf_tokenizer_mapping as mapping

    if kind == "gpt2" and pre not in AS_GPT2 | DIGITS_APART | set(mapping.GGUF_PRE_TOKENIZER_SPLITS):
        return None
    if kind not in mapping.GGUF_TOKENIZER_TYPES:
        return None
    try:
        architecture, table, config = mapping.get_gguf_tokenizer(str(path))
        core, _ = mapping.convert_gguf_tokenizer(architecture, table)
    except Exception as error:  # noqa: BLE001  # whatever a malformed vocabulary makes of it
        raise ModelUnavailable(
            f"The vocabulary of {path.name} cannot be read: {type(error).__name__}: {error}.", "Fetch the file again."
        ) from None
    if pre in DIGITS_APART:
        core.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
        )
    core = _within(core, header.lengths.get("tokenizer.ggml.tokens", 0))
    template = config.pop("chat_template", None)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=core, clean_up_tokenization_spaces=False, **config)
    tokenizer.chat_template = template if isinstance(template, str) else None
    return tokenizer


def _within(core: Tokenizer, count: int) -> Tokenizer:
    """The tokenizer without tokens past the file's own `count`: the classes that transformers builds it with bring
    some, such as `<|endoftext|>`, and the model would have no row for them."""
    from tokenizers import Tokenizer

    if core.get_vocab_size(with_added_tokens=True) <= count:
        return core
    table = json.loads(core.to_str())
    table["added_tokens"] = [row for row in table["added_tokens"] if row["id"] < count]
    return Tokenizer.from_str(json.dumps(table))


def end_ids(tokenizer: PreTrainedTokenizerFast, header: GgufHeader) -> frozenset[int]:
    """The tokens that end an answer: those that the metadata name, and those that always do by their name."""
    named = (header.metadata.get(f"tokenizer.ggml.{name}_token_id") for name in ("eos", "eot", "eom"))
    added = tokenizer.get_added_vocab()
    ends = {added[name] for name in END_NAMES & added.keys()} | {i for i in named if isinstance(i, int)}
    if {"<|return|>", "<|call|>", "<|end|>"} <= added.keys():  # there the last one parts thoughts from the answer
        ends.discard(added["<|end|>"])
    return frozenset(ends)


def agrees(fast: PreTrainedTokenizerFast, model: LlamaModel) -> bool:
    """Whether both read a text of many kinds of characters, and the chat template itself, as the same tokens."""
    texts = [PROBE, str(fast.chat_template or "")]
    return all(fast(t, add_special_tokens=False)["input_ids"] == model.tokenize(t, special=False) for t in texts)


class LlamaTokenizer:
    """llama.cpp's tokenizer behind the part of transformers' interface that chats use."""

    def __init__(self, model: LlamaModel, template: str | None) -> None:
        self._model = model
        self.chat_template = template
        self._ids = {name: token for name, token in model.special_ids().items() if token >= 0}
        self.eos_token_id = self._ids.get("eos_token")

    def __call__(self, text: str, add_special_tokens: bool = True) -> Mapping[str, list[int]]:
        return {"input_ids": self._model.tokenize(text, special=add_special_tokens)}

    def decode(self, ids: Sequence[int], skip_special_tokens: bool = False, **_: Any) -> str:
        return self._model.detokenize(list(ids), special=not skip_special_tokens).decode("utf-8", "replace")

    def apply_chat_template(self, messages: Sequence[Mapping[str, Any]], tokenize: bool = False, **values: Any) -> str:
        """The conversation as the template renders it, in transformers' sandbox."""
        from transformers.utils import chat_template_utils

        render: Any = chat_template_utils.render_jinja_template
        names = {name: self._model.name_of(token) for name, token in self._ids.items()}
        rendered, _ = render([list(messages)], chat_template=self.chat_template, **names, **values)
        return str(rendered[0])
