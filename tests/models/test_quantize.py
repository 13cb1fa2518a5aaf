from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from playground.catalog import load_catalog
from playground.errors import ModelUnavailable
from playground.models import quantize
from playground.models.load import load, size_on_device, weight_bytes
from playground.models.packed import FEW, Fp8Linear, Int4Linear, Int8Linear
from playground.models.packer import Packer
from playground.models.quantize import GROUPS, int4_group, quantizations, quantized_linear_bytes
from playground.settings import Settings
from tests.models.builders import card, save_clip, save_image, save_text

PROMPTS = [
    json.loads(line)["turns"][0]
    for line in (Path(__file__).parents[2] / "assets/bench/chat.jsonl").read_text().splitlines()[::8]
]
CATALOG = load_catalog()
STARTERS = ["starter-phi", "starter-mistral"]
BITS = {"int8": Int8Linear, "int4": Int4Linear}


@pytest.fixture(scope="module")
def options(tmp_path_factory) -> Settings:
    return Settings(device="cpu", offline=True, data_dir=tmp_path_factory.mktemp("data"))


def cosine(a: torch.Tensor, b: torch.Tensor) -> float:
    return F.cosine_similarity(a.double().flatten(), b.double().flatten(), dim=0).item()


def unpacked(layer) -> torch.Tensor:
    """The weights that a packed layer stands for, from its documented format."""
    if isinstance(layer, Int4Linear):
        # The rows' order is the kernel's own: ask it, one column at a time.
        eye = torch.eye(layer.in_features, dtype=torch.bfloat16)
        return layer._multiply(eye).float().T
    return layer.weight.float() * layer.scale.float()[:, None]


# --- layers --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("kind", [Int8Linear, Int4Linear, Fp8Linear])
def test_a_packed_layer_multiplies_with_its_unpacked_weights(kind, bias, dtype):
    torch.manual_seed(0)
    linear = torch.nn.Linear(96, 80, bias=bias, dtype=dtype)
    layer = kind(linear.weight.detach(), linear.bias)
    whole = unpacked(layer)
    with torch.inference_mode():
        for rows in (0, 1, 2, FEW, FEW + 1, 70):
            x = torch.randn(rows, 96).to(dtype)
            out = layer(x)
            assert out.dtype == dtype
            assert out.shape == (rows, 80)
            if rows:
                want = F.linear(x.float(), whole, None if linear.bias is None else linear.bias.float())
                assert cosine(out.float(), want) > 0.99995
                assert (out.float() - want).abs().max() < 0.02 * want.abs().max()
        x = torch.randn(2, 3, 96).to(dtype)
        assert torch.equal(layer(x).view(6, 80), layer(x.view(6, 96)))
        assert torch.equal(layer(x.transpose(0, 1)), layer(x.transpose(0, 1).contiguous()))


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 40), st.integers(1, 20), st.integers(1, 12), st.integers(0, 3))
def test_int8_is_within_half_a_step_of_every_weight_whatever_the_shape(out_features, sixteens, rows, seed):
    torch.manual_seed(seed)
    weight = torch.randn(out_features, 16 * sixteens) * 10.0 ** torch.randint(-6, 3, (out_features, 1))
    layer = Int8Linear(weight, None)
    step = layer.scale.float()[:, None]
    # The scale is rounded to 8 bits, so the largest weight of a row may be cut by that much.
    assert ((unpacked(layer) - weight).abs() <= 0.5 * step + 127 * step / 256).all()
    x = torch.randn(rows, 16 * sixteens)
    with torch.inference_mode():
        assert torch.isfinite(layer(x)).all()


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 8), st.sampled_from([32, 64, 96, 128, 160, 256, 384]), st.integers(0, 3))
def test_int4_is_within_a_step_of_every_weight_whatever_the_shape(sixteens, in_features, seed):
    torch.manual_seed(seed)
    weight = torch.randn(16 * sixteens, in_features)
    layer = Int4Linear(weight, None)
    assert in_features % layer.group == 0
    assert all(in_features % wider for wider in GROUPS if wider > layer.group)
    steps = layer.scale_and_zero[..., 0].float().T.repeat_interleave(layer.group, 1)
    assert ((unpacked(layer) - weight).abs() <= 0.56 * steps + 0.02).all()


def test_rows_of_noughts_and_constant_rows_survive():
    weight = torch.cat([torch.zeros(16, 64), torch.full((16, 64), 0.25)])
    x = torch.ones(1, 64)
    for kind in (Int8Linear, Int4Linear, Fp8Linear):
        out = kind(weight, None)(x)[0]
        assert torch.equal(out[:16], torch.zeros(16))
        assert torch.allclose(out[16:], torch.full((16,), 16.0), rtol=0.01)


