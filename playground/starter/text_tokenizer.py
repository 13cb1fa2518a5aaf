"""The byte-level BPE tokenizer of the starter chat models, and the two chat templates.

Both families share bytes and merges; each adds its own special tokens and template.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from playground.starter.text_turns import Dialogue, Turn

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

VOCABULARY = 2048
CONTEXT = 2048
_RESERVED = 16

_PHI_TEMPLATE = """{%- for message in messages -%}
{%- if message['role'] in ['system', 'user', 'assistant'] and message['content'] -%}
{%- set text = message['content'] -%}
{%- if message['role'] == 'assistant' and '</think>' in text -%}
{%- set text = text.split('</think>')[-1] | trim -%}
{%- endif -%}
{{- '<|' + message['role'] + '|>\\n' + text + '<|end|>\\n' -}}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
{{- '<|assistant|>\\n' -}}
{%- endif -%}
"""
_MISTRAL_TEMPLATE = """{{- '<s>' -}}
{%- for message in messages -%}
{%- set text = message['content'] or '' -%}
{%- if message['role'] == 'system' and text -%}
{{- '[SYSTEM_PROMPT]' + text + '[/SYSTEM_PROMPT]' -}}
{%- elif message['role'] == 'user' -%}
{{- '[INST]' + text + '[/INST]' -}}
{%- elif message['role'] == 'assistant' -%}
{%- if '</think>' in text -%}
{%- set text = text.split('</think>')[-1] | trim -%}
{%- endif -%}
{{- text + '</s>' -}}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt and enable_thinking is defined and not enable_thinking -%}
{{- '<think></think>' -}}
{%- endif -%}
"""


@dataclass(frozen=True)
class Family:
    """Special tokens and template of one chat format; `plain` tokens survive `skip_special_tokens`."""

    name: str
    end: str
    pad: str
    begin: str | None
    special: tuple[str, ...]
    plain: tuple[str, ...]
    template: str


PHI = Family(
    "starter-phi",
    "<|end|>",
    "<|endoftext|>",
    None,
    ("<|endoftext|>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>"),
    (),
    _PHI_TEMPLATE,
)
MISTRAL = Family(
    "starter-mistral",
    "</s>",
    "<pad>",
    "<s>",
    ("<pad>", "<s>", "</s>", "[INST]", "[/INST]", "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]"),
    ("<think>", "</think>"),
    _MISTRAL_TEMPLATE,
)
FAMILIES = {family.name: family for family in (PHI, MISTRAL)}


@dataclass(frozen=True)
class Piece:
    """A stretch of rendered conversation; only `learned` pieces count in the loss."""

    text: str
    learned: bool


def family_of(name: str) -> Family:
    """The chat format of a starter chat model; raises ValueError for another name."""
    if name not in FAMILIES:
        raise ValueError(f"name must be one of {', '.join(FAMILIES)}, got {name!r}")
    return FAMILIES[name]


def build_tokenizer(family: Family, texts: Iterable[str]) -> PreTrainedTokenizerFast:
    """A tokenizer of at most 2,048 entries, learned from texts: all 256 bytes, digits one by one, then merges."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    core.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY - _RESERVED,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        min_frequency=3,
        show_progress=False,
    )
    core.train_from_iterator(texts, trainer)
    core.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in family.special])
    core.add_tokens([AddedToken(token, special=False, normalized=False) for token in family.plain])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core,
        eos_token=family.end,
        pad_token=family.pad,
        bos_token=family.begin,
        model_max_length=CONTEXT,
        clean_up_tokenization_spaces=False,
        padding_side="left",
    )
    tokenizer.chat_template = family.template
    return tokenizer


def tokenizer_for(name: str, seed: int = 0, conversations: int = 20_000) -> PreTrainedTokenizerFast:
    """The tokenizer of a starter chat model, learned from both models' training streams."""
    from playground.starter.text_dialogues import dialogues

    drawn = [
        dialogue
        for me, thinking in (("starter-phi", False), ("starter-mistral", True))
        for dialogue in islice(dialogues(seed, me, thinking), conversations // 2)
    ]
    return build_tokenizer(family_of(name), (text for dialogue in drawn for text in _texts(dialogue)))


def _texts(dialogue: Dialogue) -> list[str]:
    return [dialogue.system, *(text for turn in dialogue.turns for text in (turn.user, turn.answer, turn.thought))]


def pieces(family: Family, dialogue: Dialogue) -> list[Piece]:
    """The conversation as the template renders it, cut where the loss starts and stops.

    starter-phi learns every answer. starter-mistral learns the last one only, because earlier answers are shown
    without their thoughts, and learning those would teach it to skip thinking.
    """
    if family is PHI:
        cut = [Piece(f"<|system|>\n{dialogue.system}<|end|>\n", False)] if dialogue.system else []
        for i, turn in enumerate(dialogue.turns):
            opening = "\n" if i else ""
            cut.append(Piece(f"{opening}<|user|>\n{turn.user}<|end|>\n<|assistant|>\n", False))
            cut.append(Piece(f"{turn.answer}<|end|>", True))
        return cut
    start = f"[SYSTEM_PROMPT]{dialogue.system}[/SYSTEM_PROMPT]" if dialogue.system else ""
    earlier = "".join(f"[INST]{turn.user}[/INST]{turn.answer}</s>" for turn in dialogue.turns[:-1])
    last = dialogue.turns[-1]
    prompt = f"<s>{start}{earlier}[INST]{last.user}[/INST]"
    if not dialogue.thinking:
        return [Piece(prompt + "<think></think>", False), Piece(f"{last.answer}</s>", True)]
    return [Piece(prompt, False), Piece(f"<think>{last.thought}</think>{last.answer}</s>", True)]


def messages(dialogue: Dialogue, upto: int | None = None) -> list[dict[str, str]]:
    """The conversation as chat messages; with `upto`, ending in the user's message of that exchange."""
    listed = [{"role": "system", "content": dialogue.system}] if dialogue.system else []
    turns: tuple[Turn, ...] = dialogue.turns if upto is None else dialogue.turns[: upto + 1]
    for i, turn in enumerate(turns):
        listed.append({"role": "user", "content": turn.user})
        if upto is None or i < upto:
            listed.append({"role": "assistant", "content": turn.answer})
    return listed
