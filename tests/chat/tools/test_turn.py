"""One answer with tools, from the prompt to the events, on tiny models that say what the test wants."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
import torch

import playground.chat.decode as decode
from playground.chat.generate import answer
from playground.chat.request import checked_chat
from playground.chat.tools.builtins import builtin_tools
from playground.chat.tools.likelihood import name_chances
from playground.chat.tools.markup import ID
from playground.chat.tools.probing import format_of
from playground.errors import InvalidRequest
from playground.models.loaded import LoadedText
from playground.protocol import (
    CancelToken,
    ChatRequest,
    ChatStats,
    Event,
    Message,
    Token,
    ToolCall,
    ToolCalled,
    ToolSpec,
)
from tests.chat.tools.families import FAMILIES, model

SPECS = tuple(tool.spec for tool in builtin_tools())
NAMES = [spec.name for spec in SPECS]
ASKED = (Message("user", "What is 6*7?"),)
DIRECT = [family for family in FAMILIES if family != "starter-mistral"]  # which thinks first
ARGUMENTS = '{"expression": "6*7"}'


class SaysLogits:
    """Logits that make a model say one text, wherever others put words into its mouth, and then end."""

    whole = True

    def __init__(self, loaded: LoadedText, text: str, prompt: Callable[[], int]) -> None:
        self._words, self._text, self._prompt = loaded.tokenizer, text, prompt
        self._ids: list[int] = []
        self._plan: list[int] = []
        self._size = loaded.model.config.vocab_size

    def held(self, length: int) -> int:
        return len(self._ids)

    def read(self, ids: list[int]) -> torch.Tensor:
        self._ids += ids
        if ids == self._plan[:1]:
            self._plan = self._plan[1:]
        else:  # it reads what it did not say: its prompt, or words that were put into its mouth
            said = self._words.decode(self._ids[self._prompt() :])
            assert self._text.startswith(said), f"{said!r} was put into the mouth of a model that says {self._text!r}"
            self._plan = self._words(self._text[len(said) :], add_special_tokens=False)["input_ids"]
        logits = torch.zeros(1, self._size)
        logits[0, self._plan[0] if self._plan else self._words.eos_token_id] = 90.0
        return logits

    def rewind(self, length: int) -> int:
        del self._ids[length:]
        return length

    def close(self) -> None: ...


@pytest.fixture
def ask(monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[list[Event], ChatStats]]:
    def run(
        loaded: LoadedText, says: str, cancel: CancelToken | None = None, **values
    ) -> tuple[list[Event], ChatStats]:
        values = {"temperature": 0.0, "max_new_tokens": 400, "tools": SPECS, "messages": ASKED, "seed": 5} | values

        def said(model: LoadedText, tokens: int, prompt: Sequence[int] = (), *_: object) -> SaysLogits:
            length = len(prompt)  # it grows
            return SaysLogits(model, says, lambda: length)

        monkeypatch.setattr(decode, "logits_of", said)
        events: list[Event] = []
        request = checked_chat(ChatRequest("m", **values), loaded.card)
        return events, answer(loaded, request, cancel or CancelToken(), events.append)

    return run


def text_of(events: list[Event], kind: str = "answer") -> str:
    return "".join(e.text for e in events if isinstance(e, Token) and e.kind == kind)


def calls_of(events: list[Event]) -> list[ToolCall]:
    return [event.call for event in events if isinstance(event, ToolCalled)]


def written(loaded: LoadedText, *calls: tuple[str, str]) -> str:
    """The calls as the model's format writes them."""
    markup = format_of(loaded.tokenizer).markup
    bodies = [f'{{"name": "{name}", "arguments": {arguments}}}' for name, arguments in calls]
    if "[" in markup.lead:
        return f"{markup.open}[{', '.join(bodies)}]{markup.close}"
    return "\n".join(f"{markup.open}\n{body}\n{markup.close}" for body in bodies)