def test_shapes_that_a_kernel_would_misread_are_refused():
    """torch's int8 kernel reads past the end of rows that are no multiple of 16 long, and ends the process."""
    with pytest.raises(ValueError, match="multiple of 16, got 24"):
        Int8Linear(torch.zeros(4, 24), None)
    for shape in ((8, 64), (16, 48)):
        assert int4_group(*shape) is None
        with pytest.raises(ValueError, match="multiple of 16"):
            Int4Linear(torch.zeros(shape), None)


@pytest.mark.parametrize(
    ("out_features", "in_features"), [(16, 32), (80, 96), (96, 160), (1040, 128), (48, 24), (8, 64)]
)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("quantization", ["int8", "int4"])
def test_the_formula_counts_the_bytes_of_a_layer(out_features, in_features, dtype, quantization):
    model = torch.nn.Sequential(torch.nn.Linear(in_features, out_features, bias=True))
    packer = Packer(quantization, "cpu")
    packer.choose(model)
    weight = model[0].weight.detach().to(getattr(torch, dtype))
    want = quantized_linear_bytes(out_features, in_features, quantization, dtype)
    if not packer.wants("0.weight"):
        assert packer.report().kept == ("0",)
        assert want == weight.numel() * weight.element_size()
        return
    packer.pack(model, "0.weight", weight)
    report = packer.report()
    assert report.bytes == want == weight_bytes(model) - 4 * out_features
    assert report.float_bytes == weight.numel() * weight.element_size()
    assert (report.layers, report.kept) == (1, ())
    assert model[0].bias is not None


