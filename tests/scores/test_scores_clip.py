"""CLIPScore against the plain cosine, on a tiny random CLIP."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from PIL import Image as Picture

from playground.errors import InvalidRequest, ModelUnavailable
from playground.scores.clip import ClipScorer, Preparation

MEAN, STD = [0.48, 0.45, 0.40], [0.26, 0.26, 0.27]
PREPARATION = {"size": {"shortest_edge": 32}, "crop_size": {"height": 32, "width": 32}, "resample": 3,
               "image_mean": MEAN, "image_std": STD}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    import torch
    from transformers import CLIPConfig, CLIPModel

    path = tmp_path_factory.mktemp("tiny-clip")
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    tokens = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    (path / "vocab.json").write_text(json.dumps({token: i for i, token in enumerate(tokens)}))
    (path / "merges.txt").write_text("#version: 0.2\n")
    (path / "tokenizer_config.json").write_text('{"tokenizer_class": "CLIPTokenizer"}')
    (path / "preprocessor_config.json").write_text(json.dumps(PREPARATION))
    end = len(tokens) - 1
    common = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    text = common | {"vocab_size": len(tokens), "max_position_embeddings": 40, "bos_token_id": end - 1,
                     "eos_token_id": end, "pad_token_id": end}  # fmt: skip
    torch.manual_seed(0)
    config = CLIPConfig(text_config=text, vision_config=common | {"image_size": 32, "patch_size": 8}, projection_dim=8)
    CLIPModel(config).save_pretrained(path)
    return path


def noise(seed: int, size=(32, 32)) -> tuple[bytes, np.ndarray]:
    array = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Picture.fromarray(array).save(buffer, "PNG")
    return buffer.getvalue(), array


def by_hand(folder, array, prompt) -> float:
    import torch
    from transformers import CLIPModel, CLIPTokenizer

    model, tokenizer = CLIPModel.from_pretrained(folder).eval(), CLIPTokenizer.from_pretrained(folder)
    pixels = torch.tensor((array / 255 - MEAN) / STD, dtype=torch.float32).permute(2, 0, 1)[None]
    words = tokenizer([prompt], return_tensors="pt")
    with torch.no_grad():
        image = model.visual_projection(model.vision_model(pixels).pooler_output)[0].double()
        text = model.text_projection(model.text_model(words["input_ids"]).pooler_output)[0].double()
    return 100 * max(float(image @ text / (image.norm() * text.norm())), 0.0)


def test_scores_are_the_plain_cosines(folder):
    prompts = ["a red circle", "blue", "a green star on a white background"]
    pictures = [noise(seed) for seed in range(3)]
    scores = ClipScorer(folder).score([encoded for encoded, _ in pictures], prompts)
    expected = [by_hand(folder, array, prompt) for (_, array), prompt in zip(pictures, prompts, strict=True)]
    assert scores == pytest.approx(expected, abs=1e-3)
    assert max(scores) > 0


def test_a_negative_cosine_counts_as_0(folder):
    encoded = [noise(seed)[0] for seed in range(6)]
    prompts = ["red", "zzz", "a heart", "moon", "qq q", "star"]
    scores = ClipScorer(folder).score([p for p in encoded for _ in prompts], prompts * 6)
    assert min(scores) >= 0


def test_padding_by_a_longer_neighbour_changes_nothing(folder):
    encoded, scorer = noise(1)[0], ClipScorer(folder)
    alone = scorer.score([encoded], ["red"])
    together = scorer.score([encoded, encoded], ["red", "a much longer prompt here"])
    assert together[0] == pytest.approx(alone[0], abs=1e-3)


def test_a_wide_picture_is_shrunk_and_cut_in_the_middle(folder):
    picture = Picture.new("RGB", (128, 64), "black")
    picture.paste("white", (32, 0, 96, 64))  # the middle square
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    pixels = Preparation.read(folder).pixels(buffer.getvalue())
    assert pixels.shape == (3, 32, 32)
    assert pixels[0, :, 4:28] == pytest.approx((1 - MEAN[0]) / STD[0], abs=1e-3)


def test_a_prompt_longer_than_the_model_reads_is_cut(folder):
    assert len(ClipScorer(folder).score([noise(0)[0]], ["red " * 100])) == 1


def test_refusals(folder, tmp_path):
    scorer = ClipScorer(folder)
    with pytest.raises(InvalidRequest, match="1 pictures and 2 prompts"):
        scorer.score([noise(0)[0]], ["a", "b"])
    with pytest.raises(InvalidRequest, match="cannot be read"):
        scorer.score([b"no picture"], ["a"])
    missing = ClipScorer(tmp_path)
    assert not missing.available
    with pytest.raises(ModelUnavailable, match="CLIP"):
        missing.score([noise(0)[0]], ["a"])


def test_the_revision_follows_the_weights(folder, tmp_path):
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    assert ClipScorer(copy).revision() == ClipScorer(folder).revision()
    weights = copy / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    assert ClipScorer(copy).revision() != ClipScorer(folder).revision()
