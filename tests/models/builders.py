"""Tiny models with random weights, in the folder layouts of the big ones; and fake models that are byte counts."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

from playground.catalog import ModelCard
from playground.models.pool import ModelPool
from playground.models.records import Job


def card(card_id: str, source: str | Path, kind: str = "chat", **fields: Any) -> ModelCard:
    return ModelCard(id=card_id, name=card_id.upper(), kind=kind, source=str(source), licence="test", **fields)


def save_tokenizer(folder: Path, words: str = "a b c red blue circle hello there") -> int:
    """A fast word-level tokenizer; returns the size of its vocabulary."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    vocab = {word: i for i, word in enumerate(["<pad>", "<s>", "</s>", "<unk>", *words.split()])}
    raw = Tokenizer(models.WordLevel(vocab, unk_token="<unk>"))
    raw.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(
        tokenizer_object=raw,
        pad_token="<pad>",
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        model_max_length=16,
    ).save_pretrained(folder)
    return len(vocab)


def save_text(folder: Path, family: str = "phi3", seed: int = 0, **save: Any) -> Path:
    import torch
    from transformers import MistralConfig, MistralForCausalLM, Phi3Config, Phi3ForCausalLM

    vocab = save_tokenizer(folder)
    torch.manual_seed(seed)
    shape = {
        "vocab_size": vocab,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 64,
        "pad_token_id": 0,
        "bos_token_id": 1,
        "eos_token_id": 2,
    }
    model = Phi3ForCausalLM(Phi3Config(**shape)) if family == "phi3" else MistralForCausalLM(MistralConfig(**shape))
    model.save_pretrained(folder, **save)
    return folder


def save_image(folder: Path, seed: int = 0, **save: Any) -> Path:
    import torch
    from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
    from transformers import AutoTokenizer, CLIPTextConfig, CLIPTextModel

    vocab = save_tokenizer(folder / "tmp")
    tokenizer = AutoTokenizer.from_pretrained(folder / "tmp")
    torch.manual_seed(seed)
    unet = UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(32, 64),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=32,
        attention_head_dim=8,
    )
    vae = AutoencoderKL(
        block_out_channels=(32, 32),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        latent_channels=4,
    )
    text = CLIPTextModel(
        CLIPTextConfig(
            vocab_size=vocab,
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=4,
            max_position_embeddings=16,
        )
    )
    pipeline = StableDiffusionPipeline(
        vae,
        text,
        tokenizer,
        unet,
        DDIMScheduler(steps_offset=1, clip_sample=False),
        None,
        None,
        requires_safety_checker=False,
    )
    pipeline.save_pretrained(folder, **save)
    return folder


def save_image_xl(folder: Path, seed: int = 0, **save: Any) -> Path:
    """A tiny Stable Diffusion XL: two text encoders, the second with a projection that also conditions the UNet."""
    import torch
    from diffusers import AutoencoderKL, EulerDiscreteScheduler, StableDiffusionXLPipeline, UNet2DConditionModel
    from transformers import AutoTokenizer, CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    vocab = save_tokenizer(folder / "tmp")
    tokenizer = AutoTokenizer.from_pretrained(folder / "tmp")
    torch.manual_seed(seed)
    unet = UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(32, 64),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        transformer_layers_per_block=(1, 2),
        cross_attention_dim=64,
        attention_head_dim=(4, 8),
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=6 * 8 + 32,
    )
    vae = AutoencoderKL(
        block_out_channels=(32, 32),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        latent_channels=4,
    )
    config = CLIPTextConfig(
        vocab_size=vocab,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=16,
        projection_dim=32,
    )
    pipeline = StableDiffusionXLPipeline(
        vae,
        CLIPTextModel(config),
        CLIPTextModelWithProjection(config),
        tokenizer,
        tokenizer,
        unet,
        EulerDiscreteScheduler(steps_offset=1),
    )
    pipeline.save_pretrained(folder, **save)
    return folder


def save_clip(folder: Path) -> Path:
    import torch
    from transformers import CLIPConfig, CLIPModel
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    vocab = save_tokenizer(folder)
    torch.manual_seed(0)
    part = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    config = CLIPConfig(
        text_config={**part, "vocab_size": vocab, "max_position_embeddings": 16, "eos_token_id": 2},
        vision_config={**part, "image_size": 32, "patch_size": 8},
        projection_dim=16,
    )
    CLIPModel(config).save_pretrained(folder)
    CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder


