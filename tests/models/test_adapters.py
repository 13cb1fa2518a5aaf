from __future__ import annotations

import contextlib
import hashlib
import json
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import settings as settings_of
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from playground.errors import InvalidRequest, ModelUnavailable
from playground.models.adapter_files import InversionFile, LoraFile, read_adapter
from playground.models.adapters import Adapter, apply
from playground.models.load import building, load
from playground.settings import Settings
from tests.models.builders import card, save_image, save_image_xl, save_lora


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("adapters")
    return {"sd": save_image(root / "sd"), "xl": save_image_xl(root / "xl"), "other": save_image(root / "other", 7)}


def plain(folder: Path, dtype: torch.dtype = torch.float32):
    from diffusers import DiffusionPipeline

    options = {"safety_checker": None} if "xl" not in folder.name else {}
    pipeline = DiffusionPipeline.from_pretrained(folder, dtype=dtype, **options)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


@pytest.fixture(scope="module")
def loras(folders, tmp_path_factory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("loras")
    made = {}
    for name in ("sd", "xl"):
        for naming in ("diffusers", "kohya"):
            path = root / f"{name}-{naming}.safetensors"
            made[f"{name}-{naming}"] = save_lora(plain(folders[name]), path, naming=naming)
    made["sd-second"] = save_lora(plain(folders["sd"]), root / "second.safetensors", rank=2, alpha=8, text=False)
    return made


@pytest.fixture(scope="module")
def settings(tmp_path_factory) -> Settings:
    return Settings(device="cpu", offline=True, data_dir=tmp_path_factory.mktemp("data"))


@pytest.fixture
def sd(folders, settings):
    return load(card("one", folders["sd"], "image"), "cpu", "float32", None, None, settings)


@pytest.fixture
def xl(folders, settings):
    return load(card("two", folders["xl"], "image"), "cpu", "float32", None, None, settings)


def draw(pipeline, prompt: str = "red circle") -> torch.Tensor:
    return pipeline(
        prompt, num_inference_steps=2, width=16, height=16, generator=torch.Generator().manual_seed(1), output_type="pt"
    ).images


def look(loaded) -> dict:
    """Everything that must be the same after a lease: objects, weights, tokenizers, modes."""
    state: dict = {name: id(part) for name, part in loaded.components.items()}
    for name, part in loaded.components.items():
        if isinstance(part, torch.nn.Module):
            state |= {f"{name}.{n}": (id(m), m.training) for n, m in part.named_modules()}
            for n, tensor in part.state_dict(keep_vars=True).items():
                bits = hashlib.sha256(tensor.detach().view(torch.uint8).numpy().tobytes()).digest()
                state[f"{name}.{n}!"] = (tensor.data_ptr(), tensor.dtype, tensor.requires_grad, bits)
        elif "tokenizer" in name:
            state[f"{name} words"] = len(part)
    return state


@pytest.mark.parametrize("naming", ["diffusers", "kohya"])
@pytest.mark.parametrize("name", ["sd", "xl"])
def test_a_lora_draws_what_diffusers_draws_and_leaves_no_trace(folders, loras, sd, xl, name, naming):
    loaded, path = {"sd": sd, "xl": xl}[name], loras[f"{name}-{naming}"]
    oracle = plain(folders[name])
    without = draw(oracle)
    oracle.load_lora_weights(str(path.parent), weight_name=path.name, adapter_name="x")
    oracle.set_adapters(["x"], [0.7])
    want, before = draw(oracle), look(loaded)
    with apply(loaded, [Adapter(path, 0.7)]):
        got = draw(loaded.pipeline())
        assert not any(
            m.training for part in loaded.components.values() if hasattr(part, "modules") for m in part.modules()
        )
    assert torch.equal(got, want)
    assert not torch.equal(want, without)
    assert look(loaded) == before
    assert torch.equal(draw(loaded.pipeline()), without)


def test_two_loras_work_together_each_with_its_scale(folders, loras, sd):
    oracle = plain(folders["sd"])
    for i, name in enumerate(("sd-kohya", "sd-second")):
        oracle.load_lora_weights(str(loras[name].parent), weight_name=loras[name].name, adapter_name=f"a{i}")
    oracle.set_adapters(["a0", "a1"], [0.5, -1.5])
    before = look(sd)
    with apply(sd, [Adapter(loras["sd-kohya"], 0.5), Adapter(loras["sd-second"], -1.5)]):
        assert torch.equal(draw(sd.pipeline()), draw(oracle))
    assert look(sd) == before


def test_scale_nought_changes_nothing(loras, sd):
    without = draw(sd.pipeline())
    with apply(sd, [Adapter(loras["sd-diffusers"], 0.0)]):
        assert torch.allclose(draw(sd.pipeline()), without, atol=1e-6)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_a_lora_applies_in_sixteen_bit(folders, loras, settings, dtype):
    loaded = load(card("one", folders["sd"], "image"), "cpu", dtype, None, None, settings)
    before = look(loaded)
    x = torch.randn(1, 4, 8, 8).to(loaded.dtype), torch.tensor(5), torch.randn(1, 4, 32).to(loaded.dtype)
    unet = loaded.components["unet"]
    with torch.inference_mode():
        plain_out = unet(*x).sample
        with apply(loaded, [Adapter(loras["sd-kohya"])]):
            assert unet(*x).sample.dtype == loaded.dtype
            assert not torch.equal(unet(*x).sample, plain_out)
        assert torch.equal(unet(*x).sample, plain_out)
    assert look(loaded) == before


def test_an_error_in_the_block_takes_the_adapters_off_too(loras, sd):
    before = look(sd)
    with pytest.raises(ZeroDivisionError), apply(sd, [Adapter(loras["sd-kohya"])]):
        raise ZeroDivisionError
    assert look(sd) == before
    assert not building.locked()


def test_no_lock_is_held_while_pictures_are_made(loras, sd):
    with apply(sd, [Adapter(loras["sd-kohya"])]):
        assert not building.locked()


def test_a_lora_of_another_shape_is_refused_and_nothing_is_left(folders, loras, sd, tmp_path):
    tensors = load_file(loras["sd-diffusers"])
    tensors = {n.replace("down_blocks.1", "down_blocks.9"): t for n, t in tensors.items()}
    save_file(tensors, tmp_path / "elsewhere.safetensors")
    before = look(sd)
    with (
        pytest.raises(
            ModelUnavailable, match=r"elsewhere.safetensors (fits \d+ of the \d+ layers|could not be applied)"
        ),
        apply(sd, [Adapter(tmp_path / "elsewhere.safetensors")]),
    ):
        pass
    assert look(sd) == before


def test_a_lora_that_diffusers_applies_in_part_is_refused(loras, sd, tmp_path):
    """Of a text encoder's layers in kohya's names it leaves out queries and values where none is an output layer."""
    tensors = {n: t for n, t in load_file(loras["sd-kohya"]).items() if "self_attn_out_proj" not in n}
    save_file(tensors, tmp_path / "part.safetensors")
    before = look(sd)
    with (
        pytest.raises(ModelUnavailable, match=r"part.safetensors (fits \d+ of the \d+ layers|could not be applied)"),
        apply(sd, [Adapter(tmp_path / "part.safetensors")]),
    ):
        pass
    assert look(sd) == before


def test_a_lora_for_another_family_is_refused_in_a_sentence(loras, sd, xl):
    with (
        pytest.raises(ModelUnavailable, match="does not fit ONE: it changes text_encoder_2, which this model"),
        apply(sd, [Adapter(loras["xl-kohya"])]),
    ):
        pass
    with (
        pytest.raises(ModelUnavailable, match="does not fit TWO: it is for texts 32 wide, and this model reads 64"),
        apply(xl, [Adapter(loras["sd-kohya"])]),
    ):
        pass


def test_a_quantized_model_takes_no_lora(folders, loras, settings):
    loaded = load(card("one", folders["sd"], "image"), "cpu", "float32", None, None, settings, quantization="int8")
    with (
        pytest.raises(ModelUnavailable, match="cannot be applied to ONE in int8"),
        apply(loaded, [Adapter(loras["sd-kohya"])]),
    ):
        pass


def test_a_model_whose_parts_take_turns_takes_none(folders, loras, settings):
    loaded = load(card("one", folders["sd"], "image"), "cpu", "float32", None, None, settings, staged=True)
    with (
        pytest.raises(ModelUnavailable, match="while its parts take turns"),
        apply(loaded, [Adapter(loras["sd-kohya"])]),
    ):
        pass


# --- what a file is ------------------------------------------------------------------------------------------------


def header_file(path: Path, shapes: dict[str, tuple[int, ...]], metadata: dict[str, str] | None = None) -> Path:
    save_file({n: torch.zeros(s, dtype=torch.float16) for n, s in shapes.items()}, path, metadata=metadata)
    return path


K = "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k"
CONV = "lora_unet_mid_block_resnets_0_conv1.lora_down"


@pytest.mark.parametrize(
    ("names", "width", "metadata", "want"),
    [
        ([f"{K}.lora_down"], 768, {}, ("Stable Diffusion 1", "kohya", ("unet",))),
        ([f"{K}.lora_down"], 1024, {}, ("Stable Diffusion 2", "kohya", ("unet",))),
        (
            [f"{K}.lora_down", "lora_te2_text_model_x.lora_down"],
            2048,
            {},
            ("Stable Diffusion XL", "kohya", ("text_encoder_2", "unet")),
        ),
        (["unet.mid_block.attn2.to_v.lora_A"], 768, {}, ("Stable Diffusion 1", "diffusers", ("unet",))),
        (["unet.x.attn2.to_v.lora.down"], 2048, {}, ("Stable Diffusion XL", "diffusers", ("unet",))),
        (["unet.x.attn2.processor.to_k_lora.down"], 768, {}, ("Stable Diffusion 1", "diffusers", ("unet",))),
        (
            ["lora_te_text_model_encoder_layers_0_self_attn_q_proj.lora_down"],
            768,
            {},
            ("Stable Diffusion 1", "kohya", ("text_encoder",)),
        ),
        ([CONV], 64, {"ss_base_model_version": "sdxl_base_v1-0"}, ("Stable Diffusion XL", "kohya", ("unet",))),
        ([CONV], 64, {}, ("unknown", "kohya", ("unet",))),
        (["transformer.single_transformer_blocks.0.to_q.lora_A"], 64, {}, ("FLUX.1", "diffusers", ("transformer",))),
        (["lora_unet_double_blocks_0_img_attn_qkv.lora_down"], 64, {}, ("FLUX.1", "kohya", ("transformer",))),
        (
            ["transformer.transformer_blocks.0.attn.to_q.lora_A"],
            64,
            {},
            ("Stable Diffusion 3", "diffusers", ("transformer",)),
        ),
    ],
)
def test_family_naming_and_parts_are_read_from_names_and_shapes(tmp_path, names, width, metadata, want):
    shapes = {f"{name}.weight": (8, width) for name in names}
    ups = {n.replace("down", "up").replace("lora_A", "lora_B"): (16, 8) for n in shapes}
    found = read_adapter(header_file(tmp_path / "x.safetensors", shapes | ups, metadata))
    assert isinstance(found, LoraFile)
    assert (found.family, found.naming, found.parts) == want
    assert (found.layers, found.rank) == (len(names), 8)


def test_a_real_file_is_described(loras):
    found = read_adapter(loras["sd-kohya"])
    assert isinstance(found, LoraFile)
    assert (found.rank, found.width, found.parts) == (4, 32, ("text_encoder", "unet"))
    assert found.bytes == sum(t.numel() * t.element_size() for t in load_file(loras["sd-kohya"]).values())
    assert found.layers == read_adapter(loras["sd-diffusers"]).layers


@pytest.mark.parametrize(
    ("metadata", "words"),
    [
        ({}, ()),
        ({"modelspec.trigger_phrase": "in the style of xyz"}, ("in the style of xyz",)),
        ({"ss_tag_frequency": json.dumps({"10_xyz": {"xyz": 9, "cat": 3}, "b": {"cat": 1}})}, ("xyz", "cat")),
        ({"ss_dataset_dirs": json.dumps({"10_xyz dog": {"n_repeats": 10}})}, ("xyz dog",)),
        ({"ss_tag_frequency": "not json", "ss_dataset_dirs": "[1]"}, ()),
    ],
)
def test_trigger_words_come_from_the_metadata(tmp_path, metadata, words):
    path = header_file(tmp_path / "x.safetensors", {f"{K}.lora_down.weight": (4, 768)}, metadata)
    assert read_adapter(path).words == words


@pytest.mark.parametrize(
    ("shapes", "what"),
    [
        ({"lora_unet_x.hada_w1_a": (4, 8)}, "LoHa"),
        ({"lora_unet_x.lokr_w1": (4, 8)}, "LoKr"),
        ({f"{K}.lora_down.weight": (4, 768), f"{K}.dora_scale": (4, 1)}, "DoRA"),
        ({"x.diff": (4, 8)}, "full weight differences"),
        ({"a.weight": (4, 8), "b.weight": (4, 8)}, "neither a LoRA nor a textual inversion"),
        ({"video_model.x.lora_A.weight": (4, 8)}, "which no model here has"),
    ],
)
def test_what_cannot_be_applied_is_refused_by_name(tmp_path, shapes, what):
    with pytest.raises(ModelUnavailable, match=what):
        read_adapter(header_file(tmp_path / "x.safetensors", shapes))


def test_a_pickled_adapter_is_refused(tmp_path):
    (tmp_path / "x.pt").write_bytes(b"\x80\x02}q\x00.")
    with pytest.raises(ModelUnavailable, match="pickle"):
        read_adapter(tmp_path / "x.pt")


@settings_of(deadline=None)
@given(st.dictionaries(st.text(min_size=1, max_size=30), st.tuples(st.integers(1, 3), st.integers(1, 3)), max_size=4))
def test_any_header_is_described_or_refused(tmp_path_factory, shapes):
    path = tmp_path_factory.mktemp("any") / "x.safetensors"
    shapes = {n: s for n, s in shapes.items() if n != "__metadata__" and n.isprintable()}
    size = sum(2 * a * b for a, b in shapes.values())
    with contextlib.suppress(ModelUnavailable):
        assert read_adapter(header_file(path, shapes)).bytes == size


# --- textual inversion ---------------------------------------------------------------------------------------------


def test_a_textual_inversion_draws_what_diffusers_draws_and_leaves_no_trace(folders, sd, tmp_path):
    torch.manual_seed(3)
    path = tmp_path / "x.safetensors"
    save_file({"<style>": torch.randn(2, 32)}, path)
    oracle = plain(folders["sd"])
    oracle.load_textual_inversion(str(path.parent), weight_name=path.name, local_files_only=True)
    want, before = draw(oracle, "red <style>"), look(sd)
    with apply(sd, [Adapter(path)]):
        got = draw(sd.pipeline(), "red <style>")
        assert sd.pipeline().maybe_convert_prompt("a <style>", sd.components["tokenizer"]) == "a <style> <style>_1"
    assert torch.equal(got, want)
    assert look(sd) == before


def test_a_textual_inversion_for_two_encoders_and_a_lora_together(loras, xl, tmp_path):
    torch.manual_seed(3)
    path = tmp_path / "word.safetensors"
    save_file({"clip_l": torch.randn(1, 32), "clip_g": torch.randn(1, 32)}, path)
    before = look(xl)
    with apply(xl, [Adapter(path), Adapter(loras["xl-kohya"])]):
        assert torch.isfinite(draw(xl.pipeline(), "red word")).all()
        ids = xl.components["tokenizer_2"]("word", add_special_tokens=False).input_ids
        row = xl.components["text_encoder_2"].get_input_embeddings().weight[ids[0]]
        assert torch.equal(row, load_file(path)["clip_g"][0])
    assert look(xl) == before


@pytest.mark.parametrize(
    ("tensors", "token", "vectors", "encoders"),
    [
        ({"<cat>": (768,)}, "<cat>", 1, {"text_encoder": 768}),
        ({"emb_params": (5, 1024)}, "file", 5, {"text_encoder": 1024}),
        ({"clip_l": (3, 768), "clip_g": (3, 1280)}, "file", 3, {"text_encoder": 768, "text_encoder_2": 1280}),
    ],
)
def test_textual_inversions_are_read_in_every_layout(tmp_path, tensors, token, vectors, encoders):
    found = read_adapter(header_file(tmp_path / "file.safetensors", tensors))
    assert isinstance(found, InversionFile)
    assert (found.token, found.vectors, dict(found.widths)) == (token, vectors, encoders)


def test_textual_inversions_that_do_not_fit_are_refused(sd, xl, tmp_path):
    before = look(sd)
    wide = header_file(tmp_path / "wide.safetensors", {"<x>": (2, 768)})
    fits = header_file(tmp_path / "fits.safetensors", {"<x>": (2, 32)})
    known = header_file(tmp_path / "known.safetensors", {"red": (1, 32)})
    for adapters, model, error, why in (
        ([Adapter(wide)], sd, ModelUnavailable, "vectors are 768 wide, and this model's 32"),
        ([Adapter(fits, 0.5)], sd, InvalidRequest, "has no strength, got 0.5"),
        ([Adapter(known)], sd, InvalidRequest, "adds the word 'red', which the model knows"),
        ([Adapter(fits), Adapter(fits)], sd, InvalidRequest, "adds the word '<x>'"),
        ([Adapter(fits)], xl, ModelUnavailable, "it has no vectors for text_encoder_2"),
    ):
        with pytest.raises(error, match=why), apply(model, adapters):
            pass
    assert look(sd) == before
