"""The public API through gradio_client, on the shipped models, as a program of somebody else would use it."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image, ImageDraw

from tests.running import running_app


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    with running_app(tmp_path_factory.mktemp("api")) as url:
        yield Client(url, verbose=False, download_files=str(tmp_path_factory.mktemp("downloads")))


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("in") / "in.png"
    image = Image.new("RGB", (128, 128), "white")
    ImageDraw.Draw(image).ellipse((40, 40, 88, 88), fill="red")
    image.save(path)
    return path


@pytest.fixture(scope="module")
def mask(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("in") / "mask.png"
    image = Image.new("L", (128, 128), 0)
    ImageDraw.Draw(image).rectangle((32, 32, 96, 96), fill=255)
    image.save(path)
    return path


def pixels(file: dict) -> Image.Image:
    return Image.open(file["image"]).convert("RGB")


def test_chat_with_only_a_message(client: Client) -> None:
    (answer,) = client.predict("Hello!", api_name="/chat")
    assert answer["model"] == "starter-phi"
    assert answer["error"] == ""
    assert answer["text"].strip()
    stats = answer["stats"]
    assert stats["ttft_s"] > 0
    assert stats["prompt_tokens"] > 0
    assert stats["completion_tokens"] > 0
    assert stats["context_used"] <= stats["context_size"]
    assert set(answer) == {"model", "text", "reasoning", "tool_calls", "stats", "error", "notices"}


def test_chat_streams_two_models_and_keeps_thinking_apart(client: Client) -> None:
    job = client.submit("What is 2 plus 3?", ["starter-phi", "starter-mistral"], api_name="/chat")
    phi, mistral = job.result(timeout=120)
    assert len(job.outputs()) > 1
    assert (phi["model"], mistral["model"]) == ("starter-phi", "starter-mistral")
    assert phi["reasoning"] == ""
    assert mistral["reasoning"].strip()
    assert "<think>" not in mistral["text"]


def test_the_same_seed_gives_the_same_answer(client: Client) -> None:
    first, second = (
        client.predict("Tell me something.", temperature=1.0, seed=7, api_name="/chat")[0] for _ in range(2)
    )
    assert first["text"] == second["text"]
    assert first["stats"]["seed"] == 7


def test_history_is_read(client: Client) -> None:
    history = [{"role": "user", "content": "My name is Ana."}, {"role": "assistant", "content": "Hello Ana!"}]
    (answer,) = client.predict("What is my name?", history=history, temperature=0, api_name="/chat")
    alone = client.predict("What is my name?", temperature=0, api_name="/chat")[0]
    assert answer["stats"]["prompt_tokens"] > alone["stats"]["prompt_tokens"]


def test_one_models_failure_stands_in_its_row(client: Client) -> None:
    phi, missing = client.predict("Hi", ["starter-phi", "phi-4"], api_name="/chat")
    assert phi["text"]
    assert missing["error"]
    assert missing["text"] == ""


def test_text_to_image_with_only_a_prompt(client: Client) -> None:
    gallery, info = client.predict("a red circle on a white background", steps=8, seed=3, api_name="/text_to_image")
    assert len(gallery) == len(info) == 1
    assert pixels(gallery[0]).size == (128, 128)
    assert info[0]["model"] == "starter-sd"
    assert info[0]["seed"] == 3
    assert info[0]["seconds"] > 0
    assert "Steps: 8" in info[0]["parameters"]


def test_models_share_the_seed_and_the_batch_counts_up(client: Client) -> None:
    _, info = client.predict(
        "a blue star", ["starter-sd", "starter-sd-small"], steps=2, batch_size=2, api_name="/text_to_image"
    )
    seeds = [row["seed"] for row in info]
    assert seeds == [seeds[0], seeds[0] + 1] * 2


def test_metadata_comes_back_from_the_png(client: Client) -> None:
    gallery, info = client.predict("a green square", steps=2, seed=11, api_name="/text_to_image")
    read = client.predict(handle_file(gallery[0]["image"]), api_name="/read_metadata")
    assert read["prompt"] == "a green square"
    assert read["seed"] == 11
    assert read["model"] == "starter-sd"
    assert info[0]["parameters"].startswith("a green square")


def test_image_to_image(client: Client, picture: Path) -> None:
    gallery, info = client.predict(
        "a blue circle", image=handle_file(picture), strength=0.5, steps=4, seed=1, api_name="/image_to_image"
    )
    assert pixels(gallery[0]).size == (128, 128)
    assert info[0]["error"] == ""


def test_inpainting_leaves_the_rest_bit_identical(client: Client, picture: Path, mask: Path) -> None:
    gallery, info = client.predict(
        "a blue square",
        image=handle_file(picture),
        mask=handle_file(mask),
        steps=4,
        feather=0,
        seed=1,
        api_name="/inpaint",
    )
    before, after, where = Image.open(picture).convert("RGB"), pixels(gallery[0]), Image.open(mask)
    changed = 0
    for x in range(128):
        for y in range(128):
            if where.getpixel((x, y)) == 0:
                assert before.getpixel((x, y)) == after.getpixel((x, y))
            else:
                changed += before.getpixel((x, y)) != after.getpixel((x, y))
    assert changed > 0
    assert info[0]["outside_identical"] is True


def test_style_transfer(client: Client, picture: Path, mask: Path) -> None:
    gallery, info = client.predict(handle_file(picture), handle_file(mask), steps=4, seed=1, api_name="/style_transfer")
    assert info[0]["error"] == ""
    assert pixels(gallery[0]).size == (128, 128)


def test_classify_gives_probabilities(client: Client) -> None:
    (row,) = client.predict("I love this.", ["positive", "negative"], api_name="/classify")
    assert set(row["scores"]) == {"positive", "negative"}
    assert sum(row["scores"].values()) == pytest.approx(1, abs=1e-3)


def test_batch_chat_gives_a_row_for_each_prompt_and_model(client: Client) -> None:
    rows = client.predict(["Hi", "What is 1 plus 1?"], ["starter-phi", "starter-mistral"], api_name="/batch_chat")
    assert [(row["index"], row["model"]) for row in rows] == [
        (0, "starter-phi"),
        (0, "starter-mistral"),
        (1, "starter-phi"),
        (1, "starter-mistral"),
    ]
    assert all(row["text"] for row in rows)


def test_models_tells_states_and_reasons(client: Client) -> None:
    rows = {row["id"]: row for row in client.predict(api_name="/models")}
    assert rows["starter-phi"]["state"] == "ready"
    assert rows["starter-phi"]["bytes"] > 1e6
    assert rows["phi-4"]["state"] == "unavailable"
    assert rows["phi-4"]["reason"]
    assert rows["o4-mini"]["state"] == "unavailable"


def test_the_score_table_has_every_card_and_no_figure_that_was_not_measured(client: Client) -> None:
    rows = client.predict("all", api_name="/score_table")
    chat = client.predict("chat", api_name="/score_table")
    assert len(rows) > len(chat) > 5
    phi4 = next(row for row in rows if row["id"] == "phi-4")
    assert phi4["licence"] == "MIT"
    assert phi4["tokens_per_s"] is None


def test_a_blind_battle_reveals_names_after_the_vote(client: Client) -> None:
    battle = client.predict("What is 3 plus 4?", "chat", api_name="/battle")
    assert battle["a"]
    assert battle["b"]
    assert "starter" not in json.dumps(battle)
    names = client.predict(battle["battle"], "tie", api_name="/vote")
    assert {names["a"], names["b"]} == {"starter-phi", "starter-mistral"}
    with pytest.raises(AppError, match="vote"):
        client.predict(battle["battle"], "a", api_name="/vote")


BAD_IMAGES = [
    ({"prompt": ""}, "prompt"),
    ({"prompt": "   "}, "prompt"),
    ({"prompt": "x", "steps": 0}, "steps must be 1 to 150, got 0"),
    ({"prompt": "x", "steps": 10_000}, "steps must be 1 to 150, got 10000"),
    ({"prompt": "x", "steps": "abc"}, "abc"),
    ({"prompt": "x", "width": 100}, "100"),
    ({"prompt": "x", "height": 8}, "8"),
    ({"prompt": "x", "guidance_scale": -1}, "-1"),
    ({"prompt": "x", "sampler": "Eulr"}, "Euler"),
    ({"prompt": "x", "batch_size": 99}, "99"),
]


@pytest.mark.parametrize(("arguments", "named"), BAD_IMAGES, ids=lambda v: str(v)[:40])
def test_bad_picture_settings_are_one_sentence(client: Client, arguments: dict, named: str) -> None:
    gallery, info = client.predict(**arguments, api_name="/text_to_image")
    assert gallery == []
    assert named in info[0]["error"]
    assert len(info[0]["error"]) < 300


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"message": ""}, "empty"),
        ({"message": "hi", "temperature": "hot"}, "hot"),
        ({"message": "hi", "max_new_tokens": 0}, "0"),
        ({"message": "hi", "top_p": 3}, "3"),
    ],
)
def test_bad_chat_settings_are_one_sentence(client: Client, arguments: dict, named: str) -> None:
    (row,) = client.predict(**arguments, api_name="/chat")
    assert named in row["error"]
    assert row["text"] == ""


def test_unknown_and_wrong_models_are_refused(client: Client) -> None:
    with pytest.raises(AppError, match="no model 'starter-fi'"):
        client.predict("hi", ["starter-fi"], api_name="/chat")
    with pytest.raises(AppError, match="starter-sd"):
        client.predict("hi", ["starter-sd"], api_name="/chat")
    with pytest.raises(AppError, match="starter-phi"):
        client.predict("hi", ["starter-phi"], api_name="/text_to_image")


def test_a_mask_of_another_size_and_a_truncated_png_are_refused(
    client: Client, picture: Path, mask: Path, tmp_path: Path
) -> None:
    small = tmp_path / "small.png"
    Image.new("L", (64, 64), 255).save(small)
    _, info = client.predict("x", image=handle_file(picture), mask=handle_file(small), api_name="/inpaint")
    assert "64" in info[0]["error"]
    assert "128" in info[0]["error"]
    cut = tmp_path / "cut.png"
    cut.write_bytes(picture.read_bytes()[:60])
    _, info = client.predict("x", image=handle_file(cut), mask=handle_file(mask), api_name="/inpaint")
    assert info[0]["error"]
    black = io.BytesIO()
    Image.new("L", (128, 128), 0).save(black, "PNG")
    nothing = tmp_path / "black.png"
    nothing.write_bytes(black.getvalue())
    _, info = client.predict("x", image=handle_file(picture), mask=handle_file(nothing), api_name="/inpaint")
    assert info[0]["error"]
    assert client.predict("Hi", api_name="/chat")[0]["text"]  # the app goes on


def test_a_path_of_the_server_is_never_read(client: Client) -> None:
    with pytest.raises(AppError, match="not an uploaded file"):
        client.predict("x", image={"path": "/etc/passwd"}, api_name="/image_to_image")


WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather of a town.",
        "parameters": {"type": "object", "properties": {"town": {"type": "string"}}, "required": ["town"]},
    },
}


def test_a_function_of_the_callers_is_called_and_handed_back(client: Client) -> None:
    (answer,) = client.predict(
        "How is the weather in Paris?", tools=[WEATHER], tool_choice="get_weather", max_new_tokens=60, api_name="/chat"
    )
    assert answer["error"] == ""
    (call,) = answer["tool_calls"]
    assert (call["name"], call["result"], call["outcome"]) == ("get_weather", "", "")
    called = [{"id": "c1", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}}]
    history = [
        {"role": "user", "content": "How is the weather in Paris?"},
        {"role": "assistant", "content": "", "tool_calls": called},
        {"role": "tool", "content": "It rains.", "tool_call_id": "c1", "name": "get_weather"},
    ]
    (answer,) = client.predict("", history=history, max_new_tokens=20, api_name="/chat")
    assert answer["error"] == ""
    assert answer["stats"]["completion_tokens"] > 0


def test_tools_of_the_app_run_here(client: Client) -> None:
    (answer,) = client.predict(
        "What is 6*7?", tools=["calculate"], tool_choice="calculate", max_new_tokens=60, seed=1, api_name="/chat"
    )
    assert answer["error"] == ""
    call = answer["tool_calls"][0]
    assert call["name"] == "calculate"
    assert call["outcome"] in ("ok", "invalid", "failed")
    assert call["result"]


@pytest.mark.parametrize(
    ("tools", "said"),
    [("calculate", "must be a list"), (["fly"], "There is no tool 'fly'"), (["calculate", WEATHER], "all names or")],
)
def test_tools_that_cannot_be_offered_are_told(client: Client, tools: object, said: str) -> None:
    with pytest.raises(AppError, match=said):
        client.predict("hi", tools=tools, api_name="/chat")


def test_an_unfinished_answer_goes_on(client: Client) -> None:
    history = [{"role": "user", "content": "What is 2 plus 3?"}, {"role": "assistant", "content": "2 + 3 = "}]
    (answer,) = client.predict("", history=history, temperature=0, max_new_tokens=20, api_name="/chat")
    assert answer["error"] == ""
    assert answer["text"].strip().startswith("5")


def test_answers_are_bound_by_a_schema_a_regex_or_choices(client: Client) -> None:
    schema = {
        "type": "object",
        "properties": {"age": {"type": "integer", "minimum": 0}, "name": {"type": "string", "maxLength": 20}},
        "required": ["age", "name"],
    }
    both = ["starter-phi", "starter-mistral"]
    for answer in client.predict("Anna is 12.", both, max_new_tokens=120, json_schema=schema, api_name="/chat"):
        assert (answer["error"], answer["stats"]["stop_reason"] in ("end", "closed")) == ("", True)
        assert set(json.loads(answer["text"])) == {"age", "name"}
    (answer,) = client.predict("Say a number.", regex="[0-9]{3}", api_name="/chat")
    assert re.fullmatch("[0-9]{3}", answer["text"])
    (answer,) = client.predict("Is 7 greater than 5?", choices=["yes", "no"], api_name="/chat")
    assert answer["text"] in ("yes", "no")
    (answer,) = client.predict("hi", json_schema={"type": "array", "uniqueItems": True}, api_name="/chat")
    assert "'uniqueItems'" in answer["error"]
    (answer,) = client.predict("hi", json_schema={}, regex="a", api_name="/chat")
    assert "Only one thing" in answer["error"]


def test_models_are_loaded_pinned_sized_and_unloaded(client: Client) -> None:
    row = client.predict("starter-clip", api_name="/load_model")
    assert (row["id"], row["state"], row["pinned"]) == ("starter-clip", "ready", False)
    assert row["bytes"] > 10**6
    assert client.predict("starter-clip", api_name="/pin_model")["pinned"] is True
    assert client.predict("starter-clip", pinned=False, api_name="/pin_model")["pinned"] is False
    assert client.predict("starter-clip", api_name="/unload_model")["state"] == "not loaded"
    assert client.predict("starter-clip", api_name="/download_model")["state"] == "not loaded"
    report = client.predict("starter-sd", api_name="/size_model")
    assert {part["name"] for part in report["components"]} == {"text_encoder", "unet", "vae"}
    assert report["fits"] is True


def test_a_model_that_is_nowhere_is_one_sentence(client: Client) -> None:
    with pytest.raises(AppError, match="no model 'nowhere'"):
        client.predict("nowhere", api_name="/load_model")
    with pytest.raises(AppError, match="neither a folder nor"):
        client.predict("/no/such/folder", api_name="/add_model")
    with pytest.raises(AppError, match="must be the name of a model"):
        client.predict("", api_name="/size_model")