@pytest.mark.parametrize("family", FAMILIES)
def test_text_streams_and_the_calls_come_whole_at_the_end(family: str, ask) -> None:
    loaded = model(family)
    both = written(loaded, ("calculate", ARGUMENTS), ("get_time", '{"city": "Zürich"}'))
    events, stats = ask(loaded, f"I look. {both}")
    assert text_of(events) == "I look. "
    found = calls_of(events)
    assert [(call.name, json.loads(call.arguments)) for call in found] == [
        ("calculate", {"expression": "6*7"}), ("get_time", {"city": "Zürich"}),
    ]  # fmt: skip
    assert all(ID.fullmatch(call.id) for call in found)
    assert found[0].id != found[1].id
    assert stats.stop_reason == "tool calls"
    assert isinstance(events[-1], ToolCalled)
    assert stats.context_used == (stats.prompt_tokens or 0) + (stats.completion_tokens or 0)
    assert [c.id for c in calls_of(ask(loaded, f"I look. {both}")[0])] == [call.id for call in found]


@pytest.mark.parametrize("family", FAMILIES)
def test_the_chance_is_what_the_model_gives_each_name(family: str, ask) -> None:
    loaded = model(family)
    says = f"I look. {written(loaded, ('get_time', '{}'), ('calculate', ARGUMENTS))}"
    prompt: list[int] = []
    events, _ = ask(loaded, says)
    request = checked_chat(ChatRequest("m", ASKED, tools=SPECS), loaded.card)
    from playground.chat.context import fit
    from playground.chat.tools.turn import tools_of

    prompt = list(fit(loaded, ASKED, 400, tools=tools_of(loaded, request, thinks=False)).ids)
    for call in calls_of(events):
        before = prompt + _ids(loaded, says[: says.index(f'"{call.name}"') + 1])
        logs = [_log_likelihood(loaded, before, _ids(loaded, name + '"')) for name in NAMES]
        expected = torch.tensor(logs).softmax(0)[NAMES.index(call.name)]
        assert call.chance == pytest.approx(float(expected), rel=1e-3)


def _ids(loaded: LoadedText, text: str) -> list[int]:
    return loaded.tokenizer(text, add_special_tokens=False)["input_ids"]


def _log_likelihood(loaded: LoadedText, before: list[int], ending: list[int]) -> float:
    with torch.inference_mode():
        logits = loaded.model(torch.tensor([before + ending])).logits[0].float().log_softmax(-1)
    return sum(float(logits[len(before) - 1 + i, token]) for i, token in enumerate(ending))


def test_chances_sum_to_one_and_a_lone_tool_is_certain() -> None:
    loaded = model("hermes")
    found = name_chances(loaded, [5, 6, 7], '<tool_call>\n{"name": "', ["get", "get_time", "g"], CancelToken())
    assert sum(found.values()) == pytest.approx(1)
    assert all(0 < chance < 1 for chance in found.values())
    assert name_chances(loaded, [5], "", ["only"], CancelToken()) == {"only": 1.0}


@pytest.mark.parametrize("family", DIRECT)
def test_required_begins_a_call_of_the_likeliest_tool(family: str, ask) -> None:
    loaded = model(family)
    free, _ = ask(loaded, f"{written(loaded, ('calculate', ARGUMENTS))}", tool_choice="auto")
    markup = format_of(loaded.tokenizer).markup
    prompt = _prompt(loaded)
    chances = name_chances(loaded, prompt, markup.open + markup.lead, NAMES, CancelToken())
    likeliest = max(chances, key=lambda name: chances[name])
    events, stats = ask(loaded, written(loaded, (likeliest, ARGUMENTS)), tool_choice="required")
    (call,) = calls_of(events)
    assert (call.name, call.arguments) == (likeliest, ARGUMENTS)
    assert call.chance == pytest.approx(chances[likeliest], rel=1e-4)
    assert stats.prompt_tokens == len(prompt) + len(_ids(loaded, markup.beginning(likeliest)))
    assert stats.stop_reason == "tool calls"
    assert calls_of(free)[0].name == "calculate"


def _prompt(loaded: LoadedText) -> list[int]:
    from playground.chat.context import fit
    from playground.chat.tools.turn import tools_of

    request = checked_chat(ChatRequest("m", ASKED, tools=SPECS), loaded.card)
    return list(fit(loaded, ASKED, 400, tools=tools_of(loaded, request, thinks=False)).ids)


