from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from accelerate import init_empty_weights

from playground.errors import ModelUnavailable
from playground.models import single_file
from playground.models.load import load, size_on_device, weight_bytes
from playground.models.load_image import load_part
from playground.models.single_file import CONFIGS, Layout, clip_tokenizer, clip_vocabulary, detect, open_checkpoint
from playground.settings import Settings
from tests.models.builders import card, save_image, save_image_xl
from tests.models.ldm import checkpoint, save_checkpoint


@pytest.fixture
def settings(tmp_path) -> Settings:
    return Settings(device="cpu", offline=True, data_dir=tmp_path / "data")


def configs_beside(folder: Path, file: Path) -> None:
    """The configs of a pipeline's folder, without weights, where the loader looks for those of `file`."""
    skip = shutil.ignore_patterns("*.safetensors", "*.index.json", "tmp")
    shutil.copytree(folder, file.with_suffix(""), ignore=skip)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> dict[str, tuple[Path, Path]]:
    """A diffusers folder and the same weights as one file, of Stable Diffusion and of XL."""
    from diffusers import DiffusionPipeline

    root = tmp_path_factory.mktemp("single")
    made = {}
    for name, build in (("sd", save_image), ("xl", save_image_xl)):
        folder, file = build(root / f"{name}-folder"), root / f"{name}.safetensors"
        options = {"safety_checker": None} if name == "sd" else {}
        ema = {"model_ema.decay": torch.tensor(0.9), "betas": torch.zeros(4)}  # in published files, and not used
        save_checkpoint(DiffusionPipeline.from_pretrained(folder, **options), file, **ema)
        configs_beside(folder, file)
        made[name] = folder, file
    return made


def draw(loaded) -> torch.Tensor:
    return (
        loaded.pipeline()(
            "red circle",
            num_inference_steps=2,
            width=16,
            height=16,
            generator=torch.Generator().manual_seed(1),
            output_type="pt",
        )
        .images.detach()
        .clone()
    )


@pytest.mark.parametrize("name", ["sd", "xl"])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_one_file_has_the_weights_and_draws_the_picture_of_its_folder(tiny, settings, name, dtype):
    folder, file = tiny[name]
    whole = load(card("a", folder, "image"), "cpu", dtype, None, None, settings)
    one = load(
        card("b", file.parent, "image", format="single-file", file=file.name), "cpu", dtype, None, None, settings
    )
    modules = [n for n, part in whole.components.items() if isinstance(part, torch.nn.Module)]
    assert len(modules) == {"sd": 3, "xl": 4}[name]
    for part in modules:
        a, b = whole.components[part].state_dict(), one.components[part].state_dict()
        assert a.keys() == b.keys()
        assert all(a[n].dtype == b[n].dtype and torch.equal(a[n], b[n]) for n in a), part
    assert one.pipeline_class is whole.pipeline_class
    assert one.bytes == whole.bytes == sum(weight_bytes(one.components[m]) for m in modules)
    assert torch.equal(draw(one), draw(whole))


def test_a_path_as_source_is_the_same_as_folder_and_file(tiny, settings):
    _, file = tiny["sd"]
    one = load(card("a", file, "image"), "cpu", "float32", None, None, settings)
    two = load(
        card("b", file.parent, "image", format="single-file", file=file.name), "cpu", "float32", None, None, settings
    )
    for a, b in zip(one.components["unet"].parameters(), two.components["unet"].parameters(), strict=True):
        assert torch.equal(a, b)


def test_one_part_comes_anew_from_the_file(tiny, settings):
    folder, file = tiny["sd"]
    for path in (folder, file):
        part = load_part(card("a", path, "image"), path, "vae", "cpu", torch.float32)
        whole = load(card("a", folder, "image"), "cpu", "float32", None, None, settings).components["vae"]
        assert all(torch.equal(a, b) for a, b in zip(part.parameters(), whole.parameters(), strict=True))


@pytest.mark.parametrize("name", ["sd", "xl"])
def test_the_announced_size_is_within_a_hundredth_of_what_comes(tiny, settings, name):
    _, file = tiny[name]
    for dtype in ("float32", "bfloat16"):
        loaded = load(card("a", file, "image"), "cpu", dtype, None, None, settings)
        assert size_on_device(file, "image", dtype) == pytest.approx(loaded.bytes, rel=0.01)


def test_a_file_that_lacks_weights_is_refused(tiny, settings, tmp_path):
    from safetensors.torch import load_file, save_file

    folder, file = tiny["sd"]
    tensors = load_file(file)
    tensors.pop("model.diffusion_model.out.2.bias")
    save_file(tensors, tmp_path / "cut.safetensors")
    configs_beside(folder, tmp_path / "cut.safetensors")
    with pytest.raises(ModelUnavailable, match=r"unet lacks 1 of its weights, for instance conv_out\.bias"):
        load(card("a", tmp_path / "cut.safetensors", "image"), "cpu", "float32", None, None, settings)


