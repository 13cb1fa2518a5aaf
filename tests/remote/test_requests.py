"""What is sent: each API in its own form, each server in its own dialect. The SDK's types are the oracle of forms."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from openai.types.chat.completion_create_params import CompletionCreateParamsStreaming
from openai.types.responses.response_create_params import ResponseCreateParamsStreaming
from pydantic import TypeAdapter

from playground.catalog import ModelCard
from playground.chat.request import checked_chat
from playground.errors import InvalidRequest
from playground.protocol import ChatRequest, Message, ToolCall, ToolSpec
from playground.remote.chat_request import chat_arguments
from playground.remote.endpoint import endpoint_of
from playground.remote.responses_request import responses_arguments
from playground.remote.turns import kept, own_items
from playground.settings import Settings
from tests.remote.asking import ask, engine, failure, notices, sourced, stats_of
from tests.remote.responses_events import CALL, THOUGHT, message
from tests.remote.server import Script, chunk, serving, whole

URL = "http://127.0.0.1:9/v1"
PNG = b"\x89PNG\r\n\x1a\n-"
WAV = b"RIFF\x00\x00\x00\x00WAVEfmt "
ADD = ToolSpec("add", "Adds.", '{"type": "object", "properties": {"a": {"type": "number"}}}')
TALK = (
    Message("system", "Be short."),
    Message("user", "1 + 2?"),
    Message("assistant", "", tool_calls=(ToolCall("call_1", "add", '{"a": 1, "b": 2}'),)),
    Message("tool", "3", tool_call_id="call_1", name="add"),
)
SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"], "additionalProperties": False}


def arguments(card: ModelCard, *messages: Message, **values) -> tuple[dict, list[str]]:
    request = ChatRequest("api", messages or (Message("user", "Hi"),), **values)
    endpoint = endpoint_of(card, Settings())
    make = responses_arguments if endpoint.api == "responses" else chat_arguments
    body, said = make(request, checked_chat(request, card), card, endpoint)
    kind = ResponseCreateParamsStreaming if endpoint.api == "responses" else CompletionCreateParamsStreaming
    plain = {name: value for name, value in body.items() if name != "extra_body"}
    assert set(plain) <= set(kind.__annotations__) | {"model", "messages", "input", "stream"} | _fields(kind)
    for name in ("input", "messages", "tools", "tool_choice", "text", "response_format", "reasoning"):
        if name in plain:
            _checked(kind, name, plain[name])
    return body, said


def _fields(kind: type) -> set[str]:
    return {name for base in kind.__mro__ for name in getattr(base, "__annotations__", {})}


def _checked(kind: type, name: str, value: object) -> None:
    """Raises where the SDK's own type of this argument does not take the value."""
    from typing import get_type_hints

    TypeAdapter(get_type_hints(kind)[name]).validate_python(value)


# --- Responses -----------------------------------------------------------------------------------------------------


def test_a_response_is_asked_without_being_stored_and_with_encrypted_thoughts() -> None:
    body, said = arguments(sourced(URL), Message("system", "Be short."), Message("user", "Hi"), reasoning_effort="low")
    assert body == {
        "model": "o4-mini",
        "instructions": "Be short.",
        "input": [{"role": "user", "content": "Hi"}],
        "stream": True,
        "store": False,
        "include": ["reasoning.encrypted_content"],
        "reasoning": {"summary": "auto", "effort": "low"},
        "max_output_tokens": 512,
    }
    assert said == []


def test_a_model_that_does_not_reason_gets_sampling_values_and_no_reasoning() -> None:
    body, _ = arguments(sourced(URL, source="gpt-4.1"), temperature=0.3)
    assert not {"include", "reasoning"} & set(body)
    assert (body["temperature"], body["top_p"]) == (0.3, 0.95)


def test_a_call_and_its_result_go_back_as_items() -> None:
    body, _ = arguments(sourced(URL), *TALK, tools=(ADD,), tool_choice="add")
    assert body["input"][1:] == [
        {"type": "function_call", "call_id": "call_1", "name": "add", "arguments": '{"a": 1, "b": 2}'},
        {"type": "function_call_output", "call_id": "call_1", "output": "3"},
    ]
    assert body["tools"][0]["parameters"]["type"] == "object"
    assert body["tools"][0]["strict"] is False
    assert body["tool_choice"] == {"type": "function", "name": "add"}


