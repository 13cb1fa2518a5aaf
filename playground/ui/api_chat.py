"""Text models by the public API: answers of several side by side, many prompts, and labels for a text.

Annotations are live here, since gradio reads the return hint of each function as an object.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import asdict, dataclass, field
from typing import Any

import gradio as gr

from playground.chat.tools.events import ToolResult
from playground.chat.tools.loop import converse
from playground.chat.tools.tool import Tool
from playground.errors import InvalidRequest
from playground.protocol import (
    CancelToken,
    ChatRequest,
    ChatStats,
    ClassifyRequest,
    Done,
    Failed,
    Message,
    Notice,
    Scores,
    Token,
    ToolCall,
    ToolCalled,
    ToolSpec,
)
from playground.ui.api_files import all_uploaded
from playground.ui.api_shared import model_ids, sentence, told
from playground.ui.chat_tools import offered_tools
from playground.ui.context import AppContext
from playground.ui.owner import owner_of

UPDATE_S = 0.08  # at most about a dozen updates a second reach a client
AT_ONCE = 16  # prompts of one call
DEFAULT_CHAT = ["starter-phi"]


@dataclass
class Answer:
    """One model's row of /chat while it grows."""

    model: str
    text: str = ""
    reasoning: str = ""
    calls: dict[str, dict[str, Any]] = field(default_factory=dict)
    notices: list[str] = field(default_factory=list)
    stats: ChatStats = field(default_factory=ChatStats)
    error: str = ""

    def take(self, event: Any) -> None:
        """Takes one event of an answer, or of a turn with tools."""
        if isinstance(event, Token):
            if event.kind == "reasoning":
                self.reasoning += event.text
            else:
                self.text += event.text
        elif isinstance(event, ToolCalled):
            call = {"id": event.call.id, "name": event.call.name, "arguments": event.call.arguments}
            self.calls[event.call.id] = call | {"chance": event.call.chance, "result": "", "outcome": ""}
        elif isinstance(event, ToolResult):
            self.calls[event.call_id] |= {"result": event.text, "outcome": event.outcome, "seconds": event.seconds}
        elif isinstance(event, Notice):
            self.notices.append(event.text)
        elif isinstance(event, Done) and isinstance(event.stats, ChatStats):
            self.stats = event.stats
        elif isinstance(event, Failed):
            self.error = sentence(event)

    def row(self) -> dict[str, Any]:
        return {
            "model": self.model,
            "text": self.text,
            "reasoning": self.reasoning,
            "tool_calls": list(self.calls.values()),
            "stats": asdict(self.stats),
            "error": self.error,
            "notices": list(self.notices),
        }


