"""A chain's JSON: read strictly, written whole, kept by name; and what steps without a model do to a picture."""

from __future__ import annotations

import base64
import json
import stat

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFilter

from playground.errors import InvalidRequest, PlaygroundError
from playground.images.chain.document import Chain, dump, dumps, parse
from playground.images.chain.kept import EXAMPLES, KeptChains
from playground.images.chain.pictures import changed, crop_box, target_size
from playground.images.chain.steps import RATIOS, STEPS, Crop, Generate, Save, Sharpen, Step, Upscale, settings_of
from playground.images.shelf import Shelf
from tests.images.conftest import photo, png, spot

VALUES = {
    "text": st.text(max_size=20),
    "flag": st.booleans(),
    "model": st.sampled_from(["", "starter-sd"]),
    "sampler": st.sampled_from(["Euler", "DDIM"]),
    "schedule": st.sampled_from(["Automatic", "Karras"]),
    "picture": st.binary(max_size=20).map(lambda data: base64.b64encode(data).decode()),
    "box": st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(10, 50), st.integers(10, 50)),
}


def values(rule) -> st.SearchStrategy:
    if rule.kind == "whole":
        made = st.integers(int(rule.low), int(rule.high))
    elif rule.kind == "number":
        made = st.floats(rule.low, rule.high)
    else:
        made = st.sampled_from(rule.choices) if rule.kind == "choice" else VALUES[rule.kind]
    return st.none() | made if rule.optional else made


def a_step(cls: type[Step]) -> st.SearchStrategy:
    return st.builds(cls, **{name: values(rule) for name, rule in settings_of(cls).items()})


LATER = st.sampled_from([cls for cls in STEPS.values() if cls is not Generate]).flatmap(a_step)
CHAINS = st.builds(
    lambda first, rest, name: Chain((first, *rest), name),
    st.one_of(a_step(Generate), LATER),
    st.lists(LATER, max_size=4),
    st.text(max_size=20),
)


@settings(max_examples=150, deadline=None)
@given(CHAINS)
def test_every_chain_comes_back_from_its_json(chain):
    assert parse(dumps(chain)) == chain
    assert parse(json.loads(json.dumps(dump(chain)))) == chain


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(sorted(STEPS)), st.data())
def test_no_value_breaks_the_reader_but_with_a_sentence(do, data):
    names = sorted(settings_of(STEPS[do]))
    step = {"do": do, **{name: data.draw(JSON) for name in data.draw(st.lists(st.sampled_from(names), max_size=3))}}
    said = ""
    try:
        chain = parse({"chain": 1, "steps": [step]})
    except InvalidRequest as error:
        said = error.message
    assert said.startswith(f"Step 1 ({do.replace('_', ' ')}): ") if said else parse(dumps(chain)) == chain


@settings(max_examples=100, deadline=None)
@given(JSON)
def test_any_json_is_a_chain_or_is_refused(value):
    with pytest.raises(InvalidRequest):
        parse(value if not isinstance(value, str) else json.dumps(value))


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        ("{", "The text is no JSON"),
        ("[" * 200_000, "characters; no chain is that long|nested too deeply|no JSON"),
        ([], "This is no chain"),
        ({"steps": []}, "This is no chain"),
        ({"chain": 2, "steps": []}, "version 2; this app reads 1"),
        ({"chain": True, "steps": []}, "version True"),
        ({"chain": 1, "steps": []}, "1 to 20 steps, got 0"),
        ({"chain": 1, "steps": [{"do": "save"}] * 21}, "1 to 20 steps, got 21"),
        ({"chain": 1, "steps": [{"do": "save"}], "more": 1}, "The chain has no setting 'more'"),
        ({"chain": 1, "steps": [{"do": "eval"}]}, "Step 1: there is no step 'eval'"),
        ({"chain": 1, "steps": ["save"]}, "Step 1: there is no step 'None'"),
        ({"chain": 1, "steps": [{"do": "upscale"}, {"do": "crop", "rato": "1:1"}]},
         r"Step 2 \(crop\): it has no setting 'rato'"),
        ({"chain": 1, "steps": [{"do": "upscale", "factor": "2"}]}, r"\(upscale\): factor must be 0.1 to 8, got '2'"),
        ({"chain": 1, "steps": [{"do": "upscale", "factor": True}]}, "factor must be 0.1 to 8, got True"),
        ('{"chain": 1, "steps": [{"do": "upscale", "factor": NaN}]}', "factor must be 0.1 to 8, got nan"),
        ({"chain": 1, "steps": [{"do": "second_pass", "steps": 2.5}]}, "steps must be a whole number"),
        ({"chain": 1, "steps": [{"do": "save", "quality": None}]}, "quality must be a whole number .* got None"),
        ({"chain": 1, "steps": [{"do": "save", "format": "gif"}]}, "format must be one of png, jpeg, webp, got 'gif'"),
        ({"chain": 1, "steps": [{"do": "inpaint", "mask": "§§"}]}, "mask is no base64 text"),
        ({"chain": 1, "steps": [{"do": "inpaint", "mask": "A" * 100_004}]}, "mask has 100,004 characters"),
        ({"chain": 1, "steps": [{"do": "crop", "box": [0, 0, 0, 9]}]}, "holds no pixel"),
        ({"chain": 1, "steps": [{"do": "crop", "box": [0, 0, 9]}]}, r"box must be \[left, top, right, bottom\]"),
        ({"chain": 1, "steps": [{"do": "generate", "tiling": 1}]}, "tiling must be true or false, got 1"),
        ({"chain": 1, "steps": [{"do": "save"}, {"do": "generate"}]}, r"Step 2 \(generate\): .* only be the first"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_the_steps_number_and_name(document, sentence):
    with pytest.raises(InvalidRequest, match=sentence):
        parse(document)


def test_the_examples_are_chains():
    for chain in EXAMPLES:
        assert parse(dumps(chain)) == chain
        assert chain.name


# --- steps without a model ---


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 300), st.integers(1, 300), st.sampled_from([r for r in RATIOS if r]))
def test_a_crop_to_a_ratio_is_the_largest_centre_part(width, height, ratio):
    left, top, right, bottom = crop_box(Crop(ratio=ratio), (width, height))
    across, down = (int(part) for part in ratio.split(":"))
    assert 0 <= left < right <= width
    assert 0 <= top < bottom <= height
    assert right - left == width or bottom - top == height
    assert abs((right - left) * down - (bottom - top) * across) < max(across, down)
    assert abs(left - (width - right)) <= 1
    assert abs(top - (height - bottom)) <= 1