@pytest.mark.parametrize("family", DIRECT)
def test_one_by_name_is_begun_for_the_model(family: str, ask) -> None:
    loaded = model(family)
    events, stats = ask(loaded, written(loaded, ("get_time", '{"city": "Oslo"}')), tool_choice="get_time")
    (call,) = calls_of(events)
    assert (call.name, call.arguments, call.chance) == ("get_time", '{"city": "Oslo"}', None)
    assert stats.stop_reason == "tool calls"


def test_required_draws_by_the_chances_and_the_seed() -> None:
    from playground.chat.tools.turn import ToolTurn, tools_of

    loaded = model("phi-4")
    specs = tuple(ToolSpec(name, "", "") for name in ("fa", "fb", "fc"))
    drawn = []
    for seed in range(30):
        request = checked_chat(ChatRequest("m", ASKED, tools=specs, tool_choice="required", temperature=2), loaded.card)
        tools = tools_of(loaded, request, thinks=False)
        assert tools is not None
        turn = ToolTurn(loaded, request, tools, _prompt(loaded), seed, thinks=False, inside=False)
        drawn.append(tuple(turn.push(False, CancelToken())))
        assert turn.push(False, CancelToken()) == []
    assert len(set(drawn)) > 1


def thinker() -> LoadedText:
    return model("starter-mistral", capabilities=("thinking",))


def test_a_thinking_model_reasons_before_its_call(ask) -> None:
    loaded = thinker()
    call = written(loaded, ("calculate", ARGUMENTS))
    events, stats = ask(loaded, f'<think>I could write [TOOL_CALLS][{{"name": "get_time"}}].</think>{call}')
    assert text_of(events, "reasoning") == 'I could write [TOOL_CALLS][{"name": "get_time"}].'
    assert [c.name for c in calls_of(events)] == ["calculate"]
    assert text_of(events) == ""
    assert (stats.reasoning_tokens or 0) > 5


@pytest.mark.parametrize("choice", ["required", "calculate"])
def test_a_forced_call_waits_for_the_thought(choice: str, ask) -> None:
    loaded = thinker()
    name = "calculate"
    if choice == "required":
        thought = _ids(loaded, "<think>A sum.</think>")
        markup = format_of(loaded.tokenizer).markup
        chances = name_chances(loaded, _prompt(loaded) + thought, markup.open + markup.lead, NAMES, CancelToken())
        name = max(chances, key=lambda one: chances[one])
    says = f"<think>A sum.</think>{written(loaded, (name, ARGUMENTS))}"
    events, stats = ask(loaded, says, tool_choice=choice)
    assert text_of(events, "reasoning") == "A sum."
    assert [call.name for call in calls_of(events)] == [name]
    assert stats.stop_reason == "tool calls"


def test_without_effort_a_forced_call_begins_at_once(ask) -> None:
    loaded = thinker()
    says = written(loaded, ("calculate", ARGUMENTS))
    events, _ = ask(loaded, says, tool_choice="calculate", reasoning_effort="none")
    assert text_of(events, "reasoning") == ""
    assert [call.name for call in calls_of(events)] == ["calculate"]


def test_none_tells_no_tools_and_reads_no_calls(ask) -> None:
    loaded = model("phi-4")
    call = written(loaded, ("calculate", ARGUMENTS))
    events, stats = ask(loaded, call, tool_choice="none")
    plain, without = ask(loaded, call, tools=())
    assert text_of(events) == text_of(plain) == call
    assert calls_of(events) == []
    assert stats.prompt_tokens == without.prompt_tokens
    assert stats.stop_reason == "end"


def test_what_is_no_call_comes_back_as_one_without_a_name(ask) -> None:
    loaded = model("phi-4")
    events, stats = ask(loaded, "<tool_call>\ncalculate(6*7)\n</tool_call>")
    (call,) = calls_of(events)
    assert (call.name, call.arguments, call.chance) == ("", "calculate(6*7)", None)
    assert stats.stop_reason == "tool calls"
    events, _ = ask(loaded, '<tool_call>{"name": "no_such", "arguments": {}}</tool_call>')
    assert [(c.name, c.chance) for c in calls_of(events)] == [("no_such", None)]