@pytest.mark.parametrize("name", ["model.ckpt", "model.pt", "model.bin"])
def test_pickles_are_refused_with_the_way_out(settings, tmp_path, name):
    (tmp_path / name).write_bytes(b"\x80\x02}q\x00.")
    with pytest.raises(ModelUnavailable, match=r"is a pickle, which can run code.*save_file"):
        load(card("a", tmp_path / name, "image"), "cpu", "float32", None, None, settings)


def test_a_file_that_is_not_there_or_no_safetensors_is_refused(settings, tmp_path):
    with pytest.raises(ModelUnavailable, match="is not there"):
        load(card("a", tmp_path / "no.safetensors", "image"), "cpu", "float32", None, None, settings)
    (tmp_path / "web.safetensors").write_text("<html>404</html>")
    with pytest.raises(ModelUnavailable, match="not a whole safetensors file"):
        load(card("a", tmp_path / "web.safetensors", "image"), "cpu", "float32", None, None, settings)


# --- the layouts of published checkpoints, at full size, without memory --------------------------------------------

# Parameters of the published weights, counted from their headers by the catalog's sources.
PUBLISHED = {
    "sd1": {"unet": 859_520_964, "vae": 83_653_863, "text_encoder": 123_060_480},
    "sd2": {"unet": 865_910_724, "vae": 83_653_863, "text_encoder": 340_387_840},
    "sdxl": {"unet": 2_567_463_684, "vae": 83_653_863, "text_encoder": 123_060_480, "text_encoder_2": 694_659_840},
}


@pytest.fixture(scope="module")
def full() -> dict[str, SimpleNamespace]:
    """The shipped configs as models on the meta device."""
    import diffusers
    import transformers

    made = {}
    for family in PUBLISHED:
        index = json.loads((CONFIGS / family / "model_index.json").read_text())
        parts = {}
        for name in PUBLISHED[family]:
            library, cls_name = index[name]
            cls = getattr({"diffusers": diffusers, "transformers": transformers}[library], cls_name)
            with init_empty_weights(include_buffers=True), torch.device("meta"):
                if library == "diffusers":
                    parts[name] = cls.from_config(json.loads((CONFIGS / family / name / "config.json").read_text()))
                else:
                    parts[name] = cls(cls.config_class.from_pretrained(CONFIGS / family / name))
        made[family] = SimpleNamespace(**parts)
    return made


@pytest.mark.parametrize("family", list(PUBLISHED))
def test_shipped_configs_have_the_published_number_of_parameters(full, family):
    counted = {n: sum(p.numel() for p in part.parameters()) for n, part in vars(full[family]).items()}
    assert counted == PUBLISHED[family]


@pytest.mark.parametrize("family", list(PUBLISHED))
def test_shipped_configs_name_classes_that_build(family):
    import diffusers

    index = json.loads((CONFIGS / family / "model_index.json").read_text())
    scheduler = getattr(diffusers, index["scheduler"][1])
    given = json.loads((CONFIGS / family / "scheduler/scheduler_config.json").read_text())
    kept = scheduler.from_config(given).config
    assert {n: kept[n] for n in given if not n.startswith("_")} == {n: v for n, v in given.items() if n[0] != "_"}


@pytest.mark.parametrize("family", list(PUBLISHED))
def test_full_size_checkpoints_are_recognised_by_their_headers(full, family):
    shapes = {n: tuple(t.shape) for n, t in checkpoint(full[family]).items()}
    prediction = "v_prediction" if family == "sd2" else "epsilon"
    assert detect(shapes, {}) == Layout(family, 4, prediction)
    shapes["model.diffusion_model.input_blocks.0.0.weight"] = (320, 9, 3, 3)
    found = detect(shapes, {})
    assert found == Layout(family, 9, "epsilon")
    assert found.inpaints


@pytest.mark.parametrize("family", list(PUBLISHED))
def test_full_size_checkpoints_come_back_under_the_names_of_diffusers(full, family, monkeypatch):
    stored = checkpoint(full[family])
    opened = single_file.Checkpoint(Path("x.safetensors"), CONFIGS / family, Layout(family))
    opened.__dict__["_stored"] = stored
    assert set(opened.modules) == set(PUBLISHED[family])
    for name in ("unet", "vae"):
        want = {n: tuple(t.shape) for n, t in getattr(full[family], name).state_dict().items()}
        assert {n: tuple(t.shape) for n, t in opened.tensors(name)} == want
    for name in {"text_encoder", "text_encoder_2"} & set(PUBLISHED[family]):
        module = getattr(full[family], name)
        state = opened.for_transformers(name, type(module))["state"]
        want = {n.removeprefix("text_model."): t.shape for n, t in module.state_dict().items()}
        assert {n.removeprefix("text_model."): t.shape for n, t in state.items()} == want


