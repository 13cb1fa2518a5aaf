"""Adapters through the engine: what plain diffusers draws, several at once, off again, refused in a sentence."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image as Pictures

from playground.catalog import load_catalog
from playground.images.metadata import read_metadata
from playground.local_engine import LocalEngine
from playground.models.adapter_shelf import FOLDER
from playground.protocol import AdapterUse, Event, Failed, Image, ImageRequest, Notice
from playground.settings import Settings
from tests.adapters.making import SMALL, plain, save_inversion, save_lora, save_xl_lora
from tests.test_engine import run

STAR = ImageRequest(
    "starter-sd", "a blue star on a white background", steps=2, seed=1, guidance_scale=4.0, sampler="DPM++ 2M",
    schedule="Automatic", preview_every=0,
)  # fmt: skip


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data")
    folder = root / FOLDER
    folder.mkdir()
    save_lora(folder / "Ink.safetensors")
    save_lora(folder / "wash.safetensors", rank=3, text=False)
    save_lora(folder / "small.safetensors", folder=SMALL)
    save_xl_lora(folder / "xl.safetensors")
    save_inversion(folder / "blob.safetensors")
    save_inversion(folder / "many.safetensors", vectors=3, seed=1)
    save_inversion(folder / "wide.safetensors", width=768)
    (folder / "torn.safetensors").write_bytes((folder / "wash.safetensors").read_bytes()[:-100])
    (folder / "old.pt").write_bytes(b"\x80\x02}q\x00.")
    return root


@pytest.fixture(scope="module")
def engine(data: Path) -> Iterator[LocalEngine]:
    engine = LocalEngine(Settings(data_dir=data, offline=True, device="cpu", dtype="float32"), load_catalog())
    yield engine
    engine.close()


def pictures(events: list[Event]) -> list[Image]:
    failed = [e.error for e in events if isinstance(e, Failed)]
    assert not failed, failed
    return [e for e in events if isinstance(e, Image)]


def pixels(image: Image) -> np.ndarray:
    return np.asarray(Pictures.open(io.BytesIO(image.png)).convert("RGB"))


def drawn(engine: LocalEngine, **changes: Any) -> np.ndarray:
    return pixels(pictures(run(engine, replace(STAR, **changes)))[0])


def refused(engine: LocalEngine, **changes: Any) -> str:
    event = run(engine, replace(STAR, **changes))[-1]
    assert isinstance(event, Failed)
    return f"{event.error} {event.hint}"


def oracle(pipeline: Any, prompt: str = STAR.prompt, negative: str = "") -> np.ndarray:
    """The plain pipeline's picture, with as many threads as the engine's."""
    from playground.models import devices

    devices.use_threads(devices.cores())
    picture = pipeline(
        prompt, negative_prompt=negative or None, num_inference_steps=2, guidance_scale=4.0, width=128, height=128,
        generator=torch.Generator().manual_seed(1),
    ).images[0]  # fmt: skip
    return np.asarray(picture)


@pytest.fixture(scope="module")
def bare(data: Path) -> Any:
    pipeline = plain()
    for name in ("Ink", "wash"):
        pipeline.load_lora_weights(str(data / FOLDER), weight_name=f"{name}.safetensors", adapter_name=name)
    return pipeline


def test_pictures_with_loras_are_those_of_plain_diffusers_and_leave_nothing(engine, bare):
    before = drawn(engine)
    bare.disable_lora()
    assert np.array_equal(before, oracle(bare))
    bare.enable_lora()
    bare.set_adapters(["Ink"], [0.8])
    one = drawn(engine, prompt=f"{STAR.prompt}<lora:ink:0.8>")
    assert np.array_equal(one, oracle(bare))
    assert not np.array_equal(one, before)
    weights = [{"unet": 0.5, "text_encoder": -1.0}, {"unet": 1.5}]
    bare.set_adapters(["Ink", "wash"], weights)
    both = drawn(engine, adapters=(AdapterUse("ink", 0.5, -1.0), AdapterUse("WASH", 1.5)))
    assert np.array_equal(both, oracle(bare))
    assert not np.array_equal(both, one)
    assert np.array_equal(drawn(engine), before)


def test_the_model_is_loaded_once_for_all_weights(engine):
    first = {id(module) for module in _modules(engine)}
    for weight in (0.2, 0.9):
        drawn(engine, adapters=(AdapterUse("ink", weight, weight),))
    assert "Failed" in type(run(engine, replace(STAR, adapters=(AdapterUse("xl"),)))[-1]).__name__
    assert {id(module) for module in _modules(engine)} == first


def _modules(engine: LocalEngine) -> list[Any]:
    with engine.pool().lease(load_catalog()["starter-sd"]) as loaded:
        return [m for part in ("unet", "text_encoder") for m in loaded.components[part].modules()]


def test_a_tag_is_the_same_as_the_list_and_wins_over_it(engine):
    listed = drawn(engine, adapters=(AdapterUse("ink", 0.3, 0.7),))
    assert np.array_equal(listed, drawn(engine, prompt=f"{STAR.prompt}<lora:Ink:0.7:0.3>"))
    tagged = f"{STAR.prompt}<lora:ink:te=0.7:unet=0.3>"
    assert np.array_equal(listed, drawn(engine, prompt=tagged, adapters=(AdapterUse("ink"),)))


def test_each_picture_of_a_batch_has_the_adapters_of_its_own_variant(engine):
    prompt = STAR.prompt + "{<lora:ink:1>|<lora:wash:1>|}"
    made = pictures(run(engine, replace(STAR, prompt=prompt, batch_size=4)))
    names = {tuple(a["name"] for a in read_metadata(image.png)["adapters"]) for image in made}
    assert len(names) > 1
    for index, image in enumerate(made):
        record = read_metadata(image.png)
        wanted = [name for name in ("Ink", "wash") if f":{name.lower()}:" in record["prompt"]]
        assert [a["name"] for a in record["adapters"]] == wanted
        alone = drawn(engine, prompt=record["prompt"], seed=1 + index)
        assert np.abs(alone.astype(int) - pixels(image)).max() <= 2


@pytest.mark.parametrize(("name", "negative"), [("blob", False), ("many", False), ("many", True)])
def test_textual_inversions_are_words_by_the_names_of_their_files(engine, data, name, negative):
    pipeline = plain()
    pipeline.load_textual_inversion(str(data / FOLDER), weight_name=f"{name}.safetensors", token=f"<{name}>")
    texts = (f"a {name} star", "") if not negative else (STAR.prompt, f"{name}, dark")
    want = oracle(pipeline, *(text.replace(name, f"<{name}>") for text in texts))
    got = drawn(engine, prompt=texts[0].replace("many", "Many"), negative_prompt=texts[1])
    assert np.array_equal(got, want)
    assert not np.array_equal(got, oracle(plain(), *texts))


def test_a_textual_inversion_counts_within_weights_and_every_chunk(engine):
    long = "red circle, " * 30 + "(many:1.4) star"
    made = drawn(engine, prompt=long)
    assert not np.array_equal(made, drawn(engine, prompt=long.replace("many", "")))
    assert not np.array_equal(made, drawn(engine, prompt=long.replace("1.4", "1")))


def test_a_name_within_a_word_is_no_name(engine):
    events = run(engine, replace(STAR, prompt="blobs and myblob"))
    assert not read_metadata(pictures(events)[0].png)["adapters"]


def test_what_does_not_fit_is_refused_or_told(engine):
    for name, said in (
        ("xl", "xl.safetensors is a LoRA for Stable Diffusion XL and does not fit Starter SD"),
        (
            "small",
            "does not fit Starter SD: its layer down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q reads",
        ),
        ("torn", "torn.safetensors is not a whole safetensors file"),
        ("old", "old.pt is a pickle"),
        ("blob", "blob is a textual inversion and no LoRA. Write blob as a word"),
        ("inc", "There is no LoRA 'inc'. There are: Ink"),
    ):
        text = refused(engine, adapters=(AdapterUse(name),))
        assert said in text, text
        assert "Traceback" not in text
        assert said in refused(engine, prompt=f"a star <lora:{name}:1>")
    events = run(engine, replace(STAR, prompt="a wide old star"))
    told = [e.text for e in events if isinstance(e, Notice)]
    assert len(told) == 2
    assert "'old' is read as a plain word, since its file cannot be used: old.pt is a pickle" in told[0]
    assert "'wide' is read as a plain word: wide.safetensors is a textual inversion" in told[1]
    assert len(pictures(events)) == 1


def test_the_record_makes_the_picture_again(engine):
    from playground.images.recall import request_of

    first = replace(STAR, prompt="a Many star <lora:wash:0.4>", adapters=(AdapterUse("ink", 0.6, 0.2),))
    (image,) = pictures(run(engine, first))
    record = read_metadata(image.png)
    assert [(a["name"], a["kind"]) for a in record["adapters"]] == [
        ("Ink", "lora"), ("wash", "lora"), ("many", "embedding"),
    ]  # fmt: skip
    assert 'Lora hashes: "Ink: ' in image.parameters
    assert "TI hashes: " in image.parameters
    again = request_of(record, load_catalog())
    assert again.adapters == (AdapterUse("Ink", 0.6, 0.2),)
    assert np.array_equal(pixels(pictures(run(engine, again))[0]), pixels(image))