def register_chat(context: AppContext) -> None:
    """Adds /chat, /batch_chat and /classify."""
    engine = context.engine

    async def chat(  # type: ignore[misc]  # gradio wants the hint of one yield
        message: str = "",
        models: list[str] = DEFAULT_CHAT,
        system_prompt: str = "",
        history: list = [],  # noqa: B006
        temperature: float | None = None,
        top_p: float | None = None,
        max_new_tokens: int | None = None,
        seed: int | None = None,
        reasoning_effort: str | None = None,
        json_schema: dict | None = None,
        tools: list | None = None,
        stop: list[str] | None = None,
        top_k: int | None = None,
        min_p: float | None = None,
        repetition_penalty: float | None = None,
        regex: str | None = None,
        choices: list[str] | None = None,
        grammar: str | None = None,
        images: list | None = None,
        audio: list | None = None,
        tool_choice: str = "auto",
        reasoning_budget: int | None = None,
        keep_reasoning: bool | None = None,
        stable_probes: int | None = None,
        probe_every: int | None = None,
        speculation: str = "",
        request: gr.Request = None,  # type: ignore[assignment]  # gradio fills it in
    ) -> list[dict]:
        """Answers of one or more text models, streamed as a list with one item a model.

        `images` and `audio` are uploaded files that belong to the message. `tools` are names of the app's own, which
        run here, or functions as the OpenAI API describes them, whose calls are handed back. Without a message, the
        answer follows on the history, which may end with a tool's result or an unfinished answer.
        """
        ids = model_ids(models, context, "chat")
        answers = [Answer(model) for model in ids]
        owner = owner_of(request, "")
        try:
            own, offered = tools_of(context, tools, owner)
        except InvalidRequest as error:
            raise told(error) from None
        files = await asyncio.to_thread(_files, images, audio)
        requests = [
            ChatRequest(
                model=model,
                messages=_messages(message, system_prompt, _history_of(history, i, len(ids)), *files),
                column=i,
                temperature=temperature,
                top_p=top_p,
                top_k=top_k,
                min_p=min_p,
                repetition_penalty=repetition_penalty,
                max_new_tokens=max_new_tokens,
                seed=seed,
                stop=tuple(stop or ()),
                reasoning_effort=reasoning_effort,
                owner=owner,
                json_schema=_schema_text(json_schema),
                regex=regex or "",
                choices=_choices(choices),
                grammar=grammar or "",
                tools=offered,
                tool_choice=tool_choice,
                reasoning_budget=reasoning_budget,
                keep_reasoning=keep_reasoning,
                stable_probes=stable_probes,
                probe_every=probe_every,
                speculation=speculation or "",
            )
            for i, model in enumerate(ids)
        ]
        async for _ in run_side_by_side(context, requests, answers, own):
            yield [answer.row() for answer in answers]

    async def batch_chat(  # type: ignore[misc]
        prompts: list[str] = [],  # noqa: B006
        models: list[str] = DEFAULT_CHAT,
        system_prompt: str = "",
        temperature: float | None = None,
        top_p: float | None = None,
        max_new_tokens: int | None = None,
        seed: int | None = None,
        request: gr.Request = None,  # type: ignore[assignment]
    ) -> list[dict]:
        """Answers to many prompts, 16 at once: a row for each prompt and model, streamed as they are finished.

        Rows stand in the order of the prompts. `/batch_start` is for long lists: it keeps what is done.
        """
        if not isinstance(prompts, list) or not prompts or not all(isinstance(p, str) for p in prompts):
            raise told(
                InvalidRequest("prompts must be a list of texts.", 'For example ["Hello", "What is 2 plus 3?"].')
            )
        ids = model_ids(models, context, "chat")
        owner = owner_of(request, "")
        room = asyncio.Semaphore(AT_ONCE)

        async def answered(number: int, prompt: str) -> tuple[int, list[dict]]:
            answers = [Answer(model) for model in ids]
            requests = [
                ChatRequest(
                    model=model,
                    messages=_messages(prompt, system_prompt, []),
                    column=i,
                    temperature=temperature,
                    top_p=top_p,
                    max_new_tokens=max_new_tokens,
                    seed=seed,
                    owner=owner,
                )
                for i, model in enumerate(ids)
            ]
            async with room, aclosing(run_side_by_side(context, requests, answers)) as news:  # type: ignore[type-var]
                async for _ in news:
                    pass
            return number, [{"prompt": prompt, "index": number} | answer.row() for answer in answers]

        tasks = [asyncio.create_task(answered(number, prompt)) for number, prompt in enumerate(prompts)]
        done: dict[int, list[dict]] = {}
        try:
            for finished in asyncio.as_completed(tasks):
                number, rows = await finished
                done[number] = rows
                yield [row for number in sorted(done) for row in done[number]]
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def classify(
        text: str = "",
        labels: list[str] = [],  # noqa: B006
        models: list[str] = DEFAULT_CHAT,
        multi_label: bool = False,
        request: gr.Request = None,  # type: ignore[assignment]
    ) -> list[dict]:
        """Probabilities of labels for a text, by each model's likelihood."""
        rows = []
        for model in model_ids(models, context, "chat"):
            row: dict[str, Any] = {"model": model, "scores": {}, "error": ""}
            wanted = ClassifyRequest(model, text, tuple(labels or ()), bool(multi_label), owner_of(request, ""))
            async for event in engine.submit(wanted, CancelToken()):
                if isinstance(event, Scores):
                    row["scores"] = dict(event.scores)
                elif isinstance(event, Failed):
                    row["error"] = sentence(event)
            rows.append(row)
        return rows

    for function in (chat, batch_chat, classify):
        gr.api(function, api_name=function.__name__, concurrency_limit=None)


# --- shared pieces --------------------------------------------------------------------------------------------------


async def run_side_by_side(
    context: AppContext, requests: Sequence[ChatRequest], answers: Sequence[Answer], tools: Sequence[Tool] = ()
) -> AsyncIterator[None]:
    """Runs chat requests at the same time, with these tools, filling `answers`; yields when any has news, and at the
    end.
    """
    cancel = CancelToken()
    news = asyncio.Event()

    async def follow(request: ChatRequest, answer: Answer) -> None:
        events: AsyncIterator[Any] = context.engine.submit(request, cancel)
        if tools:
            events = converse(context.engine, request, tools, cancel)
        async for event in events:
            answer.take(event)
            news.set()

    tasks = [asyncio.create_task(follow(r, a)) for r, a in zip(requests, answers, strict=True)]
    everything = asyncio.gather(*tasks)
    try:
        while not everything.done():
            waiter = asyncio.ensure_future(news.wait())
            both: set[asyncio.Future[Any]] = {waiter, everything}
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            waiter.cancel()
            news.clear()
            if not everything.done():
                yield
                await asyncio.sleep(UPDATE_S)
        everything.result()
        yield
    finally:
        cancel.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _history_of(history: Any, column: int, columns: int) -> list[Any]:
    """The history of one model: `history` is one list of messages for all, or one such list per model."""
    if not history:
        return []
    if not isinstance(history, list):
        raise told(InvalidRequest("history must be a list of messages.", 'Each {"role": "user", "content": "…"}.'))
    if all(isinstance(part, list) for part in history):
        if len(history) != columns:
            raise told(InvalidRequest(f"history holds {len(history)} conversations for {columns} models."))
        return history[column]
    return history


