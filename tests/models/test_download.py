from __future__ import annotations

import json
import shutil
import time

import pytest

from playground.errors import Cancelled, ModelUnavailable
from playground.models.download import choose_weights, is_local, locate
from playground.models.load import load
from playground.protocol import CancelToken
from playground.settings import Settings
from tests.models.builders import card, save_image, save_text
from tests.models.hub import serve


@pytest.fixture(scope="module")
def text_folder(tmp_path_factory):
    return save_text(tmp_path_factory.mktemp("text") / "m")


@pytest.fixture(scope="module")
def image_folder(tmp_path_factory):
    return save_image(tmp_path_factory.mktemp("image") / "m")


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """A hub on this machine, an empty cache and no offline switch."""
    from huggingface_hub import constants

    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    with serve() as server:
        yield server


def settings(**fields) -> Settings:
    return Settings(device="cpu", dtype="float32", **fields)


# --- folders -------------------------------------------------------------------------------------------------------


def refused(folder, kind="chat") -> ModelUnavailable:
    with pytest.raises(ModelUnavailable) as caught:
        load(card("one", folder, kind), "cpu", "float32", None, None, settings(offline=True))
    assert caught.value.hint
    return caught.value


def test_a_missing_folder_is_named(tmp_path):
    assert f"the folder {tmp_path / 'nowhere'} is missing" in refused(tmp_path / "nowhere").message


def test_a_folder_without_config_is_no_model(tmp_path):
    assert "config.json" in refused(tmp_path).message
    assert "model_index.json" in refused(tmp_path, "image").message


def test_pickled_weights_are_refused(text_folder, tmp_path):
    shutil.copytree(text_folder, tmp_path / "m")
    (tmp_path / "m/model.safetensors").rename(tmp_path / "m/pytorch_model.bin")
    assert "pytorch_model.bin, a pickle" in refused(tmp_path / "m").message


@pytest.mark.parametrize("file", ["config.json", "tokenizer_config.json"])
def test_remote_code_is_refused(text_folder, tmp_path, file):
    shutil.copytree(text_folder, tmp_path / "m")
    config = json.loads((tmp_path / "m" / file).read_text())
    config["auto_map"] = {"AutoModelForCausalLM": "evil.Model"}
    (tmp_path / "m" / file).write_text(json.dumps(config))
    (tmp_path / "m/evil.py").write_text("raise SystemExit('ran')")
    assert f"auto_map in {file}" in refused(tmp_path / "m").message


@pytest.mark.parametrize(
    ("name", "value"),
    [("_class_name", ["evil", "Pipeline"]), ("unet", ["evil", "UNet"]), ("_class_name", "NoSuchPipeline")],
)
def test_pipelines_with_classes_of_their_own_are_refused(image_folder, tmp_path, name, value):
    shutil.copytree(image_folder, tmp_path / "m")
    index = json.loads((tmp_path / "m/model_index.json").read_text())
    (tmp_path / "m/model_index.json").write_text(json.dumps(index | {name: value}))
    message = refused(tmp_path / "m", "image").message
    assert "code of its own" in message or "NoSuchPipeline" in message


def test_a_missing_component_and_a_missing_shard_are_named(image_folder, text_folder, tmp_path):
    shutil.copytree(image_folder, tmp_path / "image")
    shutil.rmtree(tmp_path / "image/vae")
    assert "'vae'" in refused(tmp_path / "image", "image").message
    cut = save_text(tmp_path / "cut", max_shard_size="20KB")
    shard = sorted(cut.glob("*.safetensors"))[1]
    shard.unlink()
    assert f"{shard.name} is missing" in refused(cut).message


def test_a_model_of_an_unknown_type_is_a_sentence(text_folder, tmp_path):
    shutil.copytree(text_folder, tmp_path / "m")
    (tmp_path / "m/config.json").write_text('{"model_type": "nosuchtype"}')
    assert refused(tmp_path / "m").message.startswith("ONE could not be loaded")


def test_a_missing_package_is_named(text_folder, monkeypatch):
    import transformers

    def fail(*args, **kwargs):
        raise ModuleNotFoundError("No module named 'sentencepiece'", name="sentencepiece")

    monkeypatch.setattr(transformers.AutoTokenizer, "from_pretrained", fail)
    error = refused(text_folder)
    assert "needs the package sentencepiece" in error.message
    assert "pip install sentencepiece" in error.hint


def test_an_api_card_loads_nothing():
    with pytest.raises(ModelUnavailable, match="over an API"):
        locate(card("one", "o4-mini", backend="openai"), settings(offline=True))


# --- the hub -------------------------------------------------------------------------------------------------------


def test_a_download_gives_a_model_that_stays_for_offline_use(hub, text_folder, tmp_path):
    source = tmp_path / "served"
    shutil.copytree(text_folder, source)
    (source / "pytorch_model.bin").write_bytes(b"pickle")
    (source / "modeling_x.py").write_text("raise SystemExit")
    hub.folders["owner/name"] = source
    one, seen = card("one", "owner/name"), []
    assert not is_local(one)
    folder = locate(one, settings(hf_token="t0ken"), endpoint=hub.url, progress=lambda f, text: seen.append((f, text)))
    assert (folder / "model.safetensors").read_bytes() == (text_folder / "model.safetensors").read_bytes()
    assert not {"pytorch_model.bin", "modeling_x.py"} & set(hub.asked)
    assert set(hub.tokens) == {"Bearer t0ken"}
    fractions = [f for f, _ in seen]
    assert fractions == sorted(fractions)
    assert 0 <= fractions[0] < fractions[-1] <= 1
    assert "model.safetensors" in seen[-1][1]
    asked = len(hub.asked)
    assert is_local(one)
    assert load(one, "cpu", "float32", None, None, settings(offline=True)).bytes > 0
    assert len(hub.asked) == asked


