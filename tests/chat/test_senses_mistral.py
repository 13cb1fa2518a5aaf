"""Pictures with a tiny random Mistral Small 3.1; the oracle is its own picture processor and `generate`."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
import torch
from PIL import Image
from transformers.models.pixtral.image_processing_pil_pixtral import PixtralImageProcessorPil

from playground.errors import InvalidRequest, ModelUnavailable
from playground.models.load import load
from playground.protocol import Message
from playground.settings import Settings
from tests.chat import tiny_senses as tiny
from tests.chat.test_senses import ask


@pytest.fixture(scope="module")
def loaded():
    return tiny.mistral()


def expected(loaded, text: str, files: list[bytes]) -> tuple[str, int]:
    eyes = PixtralImageProcessorPil(size={"longest_edge": 64}, patch_size={"height": 4, "width": 4})
    values = eyes([Image.open(io.BytesIO(data)) for data in files], patch_size=8, return_tensors="pt")
    spelled = ""
    for height, width in values["image_sizes"]:  # as its processor writes it, which cannot be made without torchvision
        rows = ["[IMG]" * (int(width) // 8)] * (int(height) // 8)
        spelled += "[IMG_BREAK]".join(rows) + "[IMG_END]"
    prompt = f"<|user|>{spelled}{text}<|end|><|assistant|>"
    inputs = loaded.tokenizer(prompt, return_tensors="pt", add_special_tokens=False)
    count = inputs["input_ids"].shape[1]
    out = loaded.model.generate(
        inputs["input_ids"],
        attention_mask=inputs["attention_mask"],
        pixel_values=values["pixel_values"],
        image_sizes=torch.as_tensor(values["image_sizes"]),
        do_sample=False,
        max_new_tokens=12,
    )
    return loaded.tokenizer.decode(out[0, count:], skip_special_tokens=True), count


@pytest.mark.parametrize("sizes", [[(40, 30)], [(300, 90)], [(7, 64), (65, 9)]])
def test_it_answers_as_generate_does_with_its_own_pictures(loaded, sizes) -> None:
    files = [tiny.picture(i, *size) for i, size in enumerate(sizes)]
    text, stats, _ = ask(loaded, Message("user", "What is it?", images=tuple(files)))
    assert (text, stats.prompt_tokens) == expected(loaded, "What is it?", files)


def test_another_picture_changes_the_answer_and_sound_is_refused(loaded) -> None:
    one, two = (ask(loaded, Message("user", "x", images=(tiny.picture(seed, 60, 60),)))[0] for seed in (1, 2))
    assert one != two
    with pytest.raises(InvalidRequest, match="hearing"):
        ask(loaded, Message("user", "x", audio=(tiny.sound(),)))
    with pytest.raises(InvalidRequest, match="too thin"):
        ask(loaded, Message("user", "x", images=(tiny.picture(1, 2000, 1),)))


def test_a_folder_is_loaded_as_the_class_that_sees(loaded, tmp_path: Path) -> None:
    loaded.model.save_pretrained(tmp_path)
    loaded.tokenizer.save_pretrained(tmp_path)
    card = loaded.card.model_copy(update={"source": str(tmp_path)})
    settings = Settings(device="cpu", dtype="float32", offline=True)
    made = load(card, "cpu", "float32", None, None, settings)
    asked = Message("user", "What is it?", images=(tiny.picture(),))
    assert ask(made, asked)[0] == ask(loaded, asked)[0]
    assert torch.equal(made.model.lm_head.weight, loaded.model.lm_head.weight)
    (tmp_path / "preprocessor_config.json").write_text('{"size": {"longest_edge": 99999}}')
    with pytest.raises(ModelUnavailable, match="does not fit its model"):
        load(card, "cpu", "float32", None, None, settings)