@pytest.mark.parametrize(
    ("family", "metadata", "extra", "stem", "want"),
    [
        ("sd2", {}, (), "v2-1_512-ema-pruned", "epsilon"),
        ("sd2", {"modelspec.prediction_type": "epsilon"}, (), "x", "epsilon"),
        ("sd2", {"modelspec.architecture": "stable-diffusion-v2-512"}, (), "x", "epsilon"),
        ("sd2", {"modelspec.architecture": "stable-diffusion-v2-768-v"}, (), "mix512", "v_prediction"),
        ("sdxl", {"modelspec.prediction_type": "v"}, (), "x", "v_prediction"),
        ("sdxl", {}, ("v_pred", "ztsnr"), "x", "v_prediction"),
        ("sd1", {}, ("v_pred",), "x", "v_prediction"),
    ],
)
def test_what_a_unet_predicts_is_taken_from_every_hint(full, family, metadata, extra, stem, want):
    shapes = {n: tuple(t.shape) for n, t in checkpoint(full[family]).items()} | dict.fromkeys(extra, ())
    found = detect(shapes, metadata, stem)
    assert found.prediction == want
    assert found.zero_snr == ("ztsnr" in extra)


def test_the_scheduler_and_the_pipeline_follow_the_layout():
    from diffusers import StableDiffusionInpaintPipeline

    opened = single_file.Checkpoint(Path("x"), CONFIGS / "sd1", Layout("sd1", 9, "v_prediction", zero_snr=True))
    assert opened.index["_class_name"] == "StableDiffusionInpaintPipeline"
    assert opened.config("unet")["in_channels"] == 9
    rest = opened._rest(StableDiffusionInpaintPipeline)
    assert rest["scheduler"].config.prediction_type == "v_prediction"
    assert rest["scheduler"].config.rescale_betas_zero_snr
    assert rest["safety_checker"] is None
    assert rest["requires_safety_checker"] is False


UNET = "model.diffusion_model.input_blocks.0.0.weight"
TO_K = "model.diffusion_model.input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight"


@pytest.mark.parametrize(
    ("shapes", "seen"),
    [
        ({"lora_unet_x.lora_down.weight": (4, 8)}, "a LoRA"),
        ({"x.hada_w1_a": (4, 8)}, "LyCORIS"),
        ({"emb_params": (2, 768)}, "a textual inversion"),
        ({"control_model.time_embed.0.weight": (4, 4)}, "a ControlNet"),
        ({"model.diffusion_model.joint_blocks.0.x_block.attn.qkv.weight": (4, 4)}, "Stable Diffusion 3"),
        ({"double_blocks.0.img_attn.qkv.weight": (4, 4)}, "FLUX"),
        ({"decoder.conv_in.weight": (4, 4)}, "a VAE alone"),
        ({"model.layers.0.mlp.weight": (4, 4)}, r"its 1 tensors start with model\.layers"),
        ({}, "its 0 tensors start with nothing"),
        ({UNET: (320, 4, 3, 3), TO_K: (640, 1280), "first_stage_model.x": ()}, "texts 1280 wide"),
        ({UNET: (320, 4, 3, 3), TO_K: (320, 768), "first_stage_model.x": ()}, "lacks cond_stage_model.transformer"),
        ({UNET: (320, 4, 3, 3), TO_K: (320, 768), "cond_stage_model.transformer.x": ()}, "lacks first_stage_model"),
        (
            {UNET: (320, 5, 3, 3), TO_K: (1, 1024), "first_stage_model.x": (), "cond_stage_model.model.x": ()},
            "takes 5 channels in",
        ),
    ],
)
def test_other_files_are_refused_with_what_was_seen(shapes, seen):
    with pytest.raises(ModelUnavailable, match=seen):
        detect(shapes, {})


def test_the_header_alone_decides(tiny, monkeypatch):
    def refuse(*_):
        raise AssertionError("weights were read")

    monkeypatch.setattr("safetensors.torch.load_file", refuse)
    assert open_checkpoint(tiny["sd"][1]).index["_class_name"] == "StableDiffusionPipeline"


# --- the tokenizer that ships with the app -------------------------------------------------------------------------


def test_the_shipped_tokenizer_gives_the_published_ids():
    """Ids that CLIP's own code gives for these texts."""
    tokenizer = clip_tokenizer(CONFIGS / "sd1" / "tokenizer")
    assert len(tokenizer) == 49408
    assert tokenizer("a photo of an astronaut riding a horse on mars").input_ids == [
        49406, 320, 1125, 539, 550, 18376, 6765, 320, 4558, 525, 7496, 49407,
    ]  # fmt: skip
    assert tokenizer("A photo of a cat!").input_ids == [49406, 320, 1125, 539, 320, 2368, 256, 49407]
    padded = tokenizer("x", padding="max_length", truncation=True).input_ids
    assert padded == [49406, 343, *[49407] * 75]
    two = clip_tokenizer(CONFIGS / "sdxl" / "tokenizer_2")
    assert two("x", padding="max_length").input_ids[3:] == [0] * 74


def test_the_vocabulary_counts_bytes_merges_and_marks():
    vocabulary = clip_vocabulary(["i n", "t h</w>"])
    assert len(vocabulary) == 512 + 2 + 2
    assert vocabulary["!"] == 0
    assert vocabulary["!</w>"] == 256
    assert vocabulary["in"] == 512
    assert vocabulary["th</w>"] == 513
    assert sorted(vocabulary.values()) == list(range(516))
