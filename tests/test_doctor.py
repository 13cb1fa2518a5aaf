from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from playground import doctor
from playground.catalog import load_catalog
from playground.models.devices import cores
from tests.models.builders import save_image, save_text
from tests.models.hub import at_home, serve


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@pytest.fixture
def hub(tmp_path, monkeypatch):
    from huggingface_hub import constants

    at_home(monkeypatch, tmp_path / "cache")
    with serve() as hub:
        monkeypatch.setattr(constants, "ENDPOINT", hub.url)
        yield hub


def own_catalog(tmp_path, monkeypatch, more: str = "", **fields: str) -> None:
    rows = {"id": "mine", "name": "Mine", "kind": "chat", "source": str(tmp_path / "model"), "licence": "test"} | fields
    card = "\n".join(f'{name} = "{value}"' for name, value in rows.items())
    (tmp_path / "own.toml").write_text(f"[[card]]\n{card}\n{more}\n")
    monkeypatch.setenv("PLAYGROUND_CATALOG", str(tmp_path / "own.toml"))


def answered(capsys, *argv: str) -> dict:
    assert doctor.main([*argv, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def refused(capsys, *argv: str) -> str:
    assert doctor.main(argv) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "Traceback" not in captured.err
    return captured.err


def test_json_report_says_what_the_machine_is_and_what_a_model_takes(tmp_path, monkeypatch, capsys):
    save_text(tmp_path / "model")
    own_catalog(tmp_path, monkeypatch)
    monkeypatch.setenv("PLAYGROUND_DTYPE", "float32")
    report = answered(capsys, "mine")
    assert report["machine"]["cores"] == cores()
    model = report["model"]
    assert model["bytes"] == sum(part["bytes"] for part in model["components"]) > 0
    assert model["bytes"] == 4 * sum(part["parameters"] for part in model["components"])
    assert model["fits"] is True
    assert [row["form"] for row in model["forms"]] == ["float32", "bfloat16", "int8", "int4"]
    assert model["forms"][0]["context"] == model["context"] == 64
    assert "fits" in model["verdict"]


def test_a_model_over_the_budget_does_not_fit(tmp_path, monkeypatch, capsys):
    save_text(tmp_path / "model")
    own_catalog(tmp_path, monkeypatch)
    monkeypatch.setenv("PLAYGROUND_MEMORY_BUDGET", "1000")
    assert doctor.main(["mine"]) == 0
    assert "does not fit in 1.0 kB" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("ram", "count"), [("4GB", 4e9), ("512MB", 512e6), ("6GiB", 6 * 2**30), ("1.5 gb", 1.5e9), ("300000", 300_000)]
)
def test_another_device_is_told_by_its_memory(capsys, ram, count):
    machine = answered(capsys, "--ram", ram)["machine"]
    assert machine["ram_bytes"] == count
    assert machine["budget_bytes"] == int(count * doctor.APP_SHARE)


@pytest.mark.parametrize("ram", ["", "much", "4 parsecs", "-4GB", "0", "0GB", "4GB4"])
def test_a_size_that_is_none_is_refused(capsys, ram):
    assert "--ram must be a size" in refused(capsys, f"--ram={ram}")


def test_a_phone_holds_what_a_card_says_in_four_bits_and_lists_its_builds(capsys):
    model = answered(capsys, "phi-3.5-mini", "--ram", "4GB")["model"]
    fits = {row["form"]: row["fits"] for row in model["forms"]}
    assert fits == {"float32": False, "bfloat16": False, "int8": False, "int4": True}
    builds = {row["name"]: row["fits"] for row in model["builds"]}
    assert {row["format"] for row in model["builds"]} == {"gguf", "onnx", "browser"}
    assert builds["GGUF Q4_K_M"] is True
    assert builds["GGUF Q8_0"] is False
    assert "card" in model["notes"][0]
    assert doctor.main(["phi-3.5-mini", "--ram", "4GB"]) == 0
    out = capsys.readouterr().out
    assert "Budget     3.0 GB" in out
    assert "393.2 kB" in out  # of cache a token


def test_a_card_that_is_not_here_is_judged_by_what_its_card_says(capsys):
    model = answered(capsys, "phi-4")["model"]
    assert model["components"] == []
    assert {row["form"]: row["weights"] for row in model["forms"]}["bfloat16"] == 29_319_014_400
    assert "offline" in refused(capsys, "sd-3-medium")  # its card says nothing of sizes


def test_every_build_of_the_catalog_is_listed_with_a_source():
    builds = [build for card in load_catalog() for build in card.builds]
    assert {build.format for build in builds} == {"gguf", "onnx", "browser"}
    for build in builds:
        assert build.source.count("/") == 1
        assert build.note


def test_a_pipeline_by_folder_shows_pictures_and_working_memory(tmp_path, capsys):
    folder = save_image(tmp_path / "sd")
    model = answered(capsys, str(folder), "--ram", "1GB")["model"]
    assert {part["name"] for part in model["components"]} == {"unet", "vae", "text_encoder"}
    assert model["forms"][1]["largest"]["side"] >= 512
    row = next(r for r in model["working"] if r["side"] == 512 and r["batch"] == 1)
    assert row["plain"] == row["sliced"] > row["tiled"] > 0
    assert row["step"] > 0
    assert doctor.main([str(folder), "--ram", "1GB"]) == 0
    assert "512x512" in capsys.readouterr().out


def test_files_by_path(tmp_path, capsys):
    import gguf
    import numpy as np

    writer = gguf.GGUFWriter(tmp_path / "m.gguf", "llama")
    writer.add_context_length(4096)
    writer.add_block_count(1)
    writer.add_embedding_length(64)
    writer.add_head_count(2)
    writer.add_tensor("a", np.zeros((64, 64), dtype=np.float16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    model = answered(capsys, str(tmp_path / "m.gguf"), "--ram", "1GB")["model"]
    assert model["gguf"]["architecture"] == "llama"
    assert (model["parameters"], model["bytes"], model["context"]) == (4096, 8192, 4096)
    assert [row["form"] for row in model["forms"]] == ["as stored"]
    folder = save_text(tmp_path / "text")
    model = answered(capsys, str(folder / "model.safetensors"), "--ram", "1GB")["model"]
    assert model["components"][0]["name"] == "file"
    assert model["fits"] is True


def test_a_hub_id_is_answered_from_headers_alone(hub, tmp_path, capsys):
    hub.folders["a/text"] = save_text(tmp_path / "text")
    model = answered(capsys, "a/text", "--ram", "1GB")["model"]
    assert model["where"].startswith(hub.url)
    assert model["download_bytes"] == (tmp_path / "text" / "model.safetensors").stat().st_size
    assert model["fits"] is True
    assert set(hub.asked) == {"config.json", "model.safetensors"}
    assert not (tmp_path / "cache").exists()


def test_a_card_on_the_hub_is_read_there_and_its_builds_beside(hub, tmp_path, monkeypatch, capsys):
    hub.folders["a/text"] = save_text(tmp_path / "text")
    build = 'builds = [{ name = "Q4", format = "gguf", bytes = 5, source = "b/c", file = "q.gguf" }]'
    own_catalog(tmp_path, monkeypatch, build, source="a/text")
    for name in ("mine", "a/text"):
        model = answered(capsys, name, "--ram", "1GB")["model"]
        assert model["id"] == "mine"
        assert model["components"][0]["parameters"] > 0
        assert [row["name"] for row in model["builds"]] == ["Q4"]


def test_what_cannot_be_found_is_told_in_a_sentence_and_a_hint(hub, tmp_path, monkeypatch, capsys):
    assert "starter-phi" in refused(capsys, "starter-phy")
    assert "/no/such/folder" in refused(capsys, "/no/such/folder")
    assert "the hub has no model a/none" in refused(capsys, "a/none")
    hub.folders["a/text"] = save_text(tmp_path / "text")
    hub.gated.add("a/text")
    assert "is gated" in refused(capsys, "a/text")
    hub.refusals["a/text"] = (503, "")
    assert "503" in refused(capsys, "a/text")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert "offline" in refused(capsys, "a/text")
    assert json.loads(refused(capsys, "starter-phy", "--json"))["hint"]


def test_models_behind_an_api_take_no_memory(capsys):
    assert doctor.main(["o4-mini", "--ram", "1GB"]) == 0
    assert "takes no memory here" in capsys.readouterr().out


def test_an_answer_for_another_device_needs_no_torch(tmp_path):
    folder = save_text(tmp_path / "text")
    code = (
        "import sys; from playground import doctor;"
        f"assert doctor.main([{str(folder)!r}, '--ram', '1GB']) == 0;"
        "assert not {'torch', 'transformers', 'diffusers', 'gradio'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ | {"OMP_NUM_THREADS": "1"}, timeout=250)