def save_lora(
    pipeline: Any,
    path: Path,
    *,
    naming: str = "diffusers",
    rank: int = 4,
    alpha: int = 2,
    text: bool = True,
    metadata: dict[str, str] | None = None,
) -> Path:
    """A LoRA of random weights for `pipeline`, whose modules it leaves changed; `naming` is "diffusers" or "kohya"."""
    import torch
    from peft import LoraConfig
    from peft.utils import get_peft_model_state_dict
    from safetensors.torch import save_file

    torch.manual_seed(rank)
    tensors: dict[str, Any] = {}
    targets = {
        "unet": ["to_q", "to_k", "to_v", "to_out.0", "conv1", "proj_in"],
        "text_encoder": ["q_proj", "k_proj", "v_proj", "out_proj"],
        "text_encoder_2": ["q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2"],
    }
    for part, names in targets.items():
        module = getattr(pipeline, part, None)
        if module is None or (part != "unet" and not text):
            continue
        module.add_adapter(LoraConfig(r=rank, lora_alpha=alpha, init_lora_weights=False, target_modules=names))
        # As published files name them: the encoder inside its wrapper, whether or not this version has one.
        inner = "" if part == "unet" or hasattr(module, "text_model") else "text_model."
        tensors |= {f"{part}.{inner}{n}": t for n, t in get_peft_model_state_dict(module).items()}
    if naming == "kohya":
        first = "lora_te1" if hasattr(pipeline, "text_encoder_2") else "lora_te"
        tensors = {_kohya(n, first): t for n, t in tensors.items()}
        downs = [n for n in tensors if n.endswith("lora_down.weight")]
        tensors |= {n.replace("lora_down.weight", "alpha"): torch.tensor(float(alpha)) for n in downs}
    save_file({n: t.clone().contiguous() for n, t in tensors.items()}, path, metadata=metadata)
    return path


def _kohya(name: str, first: str) -> str:
    """`unet.a.b.lora_A.weight` as `lora_unet_a_b.lora_down.weight`."""
    part, _, rest = name.partition(".")
    prefix = {"unet": "lora_unet", "text_encoder": first, "text_encoder_2": "lora_te2"}[part]
    layer, _, kind = rest.rpartition(".lora_")
    return f"{prefix}_{layer.replace('.', '_')}.lora_{'down' if kind.startswith('A') else 'up'}.weight"


# --- fakes ---------------------------------------------------------------------------------------------------------


class Weights:
    """Stands for a module: has `parameters` and can be referred to weakly."""

    def parameters(self) -> list[Any]:
        return []


class Fake:
    """A loaded model of `count` bytes; live ones are counted, so that double loads and leaks show."""

    def __init__(self, job: Job, count: int) -> None:
        self.card = job.card
        self.model = Weights()
        self.bytes = count
        self.device = "device"


class FakeLoader:
    """Loads fakes: sizes by card id, failures on demand, and a look at what overlaps."""

    def __init__(self, sizes: dict[str, int], seconds: float = 0.0) -> None:
        self.sizes = sizes
        self.seconds = seconds
        self.errors: dict[str, Exception] = {}
        self.loads: list[str] = []
        self.running: set[str] = set()
        self.overlaps: list[str] = []

    def size(self, job: Job) -> int:
        return self.sizes[job.card.id]

    def __call__(self, job: Job) -> Fake:
        name = job.card.id
        if name in self.running:
            self.overlaps.append(name)
        self.running.add(name)
        try:
            self.loads.append(name)
            if self.seconds:
                time.sleep(self.seconds)
            if name in self.errors:
                raise self.errors.pop(name)
            return Fake(job, self.sizes[name])
        finally:
            self.running.discard(name)


A, B, C = (card(name, f"x/{name}") for name in "abc")
SIZES = {"a": 10, "b": 10, "c": 10}


def make(budget: int = 25, loader: FakeLoader | None = None, **options) -> tuple[ModelPool, FakeLoader]:
    loader = loader or FakeLoader(dict(SIZES))
    return ModelPool(loader, size=loader.size, budget_bytes=budget, **{"timeout": 5.0, **options}), loader


def in_thread(work) -> tuple[threading.Thread, list]:
    """Runs `work` beside the test; the list gets its result or its exception."""
    out: list = []

    def run() -> None:
        try:
            out.append(work())
        except Exception as error:  # the test looks at it
            out.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread, out


def until(condition, seconds: float = 5.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.002)


def ids(pool: ModelPool) -> set[str]:
    return {i for state in pool.states() for i in state.cards}
