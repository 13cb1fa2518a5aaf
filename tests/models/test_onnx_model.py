"""ONNX folders: what their configuration may say, sizes, the provider that is shown, and no reports to anybody."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from playground.catalog import ModelCard
from playground.errors import ModelUnavailable
from playground.models import onnx_model
from playground.models.onnx_config import onnx_bytes, read_onnx_config
from playground.models.onnx_model import load_onnx

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

Table = dict[str, Any]

PLAIN: Table = {
    "model": {
        "type": "phi3",
        "context_length": 2048,
        "eos_token_id": [7, 9],
        "vocab_size": 300,
        "vision": {},
        "decoder": {
            "filename": "model.onnx",
            "inputs": {"input_ids": "/model/input_ids", "past_key_names": "past.%d.key"},
            "outputs": {"logits": "logits"},
            "session_options": {"log_id": "x", "provider_options": []},
        },
    },
    "search": {"max_length": 2048, "do_sample": True},
}


def folder_with(folder: Path, change: Callable[[Table], object] = lambda table: None) -> Path:
    table = json.loads(json.dumps(PLAIN))
    change(table)
    (folder / "genai_config.json").write_text(json.dumps(table))
    (folder / "model.onnx").write_bytes(b"x" * 10)
    (folder / "model.onnx.data").write_bytes(b"x" * 100)
    return folder


def card_of(file: str = "") -> ModelCard:
    return ModelCard(id="m", name="M", kind="chat", source="/x", licence="MIT", format="onnx", file=file)


def test_a_plain_text_model_passes(tmp_path: Path) -> None:
    config = read_onnx_config(folder_with(tmp_path))
    assert (config.file, config.kind, config.context, config.end_ids) == ("model.onnx", "phi3", 2048, {7, 9})
    assert onnx_bytes(tmp_path) == 110


def session(table: Table) -> Table:
    options: Table = table["model"]["decoder"]["session_options"]
    return options


REFUSED: dict[str, tuple[Callable[[Table], object], str]] = {
    "custom operators": (lambda t: session(t).update(custom_ops_library="x.so"), "custom_ops_library"),
    "a profile is written": (lambda t: session(t).update(enable_profiling="profile"), "enable_profiling"),
    "any other option": (lambda t: session(t).update({"session.load_model_format": "ORT"}), "load_model_format"),
    "a provider's library": (
        lambda t: session(t).update(provider_options=[{"OpenVINO": {"library_path": "/tmp/x.so"}}]),
        "library_path = '/tmp/x.so'",
    ),
    "a graph elsewhere": (lambda t: t["model"]["decoder"].update(filename="../../model.onnx"), "filename"),
    "a folder on Windows": (lambda t: t["model"]["decoder"].update(filename="..\\model.onnx"), "filename"),
    "a pipeline": (lambda t: t["model"]["decoder"].update(pipeline=[{"a": {"filename": "b.onnx"}}]), "pipeline"),
    "pictures": (lambda t: t["model"].update(vision={"filename": "v.onnx"}), "model.vision"),
    "another tokenizer": (lambda t: t["model"].update(tokenizer_dir="x"), "tokenizer_dir"),
    "an engine": (lambda t: t.update(engine={"dynamic_batching": {}}), "engine"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_configuration_that_asks_for_more_is_refused(tmp_path: Path, what: str) -> None:
    change, said = REFUSED[what]
    with pytest.raises(ModelUnavailable, match="could run code or leave the folder") as refused:
        read_onnx_config(folder_with(tmp_path, change))
    assert said in refused.value.message


BROKEN: dict[str, tuple[Callable[[Table], object], str]] = {
    "no graph": (lambda t: t["model"]["decoder"].update(filename="gone.onnx"), "lacks the graph 'gone.onnx'"),
    "no name": (lambda t: t["model"]["decoder"].pop("filename"), "lacks the graph None"),
    "no decoder": (lambda t: t["model"].pop("decoder"), "no table model.decoder"),
    "a list": (lambda t: t.update(model=[]), "no table model"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_configuration_is_told(tmp_path: Path, what: str) -> None:
    change, said = BROKEN[what]
    with pytest.raises(ModelUnavailable, match=said):
        read_onnx_config(folder_with(tmp_path, change))


def test_a_folder_without_a_configuration_is_told(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match=r"holds no genai_config\.json"):
        read_onnx_config(tmp_path)
    with pytest.raises(ModelUnavailable, match=r"holds no \.onnx files"):
        onnx_bytes(tmp_path)


def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime_genai", None)
    with pytest.raises(ModelUnavailable, match="pip install onnxruntime-genai"):
        onnx_model.library.__wrapped__()


# --- with the real library -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def built() -> Path:
    pytest.importorskip("onnxruntime_genai", reason="needs the extra onnxruntime-genai")
    pytest.importorskip("onnx_ir", reason="the builder needs onnx_ir")
    from tests.models.onnx_builder import onnx_starter

    return onnx_starter()


def test_a_model_says_what_runs_it_and_what_it_weighs(built: Path) -> None:
    model = load_onnx(card_of(built.name), built.parent, "cpu", torch.float32, None)
    assert (model.runtime, model.device) == ("onnxruntime-genai, CPU", "cpu")
    assert model.bytes == sum(p.stat().st_size for p in built.glob("model.onnx*"))
    assert (model.context, model.end_ids) == (2048, {2033})
    assert model.tokenizer.chat_template


def test_options_that_the_folder_gives_for_a_provider_are_not_taken(built: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(built, folder)
    table = json.loads((folder / "genai_config.json").read_text())
    session(table)["provider_options"] = [{"cuda": {"device_id": "5"}}]
    (folder / "genai_config.json").write_text(json.dumps(table))
    assert load_onnx(card_of("model"), tmp_path, "cpu", torch.float32, None).runtime == "onnxruntime-genai, CPU"


def test_weights_outside_the_folder_are_refused(built: Path, tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx", reason="needs onnx to write the graph")
    folder = tmp_path / "model"
    shutil.copytree(built, folder)
    shutil.move(folder / "model.onnx.data", tmp_path / "model.onnx.data")
    graph = onnx.load(folder / "model.onnx", load_external_data=False)
    for tensor in graph.graph.initializer:
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = "../model.onnx.data"
    (folder / "model.onnx").write_bytes(graph.SerializeToString())
    with pytest.raises(ModelUnavailable, match=r"ONNX Runtime cannot load M: .*escapes"):
        load_onnx(card_of("model"), tmp_path, "cpu", torch.float32, None)


def test_a_damaged_graph_and_a_missing_tokenizer_are_told(built: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(built, folder)
    (folder / "model.onnx").write_bytes((folder / "model.onnx").read_bytes()[:500])
    with pytest.raises(ModelUnavailable, match="ONNX Runtime cannot load M: ") as refused:
        load_onnx(card_of("model"), tmp_path, "cpu", torch.float32, None)
    assert "\n" not in str(refused.value)
    (folder / "tokenizer.json").unlink()
    with pytest.raises(ModelUnavailable, match="no fast tokenizer"):
        load_onnx(card_of("model"), tmp_path, "cpu", torch.float32, None)


LOAD = """
from pathlib import Path
import torch
from playground.catalog import ModelCard
from playground.models.onnx_model import load_onnx
card = ModelCard(id="m", name="M", kind="chat", source="/x", licence="MIT", format="onnx")
print(load_onnx(card, Path({folder!r}), "cpu", torch.float32, None).runtime)
"""


def test_loading_leaves_no_mark_at_home(built: Path, tmp_path: Path) -> None:
    """Official builds of ONNX Runtime write a device id and a store of events there, to be sent to their maker."""
    env = {k: v for k, v in os.environ.items() if k != "ORT_DISABLE_TELEMETRY" and not k.startswith("XDG_")}
    home = {"HOME": str(tmp_path), "OMP_NUM_THREADS": "1", "HF_HOME": str(tmp_path.parent / "hub")}
    done = subprocess.run(
        [sys.executable, "-c", LOAD.format(folder=str(built))],
        env=env | home,
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    assert done.stdout.strip() == "onnxruntime-genai, CPU", done.stderr[-2000:]
    left = [str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if "onnx" in str(p).lower()]
    assert left == []
