"""The byte-level BPE of the starter chat models, learned from their training streams.

Both families share bytes and merges; each adds its own special tokens and chat template.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from playground.starter.text_rendering import listed_tools
from playground.starter.text_templates import Family, family_of
from playground.starter.text_tools import as_json
from playground.starter.text_turns import Dialogue

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

VOCABULARY = 4096
CONTEXT = 2048
_RESERVED = 16
_CHINESE = "[\u3400-\u9fff]"


def build_tokenizer(family: Family, texts: Iterable[str]) -> PreTrainedTokenizerFast:
    """A tokenizer of at most 4,096 entries, learned from texts: all 256 bytes, then merges.

    Digits and Chinese characters stand alone, so that numbers and names are copied and computed piece by piece.
    """
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.Split(Regex(_CHINESE), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
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
    from playground.starter.text_dialogues import dialogue_at

    drawn = (
        dialogue_at(me, seed, index) for me in ("starter-phi", "starter-mistral") for index in range(conversations // 2)
    )
    return build_tokenizer(family_of(name), (text for dialogue in drawn for text in _texts(dialogue)))


def _texts(dialogue: Dialogue) -> list[str]:
    texts = [dialogue.system, listed_tools(dialogue)]
    for turn in dialogue.turns:
        texts += [turn.user, turn.answer, turn.thought]
        for step in turn.steps:
            texts += [step.thought, *step.results, *(as_json(dict(call.arguments)) for call in step.calls)]
    return texts
