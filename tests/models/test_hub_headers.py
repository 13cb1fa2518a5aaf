from __future__ import annotations

import json
import shutil

import gguf
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from playground.errors import ModelUnavailable
from playground.models.facts import facts_of_path
from playground.models.hub_headers import RemoteFile, hub_card, hub_facts
from playground.models.sizes import ComponentSize
from playground.settings import Settings
from tests.models.builders import card, save_image, save_text
from tests.models.hub import Act, at_home, serve

LIMIT = 120_000  # bytes of a file that may be sent: one block, and what was on its way when the reader left


@pytest.fixture
def hub(tmp_path, monkeypatch):
    at_home(monkeypatch, tmp_path / "cache")
    with serve() as hub:
        yield hub


@pytest.fixture
def settings(tmp_path, monkeypatch):
    monkeypatch.delenv("PLAYGROUND_OFFLINE", raising=False)
    return Settings(data_dir=tmp_path / "data")


def heavy_text(folder, megabytes=3):
    """A text model whose weights are far larger than what may be read of them."""
    save_text(folder)
    extra = {"model.extra.weight": torch.zeros(megabytes * 250_000, dtype=torch.float32)}
    save_file(load_file(folder / "model.safetensors") | extra, folder / "model.safetensors")
    return folder


def the_same(ours: ComponentSize, theirs: ComponentSize) -> bool:
    return ours.name == theirs.name and sorted(ours.tensors, key=str) == sorted(theirs.tensors, key=str)


def test_a_text_model_is_measured_without_its_weights(hub, settings, tmp_path):
    hub.folders["a/text"] = heavy_text(tmp_path / "text")
    facts = hub_facts(card("mine", "a/text"), settings, endpoint=hub.url)
    local = facts_of_path(tmp_path / "text")
    assert the_same(facts.size.components[0], local.size.components[0])
    assert facts.text == local.text
    assert facts.download == (tmp_path / "text" / "model.safetensors").stat().st_size > 3_000_000
    assert 0 < hub.sent["model.safetensors"] < LIMIT
    assert set(hub.asked) == {"config.json", "model.safetensors"}


def test_a_server_that_heeds_no_ranges_is_left_after_the_header(hub, settings, tmp_path):
    hub.folders["a/text"] = heavy_text(tmp_path / "text", megabytes=40)
    hub.has_ranges = False
    facts = hub_facts(card("mine", "a/text"), settings, endpoint=hub.url)
    assert facts.size.bytes > 40_000_000
    assert hub.sent["model.safetensors"] < 20_000_000  # what lies in the sockets' buffers when the reader leaves


def test_all_shards_are_read_and_only_those_that_are_loaded(hub, settings, tmp_path):
    folder = save_text(tmp_path / "text", max_shard_size="20KB")
    save_file({"other": torch.zeros(9)}, folder / "consolidated.safetensors")
    hub.folders["a/text"] = folder
    facts = hub_facts(card("mine", "a/text"), settings, endpoint=hub.url)
    assert the_same(facts.size.components[0], facts_of_path(folder).size.components[0])
    assert "consolidated.safetensors" not in hub.asked
    assert len(facts.size.components[0].files) > 1


@pytest.mark.parametrize(("dtype", "file"), [("float32", "diffusion_pytorch_model.safetensors"), ("bfloat16", "fp16")])
def test_a_pipeline_is_read_part_by_part_in_the_variant_that_is_loaded(hub, settings, tmp_path, dtype, file):
    folder = save_image(tmp_path / "sd")
    save_image(tmp_path / "sd", variant="fp16")
    (folder / "safety_checker").mkdir()
    shutil.copy(
        folder / "unet" / "diffusion_pytorch_model.safetensors", folder / "safety_checker" / "model.safetensors"
    )
    hub.folders["a/sd"] = folder
    facts = hub_facts(card("mine", "a/sd", "image"), settings, dtype, endpoint=hub.url)
    local = facts_of_path(folder, dtype)
    assert {part.name for part in facts.size.components} == {"unet", "vae", "text_encoder"}
    for part in facts.size.components:
        assert the_same(part, next(p for p in local.size.components if p.name == part.name))
    assert facts.image == local.image
    assert any(file in name for name in hub.asked if name.startswith("unet/"))
    assert not any(name.startswith("safety_checker") for name in hub.asked)


def test_a_header_longer_than_the_first_block_is_read_to_its_end(hub, settings, tmp_path):
    folder = save_text(tmp_path / "text")
    many = {f"layers.{i}.some.rather.long.name.of.a.tensor.weight": torch.zeros(2, 2) for i in range(3000)}
    save_file(many, folder / "model.safetensors")
    hub.folders["a/text"] = folder
    facts = hub_facts(card("mine", "a/text"), settings, endpoint=hub.url)
    assert facts.size.parameters == 12_000


