"""Files by name: near names, one file for one name, who may add what, and what is refused while it is added."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import settings as settings_of
from hypothesis import strategies as st
from safetensors.torch import save_file

from playground.catalog import load_catalog
from playground.errors import InvalidRequest, ModelUnavailable, PlaygroundError
from playground.images.adapter_use import checked_uses, recorded_uses
from playground.images.adapters import pick
from playground.images.prompts.parse import parse
from playground.images.prompts.printing import printed
from playground.images.prompts.words import with_words, words_in
from playground.models.adapter_fit import misfit, short_family
from playground.models.adapter_shelf import FOLDER, Shelf, open_shelf, place_for
from playground.protocol import AdapterUse, ImageRequest
from playground.settings import Settings
from tests.adapters.making import save_inversion, save_xl_lora

ROWS = st.recursive(
    st.none() | st.floats() | st.sampled_from(["list", "lora", "ink"]),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["name", "unet", "source", "kind"]), inner),
)
ATTENTION = "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k"


def lora(path: Path, width: int = 768) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({f"{ATTENTION}.lora_down.weight": torch.zeros(4, width)}, path)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / FOLDER
    lora(place / "Ink.safetensors")
    (place / "in").mkdir()
    save_inversion(place / "in" / "blob.safetensors", width=768)
    (place / "old.pt").write_bytes(b"\x80\x02}q\x00.")
    (place / "half.safetensors").write_bytes(b"\xff" * 40)
    (place / ".hidden.safetensors").write_bytes(b"")
    return place


def test_a_shelf_says_of_every_file_what_it_is_or_why_not(folder):
    found = {one.name: one for one in Shelf([folder]).entries()}
    assert {name: one.kind for name, one in found.items()} == {
        "Ink": "lora",
        "blob": "embedding",
        "half": "",
        "old": "",
    }
    assert "is a pickle" in found["old"].reason
    assert "not a whole safetensors file" in found["half"].reason
    assert short_family(found["Ink"].file) == "SD 1.x"


def test_names_are_file_stems_in_any_case(folder):
    assert Shelf([folder]).lora(" iNK ").path == folder / "Ink.safetensors"
    for name, error, said in (
        ("inkk", InvalidRequest, "There is no LoRA 'inkk'. There are: Ink."),
        ("blob", InvalidRequest, "blob is a textual inversion and no LoRA"),
        ("old", ModelUnavailable, "is a pickle"),
    ):
        with pytest.raises(error, match=said):
            Shelf([folder]).lora(name)


def test_one_name_of_two_files_is_refused_with_both(folder):
    lora(folder / "more" / "ink.safetensors")
    with pytest.raises(InvalidRequest, match=r"that of 2 files: adapters/Ink.safetensors, more/ink.safetensors"):
        Shelf([folder]).lora("ink")


def test_a_file_that_changes_is_read_again(folder):
    assert Shelf([folder]).lora("ink").file.width == 768
    lora(folder / "Ink.safetensors", width=2048)
    assert Shelf([folder]).lora("ink").file.width == 2048


def test_a_folder_of_the_users_is_read_beside_the_apps_own(folder, tmp_path):
    lora(tmp_path / "mine" / "brush.safetensors")
    settings = Settings(data_dir=tmp_path, adapters_dir=tmp_path / "mine")
    assert {"Ink", "brush"} <= {one.name for one in open_shelf(settings).entries()}


def test_who_may_add_what_and_who_sees_it(tmp_path):
    source = lora(tmp_path / "up" / "ink.safetensors")
    private = Settings(data_dir=tmp_path / "a")
    assert place_for(private, "browser:1") == tmp_path / "a" / FOLDER
    shared = Settings(data_dir=tmp_path / "b", share=True, auth="ana:x")
    shelf = open_shelf(shared, "user:ana")
    kept = shelf.add(source, "ink.safetensors", place_for(shared, "user:ana"))
    assert kept.own
    assert [one.name for one in open_shelf(shared, "user:ana").entries()] == ["ink"]
    assert not open_shelf(shared, "user:bo").entries()
    for settings, owner in ((shared, "browser:1"), (Settings(data_dir=tmp_path, profile="public"), "user:ana")):
        with pytest.raises(InvalidRequest, match="can be added only where"):
            place_for(settings, owner)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("old.pt", "is a pickle"),
        ("x.zip", "cannot be called 'x.zip'"),
        ("a:b.safetensors", "cannot be called"),
        ("Ink.safetensors", "There is an adapter Ink already"),
        ("new.safetensors", "new.safetensors is not a whole safetensors file"),
    ],
)
def test_what_is_no_adapter_is_not_kept(folder, tmp_path, name, said):
    source = tmp_path / "source"
    source.write_bytes(b"\xff" * 40)
    before = sorted(folder.iterdir())
    with pytest.raises(PlaygroundError, match=said):
        Shelf([folder]).add(source, name, folder)
    assert sorted(folder.iterdir()) == before


def test_a_path_in_a_name_leads_nowhere(folder, tmp_path):
    source = lora(tmp_path / "up" / "ink.safetensors")
    kept = Shelf([folder]).add(source, "../../brush.safetensors", folder)
    assert kept.path == folder / "brush.safetensors"


def test_what_never_fits_is_known_before_a_model_is_loaded(tmp_path):
    cards = load_catalog()
    one, xl = lora(tmp_path / "one.safetensors"), save_xl_lora(tmp_path / "xl.safetensors")
    word = save_inversion(tmp_path / "word.safetensors", width=768)
    files = {entry.name: entry.file for entry in Shelf([one.parent]).entries()}
    assert "reads texts 128 wide" in misfit(cards["starter-sd"], files["one"])
    assert not misfit(cards["sd-1.5"], files["one"])
    assert "SDXL" not in misfit(cards["sdxl-base"], files["xl"])
    assert "second text encoder" in misfit(cards["sd-1.5"], files["xl"])
    assert "is for a UNet" in misfit(cards["flux-schnell"], files["one"])
    assert "takes no textual inversions" in misfit(cards["sd-3-medium"], files["word"])
    assert "no vectors for the second" in misfit(cards["sdxl-base"], files["word"])
    assert (xl.name, word.name) == ("xl.safetensors", "word.safetensors")


# --- naming ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "want"),
    [
        (None, ()),
        (["ink"], (AdapterUse("ink"),)),
        (["ink:0.8"], (AdapterUse("ink", 0.8, 0.8),)),
        (["<lora:ink:0.5:1>"], (AdapterUse("ink", 1.0, 0.5),)),
        ([{"name": "ink", "weight": 0.3}], (AdapterUse("ink", 0.3, 0.3),)),
        ([{"name": "ink", "unet": 0.3}], (AdapterUse("ink", 0.3, 0.3),)),
        ([{"name": "ink", "unet": 0.3, "text_encoder": 0}], (AdapterUse("ink", 0.3, 0.0),)),
    ],
)
def test_adapters_are_named_in_several_ways(value, want):
    assert checked_uses(value) == want


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("ink", "must be a list, got 'ink'"),
        ([3], "holds '3', which names no LoRA"),
        (["ink:x"], "is 'x', which is no number"),
        ([{"name": "ink", "unet": "1"}], "must be -10 to 10, got '1'"),
        ([{"name": "ink", "unet": float("nan")}], "must be -10 to 10, got nan"),
        ([{"name": ""}], "holds the name ''"),
        (["ink", "INK:0.5"], "'ink' stands twice"),
        (["a"] * 17, "names 17 LoRAs"),
    ],
)
def test_what_names_no_adapter_is_refused(value, said):
    with pytest.raises(InvalidRequest, match=said):
        checked_uses(value)


@settings_of(max_examples=100, deadline=None)
@given(ROWS)
def test_any_record_gives_uses_or_none(value):
    for use in recorded_uses(value):
        assert checked_uses([use]) == (use,)


def test_names_are_replaced_wherever_words_stand():
    prompt = parse("a blob, (BLOB:1.2) [x:blob:0.5] [blob|y] myblob blobs AND blob-like")
    assert words_in(prompt, {"blob", "other"}) == {"blob"}
    assert printed(with_words(prompt, {"blob": "W"})) == printed(
        parse("a W, (W:1.2) [x:W:0.5] [W|y] myblob blobs AND W-like")
    )


def test_the_longest_name_wins():
    prompt = parse("bad hands, bad")
    assert words_in(prompt, {"bad", "bad hands"}) == {"bad", "bad hands"}
    assert printed(with_words(prompt, {"bad": "A", "bad hands": "B"})) == printed(parse("B, A"))


@settings_of(max_examples=100, deadline=None)
@given(st.text(max_size=40), st.sets(st.text(min_size=1, max_size=4), max_size=4))
def test_any_names_in_any_text_are_found_or_not(text, names):
    lower = {name.lower() for name in names}
    prompt = parse(text)
    assert words_in(prompt, lower) <= lower
    with_words(prompt, dict.fromkeys(lower, "W"))


def test_the_last_tag_of_a_file_counts_and_negative_tags_are_left_out(folder):
    ask = ImageRequest("m", "a <lora:ink:0.2><lora:INK:0.9>", negative_prompt="<lora:nothing:1>", seed=1)
    _, picked = pick(ask, Shelf([folder]))
    assert [(used.unet, used.source) for used in picked.of(0)] == [(0.9, "prompt")]
    assert picked.notes == ("The LoRA 'Ink' is named more than once; its last tag in the prompt counts.",)


def test_nothing_is_picked_where_nothing_is_named(folder):
    request, picked = pick(ImageRequest("m", "a plain star", seed=None), Shelf([folder]))
    assert not picked.names
    assert request.seed is not None


def test_a_weight_in_a_tag_has_bounds(folder):
    with pytest.raises(InvalidRequest, match="must be -10 to 10, got 50"):
        pick(ImageRequest("m", "<lora:ink:50>", seed=1), Shelf([folder]))