@pytest.mark.parametrize(
    ("shape", "quantization", "want"),
    [
        ((3072, 8192), "int8", 3072 * 8192 + 5 * 3072),
        ((3072, 8192), "int4", 3072 * 8192 // 2 + 3072 * 64 * 4),
        ((3072, 3000), "int4", 3072 * 3000 * 2),  # stays: no group divides 3000
        ((20, 320), "int4", 24 * 1024 // 2 + 24 * 16 * 4),  # padded, in groups of 64
        ((3072, 8192), "fp8", 3072 * 8192 + 2 * 3072),
        ((3072, 8192), "nf4", 3072 * 8192 // 2 + 3072 * 128 + 4 * 3072 // 2 + 1088),
    ],
)
def test_the_formulas_of_cards(shape, quantization, want):
    assert quantized_linear_bytes(*shape, quantization, "bfloat16", "cuda:0") == want


# --- real models ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def answers(options) -> dict[str, tuple]:
    """Each starter text model in float32 with its greedy answers, and the logits of every position."""
    made = {}
    for name in STARTERS:
        loaded = load(CATALOG[name], "cpu", "float32", None, None, options)
        texts, starts, logits = [], [], []
        for prompt in PROMPTS:
            ids = loaded.tokenizer.apply_chat_template(
                [{"role": "user", "content": prompt}],
                add_generation_prompt=True,
                return_tensors="pt",
                return_dict=True,
            )["input_ids"]
            with torch.inference_mode():
                texts.append(loaded.model.generate(ids, max_new_tokens=32, do_sample=False))
                starts.append(ids.shape[1])
                logits.append(loaded.model(texts[-1]).logits[0].float())
        made[name] = loaded, texts, starts, logits
    return made


def perplexity(texts: list[torch.Tensor], starts: list[int], logits: list[torch.Tensor]) -> float:
    """Of the answers, which begin at `starts`."""
    rows = zip(texts, starts, logits, strict=True)
    losses = [F.cross_entropy(out[n - 1 : -1], ids[0, n:], reduction="none") for ids, n, out in rows]
    return torch.cat(losses).mean().exp().item()


@pytest.mark.parametrize("name", STARTERS)
@pytest.mark.parametrize(
    ("quantization", "closeness", "agreement", "worse"), [("int8", 0.999, 0.97, 1.02), ("int4", 0.99, 0.88, 1.2)]
)
def test_a_quantized_starter_says_what_the_plain_one_says(
    answers, options, name, quantization, closeness, agreement, worse
):
    plain, texts, starts, want = answers[name]
    loaded = load(CATALOG[name], "cpu", "float32", None, None, options, quantization=quantization)
    with torch.inference_mode():
        got = [loaded.model(ids).logits[0].float() for ids in texts]
    assert cosine(torch.cat(got), torch.cat(want)) >= closeness
    same = torch.cat([(a.argmax(-1) == b.argmax(-1)).float() for a, b in zip(got, want, strict=True)])
    assert same.mean() >= agreement
    assert perplexity(texts, starts, got) <= worse * perplexity(texts, starts, want)
    out = loaded.model.generate(texts[0][:, :8], max_new_tokens=8, do_sample=False)
    assert 8 < out.shape[1] <= 16

    report = loaded.quantized
    layers = {n: m for n, m in plain.model.named_modules() if type(m) is torch.nn.Linear}
    packed = {n: m for n, m in layers.items() if n not in report.kept}
    assert report.layers == len(packed)
    assert all(isinstance(loaded.model.get_submodule(n), BITS[quantization]) for n in packed)
    assert report.bytes == sum(
        quantized_linear_bytes(m.out_features, m.in_features, quantization, "float32") for m in packed.values()
    )
    assert report.float_bytes == sum(4 * m.weight.numel() for m in packed.values())
    assert loaded.bytes == weight_bytes(loaded.model) == plain.bytes - report.float_bytes + report.bytes


def test_what_shares_the_embedding_stays_and_what_does_not_fit_is_named(answers, options):
    plain, *_ = answers["starter-phi"]
    loaded = load(CATALOG["starter-phi"], "cpu", "bfloat16", None, None, options, quantization="int4")
    downs = {f"model.layers.{i}.mlp.down_proj" for i in range(5)}  # 432 columns are no multiple of 32
    assert set(loaded.quantized.kept) == {"lm_head", *downs}
    assert loaded.model.lm_head.weight is loaded.model.model.embed_tokens.weight
    for name in loaded.quantized.kept:
        assert type(loaded.model.get_submodule(name)) is torch.nn.Linear
    assert not loaded.model.is_quantized
    assert not hasattr(loaded.model, "hf_quantizer")
    assert not hasattr(loaded.model.config, "quantization_config")
    assert type(loaded.model) is type(plain.model)


@pytest.mark.parametrize("family", ["phi3", "mistral"])
def test_an_output_layer_of_its_own_is_quantized_too(options, tmp_path, family):
    folder = save_text(tmp_path / family, family, max_shard_size="20KB")  # several files
    loaded = load(card("one", folder), "cpu", "float32", None, None, options, quantization="int8")
    assert loaded.quantized.kept == ()
    assert isinstance(loaded.model.lm_head, Int8Linear)
    ids = torch.tensor([[1, 5, 6]])
    want = load(card("one", folder), "cpu", "float32", None, None, options).model(ids).logits
    assert cosine(loaded.model(ids).logits, want) > 0.999


@pytest.mark.parametrize("kind", ["chat", "image"])
def test_a_load_never_holds_a_layer_both_ways(options, tmp_path, monkeypatch, kind):
    """At each moment a layer is empty, or packed; only the one in hand is there as floats."""
    folder = save_text(tmp_path / "m") if kind == "chat" else save_image(tmp_path / "m")
    pack, seen = Packer.pack, []

    def watched(self, model, name, weight):
        floats = [n for n in self._chosen if n != name and _is_real(model, n)]
        seen.append((name, floats))
        pack(self, model, name, weight)

    def _is_real(model, name):
        layer = model.get_submodule(name.removesuffix(".weight"))
        return type(layer) is torch.nn.Linear and not layer.weight.is_meta

    monkeypatch.setattr(Packer, "pack", watched)
    loaded = load(card("one", folder, kind), "cpu", "bfloat16", None, None, options, quantization="int8")
    assert len(seen) == loaded.quantized.layers > 5
    assert all(not floats for _, floats in seen)


@pytest.mark.parametrize(("quantization", "closeness"), [("int8", 0.999), ("int4", 0.99)])
def test_a_quantized_denoiser_predicts_nearly_the_same_noise(options, quantization, closeness):
    plain = load(CATALOG["starter-sd"], "cpu", "float32", None, None, options)
    loaded = load(CATALOG["starter-sd"], "cpu", "float32", None, None, options, quantization=quantization)
    torch.manual_seed(0)
    x, texts = torch.randn(1, 4, 16, 16), torch.randn(1, 20, 128)
    with torch.inference_mode():
        for step in (5, 500, 995):
            a, b = (m.components["unet"](x, step, texts).sample for m in (plain, loaded))
            assert cosine(a, b) >= closeness
    packed = [n for n, m in loaded.components["unet"].named_modules() if isinstance(m, BITS[quantization])]
    assert len(packed) == loaded.quantized.layers > 50
    convolutions = [m for m in loaded.components["unet"].modules() if isinstance(m, torch.nn.Conv2d)]
    assert all(m.weight.dtype == torch.float32 for m in convolutions)
    assert not any(isinstance(m, BITS[quantization]) for m in loaded.components["text_encoder"].modules())
    assert loaded.bytes == plain.bytes - loaded.quantized.float_bytes + loaded.quantized.bytes
    picture = loaded.pipeline()("a red circle", num_inference_steps=2, width=32, height=32, output_type="pt").images
    assert torch.isfinite(picture).all()


@pytest.mark.parametrize("quantization", ["int8", "int4"])
@pytest.mark.parametrize("name", [*STARTERS, "starter-sd"])
def test_the_announced_size_is_the_size_that_comes(options, name, quantization):
    starter = CATALOG[name]
    loaded = load(starter, "cpu", "bfloat16", None, None, options, quantization=quantization)
    announced = size_on_device(starter.folder, starter.kind, "bfloat16", quantization)
    # Buffers that files do not hold come on top; of a tied output layer the file has nothing.
    assert announced == pytest.approx(loaded.bytes, rel=0.03)


# --- what works where ----------------------------------------------------------------------------------------------


def test_the_processor_has_int8_and_int4_and_untried_devices_nothing():
    assert quantizations("cpu") == ("int8", "int4")
    assert quantizations("mps") == quantizations("xpu") == ()


@pytest.mark.parametrize(
    ("capability", "installed", "want"),
    [
        ((9, 0), {"torchao", "bitsandbytes"}, ("int8", "int4", "fp8", "nf4")),
        ((8, 9), set(), ("fp8",)),
        ((8, 0), {"torchao"}, ("int8", "int4")),
        ((7, 5), {"torchao"}, ("int8",)),
        ((7, 5), {"bitsandbytes"}, ("int8", "nf4")),
        ((7, 5), set(), ()),
    ],
)
def test_a_card_has_what_it_can_and_what_is_installed(monkeypatch, capability, installed, want):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    monkeypatch.setattr(quantize, "find_spec", lambda name: object() if name in installed else None)
    assert quantizations("cuda:0") == want
    for name in set(quantize.QUANTIZATIONS) - set(want):
        with pytest.raises(ModelUnavailable, match=f"M cannot be loaded as {name} on cuda:0: it needs") as caught:
            quantize.check_quantization(card("m", "x/m"), name, "cuda:0", "bfloat16")
        assert all(other in caught.value.hint for other in want)


@pytest.mark.parametrize("name", ["fp8", "nf4", "int3"])
def test_what_does_not_work_here_is_refused_with_what_does(options, tmp_path, name):
    with pytest.raises(ModelUnavailable, match=rf"cannot be loaded as {name} on cpu: .*Choose int8 or int4"):
        load(CATALOG["starter-phi"], "cpu", "float32", None, None, options, quantization=name)


def test_parts_that_take_turns_are_not_quantized(options, tmp_path):
    one = card("one", save_image(tmp_path / "sd"), "image")
    with pytest.raises(ModelUnavailable, match="The parts of ONE cannot take turns as int8"):
        load(one, "cpu", "float32", None, None, options, quantization="int8", staged=True)


def test_models_that_nothing_can_be_packed_of_are_refused(options, tmp_path):
    clip = save_clip(tmp_path / "clip")
    with pytest.raises(ModelUnavailable, match="is not quantized, so it cannot become int8"):
        load(card("c", clip, "clip"), "cpu", "float32", None, None, options, quantization="int8")
    gguf = card("g", tmp_path, format="gguf", file="m.gguf")
    with pytest.raises(ModelUnavailable, match="quantized as its file is, so it cannot become int8"):
        load(gguf, "cpu", "float32", None, None, options, quantization="int8")


def test_a_model_that_is_stored_quantized_is_not_quantized_again(options, tmp_path):
    folder = save_text(tmp_path / "m")
    config = json.loads((folder / "config.json").read_text())
    stored = {"quant_method": "bitsandbytes", "load_in_4bit": True}
    (folder / "config.json").write_text(json.dumps(config | {"quantization_config": stored}))
    with pytest.raises(ModelUnavailable, match="stored quantized already, so it cannot become int8"):
        load(card("one", folder), "cpu", "float32", None, None, options, quantization="int8")
    image = shutil.copytree(save_image(tmp_path / "sd"), tmp_path / "stored")
    config = json.loads((image / "unet/config.json").read_text())
    (image / "unet/config.json").write_text(json.dumps(config | {"quantization_config": stored}))
    with pytest.raises(ModelUnavailable, match="unet is stored quantized"):
        load(card("two", image, "image"), "cpu", "float32", None, None, options)
