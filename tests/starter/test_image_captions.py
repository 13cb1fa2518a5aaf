"""Captions say nothing untrue, name mostly what users type, and fit the text encoder."""

import random
from collections import Counter

import pytest

from playground.starter.captions import caption, plain_caption
from playground.starter.scenes import COLOURS, GROUND_KINDS, STYLES, World, scene_at
from playground.starter.tokenizer import build_tokenizer, caption_corpus
from playground.starter.words import (
    ANY_SHAPE,
    COLOUR_WORDS,
    NUMBER_WORDS,
    POSITION_WORDS,
    SHAPE_WORDS,
    SIZE_WORDS,
    plural,
    spellings,
)

MANY = [(scene_at(8, index), caption(scene_at(8, index), random.Random(index))) for index in range(2500)]
LONGEST = World(layout_weights=(0, 0.3, 0.7, 0), ground_weights=(0, 1, 1, 1, 1), style_weights=(0, 1, 1, 1))


def says(text, word):
    text = text.replace("drop shadow", "shadow").replace("from top to bottom", "").replace("from left to right", "")
    return f" {word} " in " ".join(["", *text.translate(str.maketrans(",.", "  ")).split(), ""])


def says_any(text, names):
    return any(says(text, word) or says(text, plural(word)) for word in names)


def test_a_caption_is_decided_by_the_scene_and_the_lot():
    scene = scene_at(1, 1)
    assert caption(scene, random.Random(3)) == caption(scene, random.Random(3))
    assert len({caption(scene, random.Random(lot)) for lot in range(50)}) > 25


def test_a_caption_names_no_shape_colour_or_size_that_is_not_there():
    for scene, text in MANY:
        for shape in SHAPE_WORDS:
            if shape not in {item.shape for item in scene.items}:
                assert not says_any(text, spellings(shape, SHAPE_WORDS)), text
        for colour in COLOURS:
            if colour not in {*scene.ground.colours, *(item.colour for item in scene.items)}:
                assert not any(says(text, word) for word in spellings(colour, COLOUR_WORDS)), text
        for size in SIZE_WORDS:
            if size not in {item.size for item in scene.items}:
                assert not any(says(text, word) for word in spellings(size, SIZE_WORDS)), text


def test_a_caption_says_no_number_position_ground_or_style_that_is_not_so():
    marks = {
        "gradient": ("gradient",),
        "stripes": ("striped", "stripes"),
        "dots": ("dots",),
        "checks": ("checks", "checkered", "chequered", "checkerboard"),
        "shadow": ("soft shadow", "with a shadow", "casting"),
        "pixel": ("pixel", "pixelated"),
        "pencil": ("pencil",),
        "flat": ("flat", "without"),
    }
    for scene, text in MANY:
        for number, words in NUMBER_WORDS.items():
            if number != (len(scene.items) if scene.layout == "count" else 1):
                assert not any(says(text, word) for word in words), text
        for name in (*GROUND_KINDS[1:], *STYLES):
            if name not in (scene.ground.kind, scene.style):
                assert not any(word in text for word in marks[name]), (name, text)
        if scene.layout == "single":
            for position, words in POSITION_WORDS.items():
                if position not in scene.position:
                    assert not any(says(text, word) for word in words), text


def test_most_captions_name_what_users_type():
    singles = [(scene, text) for scene, text in MANY if scene.layout == "single"]
    said = Counter()
    for scene, text in singles:
        item = scene.items[0]
        said["colour"] += any(says(text, word) for word in spellings(item.colour, COLOUR_WORDS))
        said["shape"] += any(says(text, word) for word in spellings(item.shape, SHAPE_WORDS))
        said["ground"] += any(says(text, word) for word in spellings(scene.background, COLOUR_WORDS))
        said["any"] += any(says(text, word) for word in ANY_SHAPE)
        said["size"] += item.size == "medium" or any(says(text, word) for word in spellings(item.size, SIZE_WORDS))
    for name in ("colour", "shape", "ground"):
        assert 0.88 < said[name] / len(singles) < 0.96, name
    assert said["shape"] + said["any"] == len(singles)
    assert said["size"] / len(singles) > 0.9
    styled = [(scene, text) for scene, text in MANY if scene.style in ("pixel", "pencil")]
    assert sum(scene.style in text for scene, text in styled) / len(styled) > 0.88


def test_every_word_of_the_world_occurs():
    everything = " / ".join(caption(scene_at(9, index), random.Random(index)) for index in range(6000))
    for table in (SHAPE_WORDS, COLOUR_WORDS, SIZE_WORDS, POSITION_WORDS):
        for name in table:
            for word in spellings(name, table)[0 if table is not POSITION_WORDS else 1 :]:
                assert word in everything or word == "medium", word


def test_a_plain_caption_says_everything_once():
    for index in range(400):
        scene = scene_at(10, index)
        text = plain_caption(scene)
        assert text == plain_caption(scene)
        items = scene.items[:1] if scene.layout == "count" else scene.items
        for item in items:
            noun = plural(item.shape) if scene.layout == "count" else item.shape
            size = "" if item.size == "medium" else f"{item.size} "
            outlined = "outlined " if item.outline else ""
            assert f"{size}{outlined}{item.colour} {noun}" in text
        if scene.layout == "pair":
            places = [text.index(f"{item.colour} {item.shape}") for item in scene.items]
            assert places[0] < text.index(scene.relation) < places[1]
        if scene.position != "center":
            assert scene.position in text
        for colour in scene.ground.colours:
            assert says(text, colour)
        assert (scene.ground.kind == "solid") or (scene.ground.kind[:5] in text)
        assert scene.style == "flat" or scene.style in text


@pytest.fixture(scope="module")
def tokenizer():
    return build_tokenizer(caption_corpus(1500))


def test_no_caption_is_longer_than_sixty_tokens(tokenizer):
    texts = [caption(scene_at(11, index, LONGEST), random.Random(index)) for index in range(1500)]
    texts += [plain_caption(scene_at(11, index, LONGEST)) for index in range(300)]
    assert max(len(ids) for ids in tokenizer(texts).input_ids) <= 60
    assert max(len(text.split()) for text in texts) <= 42