def _files(images: Any, audio: Any) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
    """The uploaded pictures and recordings of a message."""
    try:
        return all_uploaded(images, "picture"), all_uploaded(audio, "recording")
    except InvalidRequest as error:
        raise told(error) from None


def _messages(
    message: Any,
    system_prompt: Any,
    history: list[Any],
    images: tuple[bytes, ...] = (),
    audio: tuple[bytes, ...] = (),
) -> tuple[Message, ...]:
    """System prompt, history and the new message with its files as the protocol's messages."""
    turns: list[Message] = []
    if isinstance(system_prompt, str) and system_prompt.strip():
        turns.append(Message("system", system_prompt))
    turns += [_turn(turn) for turn in history]
    text = message if isinstance(message, str) else str(message)
    if text.strip() or images or audio or not history:
        turns.append(Message("user", text, images=images, audio=audio))
    return tuple(turns)


def _turn(turn: Any) -> Message:
    """One message of a history, in the words of the OpenAI API."""
    if not (isinstance(turn, dict) and turn.get("role") in ("system", "user", "assistant", "tool")):
        raise told(InvalidRequest(f"A message of the history cannot be read: {json.dumps(turn, default=str)[:80]}."))
    calls = turn.get("tool_calls") or []
    if not isinstance(calls, list) or not all(isinstance(call, dict) for call in calls):
        raise told(InvalidRequest("tool_calls of a message must be a list of objects."))
    return Message(
        turn["role"],
        str(turn.get("content") or ""),
        reasoning=str(turn.get("reasoning") or ""),
        tool_calls=tuple(_call(call) for call in calls),
        tool_call_id=str(turn.get("tool_call_id") or ""),
        name=str(turn.get("name") or ""),
    )


def _call(call: dict[str, Any]) -> ToolCall:
    inner = call.get("function")
    named = inner if isinstance(inner, dict) else call
    arguments = named.get("arguments", "")
    text = arguments if isinstance(arguments, str) else json.dumps(arguments)
    return ToolCall(str(call.get("id", "")), str(named.get("name", "")), text)


def tools_of(context: AppContext, given: Any, owner: str) -> tuple[tuple[Tool, ...], tuple[ToolSpec, ...]]:
    """(the app's own tools that were named, functions whose calls are handed back); one of the two is empty.

    Raises:
        InvalidRequest: they are no list of names or functions, or some of both; or a name is none of the app's tools.
    """
    if not given:
        return (), ()
    if not isinstance(given, list):
        raise InvalidRequest("tools must be a list of names or of functions.", 'For example ["calculate"].')
    if all(isinstance(one, str) for one in given):
        known = {tool.spec.name: tool for tool in offered_tools(context, owner)}
        unknown = next((name for name in given if name not in known), None)
        if unknown is not None:
            raise InvalidRequest(f"There is no tool {unknown!r:.60}.", f"There are {', '.join(known)}.")
        return tuple(known[name] for name in dict.fromkeys(given)), ()
    if not all(isinstance(one, dict) for one in given):
        raise InvalidRequest("tools must be all names or all functions.", "The app's own run here, others at yours.")
    return (), tuple(_spec(one) for one in given)


def _spec(given: dict[str, Any]) -> ToolSpec:
    inner = given.get("function")
    function = inner if isinstance(inner, dict) else given
    parameters = function.get("parameters") or {"type": "object", "properties": {}}
    text = parameters if isinstance(parameters, str) else json.dumps(parameters)
    return ToolSpec(str(function.get("name", "")), str(function.get("description") or ""), text)


def _schema_text(schema: Any) -> str:
    """A JSON Schema as text, given as an object or as text; empty for none."""
    if schema is None or isinstance(schema, str):
        return schema or ""
    try:
        return json.dumps(schema)
    except (RecursionError, TypeError, ValueError) as error:
        raise told(InvalidRequest(f"json_schema cannot be written as JSON: {error}.", "Give an object.")) from None


def _choices(choices: Any) -> Any:
    """The choices as the protocol has them; what is no list is left to the engine's check."""
    return tuple(choices) if isinstance(choices, list) else choices or ()
