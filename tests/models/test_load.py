from __future__ import annotations

import json
import shutil
import threading
import time
import weakref
from pathlib import Path

import pytest
import torch
from PIL import Image

from playground.catalog import Catalog, load_catalog
from playground.errors import ModelUnavailable, PlaygroundError
from playground.models.load import load, weight_bytes
from playground.models.open import default_dtype, open_pool
from playground.settings import Settings
from tests.models.builders import card, save_clip, save_image, save_text
from tests.models.layouts import LAYOUTS


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("models")
    return {
        "phi3": save_text(root / "phi3", "phi3"),
        "mistral": save_text(root / "mistral", "mistral"),
        "sd": save_image(root / "sd"),
        "clip": save_clip(root / "clip"),
    }


@pytest.fixture
def settings(tmp_path) -> Settings:
    return Settings(device="cpu", dtype="float32", offline=True, data_dir=tmp_path, memory_budget=10**9)


@pytest.mark.parametrize("family", ["phi3", "mistral"])
def test_text_model_from_the_pool_equals_plain_from_pretrained(folders, settings, family):
    from transformers import AutoModelForCausalLM

    one = card("one", folders[family])
    plain = AutoModelForCausalLM.from_pretrained(folders[family], dtype=torch.float32).eval()
    pool = open_pool(settings, Catalog({"one": one}))
    with pool.lease(one) as loaded, torch.inference_mode():
        ids = loaded.tokenizer("hello there red circle", return_tensors="pt").input_ids
        assert torch.equal(loaded.model(ids).logits, plain(ids).logits)
        assert type(loaded.model) is type(plain)
        assert not loaded.model.training
        assert not any(p.requires_grad for p in loaded.model.parameters())
        assert loaded.bytes == weight_bytes(plain) == pool.stats.weight_bytes
        assert loaded.card == one
    assert pool.stats.loads == 1


def test_sharded_text_model_equals_its_single_file(folders, settings, tmp_path):
    from transformers import AutoModelForCausalLM

    whole = AutoModelForCausalLM.from_pretrained(folders["phi3"])
    shutil.copytree(folders["phi3"], tmp_path / "cut", ignore=shutil.ignore_patterns("*.safetensors"))
    whole.save_pretrained(tmp_path / "cut", max_shard_size="20KB")
    assert len(list((tmp_path / "cut").glob("*.safetensors"))) > 1
    loaded = load(card("cut", tmp_path / "cut"), "cpu", "float32", None, None, settings)
    assert all(torch.equal(a, b) for a, b in zip(loaded.model.parameters(), whole.parameters(), strict=True))


def test_the_sixteen_bit_load_is_sixteen_bit(folders, settings):
    loaded = load(card("one", folders["phi3"]), "cpu", "bfloat16", None, None, settings)
    assert {p.dtype for p in loaded.model.parameters()} == {torch.bfloat16}
    assert loaded.dtype == torch.bfloat16


def test_image_model_from_the_pool_draws_what_plain_from_pretrained_draws(folders, settings):
    from diffusers import StableDiffusionPipeline

    def draw(pipeline):
        pipeline.set_progress_bar_config(disable=True)
        generator = torch.Generator().manual_seed(1)
        return pipeline(
            "red circle", num_inference_steps=2, width=16, height=16, generator=generator, output_type="pt"
        ).images

    one = card("one", folders["sd"], "image")
    plain = StableDiffusionPipeline.from_pretrained(folders["sd"], safety_checker=None, dtype=torch.float32)
    pool = open_pool(settings, Catalog({"one": one}))
    with pool.lease(one) as loaded:
        assert torch.equal(draw(loaded.pipeline()), draw(plain))
        modules = [loaded.components[n] for n in ("unet", "vae", "text_encoder")]
        assert loaded.bytes == sum(weight_bytes(m) for m in modules)
        assert not any(m.training for m in modules)


def test_three_pipelines_share_modules_keep_dtype_and_have_their_own_scheduler(folders, settings):
    from diffusers import StableDiffusionImg2ImgPipeline, StableDiffusionInpaintPipeline, StableDiffusionPipeline

    loaded = load(card("one", folders["sd"], "image"), "cpu", "bfloat16", None, None, settings)
    kinds = (StableDiffusionPipeline, StableDiffusionImg2ImgPipeline, StableDiffusionInpaintPipeline)
    pipelines = [loaded.pipeline(cls) for cls in kinds]
    for pipeline in pipelines:
        for name in ("unet", "vae", "text_encoder", "tokenizer"):
            assert getattr(pipeline, name) is loaded.components[name]
        assert {p.dtype for p in pipeline.unet.parameters()} == {torch.bfloat16}
    assert len({id(p.scheduler) for p in pipelines}) == 3