def test_a_call_that_the_length_cuts_off_says_so(ask) -> None:
    loaded = model("phi-4")
    events, stats = ask(loaded, f"Wait. {written(loaded, ('calculate', ARGUMENTS))}", max_new_tokens=24)
    assert stats.stop_reason == "length"
    (call,) = calls_of(events)
    assert call.name == "calculate"
    assert ARGUMENTS.startswith(call.arguments)
    assert call.arguments != ARGUMENTS
    assert text_of(events) == "Wait. "


def test_a_forced_call_without_room_ends_by_length(ask) -> None:
    events, stats = ask(model("phi-4"), "never", tool_choice="calculate", max_new_tokens=5)
    assert (events, stats.stop_reason, stats.completion_tokens) == ([], "length", 0)


def test_a_stop_within_a_call_shows_what_there_is(ask) -> None:
    loaded = model("phi-4")
    says = f"Wait. {written(loaded, ('calculate', ARGUMENTS))}"

    class Stopping(CancelToken):
        looks = 0

        @property
        def cancelled(self) -> bool:
            self.looks += 1
            return self.looks > 24  # two for each token

    cancel = Stopping()
    events, stats = ask(loaded, says, cancel)
    assert stats.stop_reason == "stopped"
    assert calls_of(events) == []
    shown = text_of(events)
    assert shown.startswith("Wait. <tool_call>")
    assert says.startswith(shown)


def test_going_on_without_the_result_ends_the_answer(ask) -> None:
    loaded = model("hermes")
    events, stats = ask(
        loaded, f"{written(loaded, ('calculate', ARGUMENTS))}\n<tool_response>\n41\n</tool_response> 41."
    )
    assert text_of(events) == ""
    assert [call.name for call in calls_of(events)] == ["calculate"]
    assert stats.stop_reason == "tool calls"


def test_a_stop_text_counts_outside_calls_only(ask) -> None:
    loaded = model("phi-4")
    call = written(loaded, ("calculate", ARGUMENTS))
    events, stats = ask(loaded, f"Sum: {call}", stop=("6*7", "END"))
    assert len(calls_of(events)) == 1
    events, stats = ask(loaded, f"Sum END {call}", stop=("6*7", "END"))
    assert (text_of(events), calls_of(events), stats.stop_reason) == ("Sum ", [], "stop string")


def test_results_are_read_and_answered(ask) -> None:
    loaded = model("phi-4")
    call = ToolCall("abcdefgh1", "calculate", ARGUMENTS)
    talk = (*ASKED, Message("assistant", "", tool_calls=(call,)), Message("tool", "42", tool_call_id="abcdefgh1"))
    events, stats = ask(loaded, "It is 42.", messages=talk)
    assert text_of(events) == "It is 42."
    assert stats.stop_reason == "end"
    assert (stats.prompt_tokens or 0) > len(_prompt(loaded)) + 20


def test_a_base_model_is_not_offered_tools(ask) -> None:
    loaded = model("phi-4")
    loaded = replace(loaded, tokenizer=_without_template(loaded))
    with pytest.raises(InvalidRequest, match="base model"):
        ask(loaded, "x")
    assert text_of(ask(loaded, "x", tool_choice="none")[0]) == "x"


def _without_template(loaded: LoadedText):
    import copy

    words = copy.deepcopy(loaded.tokenizer)
    words.chat_template = None
    return words


def test_a_request_with_wrong_tools_is_refused_before_anything_runs() -> None:
    card = model("phi-4").card
    with pytest.raises(InvalidRequest, match="get time"):
        checked_chat(ChatRequest("m", ASKED, tools=(ToolSpec("get time", "", "{}"),)), card)
    with pytest.raises(InvalidRequest, match="tool_choice"):
        checked_chat(ChatRequest("m", ASKED, tools=SPECS, tool_choice="get_weather"), card)
    checked = checked_chat(ChatRequest("m", ASKED, tools=list(SPECS), tool_choice=None), card)  # type: ignore[arg-type]
    assert (checked.tools, checked.tool_choice) == (SPECS, "auto")