def test_the_thought_before_a_call_goes_back_with_the_result() -> None:
    card = sourced(URL)
    items = kept([THOUGHT, CALL], endpoint_of(card, Settings()))
    talk = (TALK[1], Message("assistant", "", tool_calls=TALK[2].tool_calls, items=items), TALK[3])
    for keep in (None, True, False):  # within a turn of tools a thought is never dropped
        body, _ = arguments(card, *talk, keep_reasoning=keep)
        assert body["input"][1:3] == [THOUGHT, CALL]
        assert body["input"][3]["output"] == "3"


def test_thoughts_of_earlier_turns_are_kept_or_dropped_by_the_setting() -> None:
    card = sourced(URL)
    items = kept([THOUGHT, message("3.")], endpoint_of(card, Settings()))
    talk = (Message("user", "1 + 2?"), Message("assistant", "3.", items=items), Message("user", "And 4?"))
    body, _ = arguments(card, *talk)
    assert [row.get("type") for row in body["input"]] == [None, "reasoning", "message", None]
    body, _ = arguments(card, *talk, keep_reasoning=False)
    assert body["input"][1] == {"role": "assistant", "content": "3."}


def test_items_of_another_place_or_of_a_changed_answer_stay_here() -> None:
    card = sourced(URL)
    here = endpoint_of(card, Settings())
    there = endpoint_of(sourced("http://127.0.0.1:8/v1"), Settings())
    answer = Message("assistant", "3.", items=kept([THOUGHT, message("3.")], here))
    assert len(own_items(answer, here)) == 2
    assert own_items(answer, there) == []
    assert own_items(Message("assistant", "4.", items=answer.items), here) == []
    assert own_items(Message("assistant", "", items=kept([THOUGHT], here)), here) == []
    for junk in ("{", "5", '{"host": 1}', json.dumps({"host": here.host, "model": here.model, "item": 5})):
        assert own_items(Message("assistant", "3.", items=(junk,)), here) == []
    odd = {"type": "message", "content": [5, {"type": "output_text", "text": 5}]}
    assert own_items(Message("assistant", "3.", items=kept([odd], here)), here) == []


def test_pictures_go_as_data_urls_and_sounds_are_refused() -> None:
    body, _ = arguments(sourced(URL), Message("user", "What is it?", images=(PNG,)))
    assert body["input"][0]["content"][1] == {
        "type": "input_image",
        "detail": "auto",
        "image_url": "data:image/png;base64,iVBORw0KGgot",
    }
    with pytest.raises(InvalidRequest, match="no audio"):
        arguments(sourced(URL), Message("user", "", audio=(WAV,)))
    with pytest.raises(InvalidRequest, match="PNG, JPEG"):
        arguments(sourced(URL), Message("user", "x", images=(b"%PDF",)))


def test_a_schema_is_bound_where_it_can_be_and_else_said() -> None:
    body, said = arguments(sourced(URL), json_schema=json.dumps(SCHEMA))
    assert body["text"]["format"] == {"type": "json_schema", "name": "answer", "schema": SCHEMA, "strict": True}
    assert said == []
    loose = SCHEMA | {"required": []}
    body, said = arguments(sourced(URL), json_schema=json.dumps(loose))
    assert body["text"]["format"]["strict"] is False
    assert "optional properties" in said[0]
    for wrong in ("{", "5", '{"type": "sometimes"}', "[" * 100_000):
        with pytest.raises(InvalidRequest, match=r"(?i)json"):
            arguments(sourced(URL), json_schema=wrong)


# --- Chat Completions ----------------------------------------------------------------------------------------------


def test_tools_are_nested_and_results_have_a_role_of_their_own() -> None:
    body, _ = arguments(sourced(URL, "vllm", None), *TALK, tools=(ADD,), tool_choice="required")
    assert body["tools"][0]["function"]["name"] == "add"
    assert body["tool_choice"] == "required"
    assert [row["role"] for row in body["messages"]] == ["system", "user", "assistant", "tool"]
    assert body["messages"][2]["tool_calls"][0]["function"] == {"name": "add", "arguments": '{"a": 1, "b": 2}'}
    assert body["messages"][3]["tool_call_id"] == "call_1"
    body, _ = arguments(sourced(URL, "vllm", None), *TALK, tools=(ADD,), tool_choice="add")
    assert body["tool_choice"] == {"type": "function", "function": {"name": "add"}}
    with pytest.raises(InvalidRequest, match="tool_choice"):
        arguments(sourced(URL, "vllm", None), tools=(ADD,), tool_choice="subtract")
    with pytest.raises(InvalidRequest, match="parameters of x must"):
        arguments(sourced(URL, "vllm", None), tools=(ToolSpec("x", "", "[]"),))


