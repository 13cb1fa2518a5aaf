"""The CLIP tokenizer of the image models takes any text and never says `unknown`."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from playground.starter.tokenizer import (
    BOS,
    END,
    EOS,
    MAX_LENGTH,
    build_tokenizer,
    byte_characters,
    caption_corpus,
    learn_merges,
    save_tokenizer,
)

TOKENIZER = build_tokenizer(caption_corpus(500))
# What Unicode calls white space; Python counts four control characters more.
SPACE = r"[\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]"
BYTE_OF = {letter: byte for byte, letter in enumerate(byte_characters())}


def spelled(tokens: list[str]) -> str:
    """Put tokens back into text by way of their bytes."""
    letters = "".join(token.removesuffix(END) for token in tokens)
    return bytes(BYTE_OF[letter] for letter in letters).decode("utf-8")


@given(st.text(max_size=40))
@settings(max_examples=200, deadline=None)
def test_any_text_comes_back_from_its_tokens_without_unknowns(text):
    if BOS in text.lower() or EOS in text.lower():
        return
    normal = TOKENIZER.backend_tokenizer.normalizer.normalize_str(text)
    ids = TOKENIZER(text, add_special_tokens=False).input_ids
    assert TOKENIZER.unk_token_id not in ids
    assert spelled(TOKENIZER.convert_ids_to_tokens(ids)) == "".join(re.split(SPACE, normal))


@pytest.mark.parametrize("text", ["q", "é", "naïve", "🙂", "中文", "a\u0301", "x_1", "\x00", "%$§"])
def test_rare_letters_are_not_the_end_token(text):
    assert TOKENIZER.eos_token_id not in TOKENIZER(text, add_special_tokens=False).input_ids


def test_all_bytes_alone_and_at_a_words_end_are_in_the_vocabulary():
    vocabulary = TOKENIZER.get_vocab()
    letters = byte_characters()
    assert len(set(letters)) == 256
    assert all(vocabulary[letter] == index for index, letter in enumerate(letters))
    assert all(vocabulary[letter + END] == 256 + index for index, letter in enumerate(letters))


def test_the_end_token_is_the_last_and_pads_to_77():
    ids = TOKENIZER("a red circle", padding="max_length").input_ids
    assert TOKENIZER.eos_token_id == len(TOKENIZER) - 1 != 2
    assert len(ids) == MAX_LENGTH
    assert ids[0] == TOKENIZER.bos_token_id
    assert ids[4:] == [TOKENIZER.eos_token_id] * (MAX_LENGTH - 4)


def test_words_of_the_captions_are_one_token_each():
    assert TOKENIZER.tokenize("Red circle") == ["red</w>", "circle</w>"]


def test_merges_are_the_same_each_time_and_go_by_count():
    assert learn_merges(["ab ab ab cd"], 5) == [("a", "b</w>"), ("c", "d</w>")]


def test_it_reloads_from_both_layouts(tmp_path):
    from transformers import CLIPTokenizer

    save_tokenizer(TOKENIZER, tmp_path)
    text = "an orange star, quite 12 é"
    assert CLIPTokenizer.from_pretrained(tmp_path)(text).input_ids == TOKENIZER(text).input_ids
    (tmp_path / "tokenizer.json").unlink()
    again = CLIPTokenizer.from_pretrained(tmp_path)
    assert again(text).input_ids == TOKENIZER(text).input_ids
    assert again.model_max_length == MAX_LENGTH