def test_upscale_sharpen_and_crop_are_pillows_own():
    picture = photo(30, 20)
    made = changed(Upscale(method="bicubic", factor=2.0), picture)
    assert np.array_equal(np.asarray(made), np.asarray(picture.resize((60, 40), Image.Resampling.BICUBIC)))
    made = changed(Sharpen(radius=1.0, amount=50, threshold=0), picture)
    assert np.array_equal(np.asarray(made), np.asarray(picture.filter(ImageFilter.UnsharpMask(1, 50, 0))))
    assert np.array_equal(
        np.asarray(changed(Crop(box=(3, 4, 9, 99)), picture)), np.asarray(picture.crop((3, 4, 9, 20)))
    )


@pytest.mark.parametrize(
    ("step", "size"),
    [
        (Upscale(factor=0.5), (50, 25)),
        (Upscale(width=50), (50, 25)),
        (Upscale(height=100), (200, 100)),
        (Upscale(width=10, height=90), (10, 90)),
        (Upscale(factor=0.1), (10, 5)),
    ],
)
def test_one_side_gives_the_other(step, size):
    assert target_size(step, (100, 50)) == size


def test_sizes_that_are_too_large_and_boxes_outside_are_refused():
    with pytest.raises(InvalidRequest, match="4000x2000 would become 32000x16000"):
        target_size(Upscale(factor=8), (4000, 2000))
    with pytest.raises(InvalidRequest, match=r"\[50, 0, 60, 9\] lies outside the picture, which is 40x40"):
        crop_box(Crop(box=(50, 0, 60, 9)), (40, 40))


# --- kept ---


def test_chains_are_kept_for_each_owner_and_survive(tmp_path):
    chains = KeptChains(tmp_path)
    assert chains.names("a") == []
    assert chains.put("a", "  My\nchain ", EXAMPLES[0]) == "My chain"
    chains.put("a", "Other", EXAMPLES[1])
    assert KeptChains(tmp_path).names("a") == ["My chain", "Other"]
    assert chains.get("a", "My chain").steps == EXAMPLES[0].steps
    assert chains.names("b") == []
    with pytest.raises(InvalidRequest, match="no chain 'Other' of yours"):
        chains.get("b", "Other")
    with pytest.raises(InvalidRequest, match="a chain 'Other' of yours already"):
        chains.rename("a", "My chain", "Other")
    assert chains.rename("a", "My chain", "Mine") == "Mine"
    chains.delete("a", "Other")
    assert chains.names("a") == ["Mine"]
    for path in (tmp_path / "chains").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("text", ["", "{", "[]", '{"version": 2, "entries": {}}', '{"version": 1, "entries": []}'])
def test_a_damaged_file_is_told_and_not_overwritten(tmp_path, text):
    shelf = Shelf(tmp_path, "chain")
    shelf.put("a", "x", 1)
    (path,) = tmp_path.iterdir()
    path.write_text(text)
    for work in (lambda: shelf.names("a"), lambda: shelf.put("a", "y", 2)):
        with pytest.raises(PlaygroundError, match="is damaged"):
            work()
    assert path.read_text() == text


@pytest.mark.parametrize(("owner", "name"), [("", "x"), ("a", ""), ("a", "n" * 81), ("a", None)])
def test_no_owner_and_no_name_is_refused(tmp_path, owner, name):
    with pytest.raises(InvalidRequest):
        Shelf(tmp_path, "preset").put(owner, name, 1)


def test_a_mask_that_is_no_picture_is_found_before_the_run():
    from playground.catalog import load_catalog
    from playground.images.chain.requests import check

    mask = base64.b64encode(b"nothing").decode()
    chain = parse({"chain": 1, "steps": [{"do": "inpaint", "mask": mask}]})
    with pytest.raises(InvalidRequest, match=r"Step 1 \(inpaint\): The mask cannot be read"):
        check(chain, load_catalog())
    good = base64.b64encode(png(spot())).decode()
    check(parse({"chain": 1, "steps": [{"do": "inpaint", "mask": good}]}), load_catalog())
    assert Save().format == "png"