@pytest.mark.parametrize("api", ["chat", "responses"])
def test_a_call_without_a_result_is_refused_and_so_is_a_result_without_a_call(api: str) -> None:
    with pytest.raises(InvalidRequest, match="has no result"):
        arguments(sourced(URL, "openai", api), *TALK[:3], Message("user", "Never mind."))
    stray = Message("tool", "7", tool_call_id="call_9", name="add")
    with pytest.raises(InvalidRequest, match="belongs to no call"):
        arguments(sourced(URL, "openai", api), *TALK[:2], stray)


def test_pictures_and_sounds_are_parts_of_the_users_turn() -> None:
    said = Message(
        "user", "", images=(PNG, b"\xff\xd8\xff-", b"GIF89a", b"RIFF\x00\x00\x00\x00WEBP"), audio=(WAV, b"ID3")
    )
    body, _ = arguments(sourced(URL, "vllm", None), said)
    parts = body["messages"][0]["content"]
    kinds = [part["image_url"]["url"].split(";")[0] for part in parts if part["type"] == "image_url"]
    assert kinds == ["data:image/png", "data:image/jpeg", "data:image/gif", "data:image/webp"]
    assert [part["input_audio"]["format"] for part in parts if part["type"] == "input_audio"] == ["wav", "mp3"]
    with pytest.raises(InvalidRequest, match="WAV nor an MP3"):
        arguments(sourced(URL, "vllm", None), Message("user", "x", audio=(b"OggS",)))


def test_the_limit_on_new_tokens_has_the_name_that_the_model_takes() -> None:
    names = {
        ("openai", "o4-mini"): "max_completion_tokens",
        ("openai", "gpt-4.1"): "max_completion_tokens",
        ("azure", "o4-mini"): "max_completion_tokens",
        ("azure", "gpt-4o"): "max_tokens",
        ("vllm", "any"): "max_tokens",
    }
    for (kind, source), name in names.items():
        body, _ = arguments(sourced(URL, kind, "chat", source=source), max_new_tokens=9)
        assert {"max_tokens": None, "max_completion_tokens": None, name: 9} | body == {
            "max_tokens": body.get("max_tokens"),
            "max_completion_tokens": body.get("max_completion_tokens"),
        } | body
        assert body[name] == 9


def test_each_server_gets_its_own_words_for_the_same_wish() -> None:
    bound = {"json_schema": json.dumps(SCHEMA)}
    for kind in ("openai", "azure", "mistral", "vllm", "sglang", "llama.cpp", "vendor"):
        body, _ = arguments(sourced(URL, kind, "chat", source="gpt-4.1"), **bound)
        form = body["response_format"]["json_schema"]
        assert form["schema"] == SCHEMA
        assert form.get("strict") == (True if kind in ("openai", "azure", "mistral") else None)
    extra = {kind: arguments(sourced(URL, kind, None), regex="[ab]+")[0]["extra_body"] for kind in ("vllm", "sglang")}
    assert extra == {"vllm": {"structured_outputs": {"regex": "[ab]+"}}, "sglang": {"regex": "[ab]+"}}
    extra = {
        kind: arguments(sourced(URL, kind, None), choices=("a.", 'b"'))[0]["extra_body"]
        for kind in ("vllm", "sglang", "llama.cpp")
    }
    assert extra["vllm"] == {"structured_outputs": {"choice": ["a.", 'b"']}}
    assert extra["sglang"] == {"regex": '(a\\.|b")'}
    assert extra["llama.cpp"] == {"grammar": 'root ::= "a." | "b\\""'}


