"""What sizes depend on, of one model wherever it lies: its weights by component, its configs, its GGUF header.

Reads headers and configs only. Knows nothing of budgets; what fits is told elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playground.catalog import Build, Kind
from playground.errors import ModelUnavailable
from playground.models import kv_cache
from playground.models.activations import ImageShape, image_shape
from playground.models.checkpoint_parts import checkpoint_parts
from playground.models.checks import find_variant
from playground.models.gguf_header import GgufHeader, read_gguf
from playground.models.headers import read_header, read_json
from playground.models.sizes import HALF, ComponentSize, ModelSize, component_names, model_size

Config = Mapping[str, Any]

ONNX_WEIGHTS = (".onnx", ".onnx.data", ".onnx_data")
ONNX_SHAPE = ("hidden_size", "num_attention_heads", "num_key_value_heads", "num_hidden_layers")


@dataclass(frozen=True)
class Facts:
    """One model as its headers and configs describe it.

    `name` is what the user called it, `where` says where the headers were read. `configs` holds the model's config
    under "" and those of a pipeline's components under their names. `packed` is the bytes of weights that are used as
    they are stored (GGUF, ONNX), 0 where they are cast while loading; `download` those that would have to be fetched.
    `builds` are further forms of the model that lie beside it.
    """

    name: str
    kind: Kind
    where: str
    size: ModelSize
    configs: Mapping[str, Config] = field(default_factory=dict)
    gguf: GgufHeader | None = None
    packed: int = 0
    download: int = 0
    notes: tuple[str, ...] = ()
    builds: tuple[Build, ...] = ()

    @property
    def text(self) -> Config | None:
        """The config of a text model whose cache can be told, else None."""
        config = self.configs.get("", {})
        return config if self.kind == "chat" and kv_cache.has_cache(config) else None

    @property
    def image(self) -> ImageShape | None:
        """The shape of an image model that there is a formula for, else None."""
        return image_shape(self.configs) if self.kind == "image" else None

    @property
    def context(self) -> int | None:
        """Tokens that a text model reads at most."""
        return None if self.text is None else kv_cache.context_size(self.text)


def facts_of_path(path: Path, dtype: str = "float32") -> Facts:
    """The facts of a model folder, of an ONNX folder, of a `.gguf` or of a `.safetensors` file.

    Args:
        dtype: a 16-bit one reads the fp16 variant of a pipeline where it is whole, as the loader does.

    Raises:
        ModelUnavailable: it is none of these, or damaged.
    """
    if path.suffix == ".gguf":
        return gguf_facts(str(path), str(path), read_gguf(path))
    if path.suffix == ".safetensors":
        return file_facts(str(path), str(path), read_header(path), (path,))
    if (path / "genai_config.json").is_file():
        weights = sum(f.stat().st_size for f in path.iterdir() if f.name.endswith(ONNX_WEIGHTS))
        return onnx_facts(str(path), str(path), read_json(path / "genai_config.json"), weights)
    if not path.is_dir():
        raise ModelUnavailable(
            f"{path} is neither a folder nor a .safetensors or .gguf file.", "Check the path, or write owner/name."
        )
    if (path / "model_index.json").is_file():
        configs = {name: read_json(path / name / "config.json") for name in _with_config(path)}
        return Facts(str(path), "image", str(path), model_size(path, pipeline_variant(path, dtype)), configs)
    if not (path / "config.json").is_file():
        raise _no_model(path)
    config = read_json(path / "config.json")
    size = model_size(path, find_variant(path))
    return Facts(str(path), kind_of(config), str(path), size, {"": config}, notes=notes_on(config))


def _no_model(folder: Path) -> ModelUnavailable:
    files = sorted(p for p in folder.iterdir() if p.suffix in (".gguf", ".safetensors"))
    hint = f"Name one of its files, for instance {files[0]}." if files else "Name the folder that holds one of these."
    return ModelUnavailable(f"{folder} holds no model_index.json, config.json or genai_config.json.", hint)


def gguf_facts(name: str, where: str, header: GgufHeader, download: int = 0) -> Facts:
    """The facts of a GGUF file. Its weights stay packed as they are, so they are no component of tensors."""
    return Facts(name, "chat", where, ModelSize(()), {"": header.config}, header, header.bytes, download)


def onnx_facts(name: str, where: str, genai: Config, weights: int, download: int = 0) -> Facts:
    """The facts of an ONNX text model; `genai` is its genai_config.json, `weights` the bytes of its graphs and data."""
    model = genai.get("model") or {}
    decoder = model.get("decoder") or {}
    config = {
        "model_type": model.get("type"),
        "vocab_size": model.get("vocab_size"),
        "max_position_embeddings": model.get("context_length"),
        "head_dim": decoder.get("head_size"),
        **{name: decoder.get(name) for name in ONNX_SHAPE},
    }
    return Facts(name, "chat", where, ModelSize(()), {"": config}, packed=weights, download=download)


def file_facts(name: str, where: str, tensors: Any, files: tuple[Path, ...], download: int = 0) -> Facts:
    """The facts of one safetensors file: a Stable Diffusion checkpoint by its parts, anything else as one part."""
    parts, configs = checkpoint_parts(tensors)
    if not parts:
        return Facts(name, "chat", where, ModelSize((ComponentSize("file", tuple(tensors), files),)), download=download)
    components = tuple(ComponentSize(part, rows, files) for part, rows in parts.items())
    return Facts(name, "image", where, ModelSize(components), configs, download=download)


def kind_of(config: Config) -> Kind:
    """What a config.json is the config of."""
    return "clip" if config.get("model_type") == "clip" else "chat"


def notes_on(config: Config) -> tuple[str, ...]:
    """What a user should know before a download, beside sizes."""
    if "auto_map" in config:
        return ("Its repository comes with code of its own, which this app never runs.",)
    return ()


def pipeline_variant(folder: Path, dtype: str) -> str | None:
    """The variant that is loaded of a pipeline: "fp16" for 16 bit where every component has it, or has nothing else."""
    parts = [folder / name for name in component_names(folder) if any((folder / name).glob("*.safetensors"))]
    if any(find_variant(part) for part in parts):
        return "fp16"
    return "fp16" if parts and dtype in HALF and all(any(p.glob("*.fp16*.safetensors")) for p in parts) else None


def _with_config(folder: Path) -> list[str]:
    return [name for name in component_names(folder) if (folder / name / "config.json").is_file()]