def test_an_image_download_takes_the_16_bit_variant(hub, image_folder, tmp_path):
    import torch
    from diffusers import StableDiffusionPipeline

    shutil.copytree(image_folder, tmp_path / "served")
    half = StableDiffusionPipeline.from_pretrained(image_folder, safety_checker=None, dtype=torch.float16)
    half.save_pretrained(tmp_path / "served", variant="fp16")
    hub.folders["owner/name"] = tmp_path / "served"
    locate(card("one", "owner/name", "image"), settings(), dtype="bfloat16", endpoint=hub.url)
    weights = {n for n in hub.asked if n.endswith(".safetensors")}
    assert len(weights) == 3
    assert all(".fp16." in n for n in weights)
    loaded = load(card("one", "owner/name", "image"), "cpu", "bfloat16", None, None, settings(offline=True))
    assert loaded.components["unet"].conv_in.weight.dtype == torch.bfloat16


def test_remote_code_is_refused_before_the_weights_are_fetched(hub, text_folder, tmp_path):
    shutil.copytree(text_folder, tmp_path / "served")
    config = json.loads((text_folder / "config.json").read_text()) | {"auto_map": {"AutoModel": "x.Y"}}
    (tmp_path / "served/config.json").write_text(json.dumps(config))
    hub.folders["owner/name"] = tmp_path / "served"
    with pytest.raises(ModelUnavailable, match="auto_map"):
        locate(card("one", "owner/name"), settings(), endpoint=hub.url)
    assert not any(n.endswith(".safetensors") for n in hub.asked)


def test_gated_without_a_token_names_the_page_and_the_variable(hub):
    with pytest.raises(ModelUnavailable) as caught:
        locate(card("one", "owner/gated", gated=True), settings(), endpoint=hub.url)
    assert "https://huggingface.co/owner/gated" in caught.value.message
    assert "HF_TOKEN" in caught.value.hint
    assert hub.tokens == []


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        (403, "GatedRepo", "is gated"),
        (404, "RepoNotFound", "has no model owner/x, or it is private"),
        (401, "RepoNotFound", "or it is private"),
        (404, "RevisionNotFound", "has no revision 'main'"),
        (500, "", "answered with an error"),
    ],
)
def test_each_refusal_of_the_hub_is_a_sentence(hub, status, code, words):
    hub.refusals["owner/x"] = (status, code)
    with pytest.raises(ModelUnavailable) as caught:
        locate(card("one", "owner/x"), settings(hf_token="t0ken"), endpoint=hub.url)
    assert words in caught.value.message
    assert caught.value.hint
    assert "t0ken" not in str(caught.value)


def test_an_unreachable_hub_shows_within_seconds(hub):
    began = time.monotonic()
    with pytest.raises(ModelUnavailable, match="hub cannot be reached"):
        locate(card("one", "owner/name"), settings(), endpoint="http://127.0.0.1:9")
    assert time.monotonic() - began < 8


def test_what_is_known_without_a_network(hub, text_folder, tmp_path):
    from playground.models.download import unavailable

    assert unavailable(card("one", text_folder), settings(offline=True)) == ""
    assert unavailable(card("one", "owner/name"), settings()) == ""
    assert "works offline" in unavailable(card("one", "owner/name"), settings(offline=True))
    assert "is gated" in unavailable(card("one", "owner/name", gated=True), settings())
    assert "is missing" in unavailable(card("one", tmp_path / "nowhere"), settings())
    assert hub.tokens == []


def test_offline_and_not_here_is_a_sentence(hub):
    with pytest.raises(ModelUnavailable, match="works offline"):
        locate(card("one", "owner/name"), settings(offline=True))


def test_a_source_that_is_no_id_is_a_sentence(hub):
    with pytest.raises(ModelUnavailable, match="neither a folder nor the id"):
        locate(card("one", "no/such/place"), settings())


def test_a_stopped_download_ends(hub, text_folder):
    hub.folders["owner/name"] = text_folder
    token = CancelToken()

    def stop_at_the_second_file(fraction, text) -> None:
        if len(hub.asked) >= 1:
            token.cancel()

    with pytest.raises(Cancelled):
        locate(card("one", "owner/name"), settings(), endpoint=hub.url, progress=stop_at_the_second_file, cancel=token)
    assert "model.safetensors" not in hub.asked


def test_choice_of_files():
    text = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors", "consolidated.safetensors", "a.bin"]
    assert choose_weights(card("one", "o/n"), text, "bfloat16") == text[:2]
    sd = ["unet/diffusion_pytorch_model.safetensors", "unet/diffusion_pytorch_model.fp16.safetensors", "sd.safetensors"]
    sd += ["safety_checker/model.safetensors", "unet/diffusion_pytorch_model.non_ema.safetensors"]
    assert choose_weights(card("one", "o/n", "image"), sd, "float32") == sd[:1]
    assert choose_weights(card("one", "o/n", "image"), sd, "float16") == sd[1:2]
    with pytest.raises(ModelUnavailable, match="only as pickled weights"):
        choose_weights(card("one", "o/n"), ["pytorch_model.bin"], "float32")
    with pytest.raises(ModelUnavailable, match="holds no safetensors"):
        choose_weights(card("one", "o/n"), ["README.md"], "float32")