def test_samplers_beyond_the_standard_go_where_they_are_known() -> None:
    values = {"top_k": 5, "min_p": 0.1, "repetition_penalty": 1.2, "presence_penalty": 0.5, "seed": 3}
    body, said = arguments(sourced(URL, "llama.cpp", None), **values)
    assert body["extra_body"] == {"top_k": 5, "min_p": 0.1, "repeat_penalty": 1.2}
    assert (body["presence_penalty"], body["seed"], said) == (0.5, 3, [])
    body, said = arguments(sourced(URL, "mistral", None), **values)
    assert body["extra_body"] == {"random_seed": 3}
    assert "stream_options" not in body
    assert "Not sent to Api: top_k, min_p, repetition_penalty." in said[0]
    body, said = arguments(sourced(URL, "transformers", None), **values)
    assert "extra_body" not in body
    assert "presence_penalty" in said[0]


def test_mistral_gets_call_ids_of_nine_letters_that_still_pair() -> None:
    body, _ = arguments(sourced(URL, "mistral", None), *TALK)
    made = body["messages"][2]["tool_calls"][0]["id"]
    assert len(made) == 9
    assert made.isalnum()
    assert body["messages"][3]["tool_call_id"] == made


def test_own_servers_read_earlier_thoughts_unless_they_are_dropped() -> None:
    talk = (Message("user", "1 + 2?"), Message("assistant", "3.", reasoning="1, 2, 3."), Message("user", "And 4?"))
    for kind, keep, there in [("vllm", None, True), ("vllm", False, False), ("openai", True, False)]:
        body, _ = arguments(sourced(URL, kind, "chat"), *talk, keep_reasoning=keep)
        assert ("reasoning_content" in body["messages"][1]) == there


# --- over a connection ---------------------------------------------------------------------------------------------


@pytest.fixture
def script() -> Iterator[Script]:
    with serving(Script()) as running:
        yield running


def test_an_answer_that_breaks_its_schema_is_told(script: Script) -> None:
    card = sourced(script.url, "vllm", None)
    for text, said in [
        ('{"n": 5}', []),
        ('{"n": "five"}', ["The answer breaks its schema at n: 'five' is not of type 'integer'."]),
        ("five", ["The answer is not JSON: Expecting value: line 1 column 1 (char 0)."]),
    ]:
        script.stream = lambda text=text: whole(text)  # type: ignore[misc]
        assert notices(ask(engine(card), json_schema=json.dumps(SCHEMA))) == said
    script.stream = lambda: whole('{"n": ', finish="length")
    assert "cut at 512 new tokens" in notices(ask(engine(card), json_schema=json.dumps(SCHEMA)))[0]
    script.stream = lambda: whole("c")
    assert notices(ask(engine(card), choices=("a", "b"))) == ["The answer is none of a, b."]


@pytest.mark.parametrize(
    ("part", "answer", "said"),
    [
        ({"$ref": "http://127.0.0.1:9/x"}, "1", "refers to 'http://127.0.0.1:9/x'"),
        ({"$ref": "#/properties/x"}, "1", "without an end"),
        ({"pattern": "^(a|aa)+$"}, '"' + "a" * 60 + 'b"', "takes too long"),
        ({"patternProperties": {"^(a+)+$": {}}}, "{}", "patternProperties"),
    ],
)
def test_a_hostile_schema_ends_in_a_sentence(script: Script, part: dict, answer: str, said: str) -> None:
    schema = {"type": "object", "properties": {"x": part}}
    script.stream = lambda: whole(f'{{"x": {answer}}}')
    found = ask(engine(sourced(script.url, "vllm", None)), json_schema=json.dumps(schema))
    assert said in notices(found)[-1]
    assert stats_of(found).stop_reason == "end"


def test_what_cannot_be_bound_is_refused_before_anything_is_sent(script: Script) -> None:
    for kind, values in [
        ("transformers", {"json_schema": "{}"}),
        ("openai", {"regex": "a"}),
        ("vendor", {"choices": ("a",)}),
    ]:
        assert failure(ask(engine(sourced(script.url, kind, "chat")), **values)).code == "InvalidRequest"
    assert script.asked == []


def test_a_sound_is_heard_by_the_server(script: Script) -> None:
    script.stream = lambda: iter([chunk(content="A bell."), chunk(finish="stop"), b"data: [DONE]\n\n"])
    ask(engine(sourced(script.url, "vllm", None)), messages=(Message("user", "What is it?", audio=(WAV,)),))
    assert script.asked[0]["messages"][0]["content"][1]["input_audio"]["format"] == "wav"