def gguf_file(path, megabytes=3):
    writer = gguf.GGUFWriter(path, "phi3")
    writer.add_context_length(2048)
    writer.add_block_count(2)
    writer.add_embedding_length(64)
    writer.add_head_count(4)
    writer.add_token_list([f"<token {i}>" for i in range(20_000)])  # a header of several blocks
    writer.add_tensor("token_embd.weight", np.zeros((megabytes * 250_000,), dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def test_a_gguf_file_is_measured_without_its_weights(hub, settings, tmp_path):
    (tmp_path / "g").mkdir()
    gguf_file(tmp_path / "g" / "m.gguf")
    hub.folders["a/g"] = tmp_path / "g"
    named = hub_card("a/g/m.gguf", settings, endpoint=hub.url)
    facts = hub_facts(named, settings, endpoint=hub.url)
    local = facts_of_path(tmp_path / "g" / "m.gguf")
    assert facts.gguf == local.gguf
    assert facts.packed == local.packed == 3_000_000
    assert facts.context == 2048
    assert hub.sent["m.gguf"] < 1_500_000


def test_files_that_lie_beside_the_weights_are_listed_as_builds(hub, settings, tmp_path):
    folder = save_text(tmp_path / "text")
    (folder / "m-Q4_K_M.gguf").write_bytes(bytes(1000))
    (folder / "onnx").mkdir()
    (folder / "onnx" / "model.onnx").write_bytes(bytes(10))
    (folder / "onnx" / "model.onnx_data").write_bytes(bytes(2000))
    hub.folders["a/text"] = folder
    facts = hub_facts(card("mine", "a/text"), settings, endpoint=hub.url)
    assert {(b.format, b.file, b.bytes) for b in facts.builds} == {
        ("gguf", "m-Q4_K_M.gguf", 1000),
        ("onnx", "onnx", 2010),
    }


def test_an_onnx_model_by_its_folder(hub, settings, tmp_path):
    decoder = {"head_size": 8, "hidden_size": 32, "num_attention_heads": 4, "num_key_value_heads": 2}
    table = {"model": {"type": "phi3", "context_length": 64, "decoder": {**decoder, "num_hidden_layers": 3}}}
    folder = tmp_path / "onnx" / "cpu"
    folder.mkdir(parents=True)
    (folder / "genai_config.json").write_text(json.dumps(table))
    (folder / "model.onnx").write_bytes(bytes(10))
    (folder / "model.onnx.data").write_bytes(bytes(5000))
    hub.folders["a/onnx"] = tmp_path / "onnx"
    facts = hub_facts(card("mine", "a/onnx", format="onnx", file="cpu"), settings, endpoint=hub.url)
    assert facts.packed == facts.download == 5010
    assert facts.context == 64
    assert facts_of_path(folder).packed == 5010
    assert facts_of_path(folder).text == facts.text
    assert hub.sent["cpu/model.onnx.data"] == 0


def test_the_kind_of_a_repository_is_told_by_its_files(hub, settings, tmp_path):
    hub.folders |= {"a/text": save_text(tmp_path / "text"), "a/sd": save_image(tmp_path / "sd")}
    assert hub_card("a/text", settings, endpoint=hub.url).kind == "chat"
    assert hub_card("a/sd", settings, endpoint=hub.url).kind == "image"
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "m.gguf").write_bytes(b"x")
    hub.folders["a/files"] = tmp_path / "files"
    with pytest.raises(ModelUnavailable) as caught:
        hub_card("a/files", settings, endpoint=hub.url)
    assert "a/files/m.gguf" in caught.value.hint


def test_what_goes_wrong_is_told_in_a_sentence_and_a_hint(hub, settings, tmp_path, monkeypatch):
    hub.folders["a/text"] = save_text(tmp_path / "text")

    def said(source, **fields) -> str:
        with pytest.raises(ModelUnavailable) as caught:
            hub_facts(card("mine", source, **fields), settings, endpoint=hub.url)
        assert caught.value.hint
        return caught.value.message

    assert "no model a/none" in said("a/none")
    assert "no revision 'v9'" in said("a/text", revision="v9")
    assert "no file 'x.gguf'" in said("a/text", format="gguf", file="x.gguf")
    hub.refusals["a/shut"] = (403, "")
    assert "refuses access" in said("a/shut")
    hub.gated.add("a/text")
    assert "is gated" in said("a/text")
    hub.gated.clear()
    hub.acts["model.safetensors"] = [Act(status=500)]
    assert "error (500)" in said("a/text")
    (tmp_path / "text" / "config.json").write_text("[]")
    assert "config.json on the hub is no JSON object" in said("a/text")
    (tmp_path / "text" / "config.json").write_text("{}")
    (tmp_path / "text" / "model.safetensors").write_bytes(b"\xff" * 200)
    assert "not a whole safetensors file" in said("a/text")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert "works offline" in said("a/text")
    assert not any("x.gguf" in name for name in hub.asked)


def test_no_hub_at_all_shows_at_once(settings, tmp_path, monkeypatch):
    at_home(monkeypatch, tmp_path / "cache")
    with pytest.raises(ModelUnavailable, match="cannot be reached"):
        hub_facts(card("mine", "a/text"), settings, endpoint="http://127.0.0.1:9")


def test_the_token_goes_to_the_hub_and_not_to_the_host_that_keeps_the_files(hub, settings, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    hub.folders["a/text"] = save_text(tmp_path / "text")
    hub.gated.add("a/text")
    hub_facts(card("mine", "a/text"), settings, endpoint=hub.url)
    assert set(hub.tokens) == {"Bearer hf_secret"}
    assert hub.far_tokens
    assert not any(hub.far_tokens)


def test_a_remote_file_reads_as_a_local_one(hub, tmp_path):
    data = bytes(range(256)) * 2000
    (tmp_path / "f").mkdir()
    (tmp_path / "f" / "x.safetensors").write_bytes(data)
    hub.folders["a/f"] = tmp_path / "f"
    for hub.has_ranges in (True, False):
        file = RemoteFile(f"{hub.url}/a/f/resolve/main/x.safetensors", {})
        assert file.size == len(data)
        assert file.read(10) == data[:10]
        file.seek(300_000, 1)
        assert file.read(1000) == data[300_010:301_010]
        file.seek(-1000, 1)
        assert file.read(100) == data[300_010:300_110]
        file.seek(len(data) - 5)
        assert file.read(100) == data[-5:]
        assert file.read(1) == b""