def same(ours: torch.nn.Module, theirs: torch.nn.Module) -> bool:
    a, b = [dict([*m.named_parameters(), *m.named_buffers()]) for m in (ours, theirs)]
    return (
        type(ours) is type(theirs)
        and a.keys() == b.keys()
        and all(a[n].dtype == b[n].dtype and torch.equal(a[n], b[n]) for n in a)
    )


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32"])
@pytest.mark.parametrize("family", ["phi3", "mistral", "clip"])
def test_every_weight_and_buffer_is_as_plain_from_pretrained_has_it(folders, settings, family, dtype):
    from transformers import AutoModelForCausalLM, CLIPModel

    cls, kind = (CLIPModel, "clip") if family == "clip" else (AutoModelForCausalLM, "chat")
    plain = cls.from_pretrained(folders[family], dtype=getattr(torch, dtype))
    loaded = load(card("one", folders[family], kind), "cpu", dtype, None, None, settings)
    assert same(loaded.model, plain)
    assert loaded.model.config.dtype == plain.config.dtype
    assert not loaded.model.training
    assert not any(p.requires_grad for p in loaded.model.parameters())


@pytest.fixture(scope="module")
def published(tmp_path_factory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("published")
    return {name: LAYOUTS[name](root / name) for name in ("sd14", "sdxl", "sd3", "flux")}


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32"])
@pytest.mark.parametrize("name", ["sd14", "sdxl", "sd3", "flux"])
def test_pipelines_in_the_layouts_of_the_hub_are_as_plain_from_pretrained_has_them(published, settings, name, dtype):
    """Several text encoders, shards, fp16 variants, old and new classes."""
    from diffusers import DiffusionPipeline

    options = {"safety_checker": None, "feature_extractor": None} if name == "sd14" else {}
    variant = "fp16" if name in ("sd14", "sdxl") and dtype != "float32" else None
    plain = DiffusionPipeline.from_pretrained(published[name], dtype=getattr(torch, dtype), variant=variant, **options)
    loaded = load(card("one", published[name], "image"), "cpu", dtype, None, None, settings)
    assert loaded.components.keys() == plain.components.keys()
    for part, theirs in plain.components.items():
        assert type(loaded.components[part]) is type(theirs)
        if isinstance(theirs, torch.nn.Module):
            assert same(loaded.components[part], theirs), part
    kept = {n: v for n, v in plain.config.items() if n in loaded.options and n != "requires_safety_checker"}
    assert kept.items() <= loaded.options.items()


def test_a_pipeline_keeps_the_settings_of_its_checkpoint(published, settings, tmp_path):
    folder = shutil.copytree(published["sdxl"], tmp_path / "xl")
    index = json.loads((folder / "model_index.json").read_text())
    (folder / "model_index.json").write_text(json.dumps(index | {"force_zeros_for_empty_prompt": False}))
    loaded = load(card("one", folder, "image"), "cpu", "float32", None, None, settings)
    assert loaded.pipeline().config.force_zeros_for_empty_prompt is False


def test_one_part_is_loaded_alone(published, settings):
    from playground.models.load_image import load_part

    one = card("one", published["sdxl"], "image")
    whole = load(one, "cpu", "bfloat16", None, None, settings)
    for name in ("unet", "text_encoder_2"):
        assert same(load_part(one, published["sdxl"], name, "cpu", torch.bfloat16), whole.components[name])


def test_a_loaded_model_shows_its_hidden_states(folders, settings):
    """transformers finds by class what a model records, and models are built as a class of their own."""
    loaded = load(card("one", folders["phi3"]), "cpu", "bfloat16", None, None, settings)
    out = loaded.model(torch.tensor([[1, 5, 6]]), output_hidden_states=True, output_attentions=False)
    assert len(out.hidden_states) == 3


def test_models_loaded_at_the_same_time_come_out_whole_and_disturb_nobody(folders, settings):
    """The libraries change torch's default dtype and parameter registration while they build: that broke most loads."""
    problems, dtypes, stop = [], set(), threading.Event()

    def watch() -> None:
        while not stop.is_set():
            dtypes.add(torch.get_default_dtype())
            time.sleep(0.0005)

    def go(name: str, kind: str, dtype: str) -> None:
        for _ in range(4):
            try:
                loaded = load(card(name, folders[name], kind), "cpu", dtype, None, None, settings)
            except Exception as error:
                problems.append(repr(error))
                return
            modules = [loaded.model] if kind != "image" else [loaded.components["unet"], loaded.components["vae"]]
            problems.extend(n for m in modules for n, p in m.named_parameters() if p.is_meta or p.dtype != loaded.dtype)

    jobs = [
        ("phi3", "chat", "float32"),
        ("mistral", "chat", "bfloat16"),
        ("sd", "image", "bfloat16"),
        ("clip", "clip", "float32"),
    ]
    threads = [threading.Thread(target=go, args=job) for job in jobs]
    watcher = threading.Thread(target=watch)
    watcher.start()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    stop.set()
    watcher.join()
    assert problems == []
    assert dtypes == {torch.float32}


def test_two_cards_of_one_source_hold_it_once(folders, settings):
    one, two = card("one", folders["sd"], "image"), card("two", folders["sd"], "image")
    pool = open_pool(settings, Catalog({"one": one, "two": two}))
    with pool.lease(one) as a, pool.lease(two) as b:
        assert a.components["unet"] is b.components["unet"]
        assert (a.card.id, b.card.id) == ("one", "two")
        assert pool.stats.weight_bytes == a.bytes
    assert pool.stats.loads == 1


def test_clip_gives_features_without_torchvision(folders, settings):
    loaded = load(card("one", folders["clip"], "clip"), "cpu", "float32", None, None, settings)
    pictures = [Image.new("RGB", (40, 30), "red"), Image.new("L", (32, 32), 9)]
    batch = loaded.processor(text=["red circle", "blue"], images=pictures)
    assert batch["pixel_values"].shape == (2, 3, 32, 32)
    with torch.inference_mode():
        out = loaded.model(**batch)
    assert out.logits_per_image.shape == (2, 2)
    assert torch.isfinite(out.logits_per_image).all()
    long = loaded.processor(text=["red " * 50])
    assert long["input_ids"].shape == (1, 16)


def test_an_evicted_model_is_freed(folders, settings):
    one, two = card("one", folders["phi3"]), card("two", folders["mistral"])
    pool = open_pool(settings, Catalog({"one": one, "two": two}))
    with pool.lease(one) as loaded:
        model, size = weakref.ref(loaded.model), loaded.bytes
    with pool.lease(two):
        pass
    assert pool.unload("one")
    assert model() is None
    assert pool.stats.leaked_bytes == 0
    assert pool.stats.used_bytes > 0
    assert size > 0


@pytest.mark.parametrize(("name", "kind"), [("phi3", "chat"), ("sd", "image"), ("clip", "clip")])
def test_announced_size_is_the_size_that_comes(folders, settings, name, kind):
    from playground.models.load import size_on_device

    for dtype in ("float32", "bfloat16"):
        loaded = load(card("one", folders[name], kind), "cpu", dtype, None, None, settings)
        # Buffers that files do not hold (positions, rotary tables) are the only difference.
        assert (
            size_on_device(folders[name], kind, dtype)
            <= loaded.bytes
            <= size_on_device(folders[name], kind, dtype) + 4096
        )


def test_the_fp16_variant_is_taken_for_sixteen_bit_and_where_nothing_else_is_there(folders, settings, tmp_path):
    from diffusers import StableDiffusionPipeline

    plain = StableDiffusionPipeline.from_pretrained(folders["sd"], safety_checker=None, dtype=torch.float16)
    plain.save_pretrained(tmp_path / "half", variant="fp16")
    loaded = load(card("half", tmp_path / "half", "image"), "cpu", "float32", None, None, settings)
    want = plain.unet.conv_in.weight.float()
    assert torch.equal(loaded.components["unet"].conv_in.weight, want)
    assert loaded.components["unet"].conv_in.weight.dtype == torch.float32


def test_a_component_that_lacks_weights_is_refused(folders, settings, tmp_path):
    from safetensors.torch import load_file, save_file

    for name, part, kind in (
        ("phi3", "model.safetensors", "chat"),
        ("sd", "unet/diffusion_pytorch_model.safetensors", "image"),
    ):
        copy = tmp_path / name
        shutil.copytree(folders[name], copy)
        tensors = load_file(copy / part)
        tensors.pop(sorted(tensors)[-1])
        save_file(tensors, copy / part, metadata={"format": "pt"})
        with pytest.raises(ModelUnavailable, match="lacks 1 of its weights"):
            load(card(name, copy, kind), "cpu", "float32", None, None, settings)


@pytest.mark.parametrize(
    ("file", "content", "why"),
    [
        ("config.json", {"auto_map": {"AutoModel": "x.Y"}, "model_type": "its_own"}, "auto_map in config.json"),
        ("config.json", {"attn_implementation": "someone/kernel"}, "the attention kernel someone/kernel"),
        ("config.json", {"text_config": {"_attn_implementation": "a/b:c"}}, "the attention kernel a/b:c"),
        ("adapter_config.json", {"base_model_name_or_path": "x/y"}, r"holds an adapter \(adapter_config.json\)"),
    ],
)
def test_what_would_run_code_or_another_model_is_refused(folders, settings, tmp_path, file, content, why):
    folder = shutil.copytree(folders["phi3"], tmp_path / "m")
    stored = json.loads((folder / file).read_text()) if (folder / file).is_file() else {}
    (folder / file).write_text(json.dumps(stored | content))
    with pytest.raises(ModelUnavailable, match=why):
        load(card("one", folder), "cpu", "float32", None, None, settings)


def test_an_architecture_without_a_language_model_is_refused_by_name(folders, settings, tmp_path):
    folder = shutil.copytree(folders["clip"], tmp_path / "m")
    with pytest.raises(ModelUnavailable, match="architecture 'clip', which has no causal language model"):
        load(card("one", folder), "cpu", "float32", None, None, settings)


def test_the_pool_loads_what_the_lease_names(folders, settings):
    pool = open_pool(settings, Catalog({}))
    one = card("one", folders["phi3"])
    with pool.lease(one) as plain, pool.lease(one, quantization="int8") as packed:
        assert plain.quantized is None
        assert packed.quantized.quantization == "int8"
        assert packed.bytes < plain.bytes
    with (
        pytest.raises(ModelUnavailable, match=r"as fp8 on cpu.*Choose int8 or int4"),
        pool.lease(one, quantization="fp8"),
    ):
        pass


def test_a_model_larger_than_the_budget_is_refused_with_figures(folders, settings):
    small = settings.model_copy(update={"memory_budget": 1000})
    pool = open_pool(small, Catalog({}))
    with (
        pytest.raises(PlaygroundError, match=r"ONE needs .* of 1\.0 kB is free"),
        pool.lease(card("one", folders["phi3"])),
    ):
        pass


def test_sixteen_bit_is_taken_where_thirty_two_does_not_fit(folders, monkeypatch):
    from playground.models import open as wiring
    from playground.models.load import size_on_device

    monkeypatch.setattr(wiring.devices, "pick_dtype", lambda *_: "float32")
    one, auto = card("one", folders["phi3"]), Settings(device="cpu", dtype="auto")
    whole = size_on_device(folders["phi3"], "chat", "float32")
    assert default_dtype(one, "cpu", auto, whole) == "float32"
    assert default_dtype(one, "cpu", auto, whole - 1) == "bfloat16"
    assert default_dtype(one, "cpu", Settings(device="cpu", dtype="float32"), whole - 1) == "float32"


STARTERS = [c for c in load_catalog() if c.shipped]


@pytest.mark.parametrize("starter", STARTERS, ids=lambda c: c.id)
def test_shipped_starter_models_load(starter, settings):
    if not starter.folder.is_dir():
        pytest.skip(f"{starter.id} is not in this tree yet")
    pool = open_pool(settings, Catalog({starter.id: starter}))
    with pool.lease(starter) as loaded:
        parts = [loaded.model] if starter.kind != "image" else [loaded.components["unet"], loaded.components["vae"]]
        for part in parts:
            assert all(torch.isfinite(p).all() for p in part.parameters())
        if starter.kind != "image":
            assert type(loaded.model).__name__ == starter.model_class


def test_a_window_that_never_slides_is_taken_out_and_changes_nothing(settings, tmp_path):
    from transformers import AutoConfig, DynamicCache
    from transformers.cache_utils import DynamicLayer

    save_text(tmp_path / "phi")
    config = json.loads((tmp_path / "phi" / "config.json").read_text())
    ids = torch.tensor([[4, 5, 6, 7, 5, 4, 6]])
    logits = []
    for name, window in (("none", None), ("idle", 64), ("slides", 3)):
        shutil.copytree(tmp_path / "phi", tmp_path / name)
        (tmp_path / name / "config.json").write_text(json.dumps(config | {"sliding_window": window}))
        loaded = load(card(name, tmp_path / name), "cpu", "float32", None, None, settings)
        plain = type(loaded.model).from_pretrained(tmp_path / name, dtype=torch.float32)
        with torch.inference_mode():
            logits.append(loaded.model(ids).logits)
            torch.testing.assert_close(logits[-1], plain(ids).logits)
        kinds = {type(layer) for layer in DynamicCache(config=loaded.model.config).layers}
        assert (kinds == {DynamicLayer}) == (name != "slides")
    torch.testing.assert_close(logits[0], logits[1])
    assert not torch.allclose(logits[0], logits[2])
    assert AutoConfig.from_pretrained(tmp_path / "idle").sliding_window == 64
